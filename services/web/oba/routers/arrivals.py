"""OneBusAway endpoints of arrivals at a stop or around a place."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from msgspec import Struct

from models.network import Journey
from services.transit.serving import departure_board
from services.transit.serving.departure_board import Arrival
from services.web.oba.elements import schema as oba
from services.web.oba.elements.arrival import ArrivalBuilder
from services.web.oba.elements.index import box_around
from services.web.oba.elements.vehicles import ArrivalAndDeparture, ArrivalsAtStop, ArrivalsNear, NearbyStop
from services.web.oba.requests import (
    CurrentRequest,
    Id,
    NoSuchResource,
    ObaRequest,
    SearchArea,
    TimeParameter,
    requested_time,
)
from services.web.oba.responses import oba_endpoint
from services.web.oba.routers.stops import require_stop
from services.web.oba.routers.trips import nearest_journey, require_trip

NEARBY_M = 100.0
MINUTE_S = 60.0
DEFAULT_BEFORE_MIN, DEFAULT_AFTER_MIN = 5, 35
MOST_BEFORE_MIN, MOST_AFTER_MIN = 60, 24 * 60
MOST_STOPS = 50
DEFAULT_ARRIVALS, MOST_ARRIVALS = 250, 1_000

router = APIRouter()

MinutesParameter = Annotated[int, Query(ge=0, le=1_000_000)]


class TimeWindow(Struct, frozen=True):
    """A period around `now`, Unix seconds: from `before_s` before it until `after_s` after it."""

    now: float
    before_s: float
    after_s: float


async def _time_window(
    request: CurrentRequest,
    before: Annotated[
        MinutesParameter, Query(alias="minutesBefore", description="At most an hour")
    ] = DEFAULT_BEFORE_MIN,
    after: Annotated[MinutesParameter, Query(alias="minutesAfter", description="At most a day")] = DEFAULT_AFTER_MIN,
    time: TimeParameter = None,
) -> TimeWindow:
    now = requested_time(time, request.now_s)
    return TimeWindow(now, min(before, MOST_BEFORE_MIN) * MINUTE_S, min(after, MOST_AFTER_MIN) * MINUTE_S)


RequestedWindow = Annotated[TimeWindow, Depends(_time_window)]


@oba_endpoint(router, "/arrivals-and-departures-for-stop/{stop_id:path}.json")
def arrivals_and_departures_for_stop(
    request: CurrentRequest,
    stop_id: Id,
    window: RequestedWindow,
) -> oba.Answer[oba.Entry[ArrivalsAtStop]]:
    """Arrivals at a stop, ordered by expected time."""
    stop, now = require_stop(request, stop_id), window.now
    request.collector.add_stop(stop.id)
    nearby = request.index.stops_within(box_around(stop.point, NEARBY_M), stop.point, NEARBY_M)
    for _, near in nearby:
        request.collector.add_stop(near.id)
    routes = request.index.routes_by_stop.get(stop.id, ())
    situations = request.collector.add_alerts(
        departure_board.alerts_for(request.snapshot, now, stop_id=stop.id, route_ids=routes)
    )
    element = ArrivalsAtStop(
        stop_id=request.index.stop_id(stop.id),
        arrivals_and_departures=_elements(request, _arrivals(request, stop.id, window), now),
        nearby_stop_ids=[request.index.stop_id(near.id) for _, near in nearby if near.id != stop.id],
        situation_ids=situations,
        feed_health=request.snapshot.health(request.now_s).value,
    )
    return request.entry_answer(element)


@oba_endpoint(router, "/arrival-and-departure-for-stop/{stop_id:path}.json")
def arrival_and_departure_for_stop(
    request: CurrentRequest,
    stop_id: Id,
    trip_id: Annotated[str, Query(max_length=200, alias="tripId")],
    service_date: Annotated[str, Query(max_length=40, alias="serviceDate", description="Unix milliseconds")],
    sequence: Annotated[
        int | None, Query(alias="stopSequence", ge=0, le=10_000, description="Which visit of a loop")
    ] = None,
    time: TimeParameter = None,
) -> oba.Answer[oba.Entry[ArrivalAndDeparture]]:
    """One trip at one stop, passed or coming."""
    stop, trip, now = (
        require_stop(request, stop_id),
        require_trip(request, trip_id),
        requested_time(time, request.now_s),
    )
    journey = nearest_journey(request, trip, service_date, now)
    call = _find_call(request, journey, stop.id, sequence, now)
    request.collector.add_stop(stop.id)
    return request.entry_answer(ArrivalBuilder(request.index, request.snapshot, request.collector, now).build(call))


@oba_endpoint(router, "/arrivals-and-departures-for-location.json")
def arrivals_and_departures_for_location(
    request: CurrentRequest,
    area: SearchArea,
    window: RequestedWindow,
    count: Annotated[int, Query(alias="maxCount", ge=1, le=10_000)] = DEFAULT_ARRIVALS,
    kinds: Annotated[str, Query(alias="routeType", pattern=r"^[0-9, ]{0,100}$", description="Only of these")] = "",
    absent: Annotated[bool, Query(alias="emptyReturnsNotFound")] = False,
) -> oba.Answer[oba.Entry[ArrivalsNear]]:
    """Arrivals at the nearest stops around a place, ordered by expected time."""
    now, limit = window.now, min(count, MOST_ARRIVALS)
    stops = request.index.stops_within(area.box, area.centre, area.radius_m)
    nearest = stops[: min(MOST_STOPS, limit)]
    wanted = {int(one) for one in kinds.replace(" ", "").split(",") if one}
    arrivals = [
        one
        for _, stop in nearest
        for one in _arrivals(request, stop.id, window)
        if not wanted or request.index.network.routes[one.pattern.route_id].route_type in wanted
    ]
    if absent and not arrivals:
        raise NoSuchResource
    arrivals.sort(key=lambda one: one.expected_at)
    for _, stop in nearest:
        request.collector.add_stop(stop.id)
    elements = _elements(request, arrivals[:limit], now)
    element = ArrivalsNear(
        stop_ids=[request.index.stop_id(stop.id) for _, stop in nearest],
        arrivals_and_departures=elements,
        nearby_stop_ids=[
            NearbyStop(stop_id=request.index.stop_id(stop.id), distance_from_query=distance)
            for distance, stop in nearest
        ],
        situation_ids=list(dict.fromkeys(one for arrival in elements for one in arrival.situation_ids)),
        limit_exceeded=len(arrivals) > limit or len(stops) > len(nearest),
    )
    return request.entry_answer(element)


def _arrivals(request: ObaRequest, stop_id: str, window: TimeWindow) -> list[Arrival]:
    return departure_board.arrivals(request.snapshot, stop_id, window.now, window.before_s, window.after_s)


def _elements(request: ObaRequest, arrivals: list[Arrival], now: float) -> list[ArrivalAndDeparture]:
    builder = ArrivalBuilder(request.index, request.snapshot, request.collector, now)
    return [builder.build(one) for one in arrivals]


def _find_call(request: ObaRequest, journey: Journey, stop_id: str, sequence: int | None, now: float) -> Arrival:
    """A journey at a stop: at that visit, else at the next, else at the last. Raises NoSuchResource."""
    progress = departure_board.journey_progress(request.snapshot, journey.key, now)
    calls = [call for call in progress.calls if call.stop_id == stop_id] if progress else []
    if not calls:
        raise NoSuchResource
    named = (call for call in calls if call.position == sequence)
    coming = (call for call in calls if not call.passed and call.expected_at >= now)
    return next(named, None) or next(coming, None) or calls[-1]
