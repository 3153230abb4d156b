"""Lines at a stop: the reasons for no bus differ, and no withdrawn journey is shown as a bus."""

from dataclasses import replace

from msgspec.structs import replace as with_fields

from services.transit.model.prediction import Basis
from services.transit.rider.displayed_time import (
    ArrivingNow,
    Headway,
    LineAtStop,
    MinuteInterval,
    RoughTime,
    ScheduledTime,
    ServiceState,
)
from services.transit.rider.stop_arrivals import lines_at, routes_by_line_name
from services.transit.serving.snapshot import (
    SILENT_AFTER_S,
    ExpectedJourney,
    TransitSnapshot,
    empty_snapshot,
    with_changes,
)
from tests.services.transit.serving.test_departure_board import NETWORK, SEVEN, trip_prediction, vehicle_prediction

NEAR_SEVEN = SEVEN - 120
T3_S = 150
"""From the start of line 10 to T3."""


def line_10(snapshot: TransitSnapshot, now: float = NEAR_SEVEN, stop: str = "T3") -> LineAtStop:
    """Line 10 at a stop."""
    return next(line for line in lines_at(snapshot, stop, now) if line.name == "10")


def test_a_bus_that_reports_is_shown_as_an_interval_with_the_time_to_be_there() -> None:
    snapshot = with_changes(
        empty_snapshot(NETWORK),
        [vehicle_prediction("7", NEAR_SEVEN, trip_prediction("10-0700", late_s=60, recent_buses=3))],
    )
    line = line_10(snapshot)
    first = line.arrivals[0]
    assert line.service is ServiceState.RUNNING
    assert first.time == MinuteInterval(5, 7)
    assert first.be_there_at == (SEVEN + T3_S + 60 - 20) // 60 * 60
    assert (first.basis, first.recent_buses, first.destination) == (Basis.LIVE, 3, "Norte")
    assert [told.basis for told in line.arrivals[1:]] == [Basis.SCHEDULE] * 2
    assert isinstance(line.arrivals[1].time, ScheduledTime)


def test_a_silent_bus_is_shown_with_a_rough_time_and_its_last_report() -> None:
    snapshot = with_changes(
        empty_snapshot(NETWORK),
        [vehicle_prediction("7", NEAR_SEVEN - SILENT_AFTER_S - 1, trip_prediction("10-0700", late_s=300))],
    )
    first = line_10(snapshot).arrivals[0]
    assert first.basis is Basis.NOT_REPORTING
    assert first.last_report_at == NEAR_SEVEN - SILENT_AFTER_S - 1
    assert isinstance(first.time, RoughTime)
    assert first.be_there_at is None


def test_nobody_is_to_be_there_after_about_when_the_bus_comes() -> None:
    one = trip_prediction("10-0700", late_s=7 * 60 + 20 - T3_S)
    wide = with_fields(one, p10=tuple(at - 20 for at in one.p50), p90=tuple(at + 1_200 for at in one.p50))
    first = line_10(with_changes(empty_snapshot(NETWORK), [vehicle_prediction("7", NEAR_SEVEN, wide)])).arrivals[0]
    assert first.time == RoughTime(SEVEN + 300), "twenty seconds past seven past are about five past"
    assert first.be_there_at == SEVEN + 300


def test_nobody_is_to_be_there_after_the_earliest_time_shown() -> None:
    one = trip_prediction("10-0700", late_s=7 * 60)
    early = with_fields(
        one, p10=tuple(at - 150 for at in one.p50), rider_times=tuple(at - 30 for at in one.p50), p90=one.p50
    )
    first = line_10(with_changes(empty_snapshot(NETWORK), [vehicle_prediction("7", NEAR_SEVEN, early)])).arrivals[0]
    assert isinstance(first.time, MinuteInterval)
    assert first.be_there_at is not None
    assert first.be_there_at <= SEVEN + T3_S + 7 * 60 - 150


def test_a_bus_that_must_have_passed_is_not_arriving_for_ever() -> None:
    snapshot = with_changes(
        empty_snapshot(NETWORK), [vehicle_prediction("7", SEVEN + T3_S - 30, trip_prediction("10-0700"))]
    )
    assert line_10(snapshot, SEVEN + T3_S).arrivals[0].time == ArrivingNow()
    assert "10-0700" not in {told.journey_key[0] for told in line_10(snapshot, SEVEN + T3_S + 60 + 61).arrivals}


def test_a_withdrawn_journey_is_separate_from_the_arrivals() -> None:
    gone = ExpectedJourney(trip_prediction("10-0700", basis=Basis.NOT_COMING, reason="no_vehicle"), SEVEN + 3600)
    snapshot = with_changes(
        empty_snapshot(NETWORK), [vehicle_prediction("9", SEVEN + 600, trip_prediction("10s-0710"))], [gone]
    )
    line = line_10(snapshot, SEVEN + 600)
    assert [(told.journey_key[0], told.time) for told in line.withdrawn] == [("10-0700", None)]
    assert "10-0700" not in {told.journey_key[0] for told in line.arrivals}
    assert line.service is ServiceState.RUNNING
    assert line_10(snapshot, SEVEN + T3_S + 25 * 60).withdrawn == ()


def test_planned_journeys_that_no_bus_makes_are_no_bus() -> None:
    other = vehicle_prediction("5", NEAR_SEVEN, trip_prediction("20", start_s=7 * 3600))
    line = line_10(with_changes(empty_snapshot(NETWORK), [other]))
    assert line.service is ServiceState.NO_BUS
    assert len(line.arrivals) == 3


def test_a_company_that_should_be_on_the_road_and_is_not_heard_has_no_data() -> None:
    assert line_10(empty_snapshot(NETWORK), SEVEN + 600).service is ServiceState.NO_DATA


def test_before_the_first_bus_of_the_day_silence_is_no_failure() -> None:
    line = line_10(empty_snapshot(NETWORK), SEVEN - 3600 - 30 * 60)
    assert line.service is ServiceState.NO_BUS
    assert line.arrivals


def test_at_night_nothing_is_scheduled_and_the_first_of_the_morning_is_shown() -> None:
    line = line_10(empty_snapshot(NETWORK), SEVEN - 4 * 3600)
    assert (line.service, line.arrivals, line.next_departure_at) == (ServiceState.NOT_NOW, (), SEVEN - 3600 + T3_S)


def test_a_line_out_of_service_has_no_next_time() -> None:
    over = {key: replace(service, removed=frozenset(), end=service.start) for key, service in NETWORK.services.items()}
    line = line_10(empty_snapshot(replace(NETWORK, services=over)))
    assert (line.service, line.arrivals, line.next_departure_at) == (ServiceState.NOT_NOW, (), None)


def test_a_headway_is_no_minute() -> None:
    loop = next(line for line in lines_at(empty_snapshot(NETWORK), "L2", SEVEN) if line.name == "20")
    assert (loop.arrivals, loop.headway) == ((), Headway(10, 10, SEVEN + 75))


def test_at_its_last_stop_a_line_takes_nobody() -> None:
    assert set(routes_by_line_name(NETWORK, "N6")) == set()
    assert set(routes_by_line_name(NETWORK, "T1")) == {"10", "20"}


def test_what_comes_first_stands_first() -> None:
    snapshot = with_changes(empty_snapshot(NETWORK), [vehicle_prediction("7", NEAR_SEVEN, trip_prediction("10-0700"))])
    names = [line.name for line in lines_at(snapshot, "T2", NEAR_SEVEN)]
    assert names == ["10", "20"]
