"""API routes of stations: places, rules, and series of values."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from sqlalchemy import Connection

from models.kind import SensorKind
from models.kinds import KINDS_BY_NAME
from services.queries.city.city import current_city
from services.queries.stations import places
from services.queries.stations import series as queries
from services.queries.stations.places import RuleInForce, Station
from services.queries.stations.series import Interval, RawCursor, RawValue
from services.runtime.problem import NotFound
from services.web.access import PUBLIC
from services.web.api.paging import BadCursor, Page, Paged, address_with_cursor, decode_cursor
from services.web.api.parameters import Basin, Id, Kind, Municipality
from services.web.api.periods import Period, period
from services.web.context import DatabaseSnapshot
from services.web.http.etags import WITH_ETAG
from services.web.routes import PreparedRoute

DEFAULT_PERIOD = timedelta(days=1)
MAX_PERIOD = timedelta(days=3_660)
MAX_FEATURES = 5_000

router = APIRouter(tags=["stations"], dependencies=[PUBLIC], route_class=PreparedRoute)

RequestedPeriod = Annotated[Period, Depends(period(default=DEFAULT_PERIOD, longest=MAX_PERIOD))]
Resolution = Annotated[
    Literal["auto", "raw", "5m", "15m", "1h", "1d"],
    Query(description="auto: raw if it fits in one answer, else the finest that fits"),
]


Cursor = Annotated[str | None, Query(max_length=200, description="From `next`")]


class NoSuchStation(NotFound):
    """No existe esa estación. / There is no such station."""


class KindIsOff(NotFound):
    """Esta versión no conoce ese tipo de sensor. / This version does not know that kind of sensor."""


class StationWithRules(BaseModel):
    """A station and its rules in force."""

    station: Station
    unit: str = Field(description="Of its values", examples=["m"])
    rules: list[RuleInForce] = Field(max_length=places.MAX_RULES)


class Series(BaseModel):
    """A station's values over a period: either `list_intervals` or, with `resolution` raw, `readings`; oldest first.

    Untrusted values are in `readings` with their flags and left out of `list_intervals`.
    """

    station: str = Field(examples=["gato-143-524"])
    measure: str = Field(description="The field of a reading that the values are", examples=["level_m"])
    unit: str = Field(examples=["m"])
    resolution: str = Field(examples=["1h"])
    start: datetime = Field(serialization_alias="from")
    end: datetime = Field(serialization_alias="to")
    intervals: list[Interval] = Field(max_length=queries.MAX_POINTS)
    readings: list[RawValue] = Field(max_length=queries.MAX_POINTS)
    next: str | None = Field(description="Address of the next page, null on the last")


@router.get("/stations", dependencies=[WITH_ETAG])
def stations(
    snapshot: DatabaseSnapshot,
    paged: Paged,
    municipality: Municipality = None,
    basin: Basin = None,
    kind: Kind = None,
) -> Page[Station]:
    """Stations, inactive ones too. Their values: `/latest`."""
    rows = places.list_stations(
        snapshot, municipality=municipality, basin=basin, kind=kind, after=paged.cursor, limit=paged.fetch_limit
    )
    return paged.page(rows, lambda one: one.id)


@router.get(
    "/stations.geojson",
    dependencies=[WITH_ETAG],
    response_class=JSONResponse,
    responses={
        200: {"content": {"application/geo+json": {"schema": {"type": "object"}}}, "description": "Feature collection"}
    },
)
def stations_geojson(
    snapshot: DatabaseSnapshot,
    municipality: Municipality = None,
    basin: Basin = None,
    kind: Kind = None,
) -> JSONResponse:
    """Active stations as a GeoJSON feature collection (RFC 7946), for maps."""
    rows = places.list_stations(snapshot, municipality=municipality, basin=basin, kind=kind, limit=MAX_FEATURES)
    collection = {"type": "FeatureCollection", "features": [_feature(one) for one in rows if one.active]}
    return JSONResponse(collection, media_type="application/geo+json", headers={"Cache-Control": "no-cache"})


@router.get("/stations/{station_id}", dependencies=[WITH_ETAG])
def station(snapshot: DatabaseSnapshot, station_id: Id) -> StationWithRules:
    """One station with its rules in force."""
    found = existing_station(snapshot, station_id)
    kind = KINDS_BY_NAME.get(found.kind)
    return StationWithRules(
        station=found, unit=kind.unit if kind else "", rules=places.station_rules(snapshot, station_id)
    )


@router.get("/stations/{station_id}/series")
def series(
    request: Request,
    snapshot: DatabaseSnapshot,
    station_id: Id,
    requested_period: RequestedPeriod,
    resolution: Resolution = "auto",
    cursor: Cursor = None,
) -> Series:
    """Values of a station over a period; the last day by default. At most 2,100 points in an answer."""
    kind = KINDS_BY_NAME.get(existing_station(snapshot, station_id).kind)
    if kind is None:
        raise KindIsOff
    requested = _SeriesRequest(request, snapshot, kind, station_id, requested_period.start, requested_period.end)
    codes = queries.device_codes(snapshot, station_id)
    chosen = queries.BY_NAME.get(resolution)
    if resolution == "auto":
        chosen = queries.finest_resolution(snapshot, requested.kind, list(codes), requested.start, requested.end)
    if chosen is None:
        return _raw_series(requested, codes, cursor)
    return _interval_series(requested, list(codes), chosen)


@dataclass(frozen=True, slots=True)
class _SeriesRequest:
    """A request for a series."""

    request: Request
    connection: Connection
    kind: SensorKind
    station: str
    start: datetime
    end: datetime

    def to_series(self, resolution: str, *, next_address: str | None, **values: Any) -> Series:
        """The series with the fields that are the same for all resolutions."""
        empty: dict[str, Any] = {"intervals": [], "readings": []}
        return Series(
            station=self.station,
            measure=self.kind.measure,
            unit=self.kind.unit,
            resolution=resolution,
            start=self.start,
            end=self.end,
            next=next_address,
            **(empty | values),
        )


def _interval_series(requested: _SeriesRequest, device_ids: list[int], resolution: queries.Resolution) -> Series:
    zone = current_city(requested.connection).zone
    found = queries.list_intervals(
        requested.connection, requested.kind, device_ids, resolution, requested.start, requested.end, zone
    )
    end = queries.page_end(resolution, requested.start, zone)
    next_address = None
    if end < requested.end:
        changed = {"from": end.isoformat(), "to": requested.end.isoformat(), "resolution": resolution.name}
        next_address = address_with_cursor(requested.request, None, **changed)
    return requested.to_series(resolution.name, next_address=next_address, intervals=found)


def _raw_series(requested: _SeriesRequest, codes: dict[int, str], cursor: str | None) -> Series:
    after = _raw_cursor(cursor)
    readings, last = queries.list_raw_values(
        requested.connection, requested.kind, codes, requested.start, requested.end, after=after
    )
    next_address = None
    if last is not None:
        changed = {"from": requested.start.isoformat(), "to": requested.end.isoformat(), "resolution": queries.RAW}
        next_address = address_with_cursor(
            requested.request, f"{last.at.isoformat()}|{last.device_id}|{last.seq}", **changed
        )
    return requested.to_series(queries.RAW, next_address=next_address, readings=readings)


def _raw_cursor(cursor: str | None) -> RawCursor | None:
    content = decode_cursor(cursor)
    if content is None:
        return None
    try:
        at, device_id, seq = content.split("|")
        position = RawCursor(datetime.fromisoformat(at), int(device_id), int(seq))
    except ValueError as error:
        raise BadCursor from error
    if position.at.tzinfo is None or not 0 <= position.device_id < 2**31 or not -1 <= position.seq < 2**63:
        raise BadCursor
    return position


def existing_station(connection: Connection, station_id: str) -> Station:
    """The station of that id. Raises NoSuchStation."""
    found = places.get_station(connection, station_id)
    if found is None:
        raise NoSuchStation
    return found


def _feature(one: Station) -> dict[str, Any]:
    names = ("id", "name", "kind", "municipality", "basin", "street")
    return {
        "type": "Feature",
        "id": one.id,
        "geometry": {"type": "Point", "coordinates": [one.longitude, one.latitude]},
        "properties": {name: getattr(one, name) for name in names},
    }
