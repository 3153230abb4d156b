"""The demo: all of Vigía on one machine in a simulated storm. Starts the processes, shows their state, stops them."""

import fcntl
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from time import monotonic

import httpx
from sqlalchemy import Connection, Engine, text

from ingest.gtfs.feed import write_feed
from models.alert import CONSOLE, NAR
from models.migrations import upgrade
from models.network import Network
from services.city.load import load
from services.city.seed import LA_PLATA, read_seed
from services.duty.rota_load import load_rota
from services.duty.rota_rows import person_named
from services.embedded.child_process import start_supervised, stop_child
from services.notices.person_channels import add_channel, channels_of
from services.opening import DEMO_LOCK_FILE, DEMO_TIME_FILE
from services.people.accounts import NewPerson, add_person, list_people, reset_person
from services.people.roles import Role
from services.queries.city.city import current_city
from services.runtime.clock import FasterClock, wall_clock
from services.runtime.settings import SettingsError

PROCESSES = ("pipeline", "notifier", "api", "simulate")
LEARNING, IMPORTING = "learn", "gtfs"
FEED = "laplata_esquematica"
"""Name of the feed of the simulated buses."""
PEOPLE = (
    NewPerson("ana", "Ana Sosa", frozenset({Role.OPERATOR})),
    NewPerson("bruno", "Bruno Díaz", frozenset({Role.OPERATOR})),
    NewPerson("carla", "Carla Funes", frozenset({Role.SUPERVISOR})),
)
"""The watch of the demo's city: an operator, the second, and the head of the watch. Nobody real."""
PAST_DAYS = 120
"""Length of the simulated past from which forecasts are learnt while the demo runs."""
RESUME_GAP = timedelta(minutes=1)
"""Simulated time that is skipped between a stop and the next start."""
READY_S = 30.0
RETRY_S = 0.1
RESTART_S = 2.0
"""Least time between two starts of a process that ends by itself."""


@contextmanager
def lock_demo_folder(folder: Path) -> Iterator[None]:
    """Lock the folder. Raises SettingsError where another demo runs in it. A killed demo's lock ended with it."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / DEMO_LOCK_FILE).open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SettingsError(
                f"ya hay una demo en {folder}: frenala con Ctrl-C o usá otra carpeta, VIGIA_DATA_DIR=otra make demo"
                f" / another demo runs in {folder}: stop it, or name another folder"
            ) from None
        file.truncate(0)
        yield


def resumed_clock(folder: Path, start: datetime, factor: float) -> FasterClock:
    """The simulated clock: from `start`, or from RESUME_GAP after the last time of an earlier demo in this folder."""
    file = folder / DEMO_TIME_FILE
    if file.exists():
        start = max(start, datetime.fromisoformat(json.loads(file.read_text())["simulated"]) + RESUME_GAP)
    clock = FasterClock(start, factor, wall_clock())
    save_time(folder, clock())
    return clock


def publish_clock(folder: Path, clock: FasterClock) -> None:
    """Write the clock to the lock file, where other commands in this folder read it (`demo_clock_setting`)."""
    (folder / DEMO_LOCK_FILE).write_text(str(clock))


def save_time(folder: Path, now: datetime) -> None:
    """Store the current simulated time, so that the next demo does not start before it."""
    new_file = folder / f"{DEMO_TIME_FILE}.new"
    new_file.write_text(json.dumps({"simulated": now.isoformat()}))
    new_file.replace(folder / DEMO_TIME_FILE)


def has_forecasts(database: Engine) -> bool:
    """Whether an earlier run stored forecast models."""
    with database.begin() as transaction:
        return transaction.execute(text("SELECT EXISTS (SELECT 1 FROM forecast_models)")).scalar_one() is True


def prepare_database(database: Engine, now: datetime) -> dict[str, str | None]:
    """Migrate, load La Plata with people and rota. Returns one-time codes by login; None for who has a password."""
    with database.begin() as transaction:
        upgrade(transaction)
    with database.begin() as transaction:
        load(transaction, read_seed(LA_PLATA), now)
        codes = {person.login: _code(transaction, person) for person in PEOPLE}
        _put_on_duty(transaction, now)
        return codes


def _put_on_duty(transaction: Connection, now: datetime) -> None:
    """The people of the demo in its rota, each called on the console."""
    for person in PEOPLE:
        number = person_named(transaction, person.login).id
        if not channels_of(transaction, number):
            add_channel(transaction, number, CONSOLE, "", now, told_of_exercises=True)
    load_rota(transaction, LA_PLATA / "rota.toml", by="demo", now=now)


def _code(transaction: Connection, new: NewPerson) -> str | None:
    """A new random code for a person without a password, who is added where they are missing."""
    now = wall_clock()  # people live in the real time, however fast the simulation runs
    known = next((person for person in list_people(transaction) if person.login == new.login), None)
    if known is None:
        return add_person(transaction, new, by="demo", now=now)
    return None if known.has_password else reset_person(transaction, known, by="demo", now=now)


def timetable_file(folder: Path, lines: Network) -> Path:
    """The simulated buses' timetable as a GTFS file, written once and imported like any other."""
    feed = folder / f"{lines.version}.zip"
    if not feed.exists():
        write_feed(lines, feed)
    return feed


