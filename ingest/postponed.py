"""Postponed messages: set down byte for byte before they are acknowledged, and taken up again sender by sender.

A postponed message is processed like a new one. Its row is deleted in the transaction that stores its readings.
"""

from collections import Counter
from collections.abc import Iterable, Sequence

from sqlalchemy import Connection

from ingest.lanes import owning_lane
from ingest.sender_rates import Excess
from models.kind import Lane
from models.reading import Message
from models.rows import driver

MAX_POSTPONED = 1_000_000
"""Messages of one lane, as many as the broker queues for it. What comes beyond is a rejection."""
MAX_POSTPONED_BYTES = 500_000_000
"""Of one lane, with what a row needs besides its payload."""
ROW_BYTES = 200
POSTPONED = -1
"""The connection generation of a postponed message's `delivery`, followed by the number of its row."""


def store_postponed(transaction: Connection, excess: Iterable[Excess]) -> None:
    """Store messages with their senders."""
    with (
        driver(transaction).cursor() as cursor,
        cursor.copy(
            "COPY postponed_messages (lane, sender, received_at, topic, payload, retained, repeated)"
            " FROM STDIN (FORMAT BINARY)"
        ) as copy,
    ):
        copy.set_types(["text", "text", "timestamptz", "text", "bytea", "bool", "bool"])
        for sender, message in excess:
            lane = owning_lane(message.topic) or Lane.BULK
            copy.write_row(
                (
                    lane.value,
                    sender,
                    message.received_at,
                    message.topic,
                    message.payload,
                    message.retained,
                    message.repeated,
                )
            )


def count_postponed(transaction: Connection, lane: Lane | None) -> tuple[Counter[str], int]:
    """How many messages of each sender are postponed, and their bytes in all."""
    with driver(transaction).cursor() as cursor:
        cursor.execute(
            "SELECT sender, count(*), sum(octet_length(payload) + %s)::int8 FROM postponed_messages"
            " WHERE lane = ANY(%s) GROUP BY sender",
            [ROW_BYTES, _lanes(lane)],
        )
        rows = cursor.fetchall()
    return Counter({sender: count for sender, count, _ in rows}), sum(size for *_, size in rows)


def oldest_postponed(transaction: Connection, lane: Lane | None, sender: str, limit: int) -> list[Message]:
    """The sender's oldest postponed messages, in order of arrival."""
    with driver(transaction).cursor() as cursor:
        cursor.execute(
            "SELECT topic, payload, received_at, retained, id, repeated FROM postponed_messages"
            " WHERE lane = ANY(%s) AND sender = %s ORDER BY id LIMIT %s",
            [_lanes(lane), sender, limit],
        )
        return [
            Message(topic, payload, received_at, retained, (POSTPONED, number), repeated)
            for topic, payload, received_at, retained, number, repeated in cursor
        ]


def delete_postponed(transaction: Connection, messages: Sequence[Message]) -> None:
    """Delete the rows of those messages that were postponed."""
    numbers = [message.delivery[1] for message in messages if message.delivery[0] == POSTPONED]
    if numbers:
        with driver(transaction).cursor() as cursor:
            cursor.execute("DELETE FROM postponed_messages WHERE id = ANY(%s)", [numbers])


def _lanes(lane: Lane | None) -> list[str]:
    return [lane.value] if lane else [one.value for one in Lane]
