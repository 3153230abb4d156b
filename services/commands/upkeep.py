"""`vigia upkeep`: daily tasks of a city's database, and the erasure of redacted notes within seconds."""

import argparse
import logging
import threading
from datetime import timedelta

from sqlalchemy import Engine

from services.opening import configured_clock, migrated_database
from services.runtime.alive import mark_alive
from services.runtime.clock import Clock, PeriodicTimer
from services.runtime.process import start_logging, stop_on_signals
from services.runtime.retry import retry_while_unavailable
from services.runtime.settings import Settings
from services.upkeep.learning import fit_all_stations, stored_series_source
from services.upkeep.redaction import erase_redacted_notes
from services.upkeep.retention import delete_expired
from services.upkeep.retention_clock import RetentionRefusedError, require_right_clock

NAME = "upkeep"
HELP = (
    "Until stopped: daily, delete expired rows and learn the streams' forecasts; within seconds, erase redacted notes."
)
PERIOD_S = 86_400.0
REDACTION_PERIOD_S = 10.0
"""Also how often this process says that it works."""
LEARNING_PERIOD = timedelta(days=730)

log = logging.getLogger(__name__)


def arguments(_parser: argparse.ArgumentParser) -> None:
    """No options: `vigia retain` and `vigia learn` do the same once."""


def run(_arguments: argparse.Namespace) -> int:
    """Run at once and then daily, until SIGINT or SIGTERM."""
    settings = Settings()
    clock, stop = configured_clock(settings), stop_on_signals()
    start_logging(settings)
    with migrated_database(settings, "vigia-upkeep", stop=stop) as database:
        daily = PeriodicTimer(PERIOD_S)
        while not stop.is_set():
            mark_alive()
            if daily.due():
                retry_while_unavailable(lambda: run_daily_tasks(database, clock, stop), stop)
            retry_while_unavailable(lambda: erase_redacted_notes(database), stop)
            stop.wait(REDACTION_PERIOD_S)
    return 0


def run_daily_tasks(database: Engine, clock: Clock, stop: threading.Event) -> None:
    """The tasks of one day. Each can be interrupted and repeated."""
    _delete_expired(database, clock)
    for station, model in fit_all_stations(
        database, stored_series_source(database, clock() - LEARNING_PERIOD), clock()
    ):
        log.info(
            "learnt the forecast of a stream",
            extra={"action": "learn", "station": station, "spells": model and model.spells},
        )
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
