"""Trips and the buses that make them."""

from collections.abc import Iterator
from datetime import date, datetime
from typing import Annotated

from fastapi import APIRouter, Query
from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from models.network import Journey, Trip, start_times_s
from services.transit.model.prediction import Basis
from services.transit.serving import departure_board
from services.transit.serving.departure_board import JourneyStatus, TrackedVehicle
from services.transit.serving.snapshot import HIDDEN_AFTER_S
from services.web.oba.elements import references
from services.web.oba.elements import schema as oba
from services.web.oba.elements.trip_status import (
    UNKNOWN_COUNT,
    is_predicted,
    locate_active_trip,
    ms,
    occupancy_status,
    schedule_element,
    trip_status_element,
)
from services.web.oba.elements.vehicles import TripDetails, TripStatus, VehicleStatus
from services.web.oba.requests import (
    MOST_COUNT,
    CurrentRequest,
    Id,
    NoSuchResource,
    ObaRequest,
    SearchArea,
    ServiceDay,
    TimeParameter,
    parse_service_day,
    requested_time,
)
from services.web.oba.responses import oba_endpoint
from services.web.oba.routers.stops import require_route

router = APIRouter()

IncludeTrip = Annotated[bool, Query(alias="includeTrip", description="With the trip among the references")]
IncludeSchedule = Annotated[bool, Query(alias="includeSchedule", description="With the trip's calls")]
IncludeStatus = Annotated[bool, Query(alias="includeStatus", description="With how the trip is going")]


@oba_endpoint(router, "/trip/{trip_id:path}.json")
def trip(asked: CurrentRequest, trip_id: Id) -> oba.Answer[oba.Entry[oba.Trip]]:
    """One trip of the timetable."""
    found = require_trip(asked, trip_id)
    asked.collector.add_route(asked.index.network.patterns[found.pattern].route_id)
    return asked.entry_answer(references.trip_element(asked.index, found))


@oba_endpoint(router, "/trip-details/{trip_id:path}.json")
def trip_details(
    asked: CurrentRequest,
    trip_id: Id,
    service_date: ServiceDay = None,
    time: TimeParameter = None,
    trips: IncludeTrip = True,
    schedules: IncludeSchedule = True,
    statuses: IncludeStatus = True,
) -> oba.Answer[oba.Entry[TripDetails]]:
    """A trip on a day: the calls, and how it is going. Without `serviceDate`, on the day nearest to now."""
    now = requested_time(time, asked.now_s)
    journey = nearest_journey(asked, require_trip(asked, trip_id), service_date, now)
    told = TripDetailsBuilder(asked, now, trips=trips, schedules=schedules, statuses=statuses).details(journey)
    return asked.entry_answer(told)


@oba_endpoint(router, "/trip-for-vehicle/{vehicle_id:path}.json")
def trip_for_vehicle(
    asked: CurrentRequest,
    vehicle_id: Id,
    time: TimeParameter = None,
    trips: IncludeTrip = False,
    schedules: IncludeSchedule = False,
    statuses: IncludeStatus = True,
) -> oba.Answer[oba.Entry[TripDetails]]:
    """The trip a bus makes now; not found where it makes none."""
    now = requested_time(time, asked.now_s)
    status = vehicle_journey(asked, _require_vehicle(asked, vehicle_id, now), now)
    if status is None:
        raise NoSuchResource
    told = TripDetailsBuilder(asked, now, trips=trips, schedules=schedules, statuses=statuses).details(status.journey)
    return asked.entry_answer(told)


@oba_endpoint(router, "/vehicle/{vehicle_id:path}.json")
def vehicle(asked: CurrentRequest, vehicle_id: Id, time: TimeParameter = None) -> oba.Answer[oba.Entry[VehicleStatus]]:
    """One bus as it was last heard."""
    now = requested_time(time, asked.now_s)
    seen = _require_vehicle(asked, vehicle_id, now)
    return asked.entry_answer(vehicle_status(asked, seen, vehicle_journey(asked, seen, now), now))


