"""What comes to a stop, or to the stops around a place."""

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
    """Around a moment, Unix seconds: from `before_s` before it until `after_s` after it."""

    now: float
    before_s: float
    after_s: float


async def _time_window(
    asked: CurrentRequest,
    before: Annotated[
        MinutesParameter, Query(alias="minutesBefore", description="At most an hour")
    ] = DEFAULT_BEFORE_MIN,
    after: Annotated[MinutesParameter, Query(alias="minutesAfter", description="At most a day")] = DEFAULT_AFTER_MIN,
    time: TimeParameter = None,
) -> TimeWindow:
    now = requested_time(time, asked.now_s)
    return TimeWindow(now, min(before, MOST_BEFORE_MIN) * MINUTE_S, min(after, MOST_AFTER_MIN) * MINUTE_S)


RequestedWindow = Annotated[TimeWindow, Depends(_time_window)]


@oba_endpoint(router, "/arrivals-and-departures-for-stop/{stop_id:path}.json")
def arrivals_and_departures_for_stop(
    asked: CurrentRequest,
    stop_id: Id,
    window: RequestedWindow,
) -> oba.Answer[oba.Entry[ArrivalsAtStop]]:
    """What comes to a stop, by the time it is expected."""
    stop, now = require_stop(asked, stop_id), window.now
    asked.collector.add_stop(stop.id)
    nearby = asked.index.stops_within(box_around(stop.point, NEARBY_M), stop.point, NEARBY_M)
    for _, near in nearby:
        asked.collector.add_stop(near.id)
    routes = asked.index.routes_by_stop.get(stop.id, ())
    situations = asked.collector.add_alerts(
        departure_board.alerts_for(asked.snapshot, now, stop_id=stop.id, route_ids=routes)
    )
    told = ArrivalsAtStop(
        stop_id=asked.index.stop_id(stop.id),
        arrivals_and_departures=_elements(asked, _arrivals(asked, stop.id, window), now),
        nearby_stop_ids=[asked.index.stop_id(near.id) for _, near in nearby if near.id != stop.id],
        situation_ids=situations,
        feed_health=asked.snapshot.health(asked.now_s).value,
    )
    return asked.entry_answer(told)


@oba_endpoint(router, "/arrival-and-departure-for-stop/{stop_id:path}.json")
def arrival_and_departure_for_stop(
    asked: CurrentRequest,
    stop_id: Id,
    trip_id: Annotated[str, Query(max_length=200, alias="tripId")],
    service_date: Annotated[str, Query(max_length=40, alias="serviceDate", description="Unix milliseconds")],
    sequence: Annotated[
        int | None, Query(alias="stopSequence", ge=0, le=10_000, description="Which visit of a loop")
    ] = None,
    time: TimeParameter = None,
) -> oba.Answer[oba.Entry[ArrivalAndDeparture]]:
    """One trip at one stop, passed or coming."""
    stop, trip, now = require_stop(asked, stop_id), require_trip(asked, trip_id), requested_time(time, asked.now_s)
    journey = nearest_journey(asked, trip, service_date, now)
    call = _find_call(asked, journey, stop.id, sequence, now)
    asked.collector.add_stop(stop.id)
    return asked.entry_answer(ArrivalBuilder(asked.index, asked.snapshot, asked.collector, now).build(call))


@oba_endpoint(router, "/arrivals-and-departures-for-location.json")
def arrivals_and_departures_for_location(
    asked: CurrentRequest,
    area: SearchArea,
    window: RequestedWindow,
    count: Annotated[int, Query(alias="maxCount", ge=1, le=10_000)] = DEFAULT_ARRIVALS,
    kinds: Annotated[str, Query(alias="routeType", pattern=r"^[0-9, ]{0,100}$", description="Only of these")] = "",
    absent: Annotated[bool, Query(alias="emptyReturnsNotFound")] = False,
) -> oba.Answer[oba.Entry[ArrivalsNear]]:
    """What comes to the nearest stops around a place, by the time it is expected."""
    now, limit = window.now, min(count, MOST_ARRIVALS)
    stops = asked.index.stops_within(area.box, area.centre, area.radius_m)
    kept = stops[: min(MOST_STOPS, limit)]
    wanted = {int(one) for one in kinds.replace(" ", "").split(",") if one}
    found = [
        one
        for _, stop in kept
        for one in _arrivals(asked, stop.id, window)
        if not wanted or asked.index.network.routes[one.pattern.route_id].route_type in wanted
    ]
    if absent and not found:
        raise NoSuchResource
    found.sort(key=lambda one: one.expected_at)
    for _, stop in kept:
        asked.collector.add_stop(stop.id)
    arrivals = _elements(asked, found[:limit], now)
    told = ArrivalsNear(
        stop_ids=[asked.index.stop_id(stop.id) for _, stop in kept],
        arrivals_and_departures=arrivals,
        nearby_stop_ids=[
            NearbyStop(stop_id=asked.index.stop_id(stop.id), distance_from_query=distance) for distance, stop in kept
        ],
        situation_ids=list(dict.fromkeys(one for arrival in arrivals for one in arrival.situation_ids)),
        limit_exceeded=len(found) > limit or len(stops) > len(kept),
    )
    return asked.entry_answer(told)


def _arrivals(asked: ObaRequest, stop_id: str, window: TimeWindow) -> list[Arrival]:
    return departure_board.arrivals(asked.snapshot, stop_id, window.now, window.before_s, window.after_s)


def _elements(asked: ObaRequest, found: list[Arrival], now: float) -> list[ArrivalAndDeparture]:
    telling = ArrivalBuilder(asked.index, asked.snapshot, asked.collector, now)
    return [telling.build(one) for one in found]


def _find_call(asked: ObaRequest, journey: Journey, stop_id: str, sequence: int | None, now: float) -> Arrival:
    """A journey at a stop: at that visit, else at the next, else at the last. Raises NoSuchResource."""
    progress = departure_board.journey_progress(asked.snapshot, journey.key, now)
    calls = [call for call in progress.calls if call.stop_id == stop_id] if progress else []
    if not calls:
        raise NoSuchResource
    named = (call for call in calls if call.position == sequence)
    coming = (call for call in calls if not call.passed and call.expected_at >= now)
    return next(named, None) or next(coming, None) or calls[-1]
