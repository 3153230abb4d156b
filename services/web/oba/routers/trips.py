"""OneBusAway endpoints of trips and of the vehicles that make them."""

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
def trip(request: CurrentRequest, trip_id: Id) -> oba.Answer[oba.Entry[oba.Trip]]:
    """One trip of the timetable."""
    found = require_trip(request, trip_id)
    request.collector.add_route(request.index.network.patterns[found.pattern].route_id)
    return request.entry_answer(references.trip_element(request.index, found))


@oba_endpoint(router, "/trip-details/{trip_id:path}.json")
def trip_details(
    request: CurrentRequest,
    trip_id: Id,
    service_date: ServiceDay = None,
    time: TimeParameter = None,
    trips: IncludeTrip = True,
    schedules: IncludeSchedule = True,
    statuses: IncludeStatus = True,
) -> oba.Answer[oba.Entry[TripDetails]]:
    """A trip on a day: calls and status. Without `serviceDate`, on the day nearest to now."""
    now = requested_time(time, request.now_s)
    journey = nearest_journey(request, require_trip(request, trip_id), service_date, now)
    details = TripDetailsBuilder(request, now, trips=trips, schedules=schedules, statuses=statuses).details(journey)
    return request.entry_answer(details)


@oba_endpoint(router, "/trip-for-vehicle/{vehicle_id:path}.json")
def trip_for_vehicle(
    request: CurrentRequest,
    vehicle_id: Id,
    time: TimeParameter = None,
    trips: IncludeTrip = False,
    schedules: IncludeSchedule = False,
    statuses: IncludeStatus = True,
) -> oba.Answer[oba.Entry[TripDetails]]:
    """The trip a bus makes now; not found where it makes none."""
    now = requested_time(time, request.now_s)
    status = vehicle_journey(request, _require_vehicle(request, vehicle_id, now), now)
    if status is None:
        raise NoSuchResource
    details = TripDetailsBuilder(request, now, trips=trips, schedules=schedules, statuses=statuses).details(
        status.journey
    )
    return request.entry_answer(details)


@oba_endpoint(router, "/vehicle/{vehicle_id:path}.json")
def vehicle(
    request: CurrentRequest, vehicle_id: Id, time: TimeParameter = None
) -> oba.Answer[oba.Entry[VehicleStatus]]:
    """One bus as it last reported."""
    now = requested_time(time, request.now_s)
    tracked = _require_vehicle(request, vehicle_id, now)
    return request.entry_answer(vehicle_status(request, tracked, vehicle_journey(request, tracked, now), now))


@oba_endpoint(router, "/trips-for-route/{route_id:path}.json")
def trips_for_route(
    request: CurrentRequest,
    route_id: Id,
    time: TimeParameter = None,
    schedules: IncludeSchedule = False,
) -> oba.Answer[oba.Listing[TripDetails]]:
    """The trips of a line under way, always with their status: clients fail without it."""
    now = requested_time(time, request.now_s)
    patterns = request.index.network.patterns_by_route.get(require_route(request, route_id).id, ())
    found = [status.journey for pattern in patterns for status in active_journeys(request, pattern, now)]
    detailing = TripDetailsBuilder(request, now, trips=True, schedules=schedules, statuses=True)
    return request.list_answer(
        [detailing.details(journey) for journey in found[:MOST_COUNT]], limit_exceeded=len(found) > MOST_COUNT
    )


@oba_endpoint(router, "/trips-for-location.json")
def trips_for_location(
    request: CurrentRequest,
    area: SearchArea,
    time: TimeParameter = None,
    trips: IncludeTrip = True,
    schedules: IncludeSchedule = False,
) -> oba.Answer[oba.Listing[TripDetails]]:
    """The trips whose buses last reported from an area."""
    now = requested_time(time, request.now_s)
    found = [
        status.journey
        for tracked in departure_board.vehicles(request.snapshot, now)
        if area.box.contains(
            (tracked.prediction.matched_position.latitude, tracked.prediction.matched_position.longitude)
        )
        and (status := vehicle_journey(request, tracked, now)) is not None
    ]
    detailing = TripDetailsBuilder(request, now, trips=trips, schedules=schedules, statuses=True)
    return request.list_answer(
        [detailing.details(journey) for journey in found[:MOST_COUNT]],
        limit_exceeded=len(found) > MOST_COUNT,
        out_of_range=not request.index.covers(area.box),
    )


class TripDetailsBuilder:
    """Builds the details of trips, with the parts that were requested."""

    def __init__(self, request: ObaRequest, now: float, *, trips: bool, schedules: bool, statuses: bool) -> None:
        self._request, self._now = request, now
        self._trips, self._schedules, self._statuses = trips, schedules, statuses

    def details(self, journey: Journey) -> TripDetails:
        """The details of one trip on its day."""
        request, index = self._request, self._request.index
        pattern = index.network.patterns[journey.trip.pattern]
        situations = request.collector.add_alerts(
            departure_board.alerts_for(request.snapshot, self._now, route_ids=(pattern.route_id,))
        )
        if self._trips:
            request.collector.add_trip(journey.trip)
        if self._schedules:
            for stop_id in pattern.stop_ids:
                request.collector.add_stop(stop_id)
        return TripDetails(
            trip_id=index.trip_id(journey.trip),
            service_date=index.service_date_ms(journey),
            frequency=None,
            situation_ids=situations,
            schedule=schedule_element(index, journey) if self._schedules else None,
            status=self._status(journey, situations) if self._statuses else UNSET,
        )

    def _status(self, journey: Journey, situations: list[str]) -> TripStatus | UnsetType:
        status = departure_board.journey_status(self._request.snapshot, journey.key, self._now)
        if status is None:
            pattern = self._request.index.network.patterns[journey.trip.pattern]
            status = JourneyStatus(journey.key, journey, pattern, Basis.SCHEDULE)
        return referenced_trip_status(self._request, status, self._now, situations, trips=self._trips)


