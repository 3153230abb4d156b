"""What follows from many stations together: an area is as bad as its worst, and an outage is one alert, not thirty."""

import pytest
from sqlalchemy import Connection

from services.city.load import load
from tests.alerts.town import NOON, Watch, settle, town

TEN = [f"gauge-{number}" for number in range(10)]


@pytest.fixture
def watch(transaction: Connection) -> Watch:
    return settle(transaction, *TEN)


def all_but(silent: int, minute: float, watch: Watch) -> None:
    """Everybody but the first so many says that the water is low; then time passes."""
    watch.hears(minute, **dict.fromkeys(TEN[silent:], 0.4))
    watch.waits_until(minute + 0.1)


def area(watch: Watch, subject: str) -> int:
    """The colour of a basin, a municipality or an outage."""
    rows = watch.rows(f"SELECT nar FROM attention WHERE subject = '{subject}'")
    return int(rows[0][0]) if rows else 0


def test_an_area_is_as_bad_as_its_worst_station_and_says_which(watch: Watch) -> None:
    for minute in range(3):
        watch.hears(minute, **{"gauge-3": 1.7, "gauge-4": 2.6})
    assert (area(watch, "basin:azul"), area(watch, "municipality:azul")) == (3, 3)
    evidence = watch.one("SELECT evidence FROM attention WHERE subject = 'basin:azul'")
    assert evidence["stations"]["gauge-4"] == 3
    assert watch.one("SELECT count(*) FROM alerts WHERE subject NOT LIKE 'gauge-%'") == 0


def test_an_area_follows_its_stations_down(watch: Watch) -> None:
    for minute in range(3):
        watch.hears(minute, **{"gauge-3": 2.6})
    for step in range(130):
        watch.hears(3 + step, **{"gauge-3": max(0.3, 2.6 - 0.1 * step)})
    assert (area(watch, "basin:azul"), area(watch, "municipality:azul")) == (0, 0)


def test_two_silent_gauges_are_two_faults(watch: Watch) -> None:
    for minute in range(0, 30, 3):
        all_but(2, minute, watch)
    assert watch.rows("SELECT DISTINCT judgement FROM alerts") == [("silence",)]
    assert watch.one("SELECT count(*) FROM notices") == 2


def test_three_of_ten_at_once_are_an_outage_which_alone_is_told(watch: Watch) -> None:
    for minute in range(0, 30, 3):
        all_but(3, minute, watch)
    found = watch.rows("SELECT judgement, count(*) FROM alerts GROUP BY 1 ORDER BY 1")
    assert found == [("outage", 1), ("silence", 3)]
    told = watch.rows("SELECT body ->> 'judgement', body ->> 'station' FROM notices")
    assert told == [("outage", "municipality:azul")]
    assert watch.one("SELECT evidence FROM alerts WHERE judgement = 'outage'")["silent"] == 3


def test_a_gauge_that_died_above_high_water_is_told_of_even_in_an_outage(watch: Watch) -> None:
    for minute in range(3):
        watch.hears(minute, **{"gauge-0": 2.6})
    for minute in range(3, 40, 3):
        all_but(4, minute, watch)
    told = watch.rows("SELECT body ->> 'station' FROM notices WHERE body ->> 'judgement' = 'silence'")
    assert told == [("gauge-0",)]


def test_an_outage_ends_only_when_nearly_all_are_heard_again(watch: Watch) -> None:
    for minute in range(0, 30, 3):
        all_but(5, minute, watch)
    assert area(watch, "outage:azul:river") == 2
    all_but(3, 31, watch)
    assert area(watch, "outage:azul:river") == 2
    all_but(0, 32, watch)
    assert area(watch, "outage:azul:river") == 0
    assert watch.rows("SELECT state, cause FROM alerts WHERE judgement = 'outage'") == [("cleared", "resumed")]


def test_a_station_that_was_retired_colours_its_area_no_longer(watch: Watch) -> None:
    for minute in range(3):
        watch.hears(minute, **{"gauge-3": 2.6})
    load(watch.transaction, town([name for name in TEN if name != "gauge-3"]), NOON)
    watch.waits_until(5)
    assert (area(watch, "basin:azul"), area(watch, "municipality:azul")) == (0, 0)
