"""Arrivals at a stop come from the best source there is: a bus, a prediction without a bus, or the timetable."""

from dataclasses import replace
from datetime import date
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace as with_fields

from models.network import service_day_start
from services.transit.model.prediction import Basis, MatchedPosition, Phase, TripPrediction, VehiclePrediction
from services.transit.serving import departure_board
from services.transit.serving.departure_board import Arrival, NoBusReason
from services.transit.serving.snapshot import (
    HIDDEN_AFTER_S,
    SILENT_AFTER_S,
    ExpectedJourney,
    Health,
    TransitSnapshot,
    empty_snapshot,
    marked_stale,
    with_changes,
)
from services.transit.timetable.scheduled_arrivals import JourneyKey
from services.transit.travel_times.stalled_vehicles import UNMOVED_VALID_S
from tests.services.web.api.transit_town import trip_prediction as trip_prediction_in
from tests.transit_city import HOLIDAY, LOOP, MONDAY, OUT, ZONE, network

NETWORK = network()
ZERO = service_day_start(MONDAY, ZONE)
SEVEN = ZERO + 7 * 3600
EIGHT_TO = SEVEN - 480


trip_prediction = partial(trip_prediction_in, NETWORK)


def vehicle_prediction(
    vehicle: str, at: float, *journeys: TripPrediction, probability: float = 0.9, distance_m: float = 0.0
) -> VehiclePrediction:
    """A vehicle on the first of these journeys that reported at that time."""
    present = journeys[0] if journeys else None
    claim = (present.trip_id, present.service_date, present.start_s, present.pattern) if present else ("", "", 0, -1)
    place = MatchedPosition(Phase.IN_PROGRESS, at, -34.92, -57.95, *claim, distance_m, probability)
    return VehiclePrediction(vehicle, "test", place, journeys)


def summary(arrivals: list[Arrival]) -> list[tuple[str, str, int]]:
    """Each arrival as trip, basis and minutes after seven."""
    return [(one.journey.trip.id, one.basis.value, round((one.expected_at - SEVEN) / 60)) for one in arrivals]


def test_with_no_bus_heard_the_timetable_speaks() -> None:
    found = departure_board.arrivals(empty_snapshot(NETWORK), "T3", SEVEN - 480)
    assert summary(found) == [
        ("10s-0650", "schedule", -8),
        ("10-0700", "schedule", 2),
        ("10s-0710", "schedule", 12),
        ("10-0720", "schedule", 22),
    ]
    assert all(one.estimate is None and one.vehicle == "" for one in found)


def test_a_bus_beats_what_is_expected_and_that_beats_the_timetable() -> None:
    snapshot = with_changes(
        empty_snapshot(NETWORK),
        [vehicle_prediction("7", EIGHT_TO, trip_prediction("10-0700", late_s=120))],
        [
            ExpectedJourney(trip_prediction("10-0700", late_s=600, basis=Basis.SCHEDULE), SEVEN + 900),
            ExpectedJourney(trip_prediction("10-0720", late_s=60, basis=Basis.SCHEDULE), SEVEN + 900),
        ],
    )
    found = {one.journey.trip.id: one for one in departure_board.arrivals(snapshot, "T3", EIGHT_TO)}
    assert found["10-0700"].vehicle == "7"
    assert found["10-0700"].expected_at == SEVEN + 150 + 120
    assert found["10-0720"].basis is Basis.SCHEDULE
    assert found["10-0720"].estimate is not None
    assert found["10s-0710"].estimate is None


def test_a_late_bus_stays_on_the_board_though_its_planned_time_is_long_past() -> None:
    snapshot = with_changes(
        empty_snapshot(NETWORK),
        [vehicle_prediction("7", SEVEN + 2400, trip_prediction("10-0700", first=1, late_s=2500))],
    )
    found = [one for one in departure_board.arrivals(snapshot, "T3", SEVEN + 2400) if one.journey.trip.id == "10-0700"]
    assert [(one.scheduled_arrival, one.expected_at) for one in found] == [(SEVEN + 150, SEVEN + 2650)]


def test_a_bus_that_has_passed_is_gone_and_the_timetable_does_not_bring_it_back() -> None:
    snapshot = with_changes(
        empty_snapshot(NETWORK), [vehicle_prediction("7", SEVEN + 160, trip_prediction("10-0700", first=3))]
    )
    assert "10-0700" not in {one.journey.trip.id for one in departure_board.arrivals(snapshot, "T3", SEVEN + 160)}
    assert "10-0700" in {one.journey.trip.id for one in departure_board.arrivals(snapshot, "T4", SEVEN + 160)}


