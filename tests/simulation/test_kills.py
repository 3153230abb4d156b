"""kill -9 of pipeline, PostgreSQL and (where it persists) the broker, at random and under load: nothing acknowledged is
lost, nothing is kept twice, no alert is raised twice.

A failing run prints its seed; `VIGIA_TEST_SEED` plays it again. The embedded broker keeps its sessions in memory and is
spared; a Mosquitto of 2.1 with persist-sqlite, named by `VIGIA_TEST_MOSQUITTO` (its program) and
`VIGIA_TEST_MOSQUITTO_SQLITE` (its plug-in), takes its turn at dying too.
"""

import os
import random
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import pytest
from sqlalchemy import text

from services.embedded import Postgres, embedded_broker, embedded_postgres
from services.load import load
from services.runtime import open_database, wall_clock
from services.bench import bench_city
from models.migrations import upgrade
from simulators.load import Load
from tests.deploy.conftest import free_port

KILLS = 20
DEVICES = 25
RATE_PER_S = 500.0
FLOOD_FROM = 60
"""The reading from which a device's water stands above its thresholds, for good."""
GARBAGE_EVERY = 5
SETTLE_S = 60.0
MOSQUITTO = os.environ.get("VIGIA_TEST_MOSQUITTO")
SQLITE = os.environ.get("VIGIA_TEST_MOSQUITTO_SQLITE")


@dataclass(slots=True)
class Devices:
    """Gauges that number what they say and say it again until the broker has acknowledged it."""

    url: str
    said: list[tuple[str, bytes]] = field(default_factory=list)
    acknowledged: int = 0
    stop: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """Publish at a steady rate; after a lost connection, from the first message without an acknowledgement on."""
        began_s = monotonic()
        while not self.stop.is_set() or self.acknowledged < len(self.said):
            try:
                with Load(self.url, client_id="devices", window=200) as wire:
                    before, sent = self.acknowledged, 0
                    while not self.stop.is_set() or self.acknowledged < len(self.said):
                        self._say_more(began_s)
                        batch = self.said[before + sent :]
                        wire.send(batch)
                        sent += len(batch)
                        wire.drain(5.0)
                        self.acknowledged = before + wire.acknowledged
                        sleep(0.01)
            except (OSError, TimeoutError):
                sleep(0.05)

    def _say_more(self, began_s: float) -> None:
        if not self.stop.is_set():
            due = int((monotonic() - began_s) * RATE_PER_S)
            self.said += [message(number) for number in range(len(self.said), due)]


def message(number: int) -> tuple[str, bytes]:
    """The number-th thing that is said: a device's next reading, or now and then no reading at all."""
    device, seq = number % DEVICES, number // DEVICES
    topic = f"vigia/v1/bench/river/gauge-{device}"
    if number % GARBAGE_EVERY == GARBAGE_EVERY - 1:
        return topic, f'{{"seq": {seq}, "level_m": "wet"}}'.encode()
    level_m = 2.5 if seq >= FLOOD_FROM else 0.4
    at = BEGAN_AT.timestamp() + seq
    return topic, f'{{"observed_at": {at}, "boot": "kills", "seq": {seq}, "level_m": {level_m}}}'.encode()


BEGAN_AT = datetime.fromtimestamp(int(wall_clock().timestamp()) - 600, UTC)


@dataclass(slots=True)
class Mosquitto:
    """A broker whose sessions survive its death."""

    folder: Path
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"mqtt://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start, again after a kill, on the same store."""
        configuration = self.folder / "mosquitto.conf"
        configuration.write_text(
            f"listener {self.port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 2000000\n"
            f"max_inflight_messages 1000\npersistence_location {self.folder}/\nplugin {SQLITE}\n"
            "plugin_opt_flush_period 0\nplugin_opt_sync full\n"
        )
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen([str(MOSQUITTO), "-c", str(configuration)], stdout=log, stderr=log)

    def kill(self) -> None:
        """kill -9, and up again."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()
        self.start()


@dataclass(slots=True)
class Carrier:
    """The pipeline as a process."""

    environment: dict[str, str]
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, again after a kill."""
        program = [sys.executable, "-m", "services", "pipeline"]
        self.process = subprocess.Popen(program, env=os.environ | self.environment, stderr=subprocess.DEVNULL)

    def kill(self) -> None:
        """kill -9, and up again."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()
        self.start()

    def stop(self) -> None:
        """End it as an operator would."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(15)


