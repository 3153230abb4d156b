"""Retry of an operation while the database is unavailable. Messages stay unacknowledged meanwhile, so none is lost."""

import logging
import threading
from collections.abc import Callable
from itertools import chain, repeat

import psycopg
import psycopg.errors
import sqlalchemy.exc

log = logging.getLogger(__name__)

RETRY_WAITS_S = (0.1, 0.2, 0.5, 1.0)
"""Waits between attempts; the last one repeats."""
MAX_ERROR_CHARS = 500
"""Characters of an error's text that are stored or logged."""
DATABASE_UNAVAILABLE = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    psycopg.errors.IdleInTransactionSessionTimeout,
    sqlalchemy.exc.OperationalError,
    sqlalchemy.exc.InterfaceError,
    sqlalchemy.exc.TimeoutError,
)
"""Errors of connection, resources, shutdown, deadlock or timeout. No message causes them: the operation is retried."""


def retry_while_unavailable(operation: Callable[[], object], stop: threading.Event) -> bool:
    """Run the operation, and again while the database is unavailable. False if `stop` was set before it succeeded."""
    for wait_s in chain(RETRY_WAITS_S, repeat(RETRY_WAITS_S[-1])):
        try:
            operation()
        except DATABASE_UNAVAILABLE as error:
            log.warning("waiting for the database", extra={"action": "wait", "trouble": error_summary(error)})
            if stop.wait(wait_s):
                return False
        else:
            return True
    return False


def error_summary(error: BaseException) -> str:
    """Type and message of an error, bounded and without NUL, which PostgreSQL cannot store."""
    return f"{type(error).__name__}: {error}".replace("\0", "")[:MAX_ERROR_CHARS]
