"""Tests of area levels: an area has the colour of its worst station, and an outage is one alert."""

import pytest
from sqlalchemy import Connection

from services.city.load import load
from tests.alerts.town import NOON, EngineRun, load_town, town

TEN = [f"gauge-{number}" for number in range(10)]


@pytest.fixture
def engine_run(transaction: Connection) -> EngineRun:
    return load_town(transaction, *TEN)


def receive_from_all_but(silent: int, minute: float, engine_run: EngineRun) -> None:
    """All gauges except the first `silent` report a low level; then one tick."""
    engine_run.receive_levels(minute, **dict.fromkeys(TEN[silent:], 0.4))
    engine_run.tick_at(minute + 0.1)


def area(engine_run: EngineRun, subject: str) -> int:
    """The colour of a basin, a municipality or an outage."""
    rows = engine_run.rows(f"SELECT nar FROM attention WHERE subject = '{subject}'")
    return int(rows[0][0]) if rows else 0


def test_an_area_has_the_colour_of_its_worst_station_and_names_it(engine_run: EngineRun) -> None:
    for minute in range(3):
        engine_run.receive_levels(minute, **{"gauge-3": 1.7, "gauge-4": 2.6})
    assert (area(engine_run, "basin:azul"), area(engine_run, "municipality:azul")) == (3, 3)
    evidence = engine_run.value("SELECT evidence FROM attention WHERE subject = 'basin:azul'")
    assert evidence["stations"]["gauge-4"] == 3
    assert engine_run.value("SELECT count(*) FROM alerts WHERE subject NOT LIKE 'gauge-%'") == 0


def test_an_area_follows_its_stations_down(engine_run: EngineRun) -> None:
    for minute in range(3):
        engine_run.receive_levels(minute, **{"gauge-3": 2.6})
    for step in range(130):
        engine_run.receive_levels(3 + step, **{"gauge-3": max(0.3, 2.6 - 0.1 * step)})
    assert (area(engine_run, "basin:azul"), area(engine_run, "municipality:azul")) == (0, 0)


def test_two_silent_gauges_are_two_faults(engine_run: EngineRun) -> None:
    for minute in range(0, 30, 3):
        receive_from_all_but(2, minute, engine_run)
    assert engine_run.rows("SELECT judgement, count(*) FROM alerts GROUP BY 1") == [("silence", 2)]
    assert engine_run.rows("SELECT body ->> 'reason' FROM notices") == [("opened",)], "one incident, announced once"


def test_three_of_ten_at_once_are_an_outage_and_only_the_outage_is_notified(engine_run: EngineRun) -> None:
    for minute in range(0, 30, 3):
        receive_from_all_but(3, minute, engine_run)
    judgements = engine_run.rows("SELECT judgement, count(*) FROM alerts GROUP BY 1 ORDER BY 1")
    assert judgements == [("outage", 1), ("silence", 3)]
    notices = engine_run.rows("SELECT body ->> 'judgement', body ->> 'station' FROM notices")
    assert notices == [("outage", "municipality:azul")]
    assert engine_run.value("SELECT evidence FROM alerts WHERE judgement = 'outage'")["silent"] == 3


def test_a_gauge_lost_while_its_level_was_high_is_notified_even_in_an_outage(engine_run: EngineRun) -> None:
    for minute in range(3):
        engine_run.receive_levels(minute, **{"gauge-0": 2.6})
    for minute in range(3, 40, 3):
        receive_from_all_but(4, minute, engine_run)
    notices = engine_run.rows("SELECT body ->> 'station' FROM notices WHERE body ->> 'judgement' = 'silence'")
    assert notices == [("gauge-0",)]


def test_an_outage_ends_only_when_nearly_all_report_again(engine_run: EngineRun) -> None:
    for minute in range(0, 30, 3):
        receive_from_all_but(5, minute, engine_run)
    assert area(engine_run, "outage:azul:river") == 2
    receive_from_all_but(3, 31, engine_run)
    assert area(engine_run, "outage:azul:river") == 2
    receive_from_all_but(0, 32, engine_run)
    assert area(engine_run, "outage:azul:river") == 0
    assert engine_run.rows("SELECT state, cause FROM alerts WHERE judgement = 'outage'") == [("cleared", "resumed")]


def test_a_removed_station_no_longer_colours_its_area(engine_run: EngineRun) -> None:
    for minute in range(3):
        engine_run.receive_levels(minute, **{"gauge-3": 2.6})
    load(engine_run.transaction, town([name for name in TEN if name != "gauge-3"]), NOON)
    engine_run.tick_at(5)
    assert (area(engine_run, "basin:azul"), area(engine_run, "municipality:azul")) == (0, 0)