@oba_endpoint(router, "/trips-for-route/{route_id:path}.json")
def trips_for_route(
    asked: CurrentRequest,
    route_id: Id,
    time: TimeParameter = None,
    schedules: IncludeSchedule = False,
) -> oba.Answer[oba.Listing[TripDetails]]:
    """The trips of a line under way, and how they go, whether or not that is asked for: clients fail without it."""
    now = requested_time(time, asked.now_s)
    patterns = asked.index.network.patterns_by_route.get(require_route(asked, route_id).id, ())
    found = [status.journey for pattern in patterns for status in active_journeys(asked, pattern, now)]
    detailing = TripDetailsBuilder(asked, now, trips=True, schedules=schedules, statuses=True)
    return asked.list_answer(
        [detailing.details(journey) for journey in found[:MOST_COUNT]], limit_exceeded=len(found) > MOST_COUNT
    )


@oba_endpoint(router, "/trips-for-location.json")
def trips_for_location(
    asked: CurrentRequest,
    area: SearchArea,
    time: TimeParameter = None,
    trips: IncludeTrip = True,
    schedules: IncludeSchedule = False,
) -> oba.Answer[oba.Listing[TripDetails]]:
    """The trips whose buses were last heard within a part of the map."""
    now = requested_time(time, asked.now_s)
    found = [
        status.journey
        for seen in departure_board.vehicles(asked.snapshot, now)
        if area.box.contains((seen.prediction.matched_position.latitude, seen.prediction.matched_position.longitude))
        and (status := vehicle_journey(asked, seen, now)) is not None
    ]
    detailing = TripDetailsBuilder(asked, now, trips=trips, schedules=schedules, statuses=True)
    return asked.list_answer(
        [detailing.details(journey) for journey in found[:MOST_COUNT]],
        limit_exceeded=len(found) > MOST_COUNT,
        out_of_range=not asked.index.covers(area.box),
    )


class TripDetailsBuilder:
    """Tells trips with as much detail as was asked for."""

    def __init__(self, asked: ObaRequest, now: float, *, trips: bool, schedules: bool, statuses: bool) -> None:
        self._asked, self._now = asked, now
        self._trips, self._schedules, self._statuses = trips, schedules, statuses

    def details(self, journey: Journey) -> TripDetails:
        """One trip on its day."""
        asked, index = self._asked, self._asked.index
        pattern = index.network.patterns[journey.trip.pattern]
        situations = asked.collector.add_alerts(
            departure_board.alerts_for(asked.snapshot, self._now, route_ids=(pattern.route_id,))
        )
        if self._trips:
            asked.collector.add_trip(journey.trip)
        if self._schedules:
            for stop_id in pattern.stop_ids:
                asked.collector.add_stop(stop_id)
        return TripDetails(
            trip_id=index.trip_id(journey.trip),
            service_date=index.service_date_ms(journey),
            frequency=None,
            situation_ids=situations,
            schedule=schedule_element(index, journey) if self._schedules else None,
            status=self._status(journey, situations) if self._statuses else UNSET,
        )

    def _status(self, journey: Journey, situations: list[str]) -> TripStatus | UnsetType:
        status = departure_board.journey_status(self._asked.snapshot, journey.key, self._now)
        if status is None:
            pattern = self._asked.index.network.patterns[journey.trip.pattern]
            status = JourneyStatus(journey.key, journey, pattern, Basis.SCHEDULE)
        return referenced_trip_status(self._asked, status, self._now, situations, trips=self._trips)


def referenced_trip_status(
    asked: ObaRequest, status: JourneyStatus, now: float, situations: list[str], *, trips: bool = True
) -> TripStatus:
    """How a journey is going, with what that refers to."""
    there = locate_active_trip(asked.snapshot, status, now)
    asked.collector.add_active_trip(there, trips=trips)
    predicted = is_predicted(status.basis)
    return trip_status_element(asked.index, status, there, now, predicted=predicted, situations=situations)


def active_journeys(asked: ObaRequest, pattern: int, now: float) -> Iterator[JourneyStatus]:
    """The journeys along a pattern that are on the road: by their buses, else by the timetable; no withdrawn one."""
    keys = {journey.key for journey in asked.index.network.journeys_between(pattern, now, now)}
    keys |= {
        predicted.key
        for predicted in asked.snapshot.predictions_along(pattern, now)
        if predicted.vehicle is not None and not predicted.trips_ahead
    }
    for key in sorted(keys):
        status = departure_board.journey_status(asked.snapshot, key, now)
        waits = status is not None and status.vehicle_prediction is not None and not status.under_way
        if status is not None and status.basis is not Basis.NOT_COMING and not waits:
            yield status


