"""Sums of prediction errors: each benchmark has its own limits and bins."""

from datetime import date
from zoneinfo import ZoneInfo

import pytest

from services.transit.fleet.accuracy_counts import ErrorSums, count_by_key
from services.transit.prediction.pending_predictions import ScoredPrediction

ZONE = ZoneInfo("America/Argentina/Buenos_Aires")
MIDNIGHT = 1_772_506_800.0  # 2026-03-03 03:00 UTC, midnight in the city


def score(*, ahead_s: float, error_s: float, at: float = MIDNIGHT - 1, **more: object) -> ScoredPrediction:
    fields = {
        "route_id": "307",
        "predicted_horizon_s": ahead_s - error_s,
        "rider_error_s": error_s + 60,
        "inside_interval": True,
    } | more
    return ScoredPrediction(arrived_at=at, horizon_s=ahead_s, error_s=error_s, **fields)  # type: ignore[arg-type]


def sums(*scores: ScoredPrediction) -> ErrorSums:
    (row,) = count_by_key(scores, ZONE)
    return ErrorSums(*row[5:])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("ahead_s", "error_s", "accurate"),
    [
        (100, -30, True),
        (100, -31, False),
        (100, 90, True),
        (100, 91, False),
        (179.9, 90, True),
        (180, 150, True),
        (400, 210, True),
        (400, 211, False),
        (700, 270, True),
        (700, -91, False),
        (900, 0, False),  # the benchmark has no bin for longer horizons
    ],
)
def test_the_eta_benchmark_bins_by_the_actual_horizon(ahead_s: float, error_s: float, accurate: bool) -> None:
    assert sums(score(ahead_s=ahead_s, error_s=error_s)).eta_accurate == accurate


@pytest.mark.parametrize(
    ("predicted_horizon_s", "error_s", "accurate"),
    [(170, 60, True), (170, 61, False), (190, 120, True), (370, -150, True), (730, 360, True), (1_810, 0, False)],
)
def test_the_mbta_bins_by_the_predicted_horizon(predicted_horizon_s: float, error_s: float, accurate: bool) -> None:
    assert sums(score(ahead_s=500, error_s=error_s, predicted_horizon_s=predicted_horizon_s)).mbta_accurate == accurate


def test_errors_add_up_and_a_late_bus_is_positive() -> None:
    both = sums(score(ahead_s=300, error_s=-30), score(ahead_s=310, error_s=50, inside_interval=False))
    assert (both.n, both.sum_error_s, both.sum_absolute_s, both.sum_square_s2) == (2, 20, 80, 3_400)
    assert (both.sum_rider_error_s, both.sum_rider_absolute_s, both.inside) == (140, 140, 1)
    assert (both.eta_accurate, both.rider_accurate) == (2, 2)


def test_there_is_a_row_for_each_route_horizon_and_hour_of_the_citys_day() -> None:
    rows = count_by_key(
        [
            score(ahead_s=100, error_s=0),
            score(ahead_s=100, error_s=0, at=MIDNIGHT),
            score(ahead_s=100, error_s=0, route_id="214"),
            score(ahead_s=1_700, error_s=0),
            score(ahead_s=1_801, error_s=0),
            score(ahead_s=-5, error_s=0),
        ],
        ZONE,
    )
    assert [row[:5] for row in rows] == [
        (date(2026, 3, 2), 23, "214", 0, 0),
        (date(2026, 3, 2), 23, "307", 0, 0),
        (date(2026, 3, 2), 23, "307", 4, 3),
        (date(2026, 3, 3), 0, "307", 0, 0),
    ]
