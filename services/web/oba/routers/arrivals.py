"""What comes to a stop, or to the stops around a place."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from msgspec import Struct

from models.network import Journey
from services.transit.serving import departure_board
from services.transit.serving.departure_board import Arrival
from services.web.oba.elements import schema as oba
from services.web.oba.elements.arrival import Telling
from services.web.oba.elements.index import box_around
from services.web.oba.elements.vehicles import ArrivalAndDeparture, ArrivalsAtStop, ArrivalsNear, NearbyStop
from services.web.oba.requests import Asked, Asking, Id, NoSuchResource, Time, Where, instant
from services.web.oba.responses import where
from services.web.oba.routers.stops import stop_of
from services.web.oba.routers.trips import journey_of, trip_of

NEARBY_M = 100.0
MINUTE_S = 60.0
USUAL_BEFORE, USUAL_AFTER = 5, 35
MOST_BEFORE, MOST_AFTER = 60, 24 * 60
MOST_STOPS = 50
USUAL_ARRIVALS, MOST_ARRIVALS = 250, 1_000

router = APIRouter()

Minutes = Annotated[int, Query(ge=0, le=1_000_000)]


class Window(Struct, frozen=True):
    """Around a moment, Unix seconds: from `before_s` before it until `after_s` after it."""

    now: float
    before_s: float
    after_s: float


async def _window(
    asked: Asked,
    before: Annotated[Minutes, Query(alias="minutesBefore", description="At most an hour")] = USUAL_BEFORE,
    after: Annotated[Minutes, Query(alias="minutesAfter", description="At most a day")] = USUAL_AFTER,
    time: Time = None,
) -> Window:
    now = instant(time, asked.now_s)
    return Window(now, min(before, MOST_BEFORE) * MINUTE_S, min(after, MOST_AFTER) * MINUTE_S)


When = Annotated[Window, Depends(_window)]


@where(router, "/arrivals-and-departures-for-stop/{stop_id:path}.json")
def arrivals_and_departures_for_stop(
    asked: Asked,
    stop_id: Id,
    window: When,
) -> oba.Answer[oba.Entry[ArrivalsAtStop]]:
    """What comes to a stop, by the time it is expected."""
    stop, now = stop_of(asked, stop_id), window.now
    asked.referred.stop(stop.id)
    nearby = asked.index.stops_in(box_around(stop.point, NEARBY_M), stop.point, NEARBY_M)
    for _, near in nearby:
        asked.referred.stop(near.id)
    routes = asked.index.routes_at.get(stop.id, ())
    situations = asked.referred.alerts(departure_board.alerts_for(asked.view, now, stop_id=stop.id, route_ids=routes))
    told = ArrivalsAtStop(
        stop_id=asked.index.stop_id(stop.id),
        arrivals_and_departures=_told(asked, _coming(asked, stop.id, window), now),
        nearby_stop_ids=[asked.index.stop_id(near.id) for _, near in nearby if near.id != stop.id],
        situation_ids=situations,
        feed_health=asked.view.health(asked.now_s).value,
    )
    return asked.entry(told)


@where(router, "/arrival-and-departure-for-stop/{stop_id:path}.json")
def arrival_and_departure_for_stop(
    asked: Asked,
    stop_id: Id,
    trip_id: Annotated[str, Query(max_length=200, alias="tripId")],
    service_date: Annotated[str, Query(max_length=40, alias="serviceDate", description="Unix milliseconds")],
    sequence: Annotated[
        int | None, Query(alias="stopSequence", ge=0, le=10_000, description="Which visit of a loop")
    ] = None,
    time: Time = None,
) -> oba.Answer[oba.Entry[ArrivalAndDeparture]]:
    """One trip at one stop, passed or coming."""
    stop, trip, now = stop_of(asked, stop_id), trip_of(asked, trip_id), instant(time, asked.now_s)
    journey = journey_of(asked, trip, service_date, now)
    call = _call(asked, journey, stop.id, sequence, now)
    asked.referred.stop(stop.id)
    return asked.entry(Telling(asked.index, asked.view, asked.referred, now).arrival(call))


@where(router, "/arrivals-and-departures-for-location.json")
def arrivals_and_departures_for_location(
    asked: Asked,
    area: Where,
    window: When,
    count: Annotated[int, Query(alias="maxCount", ge=1, le=10_000)] = USUAL_ARRIVALS,
    kinds: Annotated[str, Query(alias="routeType", pattern=r"^[0-9, ]{0,100}$", description="Only of these")] = "",
    absent: Annotated[bool, Query(alias="emptyReturnsNotFound")] = False,
) -> oba.Answer[oba.Entry[ArrivalsNear]]:
    """What comes to the nearest stops around a place, by the time it is expected."""
    now, limit = window.now, min(count, MOST_ARRIVALS)
    stops = asked.index.stops_in(area.box, area.centre, area.radius_m)
    kept = stops[: min(MOST_STOPS, limit)]
    wanted = {int(one) for one in kinds.replace(" ", "").split(",") if one}
    found = [
        one
        for _, stop in kept
        for one in _coming(asked, stop.id, window)
        if not wanted or asked.index.network.routes[one.pattern.route_id].route_type in wanted
    ]
    if absent and not found:
        raise NoSuchResource
    found.sort(key=lambda one: one.at)
    for _, stop in kept:
        asked.referred.stop(stop.id)
    arrivals = _told(asked, found[:limit], now)
    told = ArrivalsNear(
        stop_ids=[asked.index.stop_id(stop.id) for _, stop in kept],
        arrivals_and_departures=arrivals,
        nearby_stop_ids=[
            NearbyStop(stop_id=asked.index.stop_id(stop.id), distance_from_query=distance) for distance, stop in kept
        ],
        situation_ids=list(dict.fromkeys(one for arrival in arrivals for one in arrival.situation_ids)),
        limit_exceeded=len(found) > limit or len(stops) > len(kept),
    )
    return asked.entry(told)


def _coming(asked: Asking, stop_id: str, window: Window) -> list[Arrival]:
    return departure_board.arrivals(asked.view, stop_id, window.now, window.before_s, window.after_s)


def _told(asked: Asking, found: list[Arrival], now: float) -> list[ArrivalAndDeparture]:
    telling = Telling(asked.index, asked.view, asked.referred, now)
    return [telling.arrival(one) for one in found]


def _call(asked: Asking, journey: Journey, stop_id: str, sequence: int | None, now: float) -> Arrival:
    """A journey at a stop: at that visit, else at the next, else at the last. Raises NoSuchResource."""
    progress = departure_board.trip_progress(asked.view, journey.key, now)
    calls = [call for call in progress.calls if call.stop_id == stop_id] if progress else []
    if not calls:
        raise NoSuchResource
    named = (call for call in calls if call.position == sequence)
    coming = (call for call in calls if not call.passed and call.at >= now)
    return next(named, None) or next(coming, None) or calls[-1]
