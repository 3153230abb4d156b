"""Rejected messages are kept as far as a budget goes; beyond it all are counted, and some are kept as samples."""

from collections import Counter
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection, text

from ingest.rejected import store_rejected
from ingest.rejection_budget import (
    MAX_COUNTED_SENDERS,
    OTHERS,
    ROW_BYTES,
    SAMPLE_BYTES,
    RejectionBudget,
    RejectionLimits,
)
from models.reading import Message, Reason, Rejected

NOON = datetime(2026, 4, 2, 12, tzinfo=UTC)
LIMITS = RejectionLimits()


def rejections(count: int, *, sender: str = "a", size: int = 20, at: datetime = NOON) -> list[Rejected]:
    """So many rejections of one sender."""
    return [Rejected(Message(sender, bytes(size), at), Reason.SYNTAX, "no JSON") for _ in range(count)]


def budget(limits: RejectionLimits = LIMITS) -> RejectionBudget:
    """A budget whose senders are topics."""
    return RejectionBudget(str, limits)


def test_a_device_that_speaks_wrongly_at_its_usual_pace_is_kept_whole() -> None:
    one = budget()
    for minute in range(1_440):
        kept, counts = one.divide(rejections(1, at=NOON + timedelta(minutes=minute)))
        assert (len(kept), counts) == (1, [])


def test_one_sender_of_garbage_leaves_room_for_the_rejections_of_others() -> None:
    one = budget()
    kept, counts = one.divide(rejections(10_000, sender="vandal"))
    assert len(kept) < 10_000
    assert sum(count.messages for count in counts) == 10_000 - len(kept)
    assert len(one.divide(rejections(20, sender="gauge"))[0]) == 20
    assert one.exhausted_at is None


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(1, 200), st.integers(0, 30_000)), max_size=30))
def test_a_minute_keeps_no_more_than_twice_its_budget_and_the_samples(batches: list[tuple[int, int, int]]) -> None:
    one, kept, everything, counted = budget(), list[Rejected](), 0, 0
    for second, (sender, count, size) in enumerate(batches):
        items = rejections(count, sender=f"s{sender}", size=size, at=NOON + timedelta(seconds=second))
        some, counts = one.divide(items)
        kept += some
        everything += count
        counted += sum(count.messages for count in counts)
    assert len(kept) + counted == everything
    size = sum(len(item.message.payload) + ROW_BYTES for item in kept)
    assert size <= 2 * LIMITS.bytes_per_minute + 4 * SAMPLE_BYTES


def test_the_day_has_a_budget_too_and_a_sample_of_what_exceeds_it_is_kept() -> None:
    one = budget(RejectionLimits(rows_per_day=100))
    assert len(one.divide(rejections(100))[0]) == 100
    kept, counts = one.divide(rejections(5, sender="b"))
    assert len(kept) == 1
    assert [(count.sender, count.messages) for count in counts] == [("b", 4)]
    assert (one.exhausted_at, one.exhausted_by) == (NOON, "b")


def test_invented_names_do_not_fill_the_counts() -> None:
    one = budget(RejectionLimits(rows_per_day=1))
    senders = Counter[str]()
    for number in range(MAX_COUNTED_SENDERS + 50):
        for count in one.divide(rejections(3, sender=f"s{number}"))[1]:
            senders[count.sender] += count.messages
    assert len(senders) == MAX_COUNTED_SENDERS + 1
    assert senders[OTHERS] >= 98
    assert one.counted.total() == senders.total()


def test_counts_of_several_batches_add_up_in_the_table(transaction: Connection) -> None:
    one = budget(RejectionLimits(rows_per_day=10))
    for _ in range(3):
        assert store_rejected(transaction, rejections(8), one) == 8
    rows = transaction.execute(text("SELECT sender, reason, messages, bytes FROM rejection_counts")).all()
    kept = transaction.execute(text("SELECT count(*) FROM rejected_messages")).scalar_one()
    assert [tuple(row) for row in rows] == [("a", "syntax", 13, 260)]
    assert kept == 11  # ten of the budget, one sample
