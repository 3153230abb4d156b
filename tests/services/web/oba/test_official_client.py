"""The official OneBusAway client, at its strictest, reads every answer."""

from collections.abc import Iterator
from typing import Any

import pytest
from onebusaway import BadRequestError, NotFoundError, OnebusawaySDK

from services.web.oba.elements.polyline import encode
from tests.services.web.api.transit_town import SEVEN, Town
from tests.services.web.oba.conftest import CLOSED, DAY_MS, strict_client
from tests.transit_city import OUT


@pytest.fixture(scope="module")
def sdk(town: Town) -> Iterator[OnebusawaySDK]:
    """The client for the town that all tests share."""
    with strict_client(town) as client:
        yield client


def test_agencies_and_the_time(sdk: OnebusawaySDK) -> None:
    coverage = sdk.agencies_with_coverage.list().data
    assert [one.agency_id for one in coverage.list] == ["muni"] == [one.id for one in coverage.references.agencies]
    assert -34.93 < coverage.list[0].lat < -34.91
    assert coverage.list[0].lon_span > 0
    time = sdk.current_time.retrieve().data.entry
    assert (time.time, time.readable_time) == (int(SEVEN * 1000), "2026-03-02T07:00:00-03:00")


def test_stops_and_lines_around_a_place(sdk: OnebusawaySDK, town: Town) -> None:
    lat, lon = town.network.stops["T1"].point
    stops = sdk.stops_for_location.list(lat=lat, lon=lon, radius=450).data
    assert [one.id for one in stops.list] == ["muni_T1", "muni_R1", "muni_T2", "muni_L2", "muni_R2"]
    assert (stops.limit_exceeded, stops.out_of_range) == (False, False)
    assert [one.id for one in sdk.stops_for_location.list(lat=lat, lon=lon, query="LP3").data.list] == []
    named = sdk.stops_for_location.list(lat=lat, lon=lon, radius=2_000, query="lp3").data
    assert [one.id for one in named.list] == ["muni_T3"]
    lines = sdk.routes_for_location.list(lat=lat, lon=lon, lat_span=0.02, lon_span=0.02).data
    assert ([one.id for one in lines.list], lines.out_of_range) == (["muni_10", "muni_20"], False)
    away = sdk.routes_for_location.list(lat=0, lon=0).data
    assert (away.list, away.out_of_range) == ([], True)


def test_one_stop_one_line_and_its_way(sdk: OnebusawaySDK, town: Town) -> None:
    stop = sdk.stop.retrieve("muni_T4").data
    assert (stop.entry.code, stop.entry.direction, stop.entry.parent) == ("LP4", "N", "")
    assert stop.entry.route_ids == ["muni_10"] == [one.id for one in stop.references.routes]
    route = sdk.route.retrieve("muni_10").data
    assert (route.entry.short_name, route.entry.color, route.entry.type) == ("10", "1144AA", 3)
    shape = sdk.shape.retrieve("muni_shape-0").data.entry
    assert (shape.length, shape.points) == (6, encode(town.network.patterns[OUT].shape.points))
    way = sdk.stops_for_route.list("muni_10").data.entry
    assert way.stop_groupings is not None
    (grouping,) = way.stop_groupings
    groups: list[Any] = grouping.model_extra["stopGroups"] if grouping.model_extra else []
    assert [(one["id"], one["name"]["name"], one["stopIds"][-1]) for one in groups] == [
        ("0", "Norte", "muni_N6"),
        ("1", "Centro", "muni_R1"),
    ]
    # The short turn runs along the trunk: its stretch is drawn once.
    assert [len(one["polylines"]) for one in groups] == [1, 1]
    assert sdk.stops_for_route.list("muni_10", include_polylines=False).data.entry.polylines == []


