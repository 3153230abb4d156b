"""Tests of the exceedance probability and of fitting its model to past rises."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.forecast.exceedance import (
    HORIZON_S,
    RisingRows,
    exceedance_probability,
    find_rising_rows,
    fit_exceedance,
    models_over_time,
    peak_log_odds,
)
from alerts.forecast.series import Series
from models.rule import UNTRAINED, ExceedanceModel, Stage

RULE = Stage(thresholds_m=(0.6, 0.8, 1.0))
POSITIVE = st.floats(0.001, 100)


def storms(*peaks_m: float, hours_apart: int = 24) -> Series:
    """A stream at 0.2 m that rises to each peak within an hour and falls again within two."""
    steps = hours_apart * 12
    level_m = np.full(steps * len(peaks_m), 0.2)
    for storm, peak_m in enumerate(peaks_m):
        start = storm * steps + 12
        level_m[start : start + 13] = np.linspace(0.2, peak_m, 13)
        level_m[start + 12 : start + 37] = np.linspace(peak_m, 0.2, 25)
    return Series(1_000_000_000.0, 300, level_m)


def test_without_training_the_probability_falls_with_the_missing_height_per_height_risen() -> None:
    as_far, twice_as_far, reached = (
        exceedance_probability(UNTRAINED, level_m=level_m, risen_m=0.2, threshold_m=threshold_m)
        for level_m, threshold_m in ((0.5, 0.7), (0.5, 0.9), (0.7, 0.7))
    )
    assert as_far == pytest.approx(0.42, abs=0.001)
    assert twice_as_far == pytest.approx(0.266, abs=0.001)
    assert reached == 1.0


@given(st.floats(0.02, 2), st.floats(-1, 3))
def test_without_training_the_rule_is_the_straight_line_over_the_window(risen: float, level: float) -> None:
    just, not_yet = level + risen * 0.999, level + risen * 1.02
    assert exceedance_probability(UNTRAINED, level_m=level, risen_m=risen, threshold_m=just) >= RULE.raise_chance
    assert exceedance_probability(UNTRAINED, level_m=level, risen_m=risen, threshold_m=not_yet) < RULE.raise_chance


@given(POSITIVE, POSITIVE, POSITIVE)
def test_without_training_the_unit_does_not_matter(risen: float, missing: float, unit: float) -> None:
    metres = exceedance_probability(UNTRAINED, level_m=0.0, risen_m=risen, threshold_m=missing)
    other = exceedance_probability(UNTRAINED, level_m=0.0, risen_m=risen * unit, threshold_m=missing * unit)
    assert other == pytest.approx(metres)


@given(st.lists(st.floats(0.21, 2.0), max_size=12), POSITIVE, st.floats(0.01, 3), st.floats(0.01, 3))
def test_a_farther_threshold_is_never_more_probable(
    peaks: list[float], risen: float, missing: float, more: float
) -> None:
    model = fit_exceedance(find_rising_rows(storms(*peaks), RULE), RULE) if peaks else UNTRAINED
    near = exceedance_probability(model, level_m=0.3, risen_m=risen, threshold_m=0.3 + missing)
    far = exceedance_probability(model, level_m=0.3, risen_m=risen, threshold_m=0.3 + missing + more)
    assert 0 <= far <= near + 1e-12 <= 1 + 1e-12


def test_peak_odds_count_peaks_and_are_even_without_peaks() -> None:
    assert peak_log_odds((), 0.5, 0.8) == 0
    assert peak_log_odds((0.3, 0.6, 0.6, 0.9), 0.5, 0.8) == pytest.approx(np.log(2 / 3))


def test_rises_that_stop_short_lower_the_probability_and_rises_that_go_on_raise_it() -> None:
    short = fit_exceedance(find_rising_rows(storms(*[0.5] * 10), RULE), RULE)
    far = fit_exceedance(find_rising_rows(storms(*[1.1] * 10), RULE), RULE)
    at = {"level_m": 0.45, "risen_m": 0.1, "threshold_m": 0.6}
    assert exceedance_probability(short, **at) < 0.3
    assert exceedance_probability(far, **at) > 0.7


def test_where_the_straight_line_was_never_wrong_the_trigger_beyond_it_is_high() -> None:
    def one_row_per_rise(*peaks_m: float) -> RisingRows:
        """Each rise seen once: at 0.5 m, risen by 0.07 m, so that 0.6 m is just beyond the straight line."""
        rise_id = np.arange(len(peaks_m), dtype=np.float64)
        level_m = np.full(len(peaks_m), 0.5)
        return RisingRows(rise_id * 1e6, level_m, np.full(len(peaks_m), 0.07), np.array(peaks_m), rise_id)

    single_threshold = Stage(thresholds_m=(0.6, 0.6, 0.6))
    assert fit_exceedance(one_row_per_rise(*[0.9] * 20, *[0.52] * 6), single_threshold).least_chance > 0.5
    assert fit_exceedance(one_row_per_rise(*[0.9] * 20), single_threshold).least_chance == 0


def test_a_few_rises_move_the_default_only_a_little() -> None:
    once = fit_exceedance(find_rising_rows(storms(0.5), RULE), RULE)
    assert np.abs(np.subtract(once.weights, UNTRAINED.weights)).max() < 0.5


def test_a_model_holds_only_after_the_horizon_and_has_no_look_ahead() -> None:
    series = storms(0.5, 0.9, 0.7, 1.2)
    models = list(models_over_time(find_rising_rows(series, RULE), RULE))
    assert len(models) == 5
    for since_s, model in models[1:]:
        past = Series(series.start_s, series.step_s, series.level_m[: series.rows_until(since_s)])
        rising = find_rising_rows(past, RULE)
        with_outcome = int((rising.at_s <= since_s - HORIZON_S).sum())
        assert fit_exceedance(rising.head(with_outcome), RULE) == model


def test_the_model_is_plain_numbers() -> None:
    model = fit_exceedance(find_rising_rows(storms(0.5, 0.9), RULE), RULE)
    assert isinstance(model, ExceedanceModel)
    assert all(type(number) is float for number in (*model.weights, *model.peaks_m))
