"""Mean traversal time of a link around a time of day."""

import pytest

from services.transit.travel_times.time_of_day import BINS, DAY_S, Bins, add_to_bin, bin_of, kernel_mean

EIGHT = bin_of(8 * 3_600, 0)


def bins_of(*traversals: tuple[int, float, float]) -> Bins:
    """Bins after traversals, each given by bin, day and seconds."""
    bins: Bins = {}
    for bin_, day, seconds in traversals:
        add_to_bin(bins, bin_, day, seconds, 1.0)
    return bins


def test_one_traversal_counts_as_one_however_far_from_the_wanted_bin() -> None:
    for bin_ in (EIGHT, EIGHT + 3, EIGHT + BINS):
        mean = kernel_mean(bins_of((bin_, 0.0, 90.0)), EIGHT)
        assert mean.effective_count == pytest.approx(1.0)
        assert mean.mean_s == pytest.approx(90.0)


def test_traversals_count_more_the_nearer_their_time_of_day() -> None:
    near = kernel_mean(bins_of(*[(EIGHT, 0.0, 80.0)] * 3, (EIGHT + 4, 0.0, 120.0)), EIGHT)
    assert 3.0 < near.effective_count < 4.0
    assert 80.0 < near.mean_s < 90.0
    assert near.similarity > kernel_mean(bins_of(*[(EIGHT + BINS, 0.0, 80.0)] * 4), EIGHT).similarity


def test_without_traversals_near_the_time_of_day_the_weight_is_zero() -> None:
    assert kernel_mean({}, EIGHT).weight == 0.0
    assert kernel_mean(bins_of((EIGHT, 0.0, 80.0)), bin_of(DAY_S / 2 + 8 * 3_600, 0)).weight < 1e-4
