"""`vigia upkeep`: daily tasks of a city's database, the erasure of redacted notes, and the checks of Vigía itself."""

import argparse
import logging
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from functools import partial

from sqlalchemy import Engine

from ingest.mqtt.receiver import Tls
from services.opening import configured_clock, migrated_database
from services.runtime.clock import Clock, PeriodicTimer
from services.runtime.heartbeat import write_heartbeat
from services.runtime.process import start_logging, stop_on_signals
from services.runtime.retry import retry_while_unavailable
from services.runtime.settings import Settings, SettingsError
from services.self_check.broker_watch import BrokerWatch
from services.self_check.disk_check import disk_shares
from services.self_check.self_check import SelfCheck
from services.upkeep.learning import fit_all_stations, stored_series_source
from services.upkeep.redaction import erase_redacted_notes
from services.upkeep.retention import delete_expired
from services.upkeep.retention_clock import RetentionRefusedError, require_right_clock

NAME = "upkeep"
HELP = (
    "Until stopped: check Vigía itself, and erase redacted notes; daily, delete expired rows and learn the streams'"
    " forecasts."
)
PERIOD_S = 86_400.0
REDACTION_PERIOD_S = 10.0
ROUND_S = 1.0
MAX_CONNECTIONS = 3
"""For the daily tasks and the round; one more for a statement of a task within a task."""
LEARNING_PERIOD = timedelta(days=730)

log = logging.getLogger(__name__)


def arguments(_parser: argparse.ArgumentParser) -> None:
    """No options: `vigia retain` and `vigia learn` do the daily tasks once."""


def run(_arguments: argparse.Namespace) -> int:
    """Run until SIGINT or SIGTERM. The daily tasks run at once and then daily, beside the checks of each second."""
    settings = Settings()
    clock, stop = configured_clock(settings), stop_on_signals()
    start_logging(settings)
    with (
        migrated_database(settings, "vigia-upkeep", stop=stop, pool_size=MAX_CONNECTIONS) as database,
        ThreadPoolExecutor(1, "daily") as threads,
        _broker_watch(settings, clock) as watch,
    ):
        check = SelfCheck(
            database,
            clock,
            settings.expected,
            certificates=settings.broker_tls_dir,
            upkeep=True,
            backup_within_h=settings.backup_within_h,
        )
        started_at = clock()
        daily, redaction = PeriodicTimer(PERIOD_S), PeriodicTimer(REDACTION_PERIOD_S)
        task: Future[object] | None = None
        while not stop.is_set():
            if task is not None and task.done():
                task.result()  # raises what a bug in a task raised
                task = None
            if task is None and daily.due():
                daily_tasks = partial(run_daily_tasks, database, clock, stop)
                task = threads.submit(retry_while_unavailable, daily_tasks, stop)
            status = {"daily_tasks": task is not None, **disk_shares(settings.disks)}
            if watch is not None:
                retry_while_unavailable(partial(_watch_broker, database, watch, status), stop)
            retry_while_unavailable(partial(write_heartbeat, database, NAME, started_at, clock, status), stop)
            retry_while_unavailable(check.run_due, stop)
            if redaction.due():
                retry_while_unavailable(partial(erase_redacted_notes, database), stop)
            stop.wait(ROUND_S)
    return 0


@contextmanager
def _broker_watch(settings: Settings, clock: Clock) -> Iterator[BrokerWatch | None]:
    """The watch over the broker; None where none is configured, as with the embedded one."""
    if settings.mqtt_url is None:
        yield None
        return
    tls = Tls(settings.mqtt_ca_file, settings.mqtt_cert_file, settings.mqtt_key_file)
    try:
        watch = BrokerWatch(settings.mqtt_url.get_secret_value(), tls, clock)
    except ValueError as error:
        raise SettingsError(f"VIGIA_MQTT_URL: {error}") from error
    try:
        yield watch
    finally:
        watch.close()


def _watch_broker(database: Engine, watch: BrokerWatch, status: dict[str, object]) -> None:
    """Add to the status what the watch says."""
    with database.begin() as transaction:
        status |= watch.run_due(transaction)


def run_daily_tasks(database: Engine, clock: Clock, stop: threading.Event) -> None:
    """The tasks of one day. Each can be interrupted and repeated."""
    _delete_expired(database, clock)
    for fit in fit_all_stations(database, stored_series_source(database, clock() - LEARNING_PERIOD), clock()):
        spells = None if fit.model is None else fit.model.spells
        details = {"action": "learn", "station": fit.station, "spells": spells, "trouble": fit.trouble}
        log.info("fitted the forecast of a stream", extra=details)
        if stop.is_set():
            return


def _delete_expired(database: Engine, clock: Clock) -> None:
    """Delete expired rows, unless the clock may be wrong. Tomorrow is soon enough for the next try."""
    try:
        require_right_clock(database, clock)
    except RetentionRefusedError as refusal:
        log.error("%s", refusal, extra={"action": "retain"})
        return
    deleted = delete_expired(database, clock())
    log.info("deleted expired rows", extra={"action": "retain", "rows": sum(deleted.values())})
