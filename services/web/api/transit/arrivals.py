"""API routes of arrivals at a stop and of a trip's progress, which riders' screens request again and again.

The most requested route is answered from memory in the event loop: nothing in it waits, and handing over to a thread
would cost more than the whole answer. For the same reason the answer is encoded here without validating it; the tests
validate the answers against their description.
"""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.routing import APIRoute
from pydantic import Field

from services.runtime.problem import NotFound
from services.transit.model.prediction import Basis
from services.transit.serving import departure_board
from services.transit.serving.departure_board import MOST_ARRIVALS, NoBusReason
from services.transit.serving.service_alert_queries import InBothLanguages
from services.transit.serving.snapshot import Health, TransitSnapshot
from services.web.access import PUBLIC
from services.web.api.transit.schemas import Coming, Notice, arrival_document, basis_texts, notices
from services.web.context import CurrentTransitSnapshot, Now, context_of
from services.web.http.etags import CACHE_BRIEFLY

NO_CONTROLS = r"^[^\x00-\x1f\x7f]+$"
LONGEST_ID = 200
DEFAULT_BEFORE_S, DEFAULT_AFTER_S, DEFAULT_LIMIT = 300, 2_100, 100
MOST_CALLS = 500
CACHE_HEADERS = {"Cache-Control": CACHE_BRIEFLY}

StopId = Annotated[str, Path(max_length=LONGEST_ID, pattern=NO_CONTROLS, examples=["LP1912"])]
TripId = Annotated[str, Path(max_length=LONGEST_ID, pattern=NO_CONTROLS, examples=["307-2-ida-habil-0719"])]
LineFilter = Annotated[
    str | None, Query(max_length=LONGEST_ID, pattern=NO_CONTROLS, description="Line's id", examples=["307"])
]


class UncheckedRoute(APIRoute):
    """A route that skips FastAPI's parsing where only the stop is given, as screens do: half the cost.

    Without a query there is nothing to validate but the stop itself. With one, the usual handler gives the same answer.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler that chooses between the two."""
        default_handler = super().get_route_handler()

        async def handle(request: Request) -> Response:
            stop_id = request.path_params.get("stop_id")
            if stop_id is None or request.scope["query_string"]:
                return await default_handler(request)
            context = context_of(request)
            return _json_response(_stop_arrivals(context.snapshot_cache.snapshot(), context.clock(), stop_id))

        return handle


router = APIRouter(prefix="/transit", tags=["transit"], dependencies=[PUBLIC], route_class=UncheckedRoute)


class NoSuchStop(NotFound):
    """No hay una parada con ese código. / There is no such stop."""


class NoSuchTrip(NotFound):
    """El horario no tiene ese viaje. / The timetable has no such trip."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StopArrivals:
    """Arrivals at a stop at one moment, ordered by expected time, with the service alerts that concern it."""

    at: datetime
    stop: Annotated[str, Field(examples=["LP1912"])]
    name: Annotated[str, Field(examples=["7 y 50"])]
    empty: Annotated[NoBusReason | None, Field(description="Why no bus can be told of; null where one is")]
    data: Annotated[Health, Field(description="Whether the buses are heard")]
    arrivals: Annotated[list[Coming], Field(max_length=MOST_ARRIVALS)]
    alerts: Annotated[list[Notice], Field(max_length=500)]


@dataclass(frozen=True, slots=True, kw_only=True)
class TripProgress:
    """What is known of a journey, with all its calls. `delay_s`: at its next stop, positive where late."""

    at: datetime
    trip: Annotated[str, Field(examples=["307-2-ida-habil-0719"])]
    service_date: Annotated[str, Field(examples=["20260302"])]
    start_s: Annotated[int, Field(examples=[24000])]
    line_id: Annotated[str, Field(examples=["307"])]
    basis: Annotated[Basis, Field(examples=["live"])]
    why: InBothLanguages
    vehicle: Annotated[str | None, Field(examples=["1207"])]
    under_way: Annotated[bool, Field(description="False while its vehicle still makes an earlier journey")]
    delay_s: Annotated[float | None, Field(examples=[95.0])]
    calls: Annotated[list[Coming], Field(max_length=MOST_CALLS)]


@router.get("/stops/{stop_id}/arrivals", responses={200: {"model": StopArrivals}}, response_class=Response)
async def arrivals(
    snapshot: CurrentTransitSnapshot,
    now: Now,
    stop_id: StopId,
    line: LineFilter = None,
    before_s: Annotated[int, Query(ge=0, le=3_600, description="From so long ago")] = DEFAULT_BEFORE_S,
    after_s: Annotated[int, Query(ge=0, le=14_400, description="Until so far ahead")] = DEFAULT_AFTER_S,
    limit: Annotated[int, Query(ge=1, le=MOST_ARRIVALS, description="Most arrivals in the answer")] = DEFAULT_LIMIT,
) -> Response:
    """Arrivals at a stop on all its lines: interval, rider's time, basis, and why there is none."""
    return _json_response(_stop_arrivals(snapshot, now, stop_id, line, before_s, after_s, limit))