def test_arrivals_tell_a_late_bus_a_silent_one_and_one_that_will_not_come(sdk: OnebusawaySDK) -> None:
    told = sdk.arrival_and_departure.list("muni_T4", minutes_after=30).data
    by_trip = {one.trip_id: one for one in told.entry.arrivals_and_departures}
    recent, lost = by_trip["muni_10s-0650"], by_trip["muni_10s-0710"]
    assert recent.predicted
    assert recent.vehicle_id == "muni_recent"
    assert recent.predicted_arrival_time == recent.scheduled_arrival_time + 500_000
    assert recent.trip_status is not None
    assert (recent.trip_status.next_stop, recent.trip_status.schedule_deviation) == ("muni_T2", 500)
    assert recent.number_of_stops_away == 2
    assert recent.model_extra is not None
    assert recent.model_extra["estimate"]["basis"] == "recent"
    assert recent.model_extra["estimate"]["buses"] == 3
    assert recent.situation_ids == [one.id for one in told.references.situations]
    assert (lost.predicted, lost.predicted_arrival_time, lost.status) == (False, 0, "CANCELED")
    assert lost.trip_status is not None
    assert lost.trip_status.status == "CANCELED"
    planned = by_trip["muni_10-0700"]
    assert (planned.predicted, planned.predicted_departure_time, planned.vehicle_id) == (False, 0, "")
    (situation,) = told.references.situations
    assert situation.summary is not None
    assert situation.summary.value == CLOSED["header"]["es"]  # type: ignore[index]


def test_a_silent_bus_is_not_predicted_but_included(sdk: OnebusawaySDK) -> None:
    told = sdk.arrival_and_departure.list("muni_T2").data.entry.arrivals_and_departures
    (silent,) = (one for one in told if one.vehicle_id == "muni_silent")
    assert (silent.predicted, silent.predicted_arrival_time) == (False, 0)
    assert silent.model_extra is not None
    assert silent.model_extra["estimate"]["basis"] == "not_reporting"
    assert silent.model_extra["estimate"]["arrivalP10"] > 0
    assert silent.last_update_time == int((SEVEN - 420) * 1000)


def test_a_bus_on_the_trip_before_tells_of_the_next(sdk: OnebusawaySDK) -> None:
    told = sdk.arrival_and_departure.retrieve("muni_R5", trip_id="muni_10b-0720", service_date=DAY_MS).data
    assert told.entry.predicted
    assert told.entry.trip_status is not None
    assert told.entry.trip_status.active_trip_id == "muni_10-0640"
    assert told.entry.block_trip_sequence == told.entry.trip_status.block_trip_sequence + 1
    assert told.entry.number_of_stops_away == 3  # N5 and N6 are left, then R6
    assert told.entry.distance_from_stop == pytest.approx(700 + 400, abs=1)
    assert {"muni_10-0640", "muni_10b-0720"} == {one.id for one in told.references.trips}


def test_the_trip_of_a_bus_and_its_details(sdk: OnebusawaySDK) -> None:
    trip = sdk.trip_for_vehicle.retrieve("muni_late", include_status=True, include_trip=True).data
    assert trip.entry.trip_id == "muni_10-0640"
    assert trip.entry.status is not None
    assert trip.entry.status.phase == "in_progress"
    assert trip.entry.status.distance_along_trip == pytest.approx(1_300)
    details = sdk.trip_details.retrieve("muni_10-0640", service_date=DAY_MS).data
    assert details.entry.schedule is not None
    assert details.entry.schedule.stop_times[0].arrival_time == 6 * 3600 + 40 * 60
    assert details.entry.schedule.next_trip_id == "muni_10b-0720"
    assert details.entry.status is not None
    assert details.entry.status.model_dump() == trip.entry.status.model_dump()
    bare = sdk.trip_details.retrieve(
        "muni_10-0640", include_schedule=False, include_status=False, include_trip=False
    ).data
    assert (bare.entry.schedule, bare.entry.status, bare.references.trips) == (None, None, [])


