"""Tests of the level forecast: fitted day by day without look-ahead, with calibrated quantiles."""

from dataclasses import replace

import msgspec
import numpy as np
import pytest

from alerts.forecast.learning import ScoredRows, backtest, fit_model
from alerts.forecast.level_forecast import HISTORY_S, LEADS_S, ForecastModel, LeadForecast, predict, predictors_of
from alerts.forecast.series import (
    DAY_S,
    Array,
    Series,
    led,
)
from models.rule import Stage

RULE = Stage(thresholds_m=(0.6, 0.8, 1.0))
SCORED = ScoredRows(0.6)


def reservoir(days: int, *, seed: int = 3, step_s: int = 300) -> tuple[Array, Array]:
    """Level, m, and rain, mm, of an artificial but predictable stream: two linear reservoirs and random storms."""
    random = np.random.default_rng(seed)
    rows = days * DAY_S // step_s
    rain_mm = np.zeros(rows)
    for start in random.choice(rows, size=days // 2, replace=False):
        length = int(random.integers(6, 40))
        rain_mm[start : start + length] += random.exponential(0.8) * random.gamma(
            2.0, 0.5, len(rain_mm[start : start + length])
        )
    upper = lower = 0.0
    level_m = np.empty(rows)
    for row, rain in enumerate(rain_mm):
        upper += rain - upper * step_s / 2400
        lower += (upper * step_s / 2400) - lower * step_s / 7200
        level_m[row] = 0.2 + 0.05 * lower
    return level_m + random.normal(0, 0.001, rows), rain_mm


@pytest.fixture(scope="module")
def stream() -> Series:
    level_m, rain_mm = reservoir(150)
    return Series(1_000_000_000.0, 300, level_m, rain_mm)


def test_a_predictable_stream_is_forecast_better_than_by_persistence_with_and_without_rain(stream: Series) -> None:
    with_rain = fit_model(stream, RULE)
    without_rain = fit_model(replace(stream, rain_mm=None), RULE)
    for lead, lead_without_rain in zip(with_rain.leads[:4], without_rain.leads[:4], strict=True):
        assert lead.index is not None
        assert lead_without_rain.index is not None
        assert lead.index > 0.35
        assert lead_without_rain.index > 0.3
        assert lead.published


def test_p10_to_p90_cover_about_80_percent_of_unseen_outcomes(stream: Series) -> None:
    result = backtest(stream, SCORED)
    for lead in result.leads:
        then_m = led(stream.level_m, stream.steps(lead.lead_s))
        rows = SCORED.mask(stream.level_m, then_m) & (result.spells >= 10)
        covered = ((then_m >= lead.p10_m) & (then_m <= lead.p90_m))[rows].mean()
        assert 0.7 <= covered <= 0.9


def test_no_forecast_goes_below_what_the_stream_ever_was(stream: Series) -> None:
    model = fit_model(stream, RULE)
    assert model.lowest_m == stream.level_m.min()
    rows = HISTORY_S // stream.step_s + 1
    falling = np.concatenate([np.full(rows - 25, 1.4), np.linspace(1.4, 0.24, 25)])

    def lowest_p10_m(lowest_m: float) -> float:
        known = msgspec.structs.replace(model, lowest_m=lowest_m)
        forecast = predict(known, Series(0.0, stream.step_s, falling, np.zeros(rows)))
        assert forecast is not None
        return min(lead.p10_m for lead in forecast.leads)

    assert lowest_p10_m(-1e9) < 0.235
    assert lowest_p10_m(0.235) == 0.235
    assert lowest_p10_m(0.5) == 0.24  # it is lower now than ever


def test_no_forecast_depends_on_later_rows(stream: Series) -> None:
    cut = 100 * DAY_S // 300
    other = np.concatenate([stream.level_m[:cut], stream.level_m[cut:][::-1] + 0.3])
    one, two = backtest(stream, SCORED), backtest(replace(stream, level_m=other), SCORED)
    for mine, theirs in zip(one.leads, two.leads, strict=True):
        assert np.array_equal(mine.p10_m[:cut], theirs.p10_m[:cut])
        assert np.array_equal(mine.expected_m[:cut], theirs.expected_m[:cut])
        assert np.array_equal(mine.p90_m[:cut], theirs.p90_m[:cut])


def test_the_stored_model_forecasts_what_the_backtest_forecasts_next(stream: Series) -> None:
    cut = 120 * DAY_S // 300 + 40
    high_row = int(cut + np.argmax(stream.level_m[cut : cut + 4 * 288]))
    day = high_row - high_row % 288
    model = fit_model(Series(stream.start_s, 300, stream.level_m[:day], _rain(stream)[:day]), RULE)
    stored = msgspec.json.decode(msgspec.json.encode(model), type=ForecastModel)
    assert stored == model
    assert stored.exceedance.peaks_m
    steps = HISTORY_S // 300 + 1
    window = Series(
        0.0, 300, stream.level_m[high_row - steps : high_row + 1], _rain(stream)[high_row - steps : high_row + 1]
    )
    forecast = predict(stored, window)
    assert forecast is not None
    assert forecast.active
    for predicted, lead in zip(forecast.leads, backtest(stream, SCORED).leads, strict=True):
        assert predicted.expected_m == pytest.approx(lead.expected_m[high_row], abs=0.02)


def test_a_quiet_stream_is_forecast_by_persistence_and_reported_as_inactive(stream: Series) -> None:
    model = fit_model(stream, RULE)
    forecast = predict(model, Series(0.0, 300, np.full(400, 0.2), np.zeros(400)))
    assert forecast is not None
    assert not forecast.active
    assert [lead.expected_m for lead in forecast.leads] == [0.2] * len(LEADS_S)


def test_the_quantiles_are_ordered(stream: Series) -> None:
    result = backtest(stream, SCORED)
    for lead in result.leads:
        forecast = np.isfinite(lead.expected_m)
        assert (lead.p10_m <= lead.p50_m + 1e-9)[forecast].all()
        assert (lead.p50_m <= lead.p90_m + 1e-9)[forecast].all()


def test_a_model_without_rain_is_decoded_as_it_was_encoded(stream: Series) -> None:
    model = fit_model(replace(stream, rain_mm=None), RULE)
    assert msgspec.json.decode(msgspec.json.encode(model), type=ForecastModel) == model


def test_a_station_with_too_short_a_record_publishes_no_lead() -> None:
    level_m, _ = reservoir(3)
    model = fit_model(Series(0.0, 300, level_m), RULE)
    assert not any(lead.published for lead in model.leads)


def test_a_gap_at_the_end_gives_no_forecast_and_a_gap_before_it_gives_persistence(stream: Series) -> None:
    model = fit_model(replace(stream, rain_mm=None), RULE)
    level_m = np.linspace(0.4, 0.9, 400)
    assert predict(model, Series(0.0, 300, np.append(level_m, np.nan))) is None
    level_m[-8:-2] = np.nan
    forecast = predict(model, Series(0.0, 300, level_m))
    assert forecast is not None
    assert [lead.expected_m for lead in forecast.leads] == [0.9] * len(LEADS_S)


def test_the_probability_falls_with_the_threshold_and_matches_the_three_quantiles() -> None:
    lead = LeadForecast(1800, 0.7, 0.6, 0.7, 1.0, published=True)
    probabilities = [lead.probability_above(threshold_m) for threshold_m in (0.6, 0.7, 1.0)]
    assert probabilities == pytest.approx([0.9, 0.5, 0.1], abs=1e-6)
    assert lead.probability_above(0.65) > lead.probability_above(0.66)


def test_leads_shorter_than_the_step_are_not_forecast() -> None:
    level_m, _ = reservoir(20, step_s=3600)
    assert [lead.lead_s for lead in fit_model(Series(0.0, 3600, level_m), RULE).leads] == [3600, 7200, 10_800, 21_600]


def test_features_of_a_row_come_from_that_row_and_before(stream: Series) -> None:
    cut = 5000
    changed = np.concatenate([stream.level_m[:cut], np.zeros(len(stream) - cut)])
    mine, other = predictors_of(stream), predictors_of(replace(stream, level_m=changed))
    assert np.array_equal(mine.features[:cut], other.features[:cut], equal_nan=True)


def _rain(series: Series) -> Array:
    assert series.rain_mm is not None
    return series.rain_mm