@router.get("/trips/{trip_id}", responses={200: {"model": TripProgress}}, response_class=Response)
async def trip(
    snapshot: CurrentTransitSnapshot,
    now: Now,
    trip_id: TripId,
    service_date: Annotated[
        str | None, Query(pattern=r"^[0-9]{8}$", description="YYYYMMDD; the running one, else today's, where unset")
    ] = None,
    start_s: Annotated[
        int | None, Query(ge=0, le=7 * 86_400, description="Which start of a repeated trip: seconds of its date")
    ] = None,
) -> Response:
    """Where a trip is and when it reaches each of its stops."""
    key = _journey_key(snapshot, now, trip_id, service_date, start_s)
    progress = departure_board.journey_progress(snapshot, key, now.timestamp())
    if progress is None:
        raise NoSuchTrip
    status = progress.status
    return _json_response(
        TripProgress(
            at=now,
            trip=trip_id,
            service_date=key[1],
            start_s=key[2],
            line_id=status.pattern.route_id,
            basis=status.basis,
            why=basis_texts(status.basis, status.reason, status.recent_buses),
            vehicle=status.vehicle_prediction.vehicle if status.vehicle_prediction else None,
            under_way=status.under_way,
            delay_s=status.delay_s,
            calls=[arrival_document(snapshot, call) for call in progress.calls[:MOST_CALLS]],
        )
    )


def _stop_arrivals(
    snapshot: TransitSnapshot,
    now: datetime,
    stop_id: str,
    line: str | None = None,
    before_s: float = DEFAULT_BEFORE_S,
    after_s: float = DEFAULT_AFTER_S,
    limit: int = DEFAULT_LIMIT,
) -> StopArrivals:
    stop = snapshot.network.stops.get(stop_id)
    if stop is None:
        raise NoSuchStop
    instant = now.timestamp()
    arrivals = departure_board.arrivals(snapshot, stop_id, instant, before_s, after_s)
    if line is not None:
        arrivals = [arrival for arrival in arrivals if arrival.pattern.route_id == line]
    routes = departure_board.routes_at(snapshot, stop_id)
    return StopArrivals(
        at=now,
        stop=stop_id,
        name=stop.name,
        empty=departure_board.no_bus_reason(snapshot, stop_id, arrivals, instant, line or ""),
        data=_health(snapshot, instant, {route.agency_id for route in routes}),
        arrivals=[arrival_document(snapshot, arrival) for arrival in arrivals[:limit]],
        alerts=notices(snapshot, instant, stop_id, [route.id for route in routes]),
    )


def _journey_key(
    snapshot: TransitSnapshot, now: datetime, trip_id: str, service_date: str | None, start_s: int | None
) -> tuple[str, str, int]:
    """The journey of a trip: one with a prediction, else the one of the given or present date. Raises NoSuchTrip."""
    trip = snapshot.network.trips.get(trip_id)
    if trip is None:
        raise NoSuchTrip
    predicted = [
        key
        for key in snapshot.journeys_by_pattern.get(trip.pattern, ())
        if key[0] == trip_id and service_date in (None, key[1]) and start_s in (None, key[2])
        if snapshot.current_prediction(key, now.timestamp()) is not None
    ]
    if predicted:
        return min(predicted)
    today = f"{now.astimezone(snapshot.network.zone):%Y%m%d}"
    return (trip_id, service_date or today, trip.start_s if start_s is None else start_s)


def _json_response(body: StopArrivals | TripProgress) -> Response:
    return Response(orjson.dumps(body, option=orjson.OPT_UTC_Z), media_type="application/json", headers=CACHE_HEADERS)


def _health(snapshot: TransitSnapshot, now: float, agency_ids: set[str]) -> Health:
    """The best of the agencies: if one reports, buses can be shown."""
    states = {snapshot.health(now, agency_id) for agency_id in agency_ids} or {snapshot.health(now)}
    return next(state for state in (Health.STALE, Health.LIVE, Health.SILENT) if state in states)
