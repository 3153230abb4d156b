"""What the past of a link says around a time of day."""

import pytest

from services.transit.travel_times.time_of_day import BINS, DAY_S, Bins, add, bin_of, smoothed

EIGHT = bin_of(8 * 3_600, 0)


def seen(*passages: tuple[int, float, float]) -> Bins:
    """Each by bin, day and seconds."""
    bins: Bins = {}
    for bin_, day, seconds in passages:
        add(bins, bin_, day, seconds, 1.0)
    return bins


def test_one_passage_is_one_passage_however_far_from_the_hour_asked_for() -> None:
    for bin_ in (EIGHT, EIGHT + 3, EIGHT + BINS):
        level = smoothed(seen((bin_, 0.0, 90.0)), EIGHT)
        assert level.effective == pytest.approx(1.0)
        assert level.mean_s == pytest.approx(90.0)


def test_passages_count_the_more_the_more_alike_their_hours_are() -> None:
    near = smoothed(seen(*[(EIGHT, 0.0, 80.0)] * 3, (EIGHT + 4, 0.0, 120.0)), EIGHT)
    assert 3.0 < near.effective < 4.0
    assert 80.0 < near.mean_s < 90.0
    assert near.alike > smoothed(seen(*[(EIGHT + BINS, 0.0, 80.0)] * 4), EIGHT).alike


def test_where_nothing_was_seen_nothing_is_known() -> None:
    assert smoothed({}, EIGHT).mass == 0.0
    assert smoothed(seen((EIGHT, 0.0, 80.0)), bin_of(DAY_S / 2 + 8 * 3_600, 0)).mass < 1e-4
