"""Tests of series on a regular grid: resampling, shifts, sliding windows and joining."""

import numpy as np
import pytest

from alerts.forecast.series import (
    Series,
    concatenate,
    lagged,
    led,
    peak_ahead,
    resample,
    trailing_minimum,
    trailing_sum,
)


def test_readings_go_to_their_nearest_row_and_only_a_single_empty_row_is_filled() -> None:
    series = resample([0, 310, 880, 1500, 2400], [1.0, 2.0, 3.0, None, 5.0], step_s=300)
    np.testing.assert_array_equal(series.level_m, [1, 2, 2, 3, np.nan, np.nan, np.nan, np.nan, 5])


def test_rain_adds_up_within_a_row_and_unknown_rain_stays_unknown() -> None:
    series = resample([0, 60, 120, 900], [1.0] * 4, step_s=300, rain_mm=[0.2, 0.4, None, 0.6])
    assert series.rain_mm is not None
    np.testing.assert_allclose(series.rain_mm, [0.6, np.nan, np.nan, 0.6])


def test_shifts_and_windows() -> None:
    values = np.array([3.0, 1.0, np.nan, 4.0])
    np.testing.assert_array_equal(lagged(values, 1), [np.nan, 3, 1, np.nan])
    np.testing.assert_array_equal(led(values, 9), [np.nan] * 4)
    np.testing.assert_array_equal(trailing_minimum(values, 2), [3, 1, 1, 4])
    np.testing.assert_array_equal(peak_ahead(values, 1), [3, 1, 4, 4])
    np.testing.assert_array_equal(trailing_sum(values, 2), [3, 4, 1, 4])


def test_a_span_of_too_many_steps_raises() -> None:
    with pytest.raises(ValueError, match="span"):
        resample([0, 1e12], [1.0, 1.0], step_s=60)


def test_two_records_are_joined_with_a_gap_between() -> None:
    earlier, later = Series(0.0, 300, np.ones(5)), Series(1e9, 300, np.zeros(4))
    both = concatenate(earlier, later)
    assert both.start_s + (len(both) - 4) * 300 == 1e9
    assert np.isnan(both.level_m[5:-4]).all()
    with pytest.raises(ValueError, match="steps"):
        concatenate(earlier, Series(0.0, 60, np.ones(5)))
