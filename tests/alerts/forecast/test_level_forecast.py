"""The level ahead: learnt day by day from the past alone, honest about its errors."""

from dataclasses import replace

import msgspec
import numpy as np
import pytest

from alerts.forecast.learning import Notable, fit, walk
from alerts.forecast.level_forecast import LEADS_S, WINDOW_S, Ahead, Model, known, predict
from alerts.forecast.series import DAY_S, Array, Series, after, before, crest, fallen, joined, lowest, regular
from models.rule import Stage

RULE = Stage(thresholds_m=(0.6, 0.8, 1.0))
NOTABLE = Notable(0.6)


def reservoir(days: int, *, seed: int = 3, step_s: int = 300) -> tuple[Array, Array]:
    """Level, m, and rain, mm, of two linear reservoirs in a row under random storms: a made-up but lawful stream."""
    chance = np.random.default_rng(seed)
    rows = days * DAY_S // step_s
    rain_mm = np.zeros(rows)
    for start in chance.choice(rows, size=days // 2, replace=False):
        length = int(chance.integers(6, 40))
        rain_mm[start : start + length] += chance.exponential(0.8) * chance.gamma(
            2.0, 0.5, len(rain_mm[start : start + length])
        )
    upper = lower = 0.0
    level_m = np.empty(rows)
    for row, rain in enumerate(rain_mm):
        upper += rain - upper * step_s / 2400
        lower += (upper * step_s / 2400) - lower * step_s / 7200
        level_m[row] = 0.2 + 0.05 * lower
    return level_m + chance.normal(0, 0.001, rows), rain_mm


@pytest.fixture(scope="module")
def stream() -> Series:
    level_m, rain_mm = reservoir(150)
    return Series(1_000_000_000.0, 300, level_m, rain_mm)


def test_a_lawful_stream_is_forecast_better_than_by_persistence_with_and_without_rain(stream: Series) -> None:
    with_rain = fit(stream, RULE)
    alone = fit(replace(stream, rain_mm=None), RULE)
    for lead, plain in zip(with_rain.leads[:4], alone.leads[:4], strict=True):
        assert lead.index is not None
        assert plain.index is not None
        assert lead.index > 0.35
        assert plain.index > 0.3
        assert lead.published


def test_ten_to_ninety_percent_cover_about_eighty_of_what_was_not_seen(stream: Series) -> None:
    walked = walk(stream, NOTABLE)
    for lead in walked.leads:
        then_m = after(stream.level_m, stream.steps(lead.lead_s))
        rows = NOTABLE.rows(stream.level_m, then_m) & (walked.spells >= 10)
        covered = ((then_m >= lead.p10_m) & (then_m <= lead.p90_m))[rows].mean()
        assert 0.7 <= covered <= 0.9


def test_no_forecast_knows_what_came_after_it(stream: Series) -> None:
    cut = 100 * DAY_S // 300
    other = np.concatenate([stream.level_m[:cut], stream.level_m[cut:][::-1] + 0.3])
    one, two = walk(stream, NOTABLE), walk(replace(stream, level_m=other), NOTABLE)
    for mine, theirs in zip(one.leads, two.leads, strict=True):
        assert np.array_equal(mine.p10_m[:cut], theirs.p10_m[:cut])
        assert np.array_equal(mine.expected_m[:cut], theirs.expected_m[:cut])
        assert np.array_equal(mine.p90_m[:cut], theirs.p90_m[:cut])


def test_the_stored_model_says_what_the_walk_would_have_said_next(stream: Series) -> None:
    cut = 120 * DAY_S // 300 + 40
    wet = int(cut + np.argmax(stream.level_m[cut : cut + 4 * 288]))
    day = wet - wet % 288
    model = fit(Series(stream.start_s, 300, stream.level_m[:day], _rain(stream)[:day]), RULE)
    stored = msgspec.json.decode(msgspec.json.encode(model), type=Model)
    assert stored == model
    assert stored.outlook.peaks_m
    steps = WINDOW_S // 300 + 1
    window = Series(0.0, 300, stream.level_m[wet - steps : wet + 1], _rain(stream)[wet - steps : wet + 1])
    forecast = predict(stored, window)
    assert forecast is not None
    assert forecast.active
    for ahead, lead in zip(forecast.ahead, walk(stream, NOTABLE).leads, strict=True):
        assert ahead.expected_m == pytest.approx(lead.expected_m[wet], abs=0.02)


def test_quiet_water_is_expected_to_stay_and_is_said_to_be_quiet(stream: Series) -> None:
    model = fit(stream, RULE)
    forecast = predict(model, Series(0.0, 300, np.full(400, 0.2), np.zeros(400)))
    assert forecast is not None
    assert not forecast.active
    assert [ahead.expected_m for ahead in forecast.ahead] == [0.2] * len(LEADS_S)


def test_the_quantiles_stand_in_order(stream: Series) -> None:
    walked = walk(stream, NOTABLE)
    for lead in walked.leads:
        there = np.isfinite(lead.expected_m)
        assert (lead.p10_m <= lead.p50_m + 1e-9)[there].all()
        assert (lead.p50_m <= lead.p90_m + 1e-9)[there].all()


def test_a_model_without_rain_survives_storage(stream: Series) -> None:
    model = fit(replace(stream, rain_mm=None), RULE)
    assert msgspec.json.decode(msgspec.json.encode(model), type=Model) == model


def test_a_station_nobody_has_learnt_from_is_expected_to_stay_and_publishes_nothing() -> None:
    level_m, _ = reservoir(3)
    model = fit(Series(0.0, 300, level_m), RULE)
    assert not any(lead.published for lead in model.leads)


def test_a_hole_at_the_end_gives_no_forecast_and_one_before_it_gives_persistence(stream: Series) -> None:
    model = fit(replace(stream, rain_mm=None), RULE)
    level_m = np.linspace(0.4, 0.9, 400)
    assert predict(model, Series(0.0, 300, np.append(level_m, np.nan))) is None
    level_m[-8:-2] = np.nan
    forecast = predict(model, Series(0.0, 300, level_m))
    assert forecast is not None
    assert [ahead.expected_m for ahead in forecast.ahead] == [0.9] * len(LEADS_S)


def test_a_fall_of_the_chance_with_the_threshold_and_its_three_fixed_points() -> None:
    ahead = Ahead(1800, 0.7, 0.6, 0.7, 1.0, published=True)
    chances = [ahead.chance_above(threshold_m) for threshold_m in (0.6, 0.7, 1.0)]
    assert chances == pytest.approx([0.9, 0.5, 0.1], abs=1e-6)
    assert ahead.chance_above(0.65) > ahead.chance_above(0.66)


def test_leads_shorter_than_the_step_are_not_forecast() -> None:
    level_m, _ = reservoir(20, step_s=3600)
    assert [lead.lead_s for lead in fit(Series(0.0, 3600, level_m), RULE).leads] == [3600, 7200, 10_800, 21_600]


def test_features_of_a_row_come_from_that_row_and_before(stream: Series) -> None:
    cut = 5000
    changed = np.concatenate([stream.level_m[:cut], np.zeros(len(stream) - cut)])
    mine, other = known(stream), known(replace(stream, level_m=changed))
    assert np.array_equal(mine.features[:cut], other.features[:cut], equal_nan=True)


# The grid


def test_readings_go_to_their_nearest_row_and_only_a_lone_hole_is_bridged() -> None:
    series = regular([0, 310, 880, 1500, 2400], [1.0, 2.0, 3.0, None, 5.0], step_s=300)
    np.testing.assert_array_equal(series.level_m, [1, 2, 2, 3, np.nan, np.nan, np.nan, np.nan, 5])


def test_rain_adds_up_within_a_row_and_unknown_rain_stays_unknown() -> None:
    series = regular([0, 60, 120, 900], [1.0] * 4, step_s=300, rain_mm=[0.2, 0.4, None, 0.6])
    assert series.rain_mm is not None
    np.testing.assert_allclose(series.rain_mm, [0.6, np.nan, np.nan, 0.6])


def test_shifts_and_windows_look_where_they_say() -> None:
    values = np.array([3.0, 1.0, np.nan, 4.0])
    np.testing.assert_array_equal(before(values, 1), [np.nan, 3, 1, np.nan])
    np.testing.assert_array_equal(after(values, 9), [np.nan] * 4)
    np.testing.assert_array_equal(lowest(values, 2), [3, 1, 1, 4])
    np.testing.assert_array_equal(crest(values, 1), [3, 1, 4, 4])
    np.testing.assert_array_equal(fallen(values, 2), [3, 4, 1, 4])


def test_an_absurd_span_is_refused() -> None:
    with pytest.raises(ValueError, match="span"):
        regular([0, 1e12], [1.0, 1.0], step_s=60)


def test_two_records_are_joined_with_a_gap_between() -> None:
    one, two = Series(0.0, 300, np.ones(5)), Series(1e9, 300, np.zeros(4))
    both = joined(one, two)
    assert both.start_s + (len(both) - 4) * 300 == 1e9
    assert np.isnan(both.level_m[5:-4]).all()
    with pytest.raises(ValueError, match="steps"):
        joined(one, Series(0.0, 60, np.ones(5)))


def _rain(series: Series) -> Array:
    assert series.rain_mm is not None
    return series.rain_mm
