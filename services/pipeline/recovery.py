"""What happens when a batch fails: try again with care, then bisect it, and set aside the message that fails alone.

A lost database is no message's fault: it is raised, nothing is acknowledged, and everything is tried again.
"""

import logging
from collections.abc import Callable, Sequence

from sqlalchemy import Connection

from ingest.rejected import store_rejected
from models.reading import Message, Reason, Rejected
from services.pipeline.batch import Batch
from services.runtime.bisect import bisect_failures
from services.runtime.retry import DATABASE_UNAVAILABLE, error_summary

log = logging.getLogger(__name__)

Commit = Callable[[Batch, bool], None]
"""Writes and commits a batch; the second argument is `careful`."""


def commit_batch(batch: Batch, commit: Commit, set_aside: Callable[[Message, Exception], None]) -> None:
    """Commit a batch whole; if that fails, with care; if that fails too, in halves down to the failing message."""

    def commit_some(messages: Sequence[Message]) -> None:
        _commit_twice(batch if messages is batch.messages else Batch(messages, messages), commit)

    bisect_failures(batch.messages, commit_some, set_aside)


def _commit_twice(batch: Batch, commit: Commit) -> None:
    """Without care first: it is faster, and hardly ever fails."""
    try:
        commit(batch, False)
    except DATABASE_UNAVAILABLE:
        raise
    except Exception as error:  # noqa: BLE001 - whatever it is, the careful way finds it
        log.info("carrying a batch with care", extra={"action": "care", "trouble": error_summary(error)})
        commit(Batch(batch.received, batch.messages), True)


def store_unprocessable(transaction: Connection, message: Message, error: Exception) -> None:
    """Store a message that cannot be processed, with its error, so that it can be taken again after a repair."""
    log.error("set a message aside", extra={"action": "set-aside", "topic": message.topic}, exc_info=error)
    store_rejected(transaction, [Rejected(message, Reason.POISON, error_summary(error))])
