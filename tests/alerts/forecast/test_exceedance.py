"""The chance that a rise goes on, and what past rises teach of it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.forecast.exceedance import HORIZON_S, Rises, chance, learn, outlooks, peak_odds, rises
from alerts.forecast.series import Array, Series
from models.rule import UNTRAINED, ExceedanceModel, Stage

RULE = Stage(thresholds_m=(0.6, 0.8, 1.0))
POSITIVE = st.floats(0.001, 100)


def storms(*crests_m: float, hours_apart: int = 24) -> Series:
    """A stream at 0.2 m that rises to each crest within an hour and falls again within two."""
    steps = hours_apart * 12
    level_m = np.full(steps * len(crests_m), 0.2)
    for storm, crest_m in enumerate(crests_m):
        start = storm * steps + 12
        level_m[start : start + 13] = np.linspace(0.2, crest_m, 13)
        level_m[start + 12 : start + 37] = np.linspace(crest_m, 0.2, 25)
    return Series(1_000_000_000.0, 300, level_m)


def test_without_a_past_the_chance_falls_with_what_is_missing_against_what_was_risen() -> None:
    assert chance(UNTRAINED, level_m=0.5, risen_m=0.2, threshold_m=0.7) == pytest.approx(0.42, abs=0.001)
    assert chance(UNTRAINED, level_m=0.5, risen_m=0.2, threshold_m=0.9) == pytest.approx(0.266, abs=0.001)
    assert chance(UNTRAINED, level_m=0.7, risen_m=0.2, threshold_m=0.7) == 1.0


@given(st.floats(0.02, 2), st.floats(-1, 3))
def test_without_a_past_the_rule_is_the_straight_line_over_the_window(risen: float, level: float) -> None:
    just, not_yet = level + risen * 0.999, level + risen * 1.02
    assert chance(UNTRAINED, level_m=level, risen_m=risen, threshold_m=just) >= RULE.raise_chance
    assert chance(UNTRAINED, level_m=level, risen_m=risen, threshold_m=not_yet) < RULE.raise_chance


@given(POSITIVE, POSITIVE, POSITIVE)
def test_without_a_past_the_unit_does_not_matter(risen: float, missing: float, unit: float) -> None:
    metres = chance(UNTRAINED, level_m=0.0, risen_m=risen, threshold_m=missing)
    other = chance(UNTRAINED, level_m=0.0, risen_m=risen * unit, threshold_m=missing * unit)
    assert other == pytest.approx(metres)


@given(st.lists(st.floats(0.21, 2.0), max_size=12), POSITIVE, st.floats(0.01, 3), st.floats(0.01, 3))
def test_a_farther_threshold_is_never_likelier(crests: list[float], risen: float, one: float, more: float) -> None:
    outlook = learn(rises(storms(*crests), RULE), RULE) if crests else UNTRAINED
    near = chance(outlook, level_m=0.3, risen_m=risen, threshold_m=0.3 + one)
    far = chance(outlook, level_m=0.3, risen_m=risen, threshold_m=0.3 + one + more)
    assert 0 <= far <= near + 1e-12 <= 1 + 1e-12


def test_peak_odds_count_crests_and_are_even_where_there_were_none() -> None:
    assert peak_odds((), 0.5, 0.8) == 0
    assert peak_odds((0.3, 0.6, 0.6, 0.9), 0.5, 0.8) == pytest.approx(np.log(2 / 3))


def test_a_stream_whose_rises_stop_short_is_trusted_less_than_one_whose_rises_go_on() -> None:
    short = learn(rises(storms(*[0.5] * 10), RULE), RULE)
    far = learn(rises(storms(*[1.1] * 10), RULE), RULE)
    at = {"level_m": 0.45, "risen_m": 0.1, "threshold_m": 0.6}
    assert chance(short, **at) < 0.3
    assert chance(far, **at) > 0.7


def test_where_the_straight_line_was_never_wrong_it_takes_more_to_look_beyond_it() -> None:
    def met(*crests_m: float) -> Rises:
        """Each rise met once: at 0.5 m, risen by 0.07 m, so that 0.6 m is just beyond the straight line."""
        rise = np.arange(len(crests_m), dtype=np.float64)
        level_m = np.full(len(crests_m), 0.5)
        return Rises(rise * 1e6, level_m, np.full(len(crests_m), 0.07), np.array(crests_m), rise)

    only = Stage(thresholds_m=(0.6, 0.6, 0.6))
    assert learn(met(*[0.9] * 20, *[0.52] * 6), only).least_chance > 0.5
    assert learn(met(*[0.9] * 20), only).least_chance == 0


def test_a_few_rises_move_the_default_only_a_little() -> None:
    once = learn(rises(storms(0.5), RULE), RULE)
    assert np.abs(np.subtract(once.weights, UNTRAINED.weights)).max() < 0.5


def test_what_was_learnt_holds_only_after_the_horizon_and_never_looks_ahead() -> None:
    series = storms(0.5, 0.9, 0.7, 1.2)
    learnt = list(outlooks(rises(series, RULE), RULE))
    assert len(learnt) == 5
    for since_s, outlook in learnt[1:]:
        seen = Series(series.start_s, series.step_s, series.level_m[: series.rows_until(since_s)])
        known: Array = rises(seen, RULE).at_s
        assert learn(rises(seen, RULE).first(int((known <= since_s - HORIZON_S).sum())), RULE) == outlook


def test_the_outlook_is_plain_numbers() -> None:
    outlook = learn(rises(storms(0.5, 0.9), RULE), RULE)
    assert isinstance(outlook, ExceedanceModel)
    assert all(type(number) is float for number in (*outlook.weights, *outlook.peaks_m))
