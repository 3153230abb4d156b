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
from services.transit.serving.departure_board import Seen, Status
from services.transit.serving.snapshot import GONE_S
from services.web.oba.elements import references
from services.web.oba.elements import schema as oba
from services.web.oba.elements.trip_status import (
    UNKNOWN_COUNT,
    is_predicted,
    ms,
    occupancy,
    schedule,
    trip_status,
    underway,
)
from services.web.oba.elements.vehicles import TripDetails, TripStatus, VehicleStatus
from services.web.oba.requests import (
    MOST_LIST,
    Asked,
    Asking,
    Id,
    NoSuchResource,
    ServiceDay,
    Time,
    Where,
    instant,
    service_day,
)
from services.web.oba.responses import where
from services.web.oba.routers.stops import route_of

router = APIRouter()

Trips = Annotated[bool, Query(alias="includeTrip", description="With the trip among the references")]
Schedules = Annotated[bool, Query(alias="includeSchedule", description="With the trip's calls")]
Statuses = Annotated[bool, Query(alias="includeStatus", description="With how the trip is going")]


@where(router, "/trip/{trip_id:path}.json")
def trip(asked: Asked, trip_id: Id) -> oba.Answer[oba.Entry[oba.Trip]]:
    """One trip of the timetable."""
    found = trip_of(asked, trip_id)
    asked.referred.route(asked.index.network.patterns[found.pattern].route_id)
    return asked.entry(references.trip(asked.index, found))


@where(router, "/trip-details/{trip_id:path}.json")
def trip_details(
    asked: Asked,
    trip_id: Id,
    service_date: ServiceDay = None,
    time: Time = None,
    trips: Trips = True,
    schedules: Schedules = True,
    statuses: Statuses = True,
) -> oba.Answer[oba.Entry[TripDetails]]:
    """A trip on a day: the calls, and how it is going. Without `serviceDate`, on the day nearest to now."""
    now = instant(time, asked.now_s)
    journey = journey_of(asked, trip_of(asked, trip_id), service_date, now)
    told = Detailing(asked, now, trips=trips, schedules=schedules, statuses=statuses).details(journey)
    return asked.entry(told)


@where(router, "/trip-for-vehicle/{vehicle_id:path}.json")
def trip_for_vehicle(
    asked: Asked,
    vehicle_id: Id,
    time: Time = None,
    trips: Trips = False,
    schedules: Schedules = False,
    statuses: Statuses = True,
) -> oba.Answer[oba.Entry[TripDetails]]:
    """The trip a bus makes now; not found where it makes none."""
    now = instant(time, asked.now_s)
    status = journey_underway(asked, _seen(asked, vehicle_id, now), now)
    if status is None:
        raise NoSuchResource
    told = Detailing(asked, now, trips=trips, schedules=schedules, statuses=statuses).details(status.journey)
    return asked.entry(told)


@where(router, "/vehicle/{vehicle_id:path}.json")
def vehicle(asked: Asked, vehicle_id: Id, time: Time = None) -> oba.Answer[oba.Entry[VehicleStatus]]:
    """One bus as it was last heard."""
    now = instant(time, asked.now_s)
    seen = _seen(asked, vehicle_id, now)
    return asked.entry(vehicle_status(asked, seen, journey_underway(asked, seen, now), now))


@where(router, "/trips-for-route/{route_id:path}.json")
def trips_for_route(
    asked: Asked,
    route_id: Id,
    time: Time = None,
    schedules: Schedules = False,
) -> oba.Answer[oba.Listing[TripDetails]]:
    """The trips of a line under way, and how they go, whether or not that is asked for: clients fail without it."""
    now = instant(time, asked.now_s)
    patterns = asked.index.network.patterns_by_route.get(route_of(asked, route_id).id, ())
    found = [status.journey for pattern in patterns for status in running(asked, pattern, now)]
    detailing = Detailing(asked, now, trips=True, schedules=schedules, statuses=True)
    return asked.listing(
        [detailing.details(journey) for journey in found[:MOST_LIST]], limit_exceeded=len(found) > MOST_LIST
    )


@where(router, "/trips-for-location.json")
def trips_for_location(
    asked: Asked,
    area: Where,
    time: Time = None,
    trips: Trips = True,
    schedules: Schedules = False,
) -> oba.Answer[oba.Listing[TripDetails]]:
    """The trips whose buses were last heard within a part of the map."""
    now = instant(time, asked.now_s)
    found = [
        status.journey
        for seen in departure_board.vehicles(asked.view, now)
        if area.box.holds((seen.outlook.matched_position.latitude, seen.outlook.matched_position.longitude))
        and (status := journey_underway(asked, seen, now)) is not None
    ]
    detailing = Detailing(asked, now, trips=trips, schedules=schedules, statuses=True)
    return asked.listing(
        [detailing.details(journey) for journey in found[:MOST_LIST]],
        limit_exceeded=len(found) > MOST_LIST,
        out_of_range=not asked.index.covers(area.box),
    )


