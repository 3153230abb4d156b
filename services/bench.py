"""Measures the road of a reading on this machine, beside what broker and database can do by themselves in the same run.

The fleet may have only so many readings on the road, so that what is measured is carrying, not queueing.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from statistics import median, quantiles
from time import monotonic, sleep
from zoneinfo import ZoneInfo

import httpx
import psutil
from msgspec import structs
from sqlalchemy import Engine, text

from ingest.broker import Broker
from ingest.check import check
from ingest.decode import decode
from ingest.memory import Memories
from ingest.registry import Registry, sender_of
from ingest.store import storing
from models.migrations import upgrade
from models.place import City, Device, Municipality, Station
from models.reading import Message, Reading
from models.rule import Fault, Rule, Silence, Stage
from services.api.access import ensure_first_operator
from services.child import free_port
from services.embedded import embedded_broker, embedded_postgres
from services.load import load
from services.runtime import open_database, wall_clock
from services.seed import Seed

DEVICES = 200
BACKLOG = 4_000
"""Messages on the road at once."""
POLL_S = 0.05
WARM_S = 2.0
DRAIN = 100_000
"""Messages a broker is filled with to see how fast it can be drained."""
START_S = 30.0
LATENCY_SHARE = 0.1
LATENCY_S = 8.0
ASIDE = "aside"
"""A topic the pipeline does not hear."""
BARE_RATE, BARE_S = 100, 4.0
API_PORT = 8713
WRITING_S = 5.0
UTC_ZONE = ZoneInfo("UTC")


def bench_city(devices: int) -> Seed:
    """A town of river gauges, each judged by level, silence and fault like a real one."""
    names = [f"gauge-{number}" for number in range(devices)]
    stations = tuple(
        Station(id=name, municipality="bench", kind="river", name=name, latitude=-34.9, longitude=-57.9)
        for name in names
    )
    judgements = (Stage(thresholds_m=(1.0, 1.5, 2.0), period_s=60), Silence(period_s=60), Fault())
    return Seed(
        city=City(
            id="bench",
            name="Bench",
            zone=UTC_ZONE,
            municipalities=(Municipality(id="bench", name="Bench", latitude=-34.9, longitude=-57.9),),
            basins=(),
            stations=stations,
            devices=tuple(
                Device(municipality="bench", kind="river", code=name, station=name, period_s=60) for name in names
            ),
        ),
        rules=tuple(
            Rule(f"{name}.{type(judgement).__name__.lower()}", 1, "river", name, judgement)
            for name in names
            for judgement in judgements
        ),
    )


@dataclass(slots=True)
class Works:
    """What runs while measuring: the parts, the processes by name, and a pool to look into the tables."""

    folder: Path
    database_url: str
    mqtt_url: str
    database: Engine
    api_port: int
    processes: dict[str, psutil.Process] = field(default_factory=dict)
    children: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def environment(self) -> dict[str, str]:
        """For child processes."""
        return os.environ | {
            "VIGIA_DATABASE_URL": self.database_url,
            "VIGIA_MQTT_URL": self.mqtt_url,
            "VIGIA_API_PORT": str(self.api_port),
            "VIGIA_LOG_LEVEL": "WARNING",
        }

    def start(self, name: str, *words: str) -> subprocess.Popen[bytes]:
        """Start one of ours as a process to be measured."""
        child = subprocess.Popen(
            [sys.executable, "-m", *words], env=self.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self.children.append(child)
        self.processes[name] = psutil.Process(child.pid)
        return child

    def stop(self, child: subprocess.Popen[bytes]) -> None:
        """End a process by its own signal handling."""
        child.terminate()
        child.wait(START_S)


@contextmanager
def works(folder: Path) -> Iterator[Works]:
    """Embedded parts in `folder`, migrated, with the bench town loaded; everything ends with the block."""
    with embedded_postgres(folder) as postgres, embedded_broker(folder) as broker:
        database = open_database(postgres.url, name="bench")
        with database.begin() as transaction:
            upgrade(transaction)
            load(transaction, bench_city(DEVICES), wall_clock())
        running = Works(folder, postgres.url, broker.url, database, free_port(API_PORT))
        running.processes |= {"broker": psutil.Process(broker.pid), "postgres": psutil.Process(postgres.pid)}
        try:
            yield running
        finally:
            for child in running.children:
                if child.poll() is None:
                    running.stop(child)
            database.dispose()


def cpu_s(process: psutil.Process) -> float:
    """Processor time of a process and its children so far, s. Short-lived children that ended are missed."""
    total = 0.0
    for one in [process, *process.children(recursive=True)]:
        try:
            times = one.cpu_times()
            total += times.user + times.system
        except psutil.NoSuchProcess:
            continue
    return total


def rss_mb(process: psutil.Process) -> float:
    """Resident memory of a process and its children, MB; what they share is counted once where the system tells."""
    total = 0
    for one in [process, *process.children(recursive=True)]:
        try:
            memory = one.memory_full_info()
            total += getattr(memory, "pss", memory.rss)
        except psutil.NoSuchProcess:
            continue
    return total / 1e6


class Progress:
    """How many readings were committed since it was made, told by the live events the pipeline writes with them."""

    def __init__(self, database: Engine) -> None:
        self._database, self.readings = database, 0
        with database.begin() as transaction:
            self._last = transaction.execute(text("SELECT coalesce(max(id), 0) FROM events")).scalar_one()

    def look(self) -> int:
        """The count now."""
        with self._database.begin() as transaction:
            last, fresh = transaction.execute(
                text(
                    "SELECT max(id), sum(json_array_length(data -> 'readings')) FROM events"
                    " WHERE id > :last AND event = 'readings'"
                ),
                {"last": self._last},
            ).one()
        if last is not None:
            self._last, self.readings = last, self.readings + int(fresh)
        return self.readings


@dataclass(frozen=True, slots=True)
class Road:
    """What the whole road carried in the measured seconds."""

    readings: int
    seconds: float
    batch: float
    cpu_us_per_reading: Mapping[str, float]
    rss_mb: Mapping[str, float]

    @property
    def per_s(self) -> float:
        """Readings a second from publish to acknowledged after commit."""
        return self.readings / self.seconds


def measure_road(running: Works, *, seconds: float, per_message: int) -> Road:
    """Publish as fast as readings are kept, with a bounded number on the road, for so long after a warm-up."""
    pipeline = running.start("pipeline", "services", "pipeline")
    _wait_connected(running)
    progress = Progress(running.database)
    fleet = _fleet(running, per_message)
    _feed(fleet, progress, per_message, WARM_S)
    before, began_s, done = (
        {name: cpu_s(one) for name, one in running.processes.items()},
        monotonic(),
        progress.readings,
    )
    batches = _batches(running.database)
    _feed(fleet, progress, per_message, seconds)
    elapsed_s, readings = monotonic() - began_s, progress.readings - done
    cpu = {name: 1e6 * (cpu_s(one) - before[name]) / readings for name, one in running.processes.items()}
    memory = {name: rss_mb(one) for name, one in running.processes.items()}
    batch = readings / max(1, _batches(running.database) - batches)
    fleet.communicate(timeout=START_S)
    running.stop(pipeline)
    for name in ("pipeline", "fleet"):
        del running.processes[name]
    return Road(readings, elapsed_s, batch, cpu, memory)


def _feed(fleet: subprocess.Popen[bytes], progress: Progress, per_message: int, seconds: float) -> None:
    assert fleet.stdin is not None
    until_s = monotonic() + seconds
    while monotonic() < until_s:
        fleet.stdin.write(b"%d\n" % (progress.look() // per_message + BACKLOG // per_message))
        fleet.stdin.flush()
        sleep(POLL_S)


def _batches(database: Engine) -> int:
    with database.begin() as transaction:
        return int(transaction.execute(text("SELECT count(*) FROM events WHERE event = 'readings'")).scalar_one())


def _wait_connected(running: Works) -> None:
    query = text("SELECT count(*) FROM heartbeats WHERE status ->> 'connected' = 'true'")
    deadline_s = monotonic() + START_S
    while monotonic() < deadline_s:
        with running.database.begin() as transaction:
            if transaction.execute(query).scalar_one():
                return
        sleep(POLL_S)
    raise TimeoutError("the pipeline did not connect to the broker")


def measure_receiving(running: Works, *, per_message: int) -> float:
    """Messages a second at which a receiver that only acknowledges empties the broker."""

    def receiver() -> Broker:
        return Broker(running.mqtt_url, client_id="bench-drain", filters=(f"{ASIDE}/#",), now=wall_clock)

    broker = receiver()
    while not broker.connected:
        broker.take(1, 0.1)
    broker.close()
    fleet = _fleet(running, per_message, "--prefix", ASIDE)
    fleet.communicate(b"%d\n" % (DRAIN // per_message), timeout=60)
    del running.processes["fleet"]
    broker, taken, began_s = receiver(), 0, monotonic()
    while taken < DRAIN // per_message:
        messages = broker.take(1_000, 5.0)
        if not messages:
            break
        broker.acknowledge(messages)
        taken += len(messages)
    elapsed_s = monotonic() - began_s
    broker.close()
    return taken / elapsed_s


def measure_writing(running: Works, batch: int, *, seconds: float) -> float:
    """Rows a second of the same readings, written in batches of the same size with no broker and no judgement."""
    registry, written, busy_s, minute = Registry(), 0, 0.0, 0
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
            devices = registry.resolve(transaction, {sender_of(one) for one in readings}, now)
            memories = Memories()
            memories.fetch(transaction, (device.id for device in devices.values()))
        entries = [structs.replace(entry, surely_new=True) for entry in check(devices, memories, readings).entries]
        began_s = monotonic()
        with running.database.begin() as transaction, storing(transaction, entries, careful=False) as stored:
            written += len(stored.fresh)
        busy_s += monotonic() - began_s
    return written / busy_s


def _message(device: int, since: datetime, number: int) -> Message:
    at = since + timedelta(milliseconds=number)
    payload = {"observed_at": at.isoformat(), "boot": "bench", "seq": number, "level_m": 0.4 + number % 97 / 1000}
    return Message(f"vigia/v1/bench/river/gauge-{device}", json.dumps(payload).encode(), at)


def measure_latency(running: Works, *, rate: float, per_message: int) -> list[float]:
    """Milliseconds from publish to the live event at a client, for readings at a steady rate."""
    pipeline = running.start("pipeline", "services", "pipeline")
    with running.database.begin() as transaction:
        ensure_first_operator(transaction, wall_clock())  # or the API would say its token to whoever measures
    api = running.start("api", "services", "api")
    try:
        _wait_connected(running)
        return _listened(running, rate=rate, per_message=per_message)
    finally:
        for name, child in (("pipeline", pipeline), ("api", api)):
            running.stop(child)
            del running.processes[name]


def _listened(running: Works, *, rate: float, per_message: int) -> list[float]:
    waits_ms: list[float] = []
    url = f"http://127.0.0.1:{running.api_port}/api/v1/live"
    with httpx.Client(timeout=START_S) as client, _opened(client, url) as lines:
        paced = ("--rate", f"{rate / per_message:.3f}", "--seconds", str(LATENCY_S))
        fleet = _fleet(running, per_message, *paced)
        until_s = monotonic() + LATENCY_S
        for line in lines:
            if line.startswith("data:") and '"readings"' in line:
                now = wall_clock()
                said = json.loads(line[5:])["readings"]
                waits_ms += [1e3 * (now - datetime.fromisoformat(one["observed_at"])).total_seconds() for one in said]
            if monotonic() > until_s:
                break
        fleet.communicate(timeout=START_S)
        del running.processes["fleet"]
    return waits_ms


@contextmanager
def _opened(client: httpx.Client, url: str) -> Iterator[Iterator[str]]:
    deadline_s = monotonic() + START_S
    while True:
        try:
            with client.stream("GET", url) as answer:
                yield answer.iter_lines()
                return
        except httpx.ConnectError:
            if monotonic() > deadline_s:
                raise
            sleep(POLL_S)


def measure_bare(running: Works) -> list[float]:
    """Milliseconds for one message to a receiver that does nothing else, plus one commit of one row."""
    broker = Broker(running.mqtt_url, client_id="bench-bare", filters=(f"{ASIDE}/#",), now=wall_clock)
    while not broker.connected:
        broker.take(1, POLL_S)
    waits_ms: list[float] = []
    insert = text("INSERT INTO events (at, event, data) VALUES (now(), 'bare', '{}')")
    fleet = _fleet(running, 1, "--prefix", ASIDE, "--rate", str(BARE_RATE), "--seconds", str(BARE_S))
    with running.database.connect() as connection:
        while fleet.poll() is None or len(waits_ms) == 0:
            for message in broker.take(1, POLL_S):
                with connection.begin():
                    connection.execute(insert)
                published_s = json.loads(message.payload)["observed_at"]
                waits_ms.append(1e3 * (wall_clock().timestamp() - published_s))
                broker.acknowledge([message])
    fleet.communicate(timeout=START_S)
    del running.processes["fleet"]
    broker.close()
    return waits_ms


def _fleet(running: Works, per_message: int, *more: str) -> subprocess.Popen[bytes]:
    return running.start(
        "fleet",
        *("simulators.fleet", running.mqtt_url, "--per-message", str(per_message), "--devices", str(DEVICES)),
        *("--ahead", f"{wall_clock().timestamp() - monotonic():.6f}", *more),
    )


def spread(waits_ms: list[float]) -> dict[str, float]:
    """Median and 99th percentile, ms."""
    return {"p50": round(median(waits_ms), 2), "p99": round(quantiles(waits_ms, n=100)[98], 2)}


def measure(*, seconds: float, per_message: int, folder: Path) -> dict[str, object]:
    """Everything `vigia bench ingest` prints, measured one after the other on the same parts."""
    with works(folder) as running:
        road = measure_road(running, seconds=seconds, per_message=per_message)
        received_per_s = measure_receiving(running, per_message=per_message) * per_message
        written_per_s = measure_writing(running, max(1, round(road.batch)), seconds=WRITING_S)
        waits_ms = measure_latency(running, rate=road.per_s * LATENCY_SHARE, per_message=per_message)
        bare_ms = measure_bare(running)
    return {
        "road_per_s": round(road.per_s),
        "limits": {"receive_per_s": round(received_per_s), "write_per_s": round(written_per_s)},
        "ratio": round(road.per_s / min(received_per_s, written_per_s), 3),
        "batch": round(road.batch, 1),
        "cpu_us_per_reading": {name: round(us, 1) for name, us in road.cpu_us_per_reading.items()},
        "rss_mb": {name: round(mb, 1) for name, mb in road.rss_mb.items()},
        "latency_ms": spread(waits_ms),
        "bare_latency_ms": spread(bare_ms),
    }
