"""Database, broker and clock of a process: the configured ones, or embedded ones where none is configured."""

import fcntl
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine

from alerts.record import Entry, record
from models.migrations import current, upgrade
from services.embedded.mqtt_broker import embedded_broker
from services.embedded.postgres import embedded_postgres
from services.runtime.clock import Clock, parse_clock, wall_clock
from services.runtime.database import LONG_WORK_LIMITS, SessionLimits, open_database
from services.runtime.retry import retry_while_unavailable
from services.runtime.settings import Settings, SettingsError
from services.runtime.simulation import Simulation, simulation_of

log = logging.getLogger(__name__)

DEMO_LOCK_FILE = "demo.lock"
DEMO_TIME_FILE = "clock.json"
"""Time that the last demo in a folder reached. Beside it, the embedded database holds what that demo simulated."""


@contextmanager
def database_url(settings: Settings) -> Iterator[str]:
    """Address of the configured PostgreSQL, or of the embedded one, which is started or shared."""
    if settings.database_url is not None:
        yield settings.database_url.get_secret_value()
        return
    with embedded_postgres(settings.data_dir) as server:
        yield server.url


@contextmanager
def mqtt_url(settings: Settings) -> Iterator[str]:
    """Address of the configured MQTT broker, or of the embedded one, which is started or shared."""
    if settings.mqtt_url is not None:
        yield settings.mqtt_url.get_secret_value()
        return
    with embedded_broker(settings.data_dir, settings.embedded_mqtt_port) as server:
        log.info("embedded broker: %s", server.where)
        yield server.url


@contextmanager
def migrated_database(
    settings: Settings,
    name: str,
    *,
    pool_size: int = 2,
    stop: threading.Event | None = None,
    limits: SessionLimits = LONG_WORK_LIMITS,
) -> Iterator[Engine]:
    """A connection pool to the database, migrated to this version's schema: any process may be the first to start.

    With `stop`, an unavailable database is retried until that event. Without it, the error is raised. `limits`: of the
    sessions of the pool; the migration itself runs as long as it takes.
    """
    with database_url(settings) as url:
        migrating = open_database(url, name=name, pool_size=1)

        def migrate() -> None:
            with migrating.begin() as transaction:
                migrate_and_record(transaction, configured_clock(settings))

        try:
            if stop is None:
                migrate()
            else:
                retry_while_unavailable(migrate, stop)
        finally:
            migrating.dispose()
        database = open_database(url, name=name, pool_size=pool_size, limits=limits)
        try:
            yield database
        finally:
            database.dispose()


def migrate_and_record(transaction: Connection, clock: Clock, *, clock_checked: bool = False) -> tuple[str | None, str]:
    """Migrate to this version's schema, and record it where that changed anything. Returns both versions."""
    before = current(transaction)
    upgrade(transaction, clock_checked=clock_checked)
    after = current(transaction)
    assert after is not None
    if after != before:
        record(transaction, Entry("schema.migrated", f"schema:{after}", details={"before": before}), clock())
    return before, after


def configured_clock(settings: Settings) -> Clock:
    """The clock of this process: simulated where VIGIA_CLOCK is set or a demo runs in the data folder, else real.

    Raises SettingsError where a simulated clock is set together with a configured database or broker.
    """
    embedded = settings.database_url is None and settings.mqtt_url is None
    if not settings.clock:
        setting = demo_clock_setting(settings.data_dir) if embedded else ""
        return parse_clock(setting) if setting else wall_clock
    if not embedded:
        raise SettingsError("VIGIA_CLOCK is for the embedded parts: unset it, or VIGIA_DATABASE_URL and VIGIA_MQTT_URL")
    return parse_clock(settings.clock)


def configured_simulation(settings: Settings, clock: Clock) -> Simulation | None:
    """What is simulated, by the settings and by what a demo left in the data folder; None in a real city."""
    demo_data = settings.database_url is None and (settings.data_dir / DEMO_TIME_FILE).exists()
    return simulation_of(clock, devices=settings.simulated_devices or demo_data)


def demo_clock_setting(folder: Path) -> str:
    """The clock of the demo that runs in this folder, in the form of VIGIA_CLOCK; empty where none runs.

    A running demo locks its file and writes its clock there. The file of a killed demo is not locked.
    """
    try:
        with (folder / DEMO_LOCK_FILE).open() as file:
            setting = file.read()
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return setting
    except FileNotFoundError:
        pass
    return ""
