"""API routes of stops, lines and vehicle positions."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, TypeVar

import orjson
from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field

from models.network import Pattern, Route, Stop
from services.runtime.problem import HttpProblem, NotFound
from services.transit.model.prediction import Phase
from services.transit.model.stop_index import MAX_RADIUS_M
from services.transit.serving import departure_board
from services.transit.serving.departure_board import LineSummary, TrackedVehicle
from services.transit.serving.snapshot import Health, TransitSnapshot
from services.web.access import PUBLIC
from services.web.api.paging import Page, Paged
from services.web.api.transit.arrivals import LineFilter, NoSuchStop, StopId
from services.web.api.transit.schemas import Notice, notices
from services.web.context import CurrentTransitSnapshot, Now
from services.web.http.etags import CACHE_BRIEFLY, WITH_ETAG
from services.web.routes import PreparedRoute

MOST_NEAR = 200
MOST_VEHICLES = 20_000

router = APIRouter(prefix="/transit", tags=["transit"], dependencies=[PUBLIC], route_class=PreparedRoute)

Latitude = Annotated[float | None, Query(ge=-90, le=90, description="Degrees, WGS 84; with `lon`", examples=[-34.92])]
Longitude = Annotated[float | None, Query(ge=-180, le=180, description="Degrees, WGS 84", examples=[-57.95])]
Named = TypeVar("Named", Stop, "BusLine")


class NoSuchLine(NotFound):
    """No existe esa línea. / There is no such line."""


class HalfAPoint(HttpProblem):
    """Hacen falta `lat` y `lon`, los dos o ninguno. / Give both `lat` and `lon`, or neither."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LineName:
    """A line in short."""

    id: Annotated[str, Field(examples=["307"])]
    name: Annotated[str, Field(description="As on the bus's sign", examples=["307"])]
    color: Annotated[str, Field(description="Six hex digits, or empty", examples=["C4122F"])]


@dataclass(frozen=True, slots=True, kw_only=True)
class BusStop:
    """A stop."""

    id: Annotated[str, Field(examples=["LP1912"])]
    code: Annotated[str, Field(description="As painted on the pole", examples=["LP1912"])]
    name: Annotated[str, Field(examples=["7 y 50"])]
    latitude: Annotated[float, Field(examples=[-34.9131])]
    longitude: Annotated[float, Field(examples=[-57.9502])]
    wheelchair: Annotated[int, Field(description="As in GTFS: 0 unknown, 1 accessible, 2 not", examples=[1])]
    lines: Annotated[list[LineName], Field(max_length=500)]
    distance_m: Annotated[float | None, Field(description="From the point asked for", examples=[120.0])]


class StopWithAlerts(BaseModel):
    """A stop with its active service alerts."""

    stop: BusStop
    alerts: list[Notice] = Field(max_length=500)


