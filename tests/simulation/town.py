"""A simulated town under load whose parts may be killed: gauges, the pipeline as a process, broker and database."""

import getpass
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic, sleep
from typing import Any
from zoneinfo import ZoneInfo

import psutil
import psycopg
import pytest

from models.migrations import upgrade
from models.place import City, Device, Municipality, Station
from models.rule import Fault, Rule, Silence, Stage
from services.city.load import load
from services.city.seed import Seed
from services.embedded.child_process import free_port, start_supervised, stop_child
from services.embedded.mqtt_broker import MqttBroker
from services.runtime.clock import wall_clock
from services.runtime.database import open_database
from simulators.bulk_publisher import BulkPublisher

DEVICES = 25
BEGAN_AT = datetime.fromtimestamp(int(wall_clock().timestamp()) - 7_200, UTC)
"""Time of the first readings: long enough ago that no reading is in the future."""
TIMEOUT_S = 60.0
"""Longer than any step takes on a busy machine. Only a failing test waits this long."""
POLL_S = 0.05
WINDOW = 200
MEMORY = Path("/dev/shm")
MEMORY_BYTES = 1 << 30
STOP_S = 60.0
MOSQUITTO = os.environ.get("VIGIA_TEST_MOSQUITTO") or shutil.which("mosquitto", path=f"{os.environ['PATH']}:/usr/sbin")
SQLITE = os.environ.get("VIGIA_TEST_MOSQUITTO_SQLITE")
PERSISTENCE = f"global_plugin {SQLITE}\nplugin_opt_flush_period 0\nplugin_opt_sync full\n" if SQLITE else ""

TopicAndPayload = tuple[str, bytes]


def reading(number: int, level_m: float) -> TopicAndPayload:
    """The number-th reading of the town: gauges in turn, one second between the readings of each."""
    device, seq = number % DEVICES, number // DEVICES
    at = BEGAN_AT.timestamp() + seq
    body = f'{{"observed_at": {at}, "boot": "town", "seq": {seq}, "level_m": {level_m}}}'
    return f"vigia/v1/town/river/gauge-{device}", body.encode()


def seed() -> Seed:
    """River gauges, each judged by its level, its silence and its faults."""
    names = [f"gauge-{number}" for number in range(DEVICES)]
    judgements = (Stage(thresholds_m=(1.0, 1.5, 2.0), period_s=60), Silence(period_s=60), Fault())
    place: dict[str, Any] = {"municipality": "town", "kind": "river"}
    city = City(
        id="town",
        name="Town",
        zone=ZoneInfo("UTC"),
        municipalities=(Municipality(id="town", name="Town", latitude=-34.9, longitude=-57.9),),
        basins=(),
        stations=tuple(Station(id=name, name=name, latitude=-34.9, longitude=-57.9, **place) for name in names),
        devices=tuple(Device(code=name, station=name, period_s=60, **place) for name in names),
    )
    rules = tuple(
        Rule(f"{name}.{type(judgement).__name__.lower()}", 1, "river", name, judgement)
        for name in names
        for judgement in judgements
    )
    return Seed(city=city, rules=rules)


def prepare(database_url: str) -> None:
    """Create the tables and load the town."""
    database = open_database(database_url, name="test")
    with database.begin() as transaction:
        upgrade(transaction)
        load(transaction, seed(), BEGAN_AT)
    database.dispose()


class Gauges:
    """Publishes messages at a steady rate in a thread, each until the broker has acknowledged it."""

    def __init__(self, url: str, thing: Callable[[int], TopicAndPayload], rate_per_s: float) -> None:
        """Publishes nothing before the `with` block. `thing`: returns the n-th message."""
        self.said: list[TopicAndPayload] = []
        self.published: list[int] = []
        self.acknowledged = 0
        self._url, self._thing, self._rate_per_s = url, thing, rate_per_s
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._stop = threading.Event()
        self._until_s = float("inf")

    def __enter__(self) -> "Gauges":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Publish nothing new, and wait until all messages are acknowledged."""
        self._until_s = monotonic() + TIMEOUT_S
        self._stop.set()
        self._thread.join(2 * TIMEOUT_S)

    def _run(self) -> None:
        began_s = monotonic()
        while self._goes_on():
            try:
                with BulkPublisher(self._url, client_id="gauges", window=WINDOW) as wire:
                    self._insist(wire, began_s)
            except (OSError, TimeoutError):
                sleep(POLL_S)

    def _insist(self, wire: BulkPublisher, began_s: float) -> None:
        """Publish over one connection, from the first unacknowledged message on."""
        before = self.acknowledged
        while self._goes_on():
            if not self._stop.is_set():
                self._say_more(int((monotonic() - began_s) * self._rate_per_s))
            first = before + wire.sent
            for number in range(first, len(self.said)):
                self.published[number] += 1
            try:
                wire.send(self.said[first:])
                wire.drain(TIMEOUT_S)
            finally:
                self.acknowledged = before + wire.acknowledged
            sleep(0.01)

    def _say_more(self, until: int) -> None:
        self.said += [self._thing(number) for number in range(len(self.said), until)]
        self.published += [0] * (len(self.said) - len(self.published))

    def _goes_on(self) -> bool:
        unfinished = self.acknowledged < len(self.said) and monotonic() < self._until_s
        return unfinished or not self._stop.is_set()


class Carrier:
    """The pipeline as a process that ends with the test."""

    def __init__(self, folder: Path, database_url: str, mqtt_url: str) -> None:
        """Start nothing yet."""
        self._log = folder / "pipeline.log"
        self._environment = {
            "VIGIA_DATABASE_URL": database_url,
            "VIGIA_MQTT_URL": mqtt_url,
            "VIGIA_LOG_LEVEL": "WARNING",
        }
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the process, for the first time or again."""
        program = [sys.executable, "-m", "services", "pipeline"]
        self._process = start_supervised(program, self._log, os.geteuid(), signal.SIGKILL, self._environment)

    def kill(self) -> None:
        """`kill -9`."""
        process = self.process
        process.kill()
        process.wait(TIMEOUT_S)

    def pause(self) -> None:
        """Suspend the process until `resume`, as if it were infinitely slow."""
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Resume the process."""
        self.process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        """Stop the process as an operator would; it must exit without an error."""
        process = self.process
        process.terminate()
        assert process.wait(STOP_S) == 0, self.trouble

    def abandon(self) -> None:
        """Stop the process in any state."""
        stop_child(self._process, signal.SIGTERM)

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The running process."""
        assert self._process is not None
        return self._process

    @property
    def rss_mb(self) -> float:
        """Resident memory, including shared libraries."""
        return float(psutil.Process(self.process.pid).memory_info().rss) / 1e6

    @property
    def trouble(self) -> str:
        """The last lines of its error output."""
        return self._log.read_text(encoding="utf-8", errors="replace")[-4_000:]