def test_a_silent_bus_says_less_and_then_nothing() -> None:
    snapshot = with_changes(
        empty_snapshot(NETWORK), [vehicle_prediction("7", SEVEN, trip_prediction("10-0700", late_s=60))]
    )

    def at(seconds: float) -> tuple[Basis, str, str]:
        found = {
            one.journey.trip.id: one for one in departure_board.arrivals(snapshot, "N6", SEVEN + seconds, before_s=900)
        }
        return found["10-0700"].basis, found["10-0700"].reason, found["10-0700"].vehicle

    assert at(SILENT_AFTER_S) == (Basis.LIVE, "", "7")
    assert at(SILENT_AFTER_S + 1) == (Basis.NOT_REPORTING, "silent", "7")
    assert at(HIDDEN_AFTER_S + 1) == (Basis.SCHEDULE, "", "")


def test_a_bus_that_stood_and_then_fell_silent_is_shown_no_longer_than_one_that_stands() -> None:
    one = vehicle_prediction("7", SEVEN, trip_prediction("10-0700", late_s=60), distance_m=500.0)
    stood = with_fields(one, matched_position=with_fields(one.matched_position, no_progress_s=400.0))
    snapshot = with_changes(empty_snapshot(NETWORK), [stood])
    key: JourneyKey = ("10-0700", "20260302", 25200)
    assert snapshot.current_prediction(key, SEVEN + UNMOVED_VALID_S - 400) is not None
    assert snapshot.current_prediction(key, SEVEN + UNMOVED_VALID_S - 399) is None


def test_a_bus_that_falls_silent_at_its_terminal_leaves_its_journey_to_the_timetable() -> None:
    one = vehicle_prediction("7", SEVEN - 600, trip_prediction("10-0700"))
    snapshot = with_changes(
        empty_snapshot(NETWORK),
        [with_fields(one, matched_position=with_fields(one.matched_position, phase=Phase.LAYOVER))],
    )
    found = {
        found.journey.trip.id: found
        for found in departure_board.arrivals(snapshot, "T3", SEVEN - 600 + SILENT_AFTER_S + 1)
    }
    assert (found["10-0700"].basis, found["10-0700"].vehicle) == (Basis.SCHEDULE, "")


def test_a_withdrawn_journey_is_shown_as_that_and_only_around_its_scheduled_time() -> None:
    gone = trip_prediction("10-0700", basis=Basis.NOT_COMING, reason="no_vehicle")
    snapshot = with_changes(empty_snapshot(NETWORK), expected=[ExpectedJourney(gone, SEVEN + 3600)])
    found = [one for one in departure_board.arrivals(snapshot, "T3", SEVEN + 400) if one.journey.trip.id == "10-0700"]
    assert [(one.withdrawn, one.estimate, one.reason) for one in found] == [(True, None, "no_vehicle")]
    assert "10-0700" not in {one.journey.trip.id for one in departure_board.arrivals(snapshot, "T3", SEVEN + 150 + 301)}


def test_an_expectation_ends_with_its_time() -> None:
    snapshot = with_changes(
        empty_snapshot(NETWORK), expected=[ExpectedJourney(trip_prediction("10-0700", basis=Basis.NOT_COMING), SEVEN)]
    )
    assert departure_board.journey_status(snapshot, ("10-0700", "20260302", 25200), SEVEN + 1).basis is Basis.SCHEDULE  # type: ignore[union-attr]


def test_where_two_vehicles_claim_a_journey_the_surer_one_makes_it_until_it_falls_silent() -> None:
    snapshot = with_changes(
        empty_snapshot(NETWORK),
        [
            vehicle_prediction("sure", SEVEN, trip_prediction("10-0700"), probability=0.8),
            vehicle_prediction("unsure", SEVEN + 400, trip_prediction("10-0700", late_s=90), probability=0.3),
        ],
    )
    key: JourneyKey = ("10-0700", "20260302", 25200)
    assert snapshot.current_prediction(key, SEVEN).vehicle.vehicle == "sure"  # type: ignore[union-attr]
    assert snapshot.current_prediction(key, SEVEN + HIDDEN_AFTER_S + 1).vehicle.vehicle == "unsure"  # type: ignore[union-attr]


def test_a_vehicle_that_changes_its_journey_leaves_nothing_behind() -> None:
    first = with_changes(
        empty_snapshot(NETWORK),
        [vehicle_prediction("7", SEVEN, trip_prediction("10-0700"), trip_prediction("10b-0740"))],
    )
    second = with_changes(first, [vehicle_prediction("7", SEVEN + 30, trip_prediction("20", start_s=7 * 3600))])
    assert set(first.journey_predictions) == {("10-0700", "20260302", 25200), ("10b-0740", "20260302", 27600)}
    assert set(second.journey_predictions) == {("20", "20260302", 25200)}
    assert {pattern: keys for pattern, keys in second.journeys_by_pattern.items() if keys} == {
        LOOP: (("20", "20260302", 25200),)
    }
    assert second.revision == first.revision + 1