@dataclass(frozen=True, slots=True, kw_only=True)
class BusLine:
    """A line with its present state."""

    id: Annotated[str, Field(examples=["307"])]
    name: Annotated[str, Field(examples=["307"])]
    long_name: Annotated[str, Field(examples=["Línea Siete"])]
    agency: Annotated[str, Field(examples=["Línea Siete S.A."])]
    color: Annotated[str, Field(examples=["C4122F"])]
    text_color: Annotated[str, Field(examples=["FFFFFF"])]
    vehicles: Annotated[int, Field(description="Heard on it now", examples=[12])]
    data: Annotated[Health, Field(description="Whether its company's buses are heard")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """One pattern of a line: an ordered list of stops along a shape."""

    direction: Annotated[Literal[0, 1] | None, Field(examples=[0])]
    headsign: Annotated[str, Field(description="Where to", examples=["Plaza Italia"])]
    stops: Annotated[list[str], Field(max_length=1_000, examples=[["LP1912", "LP1913"]])]
    surveyed: Annotated[bool, Field(description="False: the shape only joins the stops")]
    shape: Annotated[
        list[tuple[float, float]],
        Field(max_length=50_000, description="Longitude, latitude", examples=[[[-57.95, -34.92], [-57.94, -34.92]]]),
    ]


class LineDetail(BaseModel):
    """A line with its patterns and active service alerts."""

    line: BusLine
    courses: list[Course] = Field(max_length=200)
    alerts: list[Notice] = Field(max_length=500)


class Place(BaseModel):
    """A point, GeoJSON: longitude, latitude."""

    type: Literal["Point"]
    coordinates: tuple[float, float] = Field(examples=[[-57.9502, -34.9131]])


class VehicleFacts(BaseModel):
    """What is known of a vehicle. Nothing is known or stored of its driver."""

    observed_at: datetime
    age_s: float = Field(examples=[14.0])
    silent: bool = Field(description="Not heard for longer than buses usually are")
    phase: Phase
    line: str | None = Field(examples=["307"])
    line_id: str | None = Field(examples=["307"])
    trip: str | None = Field(examples=["307-2-ida-habil-0719"])
    headsign: str | None = Field(examples=["Plaza Italia"])
    probability: float = Field(ge=0, le=1, description="Of that journey against all others", examples=[0.97])
    speed_ms: float | None = Field(examples=[6.1])
    bearing_deg: float | None = Field(examples=[215.0])
    occupancy_percent: int | None = Field(examples=[40])


class VehicleFeature(BaseModel):
    """A vehicle as a GeoJSON feature."""

    type: Literal["Feature"]
    id: str = Field(examples=["1207"])
    geometry: Place
    properties: VehicleFacts


class Vehicles(BaseModel):
    """Every vehicle that reported in the last ten minutes, GeoJSON."""

    type: Literal["FeatureCollection"]
    features: list[VehicleFeature] = Field(max_length=MOST_VEHICLES)


@router.get("/stops", dependencies=[WITH_ETAG])
def stops(
    snapshot: CurrentTransitSnapshot,
    paged: Paged,
    lat: Latitude = None,
    lon: Longitude = None,
    radius_m: Annotated[float, Query(gt=0, le=MAX_RADIUS_M, description="Around that point")] = 500.0,
) -> Page[BusStop]:
    """Stops: up to 200 around a point, the nearest first; without a point, all of them by id."""
    if (lat is None) != (lon is None):
        raise HalfAPoint
    if lat is None or lon is None:
        all_stops = sorted(
            (one for one in snapshot.network.stops.values() if one.location_type == 0), key=lambda one: one.id
        )
        return paged.page([_stop(snapshot, one) for one in _page_of(paged, all_stops)], lambda one: one.id)
    found = departure_board.stops_near(snapshot, (lat, lon), radius_m, MOST_NEAR)
    return Page(items=[_stop(snapshot, stop, round(distance)) for distance, stop in found], next=None)


@router.get("/stops/{stop_id}", dependencies=[WITH_ETAG])
def stop(snapshot: CurrentTransitSnapshot, now: Now, stop_id: StopId) -> StopWithAlerts:
    """One stop with its lines and its active service alerts."""
    found = snapshot.network.stops.get(stop_id)
    if found is None:
        raise NoSuchStop
    document = _stop(snapshot, found)
    return StopWithAlerts(
        stop=document, alerts=notices(snapshot, now.timestamp(), stop_id, [line.id for line in document.lines])
    )


@router.get("/lines")
def lines(snapshot: CurrentTransitSnapshot, now: Now, paged: Paged) -> Page[BusLine]:
    """Lines by id, with how many of their buses report."""
    all_lines = sorted((_line(one) for one in departure_board.lines(snapshot, now.timestamp())), key=lambda one: one.id)
    return paged.page(_page_of(paged, all_lines), lambda one: one.id)


@router.get("/lines/{line_id}", dependencies=[WITH_ETAG])
def line(snapshot: CurrentTransitSnapshot, now: Now, line_id: StopId) -> LineDetail:
    """One line: its patterns with stops and shapes, and its active service alerts."""
    found = departure_board.line(snapshot, line_id, now.timestamp())
    if found is None:
        raise NoSuchLine
    return LineDetail(
        line=_line(found),
        courses=[_course(snapshot, pattern) for pattern in found.patterns],
        alerts=notices(snapshot, now.timestamp(), "", [line_id]),
    )


@router.get("/vehicles.geojson", responses={200: {"model": Vehicles}}, response_class=Response)
def vehicles(snapshot: CurrentTransitSnapshot, now: Now, line: LineFilter = None) -> Response:
    """Every vehicle that reported in the last ten minutes, for maps (RFC 7946)."""
    tracked = departure_board.vehicles(snapshot, now.timestamp(), line or "")[:MOST_VEHICLES]
    body = {"type": "FeatureCollection", "features": [_feature(one) for one in tracked]}
    return Response(
        orjson.dumps(body, option=orjson.OPT_UTC_Z),
        media_type="application/geo+json",
        headers={"Cache-Control": CACHE_BRIEFLY},
    )


def _page_of(paged: Paged, items: Sequence[Named]) -> Sequence[Named]:
    """The items after the cursor that a page needs, and one more to see whether any follow. `items`: ordered by id."""
    first = 0 if paged.cursor is None else bisect_right(items, paged.cursor, key=lambda one: one.id)
    return items[first : first + paged.fetch_limit]


def _stop(snapshot: TransitSnapshot, stop: Stop, distance_m: float | None = None) -> BusStop:
    return BusStop(
        id=stop.id,
        code=stop.code,
        name=stop.name,
        latitude=stop.point[0],
        longitude=stop.point[1],
        wheelchair=stop.wheelchair,
        lines=[_line_name(route) for route in departure_board.routes_at(snapshot, stop.id)],
        distance_m=distance_m,
    )


def _line_name(route: Route) -> LineName:
    return LineName(id=route.id, name=route.short_name or route.long_name, color=route.color)


def _line(line: LineSummary) -> BusLine:
    return BusLine(
        id=line.route.id,
        name=line.route.short_name or line.route.long_name,
        long_name=line.route.long_name,
        agency=line.agency.name if line.agency else "",
        color=line.route.color,
        text_color=line.route.text_color,
        vehicles=line.vehicles,
        data=line.health,
    )


def _course(snapshot: TransitSnapshot, pattern: Pattern) -> Course:
    trips = snapshot.network.trips_by_pattern[pattern.index]
    headsign = trips[0].headsign if trips else ""
    return Course(
        direction=0 if pattern.direction_id == 0 else 1 if pattern.direction_id == 1 else None,
        headsign=headsign or snapshot.network.stops[pattern.stop_ids[-1]].name,
        stops=list(pattern.stop_ids),
        surveyed=pattern.shape.surveyed,
        shape=[(longitude, latitude) for latitude, longitude in pattern.shape.points],
    )


def _feature(tracked: TrackedVehicle) -> dict[str, Any]:
    place, vehicle_prediction = tracked.prediction.matched_position, tracked.prediction
    return {
        "type": "Feature",
        "id": vehicle_prediction.vehicle,
        "geometry": {"type": "Point", "coordinates": (place.longitude, place.latitude)},
        "properties": {
            "observed_at": datetime.fromtimestamp(int(place.at), UTC),
            "age_s": round(tracked.age_s),
            "silent": tracked.silent,
            "phase": place.phase,
            "line": (tracked.route.short_name or tracked.route.long_name) if tracked.route else None,
            "line_id": tracked.route.id if tracked.route else None,
            "trip": tracked.journey.trip.id if tracked.journey else None,
            "headsign": tracked.journey.trip.headsign if tracked.journey else None,
            "probability": round(place.probability, 3),
            "speed_ms": vehicle_prediction.speed_ms,
            "bearing_deg": vehicle_prediction.bearing_deg,
            "occupancy_percent": vehicle_prediction.occupancy,
        },
    }