def test_the_trips_of_a_line_under_way(sdk: OnebusawaySDK) -> None:
    trips = sdk.trips_for_route.list("muni_10", include_schedule=True).data
    vehicles = {one.trip_id: one.status.vehicle_id for one in trips.list}
    assert vehicles["muni_10-0640"] == "muni_late"
    assert vehicles["muni_10s-0650"] == "muni_recent"
    assert "muni_10b-0720" not in {one.trip_id for one in trips.list if one.status.vehicle_id}
    assert all(one.schedule is not None for one in trips.list)
    assert {one.id for one in trips.references.trips} >= vehicles.keys()


def test_the_timetable_of_a_stop_and_of_a_line(sdk: OnebusawaySDK) -> None:
    stop = sdk.schedule_for_stop.retrieve("muni_T1", date="2026-03-02").data.entry
    assert stop.date == DAY_MS
    lines = {one.route_id: one.stop_route_direction_schedules for one in stop.stop_route_schedules}
    first = lines["muni_10"][0].schedule_stop_times[0]
    assert (first.trip_id, first.departure_time, first.arrival_enabled) == (
        "muni_10-0600",
        DAY_MS + 6 * 3_600_000,
        False,
    )
    (circle,) = lines["muni_20"]
    assert circle.schedule_frequencies is not None
    assert circle.schedule_frequencies[0].start_time == DAY_MS + 6 * 3_600_000
    line = sdk.schedule_for_route.retrieve("muni_10", date="2026-03-01").data.entry
    assert line.service_ids == ["muni_weekend", "muni_daily"]
    assert [one.direction_id for one in line.stop_trip_groupings] == ["0", "1"]
    night = line.stop_trip_groupings[0].trips_with_stop_times
    assert night is not None
    assert (night[-1].trip_id, night[-1].stop_times[0].departure_time) == ("muni_10-2430", 24 * 3600 + 1800)


def test_what_android_and_wayfinder_add(sdk: OnebusawaySDK, town: Town) -> None:
    lat, lon = town.network.stops["T4"].point
    assert sdk.agency.retrieve("muni").data.entry.timezone == "America/Argentina/Buenos_Aires"
    assert sdk.trip.retrieve("muni_10-0640").data.entry.block_id == "muni_block-2"
    assert len(sdk.stop_ids_for_agency.list("muni").data.list) == 14
    assert sdk.route_ids_for_agency.list("muni").data.list == ["muni_10", "muni_20"]
    assert len(sdk.stops_for_agency.list("muni").data.list) == 14
    assert [one.short_name for one in sdk.routes_for_agency.list("muni").data.list] == ["10", "20"]
    vehicles = sdk.vehicles_for_agency.list("muni").data.list
    assert {one.vehicle_id for one in vehicles} == {"muni_late", "muni_recent", "muni_silent"}
    near = sdk.trips_for_location.list(lat=lat, lon=lon, lat_span=0.002, lon_span=0.002).data.list
    assert [one.trip_id for one in near] == ["muni_10-0640"]
    arrivals = sdk.arrivals_and_departures_for_location.list(lat=lat, lon=lon, radius=50).data.entry
    assert arrivals.stop_ids == ["muni_T4", "muni_R4"]
    assert {one.stop_id for one in arrivals.arrivals_and_departures} == {"muni_T4", "muni_R4"}
    stops, lines = sdk.search_for_stop.list(input="parada N5").data, sdk.search_for_route.list(input="circular").data
    assert stops is not None
    assert lines is not None
    assert ([one.id for one in stops.list], [one.id for one in lines.list]) == (["muni_N5"], ["muni_20"])


def test_what_is_not_there_and_what_cannot_be_read(sdk: OnebusawaySDK) -> None:
    with pytest.raises(NotFoundError) as missing:
        sdk.stop.retrieve("muni_nowhere")
    assert missing.value.response.json()["text"] == "resource not found"
    with pytest.raises(NotFoundError):
        sdk.trip_for_vehicle.retrieve("muni_nobody")
    with pytest.raises(BadRequestError) as wrong:
        sdk.schedule_for_stop.retrieve("muni_T1", date="tomorrow")
    assert wrong.value.response.json()["data"]["fieldErrors"] == {"date": ["not YYYY-MM-DD"]}
