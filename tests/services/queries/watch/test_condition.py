"""Condition of stations and of the data flow: trend, health, urgency, outage."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from models.alert import NAR
from models.kinds.river import RIVER
from services.queries.city.city import Heartbeat
from services.queries.stations.current import CurrentStation
from services.queries.watch.chart import Sample
from services.queries.watch.condition import Course, Health, Outage, data_flow, health, trend, urgency

NOW = datetime(2026, 3, 5, 2, 30, tzinfo=UTC)
ALIVE = (Heartbeat("pipeline", NOW),)
STATION = CurrentStation(
    id="gato",
    kind=RIVER,
    name="Arroyo del Gato",
    municipality="La Plata",
    basin=None,
    street=None,
    note="",
    active=True,
    nar=NAR.VERDE,
    thresholds=(1.0, 1.5, 2.0),
    silent_after=timedelta(minutes=15),
    devices=(),
    value=0.4,
    value_at=NOW,
)


def rise(*levels: float, every: timedelta = timedelta(minutes=5)) -> list[Sample]:
    first = NOW - every * (len(levels) - 1)
    return [Sample(first + every * place, level, level, level) for place, level in enumerate(levels)]


@pytest.mark.parametrize(
    ("levels", "rate_m_h", "course"),
    [
        ((0.30, 0.30, 0.30, 0.31), 0.04, Course.STEADY),
        ((0.30, 0.32, 0.33, 0.35), 0.20, Course.RISING),
        ((0.30, 0.40, 0.50, 0.70), 1.60, Course.RISING_FAST),
        ((0.90, 0.80, 0.75, 0.70), -0.80, Course.FALLING),
    ],
)
def test_the_trend_is_the_change_over_the_last_quarter_of_an_hour(
    levels: tuple[float, ...], rate_m_h: float, course: Course
) -> None:
    found = trend(rise(*levels))
    assert found is not None
    assert (round(found.rate_m_h, 2), found.course) == (rate_m_h, course)


def test_there_is_no_trend_across_a_gap_or_from_one_sample() -> None:
    assert trend([]) is None
    assert trend(rise(0.3)) is None
    assert trend(rise(0.3, 0.9, every=timedelta(hours=1))) is None


@pytest.mark.parametrize(
    ("nar", "age_min", "expected"),
    [
        (NAR.VERDE, 15, Health.FRESH),
        (NAR.VERDE, 16, Health.SILENT),
        (NAR.ROJO, 15, Health.FRESH),
        (NAR.AMARILLO, 16, Health.LATCHED),
    ],
)
def test_a_station_that_is_silent_at_high_water_holds_its_level(nar: NAR, age_min: int, expected: Health) -> None:
    assert health(replace(STATION, nar=nar, value_at=NOW - timedelta(minutes=age_min)), NOW) is expected


def test_a_station_that_never_sent_has_no_calm_state() -> None:
    assert health(replace(STATION, value=None, value_at=None), NOW) is Health.NEVER


def test_the_highest_level_then_silence_then_the_fastest_rise_comes_first() -> None:
    old = NOW - timedelta(hours=1)
    stations = {
        "falling": (STATION, Course.FALLING),
        "rising": (STATION, Course.RISING_FAST),
        "silent": (replace(STATION, value_at=old), None),
        "rojo": (replace(STATION, nar=NAR.ROJO), Course.FALLING),
        "latched": (replace(STATION, nar=NAR.ROJO, value_at=old), None),
        "amarillo": (replace(STATION, nar=NAR.AMARILLO), Course.RISING_FAST),
    }
    order = sorted(stations, key=lambda name: urgency(stations[name][0], NOW, stations[name][1]))
    assert order == ["latched", "rojo", "amarillo", "silent", "rising", "falling"]


def test_an_outage_is_a_silent_pipeline_or_no_current_stream_or_gauge() -> None:
    old = replace(STATION, value_at=NOW - timedelta(hours=2))
    assert data_flow([STATION, old], ALIVE, NOW, 1.0).outage is None
    assert data_flow([old, old], ALIVE, NOW, 1.0).outage is Outage.READINGS
    assert data_flow([STATION], (), NOW, 1.0).outage is Outage.PIPELINE
    late = (Heartbeat("pipeline", NOW - timedelta(seconds=31)), Heartbeat("notifier", NOW))
    assert data_flow([STATION], late, NOW, 1.0).outage is Outage.PIPELINE
    assert data_flow([STATION], late, NOW, 60.0).outage is None, (
        "a clock sixty times as fast makes half a second of that"
    )