class Detailing:
    """Tells trips with as much detail as was asked for."""

    def __init__(self, asked: Asking, now: float, *, trips: bool, schedules: bool, statuses: bool) -> None:
        self._asked, self._now = asked, now
        self._trips, self._schedules, self._statuses = trips, schedules, statuses

    def details(self, journey: Journey) -> TripDetails:
        """One trip on its day."""
        asked, index = self._asked, self._asked.index
        pattern = index.network.patterns[journey.trip.pattern]
        situations = asked.referred.alerts(
            departure_board.alerts_for(asked.view, self._now, route_ids=(pattern.route_id,))
        )
        if self._trips:
            asked.referred.trip(journey.trip)
        if self._schedules:
            for stop_id in pattern.stop_ids:
                asked.referred.stop(stop_id)
        return TripDetails(
            trip_id=index.trip_id(journey.trip),
            service_date=index.service_date_ms(journey),
            frequency=None,
            situation_ids=situations,
            schedule=schedule(index, journey) if self._schedules else None,
            status=self._status(journey, situations) if self._statuses else UNSET,
        )

    def _status(self, journey: Journey, situations: list[str]) -> TripStatus | UnsetType:
        status = departure_board.journey_status(self._asked.view, journey.key, self._now)
        if status is None:
            pattern = self._asked.index.network.patterns[journey.trip.pattern]
            status = Status(journey.key, journey, pattern, Basis.SCHEDULE)
        return told_status(self._asked, status, self._now, situations, trips=self._trips)


def told_status(asked: Asking, status: Status, now: float, situations: list[str], *, trips: bool = True) -> TripStatus:
    """How a journey is going, with what that refers to."""
    there = underway(asked.view, status, now)
    asked.referred.underway(there, trips=trips)
    predicted = is_predicted(status.basis)
    return trip_status(asked.index, status, there, now, predicted=predicted, situations=situations)


def running(asked: Asking, pattern: int, now: float) -> Iterator[Status]:
    """The journeys along a pattern that are on the road: by their buses, else by the timetable; no withdrawn one."""
    keys = {journey.key for journey in asked.index.network.journeys_between(pattern, now, now)}
    keys |= {due.key for due in asked.view.dues_along(pattern, now) if due.outlook is not None and not due.turn}
    for key in sorted(keys):
        status = departure_board.journey_status(asked.view, key, now)
        waits = status is not None and status.outlook is not None and not status.present
        if status is not None and status.basis is not Basis.NOT_COMING and not waits:
            yield status


def journey_underway(asked: Asking, seen: Seen, now: float) -> Status | None:
    """The journey a bus makes; None where it makes none, or was not heard for so long that nobody knows."""
    if seen.journey is None or seen.age_s > GONE_S:
        return None
    known = departure_board.journey_status(asked.view, seen.journey.key, now)
    if known is None or known.outlook is seen.outlook:
        return known
    # Two buses claim this journey, and the other is believed: of this one only the place is told.
    return replace(known, outlook=seen.outlook, present=True, next=None, delay_s=None)


def vehicle_status(asked: Asking, seen: Seen, status: Status | None, now: float) -> VehicleStatus:
    """A bus, and how the journey it makes is going."""
    index, place = asked.index, seen.outlook.matched_position
    route_ids = (seen.route.id,) if seen.route else ()
    situations = (
        asked.referred.alerts(departure_board.alerts_for(asked.view, now, route_ids=route_ids)) if route_ids else []
    )
    told = told_status(asked, status, now, situations) if status else UNSET
    journey = seen.journey
    return VehicleStatus(
        vehicle_id=index.vehicle_id(seen.outlook.vehicle, journey.trip if journey else None),
        last_update_time=ms(place.at),
        last_location_update_time=ms(place.at),
        location=oba.Location(lat=place.latitude, lon=place.longitude),
        trip_id=index.trip_id(journey.trip) if journey else "",
        trip_status=told,
        occupancy_capacity=UNKNOWN_COUNT,
        occupancy_count=UNKNOWN_COUNT,
        occupancy_status=occupancy(seen.outlook.occupancy),
        phase=told.phase if told else "",
        status=told.status if told else "",
    )


def trip_of(asked: Asking, trip_id: str) -> Trip:
    """The trip asked for. Raises NoSuchResource."""
    found = asked.index.trip(trip_id)
    if found is None:
        raise NoSuchResource
    return found


def journey_of(asked: Asking, trip: Trip, service_date: str | None, now: float) -> Journey:
    """The journey of a trip that is meant: on that service date, else on the day it is nearest to now.

    Of the repetitions of a frequency, the one nearest to now; those a bus makes come first.
    """
    network = asked.index.network
    if service_date is not None:
        found = list(_starts(asked, trip, service_day(service_date, network, asked.now_s)))
    else:
        days = [day for day in network.service_dates_around(now) if trip.service_id in network.service_day(day)[1]]
        today = datetime.fromtimestamp(now, network.zone).date()
        found = [journey for day in days or [today] for journey in _starts(asked, trip, day)]
    if not found:
        raise NoSuchResource
    return min(found, key=lambda journey: _far(asked, journey, now))


def _starts(asked: Asking, trip: Trip, day: date) -> Iterator[Journey]:
    for start_s in start_times_s(trip):
        journey = asked.index.network.journey(trip.id, day, start_s)
        if journey is not None:
            yield journey


def _far(asked: Asking, journey: Journey, now: float) -> tuple[bool, float]:
    """How far a journey is from now: made by a bus or not, then seconds before its start or after its end."""
    due = asked.view.due(journey.key, now)
    return (due is None or due.outlook is None, max(journey.start_at - now, now - journey.end_at, 0.0))


def _seen(asked: Asking, vehicle_id: str, now: float) -> Seen:
    """The bus asked for. Raises NoSuchResource."""
    for name in asked.index.names(vehicle_id):
        found = departure_board.vehicle(asked.view, name, now)
        if found is not None:
            return found
    raise NoSuchResource