def test_the_next_journey_of_the_block_is_estimated_without_pretending_a_distance() -> None:
    snapshot = with_changes(
        empty_snapshot(NETWORK),
        [vehicle_prediction("7", SEVEN, trip_prediction("10-0700", first=2), trip_prediction("10b-0740"))],
    )
    found = {one.journey.trip.id: one for one in departure_board.arrivals(snapshot, "R5", SEVEN, after_s=3600)}
    assert found["10b-0740"].vehicle == "7"
    assert found["10b-0740"].stops_away is None
    assert found["10b-0740"].distance_away_m is None


def test_stops_and_metres_away_are_counted_from_the_bus() -> None:
    snapshot = with_changes(
        empty_snapshot(NETWORK),
        [vehicle_prediction("7", SEVEN + 100, trip_prediction("10-0700", first=2), distance_m=500)],
    )
    found = {one.journey.trip.id: one for one in departure_board.arrivals(snapshot, "T4", SEVEN + 100)}
    assert found["10-0700"].stops_away == 1
    assert found["10-0700"].distance_away_m == pytest.approx(700, abs=2)


def test_the_last_stop_is_an_arrival_without_a_departure() -> None:
    found = {one.journey.trip.id: one for one in departure_board.arrivals(empty_snapshot(NETWORK), "T4", EIGHT_TO)}
    assert (found["10s-0710"].terminates, found["10s-0710"].allows_boarding) == (True, False)
    assert (found["10-0700"].terminates, found["10-0700"].allows_boarding) == (False, True)


def test_a_loop_calls_twice_and_each_visit_is_an_arrival() -> None:
    snapshot = with_changes(
        empty_snapshot(NETWORK), [vehicle_prediction("9", SEVEN - 60, trip_prediction("20", start_s=7 * 3600))]
    )
    visits = [one for one in departure_board.arrivals(snapshot, "T1", SEVEN - 60) if one.vehicle == "9"]
    assert [(one.position, one.terminates) for one in visits] == [(0, False), (4, True)]


def test_a_headway_service_without_buses_is_one_entry_that_says_how_often() -> None:
    found = [
        one
        for one in departure_board.arrivals(empty_snapshot(NETWORK), "L2", SEVEN + 1)
        if one.pattern.route_id == "20"
    ]
    assert [(one.headway_s, one.expected_at > SEVEN) for one in found] == [(600, True)]
    noon = ZERO + 12 * 3600
    exact = [
        one for one in departure_board.arrivals(empty_snapshot(NETWORK), "L2", noon) if one.pattern.route_id == "20"
    ]
    assert len(exact) == 3
    assert {one.headway_s for one in exact} == {None}


def test_a_trip_past_midnight_is_found_on_the_next_day() -> None:
    night = service_day_start(date(2026, 3, 3), ZONE) + 1800
    assert [one.key for one in departure_board.arrivals(empty_snapshot(NETWORK), "T2", night)] == [
        ("10-2430", "20260302", 88200)
    ]


def test_a_holiday_has_the_trips_of_a_sunday() -> None:
    found = departure_board.arrivals(empty_snapshot(NETWORK), "T2", service_day_start(HOLIDAY, ZONE) + 7 * 3600 - 60)
    assert {one.journey.trip.id for one in found if one.pattern.route_id == "10"} == {"w10-0700", "w10s-0710"}


def test_a_prediction_of_another_timetable_changes_no_arrival_but_its_position_is_known() -> None:
    foreign = VehiclePrediction(
        "7",
        "older",
        vehicle_prediction("7", SEVEN, trip_prediction("10-0700")).matched_position,
        (trip_prediction("10-0700"),),
    )
    snapshot = with_changes(empty_snapshot(NETWORK), [foreign])
    assert not snapshot.journey_predictions
    assert [(one.prediction.vehicle, one.journey) for one in departure_board.vehicles(snapshot, SEVEN)] == [("7", None)]


def test_why_there_is_no_bus() -> None:
    silent = empty_snapshot(NETWORK)
    heard = with_changes(silent, [vehicle_prediction("7", SEVEN, trip_prediction("10-0700"))])

    def why(snapshot: TransitSnapshot, stop_id: str, now: float, route_id: str = "") -> NoBusReason | None:
        return departure_board.no_bus_reason(
            snapshot, stop_id, departure_board.arrivals(snapshot, stop_id, now), now, route_id
        )

    assert why(heard, "T3", SEVEN) is None
    assert why(heard, "T3", SEVEN, "20") is NoBusReason.NOT_SERVED
    assert why(heard, "a station", SEVEN) is NoBusReason.NOT_SERVED
    assert why(silent, "T3", SEVEN) is NoBusReason.NO_DATA
    assert why(marked_stale(heard), "L3", SEVEN) is NoBusReason.NO_DATA
    assert why(heard, "L3", SEVEN) is NoBusReason.NO_BUS
    night = service_day_start(MONDAY, ZONE) + 3 * 3600
    late = with_changes(silent, [vehicle_prediction("7", night, trip_prediction("10-2430", day=date(2026, 3, 1)))])
    assert why(late, "L3", night) is NoBusReason.NOT_SCHEDULED


