"""What the past of a link says around a time of day."""

import pytest

from services.transit.travel_times.time_of_day import BINS, DAY_S, Bins, add_to_bin, bin_of, kernel_mean

EIGHT = bin_of(8 * 3_600, 0)


def seen(*passages: tuple[int, float, float]) -> Bins:
    """Each by bin, day and seconds."""
    bins: Bins = {}
    for bin_, day, seconds in passages:
        add_to_bin(bins, bin_, day, seconds, 1.0)
    return bins


def test_one_passage_is_one_passage_however_far_from_the_hour_asked_for() -> None:
    for bin_ in (EIGHT, EIGHT + 3, EIGHT + BINS):
        level = kernel_mean(seen((bin_, 0.0, 90.0)), EIGHT)
        assert level.effective_count == pytest.approx(1.0)
        assert level.mean_s == pytest.approx(90.0)


def test_passages_count_the_more_the_more_alike_their_hours_are() -> None:
    near = kernel_mean(seen(*[(EIGHT, 0.0, 80.0)] * 3, (EIGHT + 4, 0.0, 120.0)), EIGHT)
    assert 3.0 < near.effective_count < 4.0
    assert 80.0 < near.mean_s < 90.0
    assert near.similarity > kernel_mean(seen(*[(EIGHT + BINS, 0.0, 80.0)] * 4), EIGHT).similarity


def test_where_nothing_was_seen_nothing_is_known() -> None:
    assert kernel_mean({}, EIGHT).weight == 0.0
    assert kernel_mean(seen((EIGHT, 0.0, 80.0)), bin_of(DAY_S / 2 + 8 * 3_600, 0)).weight < 1e-4
