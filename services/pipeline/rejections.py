"""Messages that were no reading: finding them, and carrying them again once device, rule or code was mended."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from ingest.decode import decode
from models.reading import Message, Rejected
from models.rows import driver
from services.pipeline.road import Pipeline


@dataclass(frozen=True, slots=True)
class Kept:
    """A message set aside, with why."""

    id: int
    message: Message
    reason: str
    detail: str


def kept(transaction: Connection, *, ids: Sequence[int] | None, reason: str | None, limit: int) -> list[Kept]:
    """Rejections not taken in since, oldest first."""
    with driver(transaction).cursor() as cursor:
        cursor.execute(
            "SELECT id, topic, payload, received_at, reason, detail FROM rejected_messages"
            " WHERE reingested_at IS NULL AND (%(ids)s::int8[] IS NULL OR id = ANY(%(ids)s))"
            " AND (%(reason)s::text IS NULL OR reason = %(reason)s) ORDER BY id LIMIT %(limit)s",
            {"ids": None if ids is None else list(ids), "reason": reason, "limit": limit},
        )
        return [Kept(row[0], Message(row[1], row[2], row[3]), row[4], row[5]) for row in cursor]


def take_again(transaction: Connection, pipeline: Pipeline, one: Kept) -> str | None:
    """Carry one message on the same road as a new one; None when it got through, else what is still wrong with it.

    What is still no reading stays as it is, so that trying again costs nothing.
    """
    troubles = [item.detail for item in decode(one.message, pipeline.foreign) if isinstance(item, Rejected)]
    if troubles:
        return troubles[0]
    pipeline.state.forget()  # whether the message before this one was committed is the caller's to know
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