def kill_postgres(server: Postgres) -> Callable[[], None]:
    """kill -9 of the server's first process, and up again."""

    def kill() -> None:
        os.kill(server.pid, signal.SIGKILL)
        server.restart()

    return kill


@contextmanager
def city(folder: Path) -> Iterator[tuple[Postgres, str, list[Callable[[], None]]]]:
    """A database with the town loaded, a broker, and who of the two may be killed."""
    with ExitStack() as stack:
        postgres = stack.enter_context(embedded_postgres(folder))
        database = open_database(postgres.url, name="test")
        with database.begin() as transaction:
            upgrade(transaction)
            load(transaction, bench_city(DEVICES), BEGAN_AT)
        database.dispose()
        killers = [kill_postgres(postgres)]
        if MOSQUITTO and SQLITE:
            (folder / "mosquitto").mkdir()
            broker = Mosquitto(folder / "mosquitto")
            broker.start()
            stack.callback(lambda: broker.process and broker.process.terminate())
            yield postgres, broker.url, [*killers, broker.kill]
        else:
            yield postgres, stack.enter_context(embedded_broker(folder, free_port())).url, killers


def settled(url: str, expected: int) -> dict[str, Any]:
    """What the tables hold once as many rows and rejections are there as messages were said, or time is up."""
    database, deadline_s = open_database(url, name="test"), monotonic() + SETTLE_S
    while True:
        with database.begin() as transaction:
            rows = transaction.execute(
                text("SELECT d.code, r.seq FROM river_readings r JOIN devices d ON d.id = r.device_id")
            ).all()
            rejected = [row[0] for row in transaction.execute(text("SELECT payload FROM rejected_messages"))]
            raised = transaction.execute(
                text("SELECT subject, count(*) FROM transitions WHERE rule_id LIKE '%.stage' AND change = 'raised'"
                     " GROUP BY subject")
            ).all()
            alerts = transaction.execute(text("SELECT count(*) FROM alerts WHERE judgement = 'stage'")).scalar_one()
        if len(rows) + len(rejected) >= expected or monotonic() > deadline_s:
            database.dispose()
            return {"rows": rows, "rejected": rejected, "raised": dict(map(tuple, raised)), "alerts": alerts}
        sleep(0.5)


@pytest.mark.timeout(240)
def test_twenty_kills_lose_nothing_and_double_nothing(tmp_path: Path) -> None:
    seed = int(os.environ.get("VIGIA_TEST_SEED", "0")) or random.SystemRandom().randrange(1, 1_000_000)
    print(f"seed {seed}; killing the broker too: {bool(MOSQUITTO and SQLITE)}")
    chance = random.Random(seed)
    with city(tmp_path) as (postgres, mqtt_url, killers):
        carrier = Carrier({"VIGIA_DATABASE_URL": postgres.url, "VIGIA_MQTT_URL": mqtt_url})
        carrier.start()
        database = open_database(postgres.url, name="test")
        _await_session(database)
        devices = Devices(mqtt_url)
        saying = threading.Thread(target=devices.run)
        saying.start()
        try:
            for _ in range(KILLS):
                sleep(chance.uniform(0.2, 1.2))
                chance.choice([carrier.kill, *killers])()
            sleep(1.0)
        finally:
            devices.stop.set()
            saying.join(60)
        found = settled(postgres.url, len(devices.said))
        carrier.stop()
        database.dispose()
    garbage = [body for _, body in devices.said if b"wet" in body]
    expected = {(f"gauge-{n % DEVICES}", n // DEVICES) for n, (_, b) in enumerate(devices.said) if b"wet" not in b}
    assert devices.acknowledged == len(devices.said) > 1_000
    assert Counter(map(tuple, found["rows"])) == Counter(expected)
    assert Counter(map(bytes, found["rejected"])) == Counter(garbage)
    assert found["raised"] == {f"gauge-{device}": 1 for device in range(DEVICES)}
    assert found["alerts"] == DEVICES


def _await_session(database: Any) -> None:
    """Until the pipeline has subscribed: what is said before anybody listens is nobody's loss."""
    deadline_s = monotonic() + 30
    while monotonic() < deadline_s:
        with database.begin() as transaction:
            if transaction.execute(
                text("SELECT count(*) FROM heartbeats WHERE status ->> 'connected' = 'true'")
            ).scalar_one():
                return
        sleep(0.1)
    raise AssertionError("the pipeline did not connect")
