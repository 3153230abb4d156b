"""The only place that opens things and reads the clock: settings, time, database, broker, logging, signals."""

import fcntl
import json
import logging
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import Engine, create_engine
from sqlalchemy.engine import make_url

from models.migrations import upgrade
from services.embedded import embedded_broker, embedded_postgres
from services.patience import outlast
from services.settings import Settings

Clock = Callable[[], datetime]

DEMO_LOCK = "demo.lock"
CONNECT_TIMEOUT_S = 5
KEEPALIVE = {"keepalives": 1, "keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3}


class SettingsTrouble(Exception):
    """A setting is missing or wrong; the message says which and what to do."""


def wall_clock() -> datetime:
    """The real time, UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class FasterClock:
    """A simulated time that starts at `simulated` when the real time is `real` and runs `factor` times as fast."""

    simulated: datetime
    factor: float
    real: datetime

    def __call__(self) -> datetime:
        """The simulated time now, UTC."""
        return self.simulated + (wall_clock() - self.real) * self.factor

    def __str__(self) -> str:
        return f"{self.simulated.isoformat()}@{self.factor:g}@{self.real.isoformat()}"


def parse_clock(words: str) -> FasterClock:
    """Read START@FACTOR or START@FACTOR@REAL (instants in ISO 8601 with an offset).

    Raises SettingsTrouble. Without REAL the simulated time starts now; with it, several processes share one time.
    """
    try:
        start, factor, *real = words.split("@")
        clock = FasterClock(
            datetime.fromisoformat(start).astimezone(UTC),
            float(factor),
            datetime.fromisoformat(real[0]) if real else wall_clock(),
        )
    except (ValueError, IndexError) as trouble:
        raise SettingsTrouble(f"VIGIA_CLOCK={words!r}: expected 2013-04-02T15:30:00-03:00@60 ({trouble})") from trouble
    if not 0 < clock.factor <= 3600:
        raise SettingsTrouble(f"VIGIA_CLOCK={words!r}: the factor must lie above 0 and up to 3600")
    return clock


@contextmanager
def database_url(settings: Settings) -> Iterator[str]:
    """Where PostgreSQL is: the one named, or the embedded one, started or shared with who started it."""
    if settings.database_url is not None:
        yield settings.database_url.get_secret_value()
        return
    with embedded_postgres(settings.data_dir) as server:
        yield server.url


@contextmanager
def mqtt_url(settings: Settings) -> Iterator[str]:
    """Where the broker is: the one named, or the embedded one, started or shared with who started it."""
    if settings.mqtt_url is not None:
        yield settings.mqtt_url.get_secret_value()
        return
    with embedded_broker(settings.data_dir, settings.embedded_mqtt_port) as server:
        yield server.url


@contextmanager
def migrated_database(
    settings: Settings, name: str, *, pool_size: int = 2, stop: threading.Event | None = None
) -> Iterator[Engine]:
    """The database, brought to this version's schema if need be; each process that starts may be the first.

    With `stop`, a database that is away is waited for until that event. Without it, its absence is raised.
    """

    def migrate() -> None:
        with database.begin() as transaction:
            upgrade(transaction)

    with database_url(settings) as url:
        database = open_database(url, name=name, pool_size=pool_size)
        try:
            if stop is None:
                migrate()
            else:
                outlast(migrate, stop)
            yield database
        finally:
            database.dispose()


def clock_of(settings: Settings) -> Clock:
    """The time everything runs by: real, or simulated where VIGIA_CLOCK says so or a demo runs in the data folder.

    Raises SettingsTrouble where a simulated time would meet a real city's database or broker.
    """
    embedded = settings.database_url is None and settings.mqtt_url is None
    if not settings.clock:
        words = demo_time(settings.data_dir) if embedded else ""
        return parse_clock(words) if words else wall_clock
    if not embedded:
        raise SettingsTrouble(
            "VIGIA_CLOCK is for the embedded parts: unset it, or VIGIA_DATABASE_URL and VIGIA_MQTT_URL"
        )
    return parse_clock(settings.clock)


def demo_time(folder: Path) -> str:
    """The simulated time that the demo running in this folder goes by, as VIGIA_CLOCK says it; empty where none runs.

    A demo holds its lock file and writes its time there; what one that was killed left behind is held by nobody.
    """
    try:
        with (folder / DEMO_LOCK).open() as file:
            words = file.read()
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return words
    except FileNotFoundError:
        pass
    return ""


def open_database(url: str, *, pool_size: int = 5, statement_timeout_s: int | None = None, name: str) -> Engine:
    """A pool of connections to PostgreSQL. `url` as PostgreSQL writes it (postgresql://...).

    Commits wait for the disk. `statement_timeout_s` bounds every statement, for those who serve people.
    """
    # Without a time zone in the session, PostgreSQL would print local times.
    options = "-c timezone=UTC -c synchronous_commit=on -c lock_timeout=10s -c idle_in_transaction_session_timeout=60s"
    if statement_timeout_s is not None:
        options += f" -c statement_timeout={statement_timeout_s}s"
    arguments = {"connect_timeout": CONNECT_TIMEOUT_S, "options": options, "application_name": name, **KEEPALIVE}
    return create_engine(
        make_url(url).set(drivername="postgresql+psycopg"),
        pool_size=pool_size,
        max_overflow=0,
        pool_pre_ping=True,
        pool_timeout=CONNECT_TIMEOUT_S,
        connect_args=arguments,
    )


class _JsonLines(logging.Formatter):
    """One JSON object a line, with everything that was passed as `extra`."""

    _usual = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= {key: value for key, value in vars(record).items() if key not in self._usual}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str, ensure_ascii=False)


def start_logging(settings: Settings) -> None:
    """Log as JSON lines on standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonLines())
    logging.basicConfig(level=settings.log_level, handlers=[handler], force=True)
    for talkative in ("httpx", "httpcore"):  # they log addresses, and a webhook's address is its secret
        logging.getLogger(talkative).setLevel(logging.WARNING)


def stop_on_signals() -> threading.Event:
    """An event that Ctrl-C and SIGTERM set, so that loops end between two batches instead of inside one."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    return stop


class Every:
    """Says when a task is due: at once, then no more often than each `period_s` of real time."""

    def __init__(self, period_s: float) -> None:
        self.period = timedelta(seconds=period_s)
        self._next = float("-inf")

    @property
    def overdue_s(self) -> float:
        """For how long it has been due with nobody asking; at first, very long."""
        return time.monotonic() - self._next

    def wait(self, wait_s: float) -> None:
        """Be due that much later than now."""
        self._next = time.monotonic() + wait_s

    def due(self) -> bool:
        """True once per period."""
        now = time.monotonic()
        if now < self._next:
            return False
        self._next = now + self.period.total_seconds()
        return True
