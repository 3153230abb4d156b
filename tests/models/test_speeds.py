"""Street speed statistics from histograms."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.speeds import (
    BIN_COUNT,
    BIN_WIDTH_KMH,
    SpeedStatistics,
    histogram,
    merge_histograms,
    percentile_kmh,
    rank_streets,
    speed_statistics,
)

speeds = st.lists(st.floats(0, 259), min_size=1, max_size=200)


def test_the_figures_of_a_street() -> None:
    counts = (0,) * 8 + (50, 30, 15, 5)  # 40-45, 45-50, 50-55, 55-60 km/h
    found = speed_statistics(counts, limit_kmh=50.0)
    assert found.vehicles == 100
    assert found.mean_kmh == pytest.approx(0.50 * 42.5 + 0.30 * 47.5 + 0.15 * 52.5 + 0.05 * 57.5)
    assert found.p85_kmh == pytest.approx(50 + 5 * 5 / 15)
    assert found.p95_kmh == pytest.approx(55.0)
    assert found.share_over == pytest.approx(0.20)


def test_without_vehicles_there_is_no_speed() -> None:
    assert speed_statistics((0, 0), 40.0) == SpeedStatistics(0, None, None, None, 40.0, None)
    with pytest.raises(ValueError, match="needs vehicles"):
        percentile_kmh((), 0.85)


def test_the_last_bin_holds_all_above() -> None:
    assert histogram([10_000.0])[-1] == 1
    assert len(histogram([])) == BIN_COUNT


def test_streets_are_ranked_by_the_share_over_their_own_limit() -> None:
    slow, fast, few = (0,) * 8 + (90, 10), (0,) * 8 + (10, 90), (0,) * 20 + (3,)
    streets = {name: speed_statistics(counts, 45.0) for name, counts in (("slow", slow), ("fast", fast), ("few", few))}
    assert rank_streets(streets, min_vehicles=30) == ["fast", "slow"]


@given(speeds, speeds)
def test_merged_hours_equal_the_day(morning: list[float], evening: list[float]) -> None:
    assert merge_histograms([histogram(morning), histogram(evening)]) == histogram([*morning, *evening])


@given(speeds, st.sampled_from([0.5, 0.85, 0.95, 1.0]))
def test_a_percentile_errs_by_less_than_a_bin(passed: list[float], share: float) -> None:
    ordered = sorted(passed)
    exact = ordered[max(0, -int(-share * len(ordered) // 1) - 1)]
    assert abs(percentile_kmh(histogram(passed), share) - exact) <= BIN_WIDTH_KMH


@given(speeds, st.floats(0, 120))
def test_figures_stay_within_what_was_seen(passed: list[float], limit_kmh: float) -> None:
    found = speed_statistics(histogram(passed), limit_kmh)
    assert found.mean_kmh is not None
    assert found.p85_kmh is not None
    assert found.p95_kmh is not None
    assert found.share_over is not None
    assert abs(found.mean_kmh - sum(passed) / len(passed)) <= BIN_WIDTH_KMH / 2
    assert found.p85_kmh <= found.p95_kmh <= max(passed) + BIN_WIDTH_KMH
    assert 0 <= found.share_over <= 1
