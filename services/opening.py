"""Opens what a process works with: the configured database and broker, or the embedded ones, and the clock."""

import fcntl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Engine

from models.migrations import upgrade
from services.embedded.mqtt_broker import embedded_broker
from services.embedded.postgres import embedded_postgres
from services.runtime.clock import Clock, parse_clock, wall_clock
from services.runtime.database import open_database
from services.runtime.retry import retry_while_unavailable
from services.runtime.settings import Settings, SettingsError

DEMO_LOCK_FILE = "demo.lock"


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
                retry_while_unavailable(migrate, stop)
            yield database
        finally:
            database.dispose()


def configured_clock(settings: Settings) -> Clock:
    """The time everything runs by: real, or simulated where VIGIA_CLOCK says so or a demo runs in the data folder.

    Raises SettingsError where a simulated time would meet a real city's database or broker.
    """
    embedded = settings.database_url is None and settings.mqtt_url is None
    if not settings.clock:
        words = demo_clock_setting(settings.data_dir) if embedded else ""
        return parse_clock(words) if words else wall_clock
    if not embedded:
        raise SettingsError("VIGIA_CLOCK is for the embedded parts: unset it, or VIGIA_DATABASE_URL and VIGIA_MQTT_URL")
    return parse_clock(settings.clock)


def demo_clock_setting(folder: Path) -> str:
    """The simulated time that the demo running in this folder goes by, as VIGIA_CLOCK says it; empty where none runs.

    A demo holds its lock file and writes its time there; what one that was killed left behind is held by nobody.
    """
    try:
        with (folder / DEMO_LOCK_FILE).open() as file:
            words = file.read()
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return words
    except FileNotFoundError:
        pass
    return ""
