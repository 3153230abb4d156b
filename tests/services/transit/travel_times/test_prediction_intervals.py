"""How wide estimates are, learnt from those that came true."""

from random import Random

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from services.transit.travel_times import terminal_departures
from services.transit.travel_times.prediction_intervals import PredictionIntervals


def test_quantiles_settle_where_the_shares_are_right() -> None:
    chance, spread = Random(7), PredictionIntervals()
    for _ in range(20_000):
        spread.add_error(600.0, chance.gauss(0.3, 2.0))
    p10, rider, p50, p90 = next(spread.quantiles_along([600.0], 0.0))
    assert abs(p50 - 0.3) < 0.15
    assert abs(p10 - (0.3 - 1.2816 * 2.0)) < 0.35
    assert abs(rider - (0.3 - 0.8416 * 2.0)) < 0.35
    assert abs(p90 - (0.3 + 1.2816 * 2.0)) < 0.35


def test_what_is_learnt_of_a_near_horizon_leaves_a_far_one_alone() -> None:
    spread = PredictionIntervals()
    for _ in range(1_000):
        spread.add_error(60.0, 5.0)
    near, far = spread.quantiles_along([60.0, 1_800.0], 0.0)
    assert near[3] > far[3]
    assert far == next(PredictionIntervals().quantiles_along([1_800.0], 0.0))


def test_the_middle_moves_a_tenth_as_fast_as_the_edges() -> None:
    spread = PredictionIntervals()
    before = next(spread.quantiles_along([600.0], 0.0))
    for _ in range(40):
        spread.add_error(600.0, 5.0)
    after = next(spread.quantiles_along([600.0], 0.0))
    assert 0.0 < after[2] - before[2] < 0.2 * (after[1] - before[1])


def test_what_an_earlier_version_kept_of_widths_is_still_read() -> None:
    kept = b'{"knots":[' + b",".join([b"[7,[-1.5,-0.5,2.0]]"] * 8) + b"]}"
    assert next(msgspec.json.decode(kept, type=PredictionIntervals).quantiles_along([600.0], 0.0)) == (
        -1.5,
        -0.5,
        0.0,
        2.0,
    )


@given(st.lists(st.tuples(st.floats(-100, 5_000), st.floats(-1e6, 1e6)), max_size=200), st.floats(-100, 9_000))
def test_quantiles_keep_their_order_whatever_comes_true(errors: list[tuple[float, float]], horizon_s: float) -> None:
    spread = PredictionIntervals()
    for ahead_s, ratio in errors:
        spread.add_error(ahead_s, ratio)
    p10, rider, _, p90 = next(spread.quantiles_along([horizon_s], 0.0))
    assert p10 <= 0.0 <= p90
    assert rider <= 0.0


def test_a_terminal_that_leaves_late_is_known_for_it() -> None:
    everywhere, own = terminal_departures.empty_counts(), terminal_departures.empty_counts()
    for _ in range(30):
        terminal_departures.count_departure(own, 200.0)
    assert 180 < terminal_departures.lateness_quantiles_s(own, everywhere, -300.0)[1] < 240
    assert terminal_departures.lateness_quantiles_s(None, everywhere, -300.0)[1] < 120


@given(st.lists(st.floats(-2_000, 9_000), max_size=60), st.floats(-1_000, 5_000))
def test_a_bus_that_has_not_left_leaves_later_than_now(lateness: list[float], least_s: float) -> None:
    own = terminal_departures.empty_counts()
    for late_s in lateness:
        terminal_departures.count_departure(own, late_s)
    p10, p50, p90 = terminal_departures.lateness_quantiles_s(own, terminal_departures.empty_counts(), least_s)
    assert p10 <= p50 <= p90
    assert p10 >= max(least_s, terminal_departures.BOUNDS_S[0])
