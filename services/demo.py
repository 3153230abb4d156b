"""The whole of Vigía on one machine, in a simulated storm: starts the parts, shows how they are, stops them all."""

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
from sqlalchemy import Engine, text

from ingest.gtfs.feed import write_feed
from models.alert import NAR
from models.migrations import upgrade
from models.network import Network
from services.city.load import load
from services.city.seed import LA_PLATA, read_seed
from services.embedded.child_process import start_supervised, stop_child
from services.opening import DEMO_LOCK_FILE
from services.runtime.clock import FasterClock, wall_clock
from services.runtime.settings import SettingsError
from services.web.access import ensure_first_operator

PROCESSES = ("pipeline", "notifier", "api", "simulate")
LEARNING, IMPORTING = "learn", "gtfs"
FEED = "laplata_esquematica"
"""The timetable of buses that do not exist, by its name."""
PAST_DAYS = 120
"""The simulated past the streams' forecasts are learnt from, while the demo already runs."""
RESUME_GAP = timedelta(minutes=1)
"""How much simulated time passes, unseen, between a stop and the next start."""
READY_S = 30.0
RETRY_S = 0.1
RESTART_S = 2.0
"""A part that ends is started again, but not more often than this."""


@contextmanager
def lock_demo_folder(folder: Path) -> Iterator[None]:
    """Hold the folder. Raises SettingsError where another demo does; a killed one's hold ended with it."""
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
    """Simulated time: from `start` at first, later from a little after where the last demo in this folder stopped."""
    file = folder / "clock.json"
    if file.exists():
        start = max(start, datetime.fromisoformat(json.loads(file.read_text())["simulated"]) + RESUME_GAP)
    clock = FasterClock(start, factor, wall_clock())
    save_time(folder, clock())
    return clock


def publish_clock(folder: Path, clock: FasterClock) -> None:
    """Let every other command in this folder go by the same time: `services.opening.demo_clock_setting`."""
    (folder / DEMO_LOCK_FILE).write_text(str(clock))


def save_time(folder: Path, now: datetime) -> None:
    """Keep how far simulated time has come, so that it never runs backwards over what is stored."""
    fresh = folder / "clock.json.new"
    fresh.write_text(json.dumps({"simulated": now.isoformat()}))
    fresh.replace(folder / "clock.json")


def has_forecasts(database: Engine) -> bool:
    """Whether an earlier run learnt them."""
    with database.begin() as transaction:
        return transaction.execute(text("SELECT EXISTS (SELECT 1 FROM forecast_models)")).scalar_one() is True


def prepare_database(database: Engine, now: datetime) -> str | None:
    """Schema, La Plata and the first operator, whose token is returned once."""
    with database.begin() as transaction:
        upgrade(transaction)
    with database.begin() as transaction:
        load(transaction, read_seed(LA_PLATA), now)
        return ensure_first_operator(transaction, now)


def timetable_file(folder: Path, lines: Network) -> Path:
    """The simulated buses' timetable as GTFS, written once: it is imported from there like any other."""
    feed = folder / f"{lines.version}.zip"
    if not feed.exists():
        write_feed(lines, feed)
    return feed


@dataclass(slots=True)
class DemoProcesses:
    """The processes of the demo, each with its log, started again should one end by itself."""

    folder: Path
    environment: dict[str, str]
    scenario: str
    timetable: Path
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    started_s: dict[str, float] = field(default_factory=dict)
    restarts: int = 0

    def start_all(self) -> None:
        """Start them in their order."""
        for name in PROCESSES:
            self._start(name)

    def restart_ended(self) -> None:
        """Start again what has ended."""
        for name, process in self.running.items():
            if name in PROCESSES and process.poll() is not None and monotonic() - self.started_s[name] > RESTART_S:
                self.restarts += 1
                self._start(name)

    def stop_all(self) -> None:
        """Ask all at once, the devices first, then wait for each; within a few seconds they are gone."""
        for process in reversed(self.running.values()):
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in self.running.values():
            stop_child(process, signal.SIGTERM)

    def import_timetable(self) -> None:
        """Put the buses' timetable in force, beside everything else; once."""
        self._start(IMPORTING)

    def learn(self) -> None:
        """Learn the forecasts beside everything else; it ends by itself and is not started again."""
        self._start(LEARNING)

    def _start(self, name: str) -> None:
        words = {
            "simulate": ["--scenario", self.scenario],
            IMPORTING: ["import", str(self.timetable), "--feed", FEED],
            LEARNING: ["--simulated", self.scenario, "--days", str(PAST_DAYS)],
        }
        program = [sys.executable, "-m", "services", name, *words.get(name, [])]
        log_file = self.folder / f"{name}.log"
        # Nothing is lost by a kill, while one that says goodbye to a broker that died too would wait for it.
        self.running[name] = start_supervised(program, log_file, os.geteuid(), signal.SIGKILL, self.environment)
        self.started_s[name] = monotonic()


def wait_for_api(url: str, parts: DemoProcesses, stop: threading.Event) -> bool:
    """Whether the API answered in time; a part that cannot start shows in its log."""
    deadline_s = monotonic() + READY_S
    while monotonic() < deadline_s and not stop.is_set():
        try:
            if httpx.get(f"{url}/api/v1/health/live", timeout=2.0).is_success:
                return True
        except httpx.HTTPError:
            stop.wait(RETRY_S)
        parts.restart_ended()
    return False


@dataclass(slots=True)
class DemoStatus:
    """How the demo is, seen from the tables."""

    database: Engine
    clock: FasterClock
    _readings: int = 0
    _at_s: float = 0.0

    def line(self) -> str:
        """Readings a second, open alerts by colour and the age of the newest reading, in simulated time."""
        with self.database.begin() as transaction:
            readings = transaction.execute(
                text("SELECT coalesce(sum((status ->> 'readings')::int8), 0) FROM heartbeats")
            ).scalar_one()
            firing = transaction.execute(text("SELECT nar, count(*) FROM alerts WHERE state = 'firing' GROUP BY nar"))
            colours = {NAR(nar): count for nar, count in firing}
            newest = transaction.execute(text("SELECT max(observed_at) FROM device_memories")).scalar_one()
        now, now_s = self.clock(), monotonic()
        per_s = (int(readings) - self._readings) / (now_s - self._at_s) if self._at_s else 0.0
        self._readings, self._at_s = int(readings), now_s
        alerts = " ".join(f"{nar.name.lower()} {count}" for nar, count in sorted(colours.items(), reverse=True))
        age = "sin lecturas" if newest is None else f"última lectura hace {(now - newest).total_seconds():.0f} s"
        return f"{now:%d/%m %H:%M} UTC · {max(per_s, 0):.0f} lecturas/s · alertas: {alerts or 'ninguna'} · {age}"