def vehicle_journey(asked: ObaRequest, seen: TrackedVehicle, now: float) -> JourneyStatus | None:
    """The journey a bus makes; None where it makes none, or was not heard for so long that nobody knows."""
    if seen.journey is None or seen.age_s > HIDDEN_AFTER_S:
        return None
    known = departure_board.journey_status(asked.snapshot, seen.journey.key, now)
    if known is None or known.vehicle_prediction is seen.prediction:
        return known
    # Two buses claim this journey, and the other is believed: of this one only the place is told.
    return replace(known, vehicle_prediction=seen.prediction, under_way=True, next_position=None, delay_s=None)


def vehicle_status(asked: ObaRequest, seen: TrackedVehicle, status: JourneyStatus | None, now: float) -> VehicleStatus:
    """A bus, and how the journey it makes is going."""
    index, place = asked.index, seen.prediction.matched_position
    route_ids = (seen.route.id,) if seen.route else ()
    situations = (
        asked.collector.add_alerts(departure_board.alerts_for(asked.snapshot, now, route_ids=route_ids))
        if route_ids
        else []
    )
    told = referenced_trip_status(asked, status, now, situations) if status else UNSET
    journey = seen.journey
    return VehicleStatus(
        vehicle_id=index.vehicle_id(seen.prediction.vehicle, journey.trip if journey else None),
        last_update_time=ms(place.at),
        last_location_update_time=ms(place.at),
        location=oba.Location(lat=place.latitude, lon=place.longitude),
        trip_id=index.trip_id(journey.trip) if journey else "",
        trip_status=told,
        occupancy_capacity=UNKNOWN_COUNT,
        occupancy_count=UNKNOWN_COUNT,
        occupancy_status=occupancy_status(seen.prediction.occupancy),
        phase=told.phase if told else "",
        status=told.status if told else "",
    )


def require_trip(asked: ObaRequest, trip_id: str) -> Trip:
    """The trip asked for. Raises NoSuchResource."""
    found = asked.index.find_trip(trip_id)
    if found is None:
        raise NoSuchResource
    return found


def nearest_journey(asked: ObaRequest, trip: Trip, service_date: str | None, now: float) -> Journey:
    """The journey of a trip that is meant: on that service date, else on the day it is nearest to now.

    Of the repetitions of a frequency, the one nearest to now; those a bus makes come first.
    """
    network = asked.index.network
    if service_date is not None:
        found = list(_journeys_on(asked, trip, parse_service_day(service_date, network, asked.now_s)))
    else:
        days = [day for day in network.service_dates_around(now) if trip.service_id in network.service_day(day)[1]]
        today = datetime.fromtimestamp(now, network.zone).date()
        found = [journey for day in days or [today] for journey in _journeys_on(asked, trip, day)]
    if not found:
        raise NoSuchResource
    return min(found, key=lambda journey: _distance_from_now(asked, journey, now))


def _journeys_on(asked: ObaRequest, trip: Trip, day: date) -> Iterator[Journey]:
    for start_s in start_times_s(trip):
        journey = asked.index.network.journey(trip.id, day, start_s)
        if journey is not None:
            yield journey


def _distance_from_now(asked: ObaRequest, journey: Journey, now: float) -> tuple[bool, float]:
    """How far a journey is from now: made by a bus or not, then seconds before its start or after its end."""
    predicted = asked.snapshot.current_prediction(journey.key, now)
    return (
        predicted is None or predicted.vehicle is None,
        max(journey.start_at - now, now - journey.end_at, 0.0),
    )


def _require_vehicle(asked: ObaRequest, vehicle_id: str, now: float) -> TrackedVehicle:
    """The bus asked for. Raises NoSuchResource."""
    for name in asked.index.bare_ids(vehicle_id):
        found = departure_board.vehicle(asked.snapshot, name, now)
        if found is not None:
            return found
    raise NoSuchResource
