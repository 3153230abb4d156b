"""Accuracy from sums equals accuracy from the predictions, by the definitions of the benchmarks."""

from datetime import UTC, datetime
from math import sqrt
from statistics import fmean
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection, insert

from models.tables.vehicles import estimate_scores
from services.queries.transit.accuracy import sums_between
from services.transit.accuracy.statistics import ALL_LINES, BinSums, accuracy_by_line
from services.transit.fleet.accuracy_counts import (
    ETA_ENDS_S,
    ETA_LIMITS_S,
    SUM_COLUMNS,
    ErrorSums,
    count_by_key,
)
from services.transit.model.accuracy_metrics import MAX_HORIZON_S
from services.transit.prediction.pending_predictions import ScoredPrediction

ZONE = ZoneInfo("America/Argentina/Buenos_Aires")
NOON = datetime(2026, 3, 2, 15, tzinfo=UTC).timestamp()

scores = st.builds(
    ScoredPrediction,
    route_id=st.sampled_from(["307", "norte"]),
    arrived_at=st.floats(NOON, NOON + 7200),
    horizon_s=st.floats(1, MAX_HORIZON_S),
    predicted_horizon_s=st.floats(0, 2 * MAX_HORIZON_S),
    error_s=st.floats(-900, 900),
    rider_error_s=st.floats(-900, 900),
    inside_interval=st.booleans(),
)


def rows_of(found: list[ScoredPrediction]) -> list[BinSums]:
    """The sums as rows of the database."""
    return [
        BinSums(str(route), int(str(eta)), int(str(mbta)), ErrorSums(*sums))  # type: ignore[arg-type]
        for _, _, route, eta, mbta, *sums in count_by_key(found, ZONE)
    ]


@given(st.lists(scores, min_size=1, max_size=60))
def test_the_figures_are_those_of_the_estimates(found: list[ScoredPrediction]) -> None:
    for route_id, accuracy in accuracy_by_line(rows_of(found)).items():
        mine = [one for one in found if route_id in (ALL_LINES, one.route_id)]
        overall = accuracy.overall
        assert overall.n == len(mine) == sum(figures.n for figures in accuracy.by_horizon if figures)
        assert overall.mae_s == pytest.approx(fmean(abs(one.error_s) for one in mine))
        assert overall.rmse_s == pytest.approx(sqrt(fmean(one.error_s**2 for one in mine)))
        assert overall.bias_s == pytest.approx(fmean(one.error_s for one in mine))
        assert overall.coverage == pytest.approx(fmean(one.inside_interval for one in mine))
        near = [one for one in mine if one.horizon_s < ETA_ENDS_S[0]]
        first = accuracy.by_horizon[0]
        assert (first is None) == (not near)
        if first:
            low, high = ETA_LIMITS_S[0]
            assert first.eta_accuracy == pytest.approx(fmean(low <= one.error_s <= high for one in near))


def test_the_benchmark_is_the_plain_mean_of_its_four_bins() -> None:
    errors = {60: (0, 0, 0, 200), 240: (0,), 400: (0, 999), 700: (0,), 1200: (999,)}
    found = [
        ScoredPrediction("307", NOON, at, at, error, error, True) for at, several in errors.items() for error in several
    ]
    line = accuracy_by_line(rows_of(found))["307"]
    assert line.overall.eta_accuracy == pytest.approx((0.75 + 1 + 0.5 + 1) / 4)
    assert line.by_horizon[4] is not None
    assert line.by_horizon[4].eta_accuracy is None
    assert accuracy_by_line(rows_of(found[:4]))["307"].overall.eta_accuracy is None


def test_days_and_lines_are_added_up_from_the_table(transaction: Connection) -> None:
    found = [
        ScoredPrediction(route, NOON, 500, 480, error, error + 30, True)
        for route in ("307", "norte")
        for error in (10, -30)
    ]
    columns = ("day", "hour", "route_id", "eta_bin", "mbta_bin", *SUM_COLUMNS)
    rows = [dict(zip(columns, row, strict=True)) for row in count_by_key(found, ZONE)]
    today = datetime.fromtimestamp(NOON, ZONE).date()
    transaction.execute(insert(estimate_scores), rows)
    transaction.execute(insert(estimate_scores), [row | {"hour": 23} for row in rows])
    accuracy = accuracy_by_line(sums_between(transaction, today, today))
    assert {route: line.overall.n for route, line in accuracy.items()} == {"307": 4, "norte": 4, ALL_LINES: 8}
    assert (accuracy["307"].overall.mae_s, accuracy["307"].overall.bias_s) == (20, -10)
    assert set(accuracy_by_line(sums_between(transaction, today, today, ["307"]))) == {"307", ALL_LINES}
    assert sums_between(transaction, today.replace(day=1), today.replace(day=1)) == []
