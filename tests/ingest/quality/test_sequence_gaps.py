"""Sequence numbers that were not received are counted; those received later are subtracted again."""

from collections.abc import Iterable
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.quality.sequence_gaps import FilledGap, Gap, SequencePosition, next_position
from models.kinds import KINDS_BY_NAME
from models.reading import Reading

NOON = datetime(2026, 4, 2, 12, tzinfo=UTC)
COLUMNS = len(KINDS_BY_NAME["river"].columns)


def numbered(seq: int, boot: str | None = "a") -> Reading:
    """A reading of which only the number matters."""
    return Reading("river", "azul", "head", NOON, NOON, seq, boot, (0.4,) + (None,) * (COLUMNS - 1))


def losses(said: Iterable[Reading]) -> list[Gap | FilledGap]:
    """What following them all says of losses."""
    sequence, found = SequencePosition(), []
    for reading in said:
        sequence, loss = next_position(sequence, reading)
        if loss is not None:
            found.append(loss)
    return found


@pytest.mark.parametrize(
    ("seqs", "expected"),
    [
        ([0, 1, 2], []),
        ([7, 8], []),
        ([0, 1, 4, 5], [Gap("a", 2, 3)]),
        ([0, 4, 9], [Gap("a", 1, 3), Gap("a", 5, 8)]),
        ([0, 3, 1], [Gap("a", 1, 2), FilledGap("a", 1)]),
        ([-1, -1, -1], []),
        ([3, -1, 5], [Gap("a", 4, 4)]),
    ],
)
def test_holes_are_told_once_with_both_ends(seqs: list[int], expected: list[Gap | FilledGap]) -> None:
    assert losses(map(numbered, seqs)) == expected


def test_a_device_that_starts_anew_counts_anew_wherever_it_starts() -> None:
    assert losses([numbered(5, "a"), numbered(0, "b"), numbered(2, "b"), numbered(90, "c")]) == [Gap("b", 1, 1)]


def test_a_device_without_a_run_has_one_run() -> None:
    assert losses([numbered(1, None), numbered(3, None)]) == [Gap("", 2, 2)]


@given(st.lists(st.integers(0, 40), min_size=1, unique=True))
def test_whatever_the_order_what_is_told_lost_and_not_filled_is_what_never_came(order: list[int]) -> None:
    told = losses(map(numbered, order))
    lost = {seq for loss in told if isinstance(loss, Gap) for seq in range(loss.first_seq, loss.last_seq + 1)}
    filled = {loss.seq for loss in told if isinstance(loss, FilledGap)}
    assert lost - filled == set(range(order[0], max(order) + 1)) - set(order)