class Mosquitto:
    """A Mosquitto. Its sessions survive a kill where it is 2.1 with persist-sqlite."""

    def __init__(self, folder: Path) -> None:
        """Start nothing yet."""
        self._folder = folder
        self._port = free_port(0)
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"mqtt://127.0.0.1:{self._port}"

    def start(self) -> None:
        """Start the broker, for the first time or again with the same store."""
        configuration = self._folder / "mosquitto.conf"
        configuration.write_text(
            f"user {getpass.getuser()}\nlistener {self._port} 127.0.0.1\nallow_anonymous true\n"
            f"max_queued_messages 2000000\nmax_inflight_messages 1000\n"
            f"persistence_location {self._folder}/\n" + PERSISTENCE
        )
        program = [str(MOSQUITTO), "-c", str(configuration)]
        self._process = start_supervised(program, self._folder / "mosquitto.log", os.geteuid(), signal.SIGKILL)

    def restart(self) -> None:
        """`kill -9`, and start again."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(TIMEOUT_S)
        self.start()

    def abandon(self) -> None:
        """Stop the process in any state."""
        stop_child(self._process, signal.SIGTERM)


@contextmanager
def mosquitto(folder: Path) -> Iterator[Mosquitto]:
    """A Mosquitto that may be killed; it stops at the end of the block. Skips where there is none."""
    if MOSQUITTO is None:
        pytest.skip("mosquitto is not installed")
    broker = Mosquitto(folder)
    broker.start()
    try:
        yield broker
    finally:
        broker.abandon()


@contextmanager
def workplace() -> Iterator[Path]:
    """A folder for servers, in memory where there is room: a kill loses nothing there either, and the disk may be busy.

    Not among pytest's own: each run of pytest closes those to other users, and as root PostgreSQL is another.
    """
    roomy = MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > MEMORY_BYTES
    with TemporaryDirectory(prefix="vigia-", dir=MEMORY if roomy else None) as name:
        yield Path(name)


@dataclass(slots=True)
class Town:
    """The running parts, and queries of their results."""

    database_url: str
    broker: MqttBroker | Mosquitto
    carrier: Carrier

    def rows(self, query: str, url: str | None = None) -> list[tuple[Any, ...]]:
        """The rows of a query, in the database of the town or the one at `url`."""
        with psycopg.connect(url or self.database_url, autocommit=True) as connection:
            return connection.execute(query.encode()).fetchall()

    def count(self, table: str) -> int:
        """Number of rows in a table."""
        return int(self.rows(f"SELECT count(*) FROM {table}")[0][0])

    def rejected(self) -> int:
        """Number of rejections, stored or counted."""
        counted = self.rows("SELECT coalesce(sum(messages), 0)::int FROM rejection_counts")[0][0]
        return self.count("rejected_messages") + int(counted)

    def accounted(self) -> int:
        """Number of messages stored as a row or a rejection, or counted; 0 while the database is unavailable."""
        try:
            return self.count("river_readings") + self.rejected()
        except psycopg.OperationalError:
            return 0

    def await_progress(self) -> None:
        """Wait until more messages are stored than at the call."""
        before = self.accounted()
        self.await_that(lambda: self.accounted() > before)

    def await_that(self, what: Callable[[], bool], wait_s: float = TIMEOUT_S) -> float:
        """Wait until it is true. Returns the time waited, s; raises AssertionError after `wait_s`."""
        began_s = monotonic()
        while not what():
            assert monotonic() - began_s < wait_s, self.carrier.trouble
            sleep(POLL_S)
        return monotonic() - began_s

    def connected(self) -> bool:
        """Whether the pipeline has subscribed: messages published before that are lost."""
        return bool(self.rows("SELECT 1 FROM heartbeats WHERE status ->> 'connected' = 'true'"))


@contextmanager
def town(database_url: str, broker: MqttBroker | Mosquitto, folder: Path) -> Iterator[Town]:
    """A new town with the pipeline running and connected; it stops at the end of the block."""
    prepare(database_url)
    carrier = Carrier(folder, database_url, broker.url)
    carrier.start()
    here = Town(database_url, broker, carrier)
    try:
        here.await_that(here.connected)
        yield here
    finally:
        carrier.abandon()
