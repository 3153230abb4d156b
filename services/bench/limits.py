"""Limits of broker and database alone: the pipeline can be no faster than the slower of the two."""

import json
from datetime import datetime, timedelta
from time import monotonic

from msgspec import structs

from alerts.delivery.live_events import announce
from ingest.check import check_readings
from ingest.decode import decode
from ingest.memory import DeviceMemories
from ingest.mqtt.receiver import Receiver
from ingest.registry import DeviceRegistry, device_key
from ingest.store import storing_readings
from models.reading import Message, Reading
from services.bench.processes import DEVICES, UNHEARD_TOPIC, BenchProcesses, start_fleet
from services.pipeline.batch import live_readings_of
from services.runtime.clock import wall_clock

DRAINED_READINGS = 100_000
"""Readings published to the broker before it is drained."""
WRITING_S = 5.0


def measure_receiving(running: BenchProcesses, *, per_message: int) -> float:
    """Messages a second at which a receiver that only acknowledges empties the broker."""

    def receiver() -> Receiver:
        return Receiver(running.mqtt_url, client_id="bench-drain", filters=(f"{UNHEARD_TOPIC}/#",), now=wall_clock)

    broker = receiver()
    while not broker.connected:
        broker.receive(1, 0.1)
    broker.close()
    fleet = start_fleet(running, per_message, "--prefix", UNHEARD_TOPIC)
    fleet.communicate(b"%d\n" % (DRAINED_READINGS // per_message), timeout=60)
    del running.processes["fleet"]
    broker, taken, began_s = receiver(), 0, monotonic()
    while taken < DRAINED_READINGS // per_message:
        messages = broker.receive(1_000, 5.0)
        if not messages:
            break
        broker.acknowledge(messages)
        taken += len(messages)
    elapsed_s = monotonic() - began_s
    broker.close()
    return taken / elapsed_s


def measure_writing(running: BenchProcesses, batch: int, *, seconds: float) -> float:
    """Readings a second that are written, with their live event, in batches of the same size; no broker, no rules."""
    registry, written, busy_s, minute = DeviceRegistry(), 0, 0.0, 0
    now = wall_clock()
    while busy_s < seconds:
        minute += 1
        readings = [
            item
            for number in range(batch)
            for item in decode(_message(number % DEVICES, now - timedelta(days=3), minute * batch + number))
            if isinstance(item, Reading)
        ]
        with running.database.begin() as transaction:
            devices = registry.resolve(transaction, {device_key(one) for one in readings}, now)
            memories = DeviceMemories()
            memories.load(transaction, (device.id for device in devices.values()))
        entries = [
            structs.replace(entry, is_newest=True) for entry in check_readings(devices, memories, readings).readings
        ]
        news = live_readings_of(entries)
        began_s = monotonic()
        with running.database.begin() as transaction:
            with storing_readings(transaction, entries, expect_duplicates=False) as stored:
                written += len(stored.new)
            for kind, some in news.items():
                announce(transaction, "readings", {"kind": kind, "readings": some}, now)
        busy_s += monotonic() - began_s
    return written / busy_s


def _message(device: int, since: datetime, number: int) -> Message:
    at = since + timedelta(milliseconds=number)
    payload = {"observed_at": at.isoformat(), "boot": "bench", "seq": number, "level_m": 0.4 + number % 97 / 1000}
    return Message(f"vigia/v1/bench/river/gauge-{device}", json.dumps(payload).encode(), at)