def test_health_is_of_the_agency_and_of_this_process() -> None:
    snapshot = with_changes(empty_snapshot(NETWORK), [vehicle_prediction("7", SEVEN, trip_prediction("10-0700"))])
    assert snapshot.health(SEVEN, "muni") is Health.LIVE
    assert snapshot.health(SEVEN + 301, "muni") is Health.SILENT
    assert marked_stale(snapshot).health(SEVEN) is Health.STALE
    assert with_changes(marked_stale(snapshot)).health(SEVEN) is Health.LIVE


def test_a_trips_progress_tells_all_its_calls() -> None:
    snapshot = with_changes(
        empty_snapshot(NETWORK), [vehicle_prediction("7", SEVEN + 200, trip_prediction("10-0700", first=2, late_s=60))]
    )
    progress = departure_board.journey_progress(snapshot, ("10-0700", "20260302", 25200), SEVEN + 200)
    assert progress is not None
    assert [one.passed for one in progress.calls] == [True, True, False, False, False, False]
    assert [one.estimate is None for one in progress.calls] == [True, True, False, False, False, False]
    assert (progress.status.delay_s, progress.status.next_position, progress.status.under_way) == (60, 2, True)
    assert departure_board.journey_progress(snapshot, ("10-0700", "20260302", 25201), SEVEN) is None
    assert departure_board.journey_progress(snapshot, ("10-0700", "never", 25200), SEVEN) is None


def test_lines_are_ordered_as_people_count() -> None:
    extra = {name: replace(NETWORK.routes["10"], id=name, short_name=name) for name in ("Norte", "7", "214")}
    wider = replace(NETWORK, routes={**NETWORK.routes, **extra})
    assert [one.route.short_name for one in departure_board.lines(empty_snapshot(wider), SEVEN)] == [
        "7",
        "10",
        "20",
        "214",
        "Norte",
    ]


CHOICES = ["10-0700", "10-0720", "10b-0740", "10s-0710", "20"]
HEARD = st.tuples(st.sampled_from("abc"), st.integers(0, 30), st.lists(st.sampled_from(CHOICES), max_size=3))


@given(st.lists(HEARD, max_size=20))
def test_a_snapshot_made_step_by_step_equals_one_made_at_once(heard: list[tuple[str, int, list[str]]]) -> None:
    steps = [
        vehicle_prediction(
            vehicle, SEVEN + minute, *map(trip_prediction, dict.fromkeys(trips)), probability=0.5 + minute / 100
        )
        for vehicle, minute, trips in heard
    ]
    snapshot = empty_snapshot(NETWORK)
    for step in steps:
        snapshot = with_changes(snapshot, [step])
    at_once = with_changes(empty_snapshot(NETWORK), {step.vehicle: step for step in steps}.values())
    assert snapshot.vehicle_predictions == at_once.vehicle_predictions
    assert {key: set(journey_predictions) for key, journey_predictions in snapshot.journey_predictions.items()} == {
        key: set(journey_predictions) for key, journey_predictions in at_once.journey_predictions.items()
    }
    assert {index: set(keys) for index, keys in snapshot.journeys_by_pattern.items() if keys} == {
        index: set(keys) for index, keys in at_once.journeys_by_pattern.items()
    }


def test_stops_near_are_the_nearest_first() -> None:
    snapshot = empty_snapshot(NETWORK)
    centre = NETWORK.stops["T1"].point
    assert [stop.id for _, stop in departure_board.stops_near(snapshot, centre, 450, 10)] == [
        "T1",
        "R1",
        "T2",
        "L2",
        "R2",
    ]
    assert [stop.id for _, stop in departure_board.stops_near(snapshot, centre, 5_000, 2)] == ["T1", "R1"]


def test_vehicles_are_kept_for_an_hour_and_shown_for_ten_minutes() -> None:
    snapshot = with_changes(
        empty_snapshot(NETWORK), [vehicle_prediction("old", SEVEN - 3601, trip_prediction("10-0600", first=5))]
    )
    snapshot = with_changes(snapshot, [vehicle_prediction("new", SEVEN, trip_prediction("10-0700"))])
    assert set(snapshot.vehicle_predictions) == {"new"}
    assert [one.prediction.vehicle for one in departure_board.vehicles(snapshot, SEVEN + 60, "10")] == ["new"]
    assert departure_board.vehicles(snapshot, SEVEN + HIDDEN_AFTER_S + 1) == []
    assert NETWORK.patterns[OUT].route_id == "10"
