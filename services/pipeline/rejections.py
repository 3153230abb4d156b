"""Rejected messages: list them, and process them again once the device, the rule or the code is corrected."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from ingest.decode import decode
from models.reading import Message, Rejected
from models.rows import driver
from services.pipeline.road import Pipeline


@dataclass(frozen=True, slots=True)
class StoredRejection:
    """A rejected message, with its reason."""

    id: int
    message: Message
    reason: str
    detail: str


def list_rejections(
    transaction: Connection, *, ids: Sequence[int] | None, reason: str | None, limit: int
) -> list[StoredRejection]:
    """Rejections that have not been ingested again since, oldest first."""
    with driver(transaction).cursor() as cursor:
        cursor.execute(
            "SELECT id, topic, payload, received_at, reason, detail FROM rejected_messages"
            " WHERE reingested_at IS NULL AND (%(ids)s::int8[] IS NULL OR id = ANY(%(ids)s))"
            " AND (%(reason)s::text IS NULL OR reason = %(reason)s) ORDER BY id LIMIT %(limit)s",
            {"ids": None if ids is None else list(ids), "reason": reason, "limit": limit},
        )
        return [StoredRejection(row[0], Message(row[1], row[2], row[3]), row[4], row[5]) for row in cursor]


def reingest(transaction: Connection, pipeline: Pipeline, one: StoredRejection) -> str | None:
    """Process one message as if it were new. Returns None on success, else what is still wrong with it.

    A message that is still no reading stays as it is, so that it can be tried again.
    """
    troubles = [item.detail for item in decode(one.message, pipeline.foreign) if isinstance(item, Rejected)]
    if troubles:
        return troubles[0]
    pipeline.state.forget()  # the message before this one may not have been committed
    with transaction.begin_nested() as savepoint:
        counts = pipeline.write_messages(transaction, [one.message]).counts
        if counts.rejected:
            savepoint.rollback()
            return "another value is already kept at its time and seq"
        with driver(transaction).cursor() as cursor:
            cursor.execute(
                "UPDATE rejected_messages SET reingested_at = %s WHERE id = %s", [pipeline.state.clock(), one.id]
            )
    return None