@dataclass(slots=True)
class DemoProcesses:
    """The demo's processes, each with its log. A process that ends by itself is started again."""

    folder: Path
    environment: dict[str, str]
    scenario: str
    timetable: Path
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    started_s: dict[str, float] = field(default_factory=dict)
    restarts: int = 0

    def start_all(self) -> None:
        """Start all processes in their order."""
        for name in PROCESSES:
            self._start(name)

    def restart_ended(self) -> None:
        """Start again each process that has ended."""
        for name, process in self.running.items():
            if name in PROCESSES and process.poll() is not None and monotonic() - self.started_s[name] > RESTART_S:
                self.restarts += 1
                self._start(name)

    def stop_all(self) -> None:
        """Signal all processes, devices first, then wait for each; a few seconds at most."""
        for process in reversed(self.running.values()):
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in self.running.values():
            stop_child(process, signal.SIGTERM)

    def import_timetable(self) -> None:
        """Import the buses' timetable in a process of its own, once."""
        self._start(IMPORTING)

    def learn(self) -> None:
        """Learn the forecasts in a process of its own, once."""
        self._start(LEARNING)

    def _start(self, name: str) -> None:
        options = {
            "simulate": ["--scenario", self.scenario],
            IMPORTING: ["import", str(self.timetable), "--feed", FEED],
            LEARNING: ["--simulated", self.scenario, "--days", str(PAST_DAYS)],
        }
        program = [sys.executable, "-m", "services", name, *options.get(name, [])]
        log_file = self.folder / f"{name}.log"
        # SIGKILL loses nothing. A process that disconnects from a broker that died too would wait for it.
        self.running[name] = start_supervised(program, log_file, os.geteuid(), signal.SIGKILL, self.environment)
        self.started_s[name] = monotonic()


def wait_for_api(url: str, processes: DemoProcesses, stop: threading.Event) -> bool:
    """Wait until the API answers; False where it does not within READY_S. The log of a process shows why."""
    deadline_s = monotonic() + READY_S
    while monotonic() < deadline_s and not stop.is_set():
        try:
            if httpx.get(f"{url}/api/v1/health/live", timeout=2.0).is_success:
                return True
        except httpx.HTTPError:
            stop.wait(RETRY_S)
        processes.restart_ended()
    return False


@dataclass(slots=True)
class DemoStatus:
    """State of the demo, read from the tables."""

    database: Engine
    clock: FasterClock
    _readings: int = 0
    _at_s: float = 0.0

    def line(self) -> str:
        """A line: readings a second, open alerts, unanswered incidents, age of the newest reading in simulated time."""
        now, now_s = self.clock(), monotonic()
        with self.database.begin() as transaction:
            readings = transaction.execute(
                text("SELECT coalesce(sum((status ->> 'readings')::int8), 0) FROM heartbeats")
            ).scalar_one()
            firing = transaction.execute(text("SELECT nar, count(*) FROM alerts WHERE state = 'firing' GROUP BY nar"))
            colours = {NAR(nar): count for nar, count in firing}
            newest = transaction.execute(text("SELECT max(observed_at) FROM device_memories")).scalar_one()
            local_now = now.astimezone(current_city(transaction).zone)
            escalated = transaction.execute(
                text("SELECT count(*) FROM escalations WHERE ended_at IS NULL")
            ).scalar_one()
        per_s = (int(readings) - self._readings) / (now_s - self._at_s) if self._at_s else 0.0
        self._readings, self._at_s = int(readings), now_s
        alerts = " ".join(f"{nar.name.lower()} {count}" for nar, count in sorted(colours.items(), reverse=True))
        age = "sin lecturas" if newest is None else f"última lectura hace {(now - newest).total_seconds():.0f} s"
        told = f"alertas: {alerts or 'ninguna'} · sin respuesta: {escalated}"
        return f"{local_now:%d/%m %H:%M} · {max(per_s, 0):.0f} lecturas/s · {told} · {age}"
