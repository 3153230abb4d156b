"""Stations: where they stand, how they are now, and their values over time."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from sqlalchemy import Connection

from models.kind import SensorKind
from models.kinds import KINDS_BY_NAME
from services.queries.stations import places
from services.queries.stations import series as queries
from services.queries.stations.places import RuleInForce, Station
from services.queries.stations.series import Interval, RawPlace, RawValue
from services.runtime.problem import NotFound
from services.web.access import PUBLIC
from services.web.api.paging import BadCursor, Page, Paged, read_cursor, with_cursor
from services.web.api.parameters import Basin, Id, Kind, Municipality
from services.web.api.periods import Period, period
from services.web.context import Snapshot
from services.web.http.etags import SLOW_MOVING

USUAL = timedelta(days=1)
LONGEST = timedelta(days=3_660)
MOST_FEATURES = 5_000

router = APIRouter(tags=["stations"], dependencies=[PUBLIC])

Told = Annotated[Period, Depends(period(usual=USUAL, longest=LONGEST))]
Resolution = Annotated[
    Literal["auto", "raw", "5m", "15m", "1h", "1d"],
    Query(description="auto: raw while that is few, else the finest that tells the period in one answer"),
]


class NoSuchStation(NotFound):
    """No existe esa estación. / There is no such station."""


class KindIsOff(NotFound):
    """Esta versión no conoce ese tipo de sensor. / This version does not know that kind of sensor."""


class StationWithRules(BaseModel):
    """A station and the rules it is judged by."""

    station: Station
    unit: str = Field(description="Of its values", examples=["m"])
    rules: list[RuleInForce] = Field(max_length=places.MOST_RULES)


class Series(BaseModel):
    """A station's values over a period: either `intervals` or, with `resolution` raw, `readings`; oldest first.

    Untrusted values are in `readings` with their flags and left out of `intervals`.
    """

    station: str = Field(examples=["gato-520"])
    unit: str = Field(examples=["m"])
    resolution: str = Field(examples=["1h"])
    start: datetime = Field(serialization_alias="from")
    end: datetime = Field(serialization_alias="to")
    intervals: list[Interval] = Field(max_length=queries.MOST_POINTS)
    readings: list[RawValue] = Field(max_length=queries.MOST_POINTS)
    next: str | None = Field(description="Address of what follows, null where the period is told")


@router.get("/stations", dependencies=[SLOW_MOVING])
def stations(
    snapshot: Snapshot,
    paged: Paged,
    municipality: Municipality = None,
    basin: Basin = None,
    kind: Kind = None,
) -> Page[Station]:
    """Stations, inactive ones too. Their values: `/latest`."""
    rows = places.list_stations(
        snapshot, municipality=municipality, basin=basin, kind=kind, after=paged.cursor, limit=paged.fetch
    )
    return paged.page(rows, lambda one: one.id)


@router.get(
    "/stations.geojson",
    dependencies=[SLOW_MOVING],
    response_class=JSONResponse,
    responses={
        200: {"content": {"application/geo+json": {"schema": {"type": "object"}}}, "description": "Feature collection"}
    },
)
def stations_geojson(
    snapshot: Snapshot,
    municipality: Municipality = None,
    basin: Basin = None,
    kind: Kind = None,
) -> JSONResponse:
    """Active stations as a GeoJSON feature collection (RFC 7946), for maps."""
    rows = places.list_stations(snapshot, municipality=municipality, basin=basin, kind=kind, limit=MOST_FEATURES)
    collection = {"type": "FeatureCollection", "features": [_feature(one) for one in rows if one.active]}
    return JSONResponse(collection, media_type="application/geo+json", headers={"Cache-Control": "no-cache"})


@router.get("/stations/{station_id}", dependencies=[SLOW_MOVING])
def station(snapshot: Snapshot, station_id: Id) -> StationWithRules:
    """One station with the rules it is judged by now."""
    found = place(snapshot, station_id)
    kind = KINDS_BY_NAME.get(found.kind)
    return StationWithRules(station=found, unit=kind.unit if kind else "", rules=places.rules_of(snapshot, station_id))


@router.get("/stations/{station_id}/series")
def series(
    request: Request,
    snapshot: Snapshot,
    station_id: Id,
    told: Told,
    resolution: Resolution = "auto",
    cursor: Annotated[str | None, Query(max_length=200, description="From `next`")] = None,
) -> Series:
    """A station's values; the last day unless said. At most 2,100 points an answer, whatever the period."""
    kind = KINDS_BY_NAME.get(place(snapshot, station_id).kind)
    if kind is None:
        raise KindIsOff
    asked = _Asked(request, snapshot, kind, station_id, told.start, told.end)
    codes = queries.devices_of(snapshot, station_id)
    chosen = queries.BY_NAME.get(resolution)
    if resolution == "auto":
        chosen = queries.suited(snapshot, asked.kind, list(codes), asked.start, asked.end)
    if chosen is None:
        return _raw(asked, codes, cursor)
    return _binned(asked, list(codes), chosen)


@dataclass(frozen=True, slots=True)
class _Asked:
    """A request for a series."""

    request: Request
    connection: Connection
    kind: SensorKind
    station: str
    start: datetime
    end: datetime

    def answer(self, resolution: str, *, following: str | None, **told: Any) -> Series:
        """The series with what is the same for all."""
        empty: dict[str, Any] = {"intervals": [], "readings": []}
        return Series(
            station=self.station,
            unit=self.kind.unit,
            resolution=resolution,
            start=self.start,
            end=self.end,
            next=following,
            **(empty | told),
        )


def _binned(asked: _Asked, device_ids: list[int], resolution: queries.Resolution) -> Series:
    found = queries.intervals(asked.connection, asked.kind, device_ids, resolution, asked.start, asked.end)
    behind = queries.page_end(resolution, asked.start)
    following = None
    if behind < asked.end:
        changed = {"from": behind.isoformat(), "to": asked.end.isoformat(), "resolution": resolution.name}
        following = with_cursor(asked.request, None, **changed)
    return asked.answer(resolution.name, following=following, intervals=found)


def _raw(asked: _Asked, codes: dict[int, str], cursor: str | None) -> Series:
    behind = _raw_place(cursor)
    found, last = queries.raw(asked.connection, asked.kind, codes, asked.start, asked.end, behind=behind)
    following = None
    if last is not None:
        changed = {"from": asked.start.isoformat(), "to": asked.end.isoformat(), "resolution": queries.RAW}
        following = with_cursor(asked.request, f"{last.at.isoformat()}|{last.device_id}|{last.seq}", **changed)
    return asked.answer(queries.RAW, following=following, readings=found)


def _raw_place(cursor: str | None) -> RawPlace | None:
    written = read_cursor(cursor)
    if written is None:
        return None
    try:
        at, device_id, seq = written.split("|")
        place = RawPlace(datetime.fromisoformat(at), int(device_id), int(seq))
    except ValueError as error:
        raise BadCursor from error
    if place.at.tzinfo is None or not 0 <= place.device_id < 2**31 or not -1 <= place.seq < 2**63:
        raise BadCursor
    return place


def place(connection: Connection, station_id: str) -> Station:
    """The station of that id. Raises NoSuchStation."""
    found = places.one_station(connection, station_id)
    if found is None:
        raise NoSuchStation
    return found


def _feature(one: Station) -> dict[str, Any]:
    told = ("id", "name", "kind", "municipality", "basin", "street")
    return {
        "type": "Feature",
        "id": one.id,
        "geometry": {"type": "Point", "coordinates": [one.longitude, one.latitude]},
        "properties": {name: getattr(one, name) for name in told},
    }
