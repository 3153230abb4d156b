"""Rejected messages are stored each time they are sent, and once however often they are delivered."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, text

from ingest.rejected import MAX_REDELIVERY_AGE, store_rejected
from models.reading import Message, Reason, Rejected

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
TOPIC = "vigia/v1/la-plata/river/gato-7"


def rejected(payload: bytes = b"wet", *, topic: str = TOPIC, at: datetime = NOW, repeated: bool = False) -> Rejected:
    return Rejected(Message(topic, payload, at, repeated=repeated), Reason.SYNTAX, "no JSON")


def kept(transaction: Connection) -> list[tuple[str, bytes]]:
    rows = transaction.execute(text("SELECT topic, payload FROM rejected_messages ORDER BY id"))
    return [(topic, bytes(payload)) for topic, payload in rows]


def test_what_a_device_says_again_is_kept_again(transaction: Connection) -> None:
    assert store_rejected(transaction, [rejected(), rejected()]) == 2
    assert store_rejected(transaction, [rejected()]) == 1
    assert kept(transaction) == [(TOPIC, b"wet")] * 3


def test_what_is_delivered_again_is_kept_once(transaction: Connection) -> None:
    batch = [b"wet", b"", b"\x00\xff", b"x" * 65_000]
    assert store_rejected(transaction, [rejected(payload) for payload in batch]) == 4
    assert store_rejected(transaction, [rejected(payload, repeated=True) for payload in [*batch, b"new"]]) == 1
    assert [payload for _, payload in kept(transaction)] == [*batch, b"new"]


def test_the_same_bytes_of_another_device_are_another_message(transaction: Connection) -> None:
    assert store_rejected(transaction, [rejected()]) == 1
    assert store_rejected(transaction, [rejected(topic=f"{TOPIC}7", repeated=True)]) == 1


def test_a_topic_with_a_zero_byte_is_known_again(transaction: Connection) -> None:
    assert store_rejected(transaction, [rejected(topic="vigia/\0")]) == 1
    assert store_rejected(transaction, [rejected(topic="vigia/\0", repeated=True)]) == 0


def test_no_broker_repeats_what_it_no_longer_holds(transaction: Connection) -> None:
    long_ago = NOW - MAX_REDELIVERY_AGE - timedelta(seconds=1)
    assert store_rejected(transaction, [rejected(at=long_ago)]) == 1
    assert store_rejected(transaction, [rejected(repeated=True)]) == 1
