"""Store rejected messages byte for byte, with the reason, or count them. A redelivered message is stored once."""

from collections.abc import Iterable, Sequence
from datetime import timedelta

from sqlalchemy import Connection

from ingest.rejection_budget import RejectionBudget, RejectionCount
from models.reading import Message, Rejected
from models.rows import driver

MAX_REDELIVERY_AGE = timedelta(days=7)
"""How long the broker keeps our session. It may redeliver an unacknowledged message so long after the first time."""

_FIND_STORED_REJECTIONS = """
SELECT said.topic, said.payload FROM unnest(%s::text[], %s::bytea[]) AS said (topic, payload) CROSS JOIN LATERAL (
    SELECT FROM rejected_messages kept
    WHERE hashtextextended(kept.topic || '#' || encode(kept.payload, 'hex'), 0)
        = hashtextextended(said.topic || '#' || encode(said.payload, 'hex'), 0)
    AND kept.received_at > %s AND kept.topic = said.topic AND kept.payload = said.payload LIMIT 1)
"""
"""LIMIT makes PostgreSQL look up each message in the index. Without it the planner reads the whole table."""


def store_rejected(transaction: Connection, rejected: Iterable[Rejected], budget: RejectionBudget | None = None) -> int:
    """Store rejected messages with their reason, as far as the budget goes, and count the others.

    Returns how many were stored or counted. Without a budget all are stored.

    A rejected message has no key. A message that may be a redelivery is therefore compared with the stored ones: the
    same payload on the same topic within `MAX_REDELIVERY_AGE` is stored once.
    """
    items = list(rejected)
    if not items:
        return 0
    stored = _stored_before(transaction, [item.message for item in items if item.message.repeated])
    new = [item for item in items if not (item.message.repeated and _message_key(item.message) in stored)]
    kept, counts = budget.divide(new) if budget else (new, [])
    rows = [
        (item.message.received_at, _stored_topic(item.message), item.message.payload, item.reason.value, item.detail)
        for item in kept
    ]
    if rows:
        with (
            driver(transaction).cursor() as cursor,
            cursor.copy(
                "COPY rejected_messages (received_at, topic, payload, reason, detail) FROM STDIN (FORMAT BINARY)"
            ) as copy,
        ):
            copy.set_types(["timestamptz", "text", "bytea", "text", "text"])
            for row in rows:
                copy.write_row(row)
    _add_counts(transaction, counts)
    return len(new)


def _add_counts(transaction: Connection, counts: Sequence[RejectionCount]) -> None:
    if not counts:
        return
    columns = zip(
        *((one.hour, one.sender, one.reason, one.messages, one.size, one.last_at) for one in counts), strict=True
    )
    with driver(transaction).cursor() as cursor:
        cursor.execute(
            "INSERT INTO rejection_counts AS stored (hour, sender, reason, messages, bytes, last_at)"
            " SELECT * FROM unnest(%s::timestamptz[], %s::text[], %s::text[], %s::int8[], %s::int8[],"
            " %s::timestamptz[])"
            " ON CONFLICT (hour, sender, reason) DO UPDATE SET messages = stored.messages + excluded.messages,"
            " bytes = stored.bytes + excluded.bytes, last_at = greatest(stored.last_at, excluded.last_at)",
            [list(column) for column in columns],
        )


def _stored_topic(message: Message) -> str:
    """The topic without zero bytes, which PostgreSQL's text type cannot hold."""
    return message.topic.replace("\0", "\\0")


def _message_key(message: Message) -> tuple[str, bytes]:
    """Topic and payload, which identify a rejected message."""
    return _stored_topic(message), message.payload


def _stored_before(transaction: Connection, messages: Sequence[Message]) -> set[tuple[str, bytes]]:
    """The keys of those messages that are stored already."""
    if not messages:
        return set()
    topics, payloads = zip(*{_message_key(message) for message in messages}, strict=True)
    since = min(message.received_at for message in messages) - MAX_REDELIVERY_AGE
    with driver(transaction).cursor() as cursor:
        cursor.execute(_FIND_STORED_REJECTIONS, [list(topics), list(payloads), since])
        return set(cursor)