def referenced_trip_status(
    request: ObaRequest, status: JourneyStatus, now: float, situations: list[str], *, trips: bool = True
) -> TripStatus:
    """The status of a journey; collects what it refers to."""
    active_trip = locate_active_trip(request.snapshot, status, now)
    request.collector.add_active_trip(active_trip, trips=trips)
    predicted = is_predicted(status.basis)
    return trip_status_element(request.index, status, active_trip, now, predicted=predicted, situations=situations)


def active_journeys(request: ObaRequest, pattern: int, now: float) -> Iterator[JourneyStatus]:
    """The journeys along a pattern on the road, by their buses, else by the timetable; withdrawn ones excluded."""
    keys = {journey.key for journey in request.index.network.journeys_between(pattern, now, now)}
    keys |= {
        predicted.key
        for predicted in request.snapshot.predictions_along(pattern, now)
        if predicted.vehicle is not None and not predicted.trips_ahead
    }
    for key in sorted(keys):
        status = departure_board.journey_status(request.snapshot, key, now)
        is_on_earlier_trip = status is not None and status.vehicle_prediction is not None and not status.under_way
        if status is not None and status.basis is not Basis.NOT_COMING and not is_on_earlier_trip:
            yield status


def vehicle_journey(request: ObaRequest, tracked: TrackedVehicle, now: float) -> JourneyStatus | None:
    """The journey a bus makes; None where it makes none, or has been silent for longer than HIDDEN_AFTER_S."""
    if tracked.journey is None or tracked.age_s > HIDDEN_AFTER_S:
        return None
    status = departure_board.journey_status(request.snapshot, tracked.journey.key, now)
    if status is None or status.vehicle_prediction is tracked.prediction:
        return status
    # Two buses report this journey, and the other is more credible: of this one only the position is used.
    return replace(status, vehicle_prediction=tracked.prediction, under_way=True, next_position=None, delay_s=None)


def vehicle_status(
    request: ObaRequest, tracked: TrackedVehicle, status: JourneyStatus | None, now: float
) -> VehicleStatus:
    """A bus, and the status of its journey."""
    index, matched = request.index, tracked.prediction.matched_position
    route_ids = (tracked.route.id,) if tracked.route else ()
    situations = (
        request.collector.add_alerts(departure_board.alerts_for(request.snapshot, now, route_ids=route_ids))
        if route_ids
        else []
    )
    status_element = referenced_trip_status(request, status, now, situations) if status else UNSET
    journey = tracked.journey
    return VehicleStatus(
        vehicle_id=index.vehicle_id(tracked.prediction.vehicle, journey.trip if journey else None),
        last_update_time=ms(matched.at),
        last_location_update_time=ms(matched.at),
        location=oba.Location(lat=matched.latitude, lon=matched.longitude),
        trip_id=index.trip_id(journey.trip) if journey else "",
        trip_status=status_element,
        occupancy_capacity=UNKNOWN_COUNT,
        occupancy_count=UNKNOWN_COUNT,
        occupancy_status=occupancy_status(tracked.prediction.occupancy),
        phase=status_element.phase if status_element else "",
        status=status_element.status if status_element else "",
    )


def require_trip(request: ObaRequest, trip_id: str) -> Trip:
    """The trip with this id. Raises NoSuchResource."""
    found = request.index.find_trip(trip_id)
    if found is None:
        raise NoSuchResource
    return found


def nearest_journey(request: ObaRequest, trip: Trip, service_date: str | None, now: float) -> Journey:
    """The requested journey of a trip: on that service date, else on the day nearest to now.

    Of the repetitions of a frequency, the one nearest to now; those that a bus makes come first.
    """
    network = request.index.network
    if service_date is not None:
        found = list(_journeys_on(request, trip, parse_service_day(service_date, network, request.now_s)))
    else:
        days = [day for day in network.service_dates_around(now) if trip.service_id in network.service_day(day)[1]]
        today = datetime.fromtimestamp(now, network.zone).date()
        found = [journey for day in days or [today] for journey in _journeys_on(request, trip, day)]
    if not found:
        raise NoSuchResource
    return min(found, key=lambda journey: _distance_from_now(request, journey, now))


def _journeys_on(request: ObaRequest, trip: Trip, day: date) -> Iterator[Journey]:
    for start_s in start_times_s(trip):
        journey = request.index.network.journey(trip.id, day, start_s)
        if journey is not None:
            yield journey


def _distance_from_now(request: ObaRequest, journey: Journey, now: float) -> tuple[bool, float]:
    """Sort key: made by a bus or not, then seconds before its start or after its end."""
    predicted = request.snapshot.current_prediction(journey.key, now)
    return (
        predicted is None or predicted.vehicle is None,
        max(journey.start_at - now, now - journey.end_at, 0.0),
    )


def _require_vehicle(request: ObaRequest, vehicle_id: str, now: float) -> TrackedVehicle:
    """The bus with this id. Raises NoSuchResource."""
    for name in request.index.bare_ids(vehicle_id):
        found = departure_board.vehicle(request.snapshot, name, now)
        if found is not None:
            return found
    raise NoSuchResource
