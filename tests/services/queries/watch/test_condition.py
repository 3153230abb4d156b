"""Condition of stations and of the data flow: trend, health, urgency, outage."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from models.alert import NAR
from models.kinds.river import RIVER
from services.queries.city.processes import Process
from services.queries.stations.current import CurrentStation
from services.queries.watch.chart import Sample
from services.queries.watch.condition import Course, Health, Outage, data_flow, health, trend, urgency
from services.self_check.process_check import process_faults

NOW = datetime(2026, 3, 5, 2, 30, tzinfo=UTC)


def process(name: str, age_s: float = 0.5, **status: object) -> Process:
    """A process whose last heartbeat is `age_s` old."""
    return Process(process=name, at=NOW, started_at=NOW, age_s=age_s, status=status)


ALIVE = (process("pipeline-all"),)
STATION = CurrentStation(
    id="gato",
    kind=RIVER,
    name="Arroyo del Gato",
    latitude=-34.9,
    longitude=-57.95,
    municipality="La Plata",
    basin=None,
    street=None,
    note="",
    active=True,
    nar=NAR.VERDE,
    confirmed_nar=NAR.VERDE,
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
    assert data_flow([STATION, old], ALIVE, NOW).outage is None
    assert data_flow([old, old], ALIVE, NOW).outage is Outage.READINGS
    assert data_flow([STATION], (), NOW).outage is Outage.PIPELINE
    late = (process("pipeline-all", 31.0), process("notifier"))
    assert data_flow([STATION], late, NOW).outage is Outage.PIPELINE


@pytest.mark.parametrize(
    ("processes", "expected", "dead", "outage"),
    [
        ((process("pipeline-all"),), (), (), None),
        ((process("pipeline-bulk"),), (), ("pipeline-critical",), Outage.PIPELINE),
        ((process("pipeline-bulk"), process("pipeline-critical", 99.0)), (), ("pipeline-critical",), Outage.PIPELINE),
        ((process("pipeline-bulk", 99.0), process("pipeline-critical")), (), ("pipeline-bulk",), None),
        ((process("pipeline-all"), process("pipeline-bulk", 9e5)), (), (), None),
        ((process("pipeline-all"), process("notifier", 99.0)), (), ("notifier",), None),
        ((process("pipeline-all"),), ("pipeline-all", "upkeep"), ("upkeep",), None),
        ((process("pipeline-all"), process("api", -3600.0)), (), ("api",), None),
    ],
)
def test_every_expected_process_counts_and_one_that_never_ran_is_dead(
    processes: tuple[Process, ...], expected: tuple[str, ...], dead: tuple[str, ...], outage: Outage | None
) -> None:
    flow = data_flow([STATION], processes, NOW, expected=expected)
    assert (flow.dead, flow.outage) == (dead, outage)


@pytest.mark.parametrize(
    ("critical_s", "bulk_s", "dead", "outage"),
    [
        (0.0, 0.0, (), None),
        (4.9, 4.9, (), None),
        (5.0, 0.0, ("pipeline-critical",), Outage.PIPELINE),
        (0.0, 5.0, ("pipeline-bulk",), None),
        (5.0, 5.0, ("broker", "pipeline-bulk", "pipeline-critical"), Outage.PIPELINE),
    ],
)
def test_a_pipeline_without_its_broker_is_dead_and_without_any_the_broker_is(
    critical_s: float, bulk_s: float, dead: tuple[str, ...], outage: Outage | None
) -> None:
    lanes = (
        process("pipeline-critical", disconnected_s=critical_s),
        process("pipeline-bulk", disconnected_s=bulk_s),
    )
    flow = data_flow([STATION], lanes, NOW)
    assert (flow.dead, flow.outage) == (dead, outage)
    told = {one.name for one in process_faults(lanes, ()) if one.nar}
    assert told == {f"process/{name}" for name in (("broker",) if "broker" in dead else dead)}
    silent_s = max([0.5, *(one for one in (critical_s, bulk_s) if one >= 5.0)])
    assert flow.pipeline_at == NOW - timedelta(seconds=silent_s)


def test_of_an_area_without_a_current_value_nothing_is_known() -> None:
    never = replace(STATION, municipality="Berisso", basin="El Gato", value=None, value_at=None)
    silent = replace(STATION, basin="El Gato", value_at=NOW - timedelta(hours=2))
    assert data_flow([STATION, never, silent], ALIVE, NOW).silent_areas == {"Berisso", "El Gato"}


def test_the_oldest_heartbeat_of_the_expected_lanes_is_shown() -> None:
    lanes = (process("pipeline-bulk", 1.0), process("pipeline-critical", 9.0))
    assert data_flow([STATION], lanes, NOW).pipeline_at == NOW - timedelta(seconds=9)
    assert data_flow([STATION], lanes[:1], NOW).pipeline_at is None
    assert data_flow([STATION], lanes, NOW, clock_factor=60.0).pipeline_at == NOW - timedelta(minutes=9)


def test_a_colour_that_nothing_confirms_is_named_though_its_station_is_silent() -> None:
    old = NOW - timedelta(hours=2)
    rojo = replace(STATION, nar=NAR.ROJO, value_at=old)
    sure = replace(STATION, nar=NAR.ROJO, confirmed_nar=NAR.ROJO)
    flow = data_flow([STATION, rojo, sure], ALIVE, NOW)
    assert flow.unconfirmed == (rojo,)
    assert flow.silent == (rojo,)
