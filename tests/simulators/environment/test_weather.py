"""Rain: the totals of the storm agree with the record for every seed, and the storm repeats."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from simulators.environment.weather import MINUTE, Array, RainField, Weather, storm_rain_mm
from simulators.scenarios.storm_2013 import AIRPORT, BEGAN_AT, DURATION, OBSERVATORY, SCENARIO, STORM

PLACES = (OBSERVATORY, AIRPORT, (-34.835, -58.105))


def rain(seed: int) -> Array:
    return storm_rain_mm(STORM, np.array(PLACES), np.random.default_rng(seed))


def between(table: Array, begins: str, ends: str) -> Array:
    """What fell between two local times of 2 April."""
    first, last = (
        (datetime.fromisoformat(f"2013-04-02T{local}-03:00") - BEGAN_AT) // MINUTE for local in (begins, ends)
    )
    total: Array = table[first:last].sum(axis=0)
    return total


@pytest.mark.seeds(1, 2, 2013)
def test_the_totals_are_those_on_record(seed: int) -> None:
    table = rain(seed)
    assert table.sum(axis=0)[0] == pytest.approx(392.2, abs=0.05)
    assert between(table, "16:00", "19:00")[0] == pytest.approx(302.2, abs=0.05)
    assert table.sum(axis=0)[1] == pytest.approx(181.0, rel=0.03)
    assert between(table, "03:00", "16:00")[0] == pytest.approx(20.0, abs=0.05)
    assert timedelta(minutes=STORM.minutes) == DURATION


def test_the_worst_hours_are_as_hard_as_told_and_neighbours_differ_twofold() -> None:
    table = rain(1)
    hourly = [between(table, f"{hour}:00", f"{hour + 1}:00")[0] for hour in (16, 17, 18)]
    assert all(90 <= depth <= 120 for depth in hourly)
    quarter = np.lib.stride_tricks.sliding_window_view(table[:, 0], 15).sum(axis=1).max()
    assert 25 <= quarter <= 40
    assert 1.8 <= table.sum(axis=0)[0] / table.sum(axis=0)[1] <= 2.5
    assert (table >= 0).all()


def test_another_seed_is_another_storm_of_the_same_depth() -> None:
    assert np.array_equal(rain(1), rain(1))
    assert not np.allclose(rain(1), rain(2))


def test_the_storm_comes_again_and_the_minute_alone_decides_what_falls() -> None:
    sky = RainField(SCENARIO.weather, PLACES, seed=7)
    minutes = [BEGAN_AT + number * MINUTE for number in range(STORM.minutes)]
    first = np.sum([sky.rain_mm(minute) for minute in minutes], axis=0)
    again = np.sum([sky.rain_mm(minute + SCENARIO.weather.repeats_every) for minute in minutes], axis=0)
    assert first[0] == pytest.approx(392.2, abs=0.05)
    assert again[0] == pytest.approx(392.2, abs=0.05)
    late = RainField(SCENARIO.weather, PLACES, seed=7)
    assert np.array_equal(late.rain_mm(minutes[800]), sky.rain_mm(minutes[800]))


def test_quiet_weather_brings_light_showers_on_some_days() -> None:
    sky = RainField(Weather(showers_per_day=1.0), PLACES, seed=3)
    start = datetime(2013, 3, 1, tzinfo=UTC)
    table = np.array([sky.rain_mm(start + number * MINUTE) for number in range(30 * 1440)])
    depths = table.reshape(30, 1440, len(PLACES)).sum(axis=1)
    assert (depths.max(axis=1) == 0).any()
    assert (depths.max(axis=1) > 0.2).any()
    assert depths.max() < 60
