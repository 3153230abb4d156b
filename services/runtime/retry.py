"""Outlasting a database that is away: nothing is lost by waiting, and nothing is acknowledged meanwhile."""

import logging
import threading
from collections.abc import Callable
from itertools import chain, repeat

import psycopg
import sqlalchemy.exc

log = logging.getLogger(__name__)

RETRY_WAITS_S = (0.1, 0.2, 0.5, 1.0)
"""Waits between tries; the last one repeats."""
MAX_ERROR_CHARS = 500
"""Characters of an error's text that are kept or logged."""
DATABASE_UNAVAILABLE = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    sqlalchemy.exc.OperationalError,
    sqlalchemy.exc.InterfaceError,
    sqlalchemy.exc.TimeoutError,
)
"""Nobody's fault: connection, resources, shutdown, deadlock or timeout. Everything is tried again."""


def retry_while_unavailable(work: Callable[[], object], stop: threading.Event) -> bool:
    """Do the work, again and again while the database is away. False if told to stop before it was done."""
    for wait_s in chain(RETRY_WAITS_S, repeat(RETRY_WAITS_S[-1])):
        try:
            work()
        except DATABASE_UNAVAILABLE as lost:
            log.warning("waiting for the database", extra={"action": "wait", "trouble": error_summary(lost)})
            if stop.wait(wait_s):
                return False
        else:
            return True
    return False


def error_summary(trouble: BaseException) -> str:
    """An error in a line, bounded, as it can be kept in the tables."""
    return f"{type(trouble).__name__}: {trouble}".replace("\0", "")[:MAX_ERROR_CHARS]
