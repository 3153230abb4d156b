"""Prediction intervals, learnt from errors of predictions."""

from random import Random

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from services.transit.travel_times.prediction_intervals import PredictionIntervals


def test_quantiles_converge_to_those_of_the_errors() -> None:
    chance, intervals = Random(7), PredictionIntervals()
    for _ in range(20_000):
        intervals.add_error(600.0, chance.gauss(0.3, 2.0))
    p10, rider, p50, p90 = next(intervals.quantiles_along([600.0], 0.0))
    assert abs(p50 - 0.3) < 0.15
    assert abs(p10 - (0.3 - 1.2816 * 2.0)) < 0.35
    assert abs(rider - (0.3 - 0.8416 * 2.0)) < 0.35
    assert abs(p90 - (0.3 + 1.2816 * 2.0)) < 0.35


def test_errors_at_a_near_horizon_do_not_change_a_far_one() -> None:
    intervals = PredictionIntervals()
    for _ in range(1_000):
        intervals.add_error(60.0, 5.0)
    near, far = intervals.quantiles_along([60.0, 1_800.0], 0.0)
    assert near[3] > far[3]
    assert far == next(PredictionIntervals().quantiles_along([1_800.0], 0.0))


def test_the_median_moves_a_tenth_as_fast_as_the_other_quantiles() -> None:
    intervals = PredictionIntervals()
    before = next(intervals.quantiles_along([600.0], 0.0))
    for _ in range(40):
        intervals.add_error(600.0, 5.0)
    after = next(intervals.quantiles_along([600.0], 0.0))
    assert 0.0 < after[2] - before[2] < 0.2 * (after[1] - before[1])


def test_intervals_of_an_earlier_version_are_decoded() -> None:
    stored = b'{"knots":[' + b",".join([b"[7,[-1.5,-0.5,2.0]]"] * 8) + b"]}"
    assert next(msgspec.json.decode(stored, type=PredictionIntervals).quantiles_along([600.0], 0.0)) == (
        -1.5,
        -0.5,
        0.0,
        2.0,
    )


@given(st.lists(st.tuples(st.floats(-100, 5_000), st.floats(-1e6, 1e6)), max_size=200), st.floats(-100, 9_000))
def test_quantiles_keep_their_order_whatever_the_errors(errors: list[tuple[float, float]], horizon_s: float) -> None:
    intervals = PredictionIntervals()
    for ahead_s, ratio in errors:
        intervals.add_error(ahead_s, ratio)
    p10, rider, _, p90 = next(intervals.quantiles_along([horizon_s], 0.0))
    assert p10 <= 0.0 <= p90
    assert rider <= 0.0
