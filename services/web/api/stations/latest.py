"""API routes of current values of stations: value, age, quality, flags and trend."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, Field
from sqlalchemy import Connection

from models.reading import Quality, flag_names, quality_code
from services.queries.stations import current, places
from services.queries.stations.current import CurrentDevice, CurrentStation
from services.queries.stations.places import Colour
from services.queries.watch.condition import Course, Health, Trend, health
from services.queries.watch.levels import current_trends
from services.web.access import PUBLIC
from services.web.api.paging import PageCursor, Paging
from services.web.api.parameters import Basin, Id, Kind, Municipality
from services.web.api.stations.stations import NoSuchStation
from services.web.context import DatabaseSnapshot, Now
from services.web.routes import PreparedRoute

router = APIRouter(tags=["stations"], dependencies=[PUBLIC], route_class=PreparedRoute)


class DeviceLatest(BaseModel):
    """A device's newest reading, trusted or not, with all its columns as sent."""

    device: str = Field(examples=["gato-143-524"])
    online: bool | None = Field(description="By birth and last will; null until either came")
    observed_at: datetime | None
    received_at: datetime | None
    values: dict[str, Any] = Field(examples=[{"level_m": 1.42, "battery_v": 12.6}])
    quality: Quality | None = Field(description="QARTOD: 1 good, 3 suspect, 4 fail, 9 missing", examples=[1])
    flags: tuple[str, ...] = Field(examples=[["jump"]])


class TrendNow(BaseModel):
    """The change of the level over the last 15 minutes."""

    rate_m_h: float = Field(examples=[0.35])
    course: Course


class Latest(BaseModel):
    """The current state of a station. `value`: its newest trusted value; `age_s`: the age of that value."""

    station: str = Field(examples=["gato-143-524"])
    kind: str = Field(examples=["river"])
    name: str = Field(examples=["Arroyo del Gato, 143 y 524"])
    unit: str = Field(examples=["m"])
    nar: Colour
    health: Annotated[Health, Field(description="latched: silent at amarillo or above, so its level is held")]
    value: float | None = Field(examples=[1.42])
    observed_at: datetime | None
    age_s: float | None = Field(examples=[34.0])
    trend: TrendNow | None = Field(description="Of streams with fresh values")
    devices: list[DeviceLatest]


class AllLatest(BaseModel):
    """One page of the active stations at one instant, by id."""

    at: datetime
    items: list[Latest] = Field(max_length=current.MAX_STATIONS)
    next: str | None = Field(description="Address of the next page")
    stations: list[Latest] = Field(
        max_length=current.MAX_STATIONS,
        description="The same as `items`, its earlier name",
        json_schema_extra={"deprecated": True},
    )


class LatestPaging(Paging):
    """The requested page. All stations of a city fit in the usual one."""

    def __init__(
        self,
        request: Request,
        limit: Annotated[
            int, Query(ge=1, le=current.MAX_STATIONS, description="Most items in the answer")
        ] = current.MAX_STATIONS,
        cursor: PageCursor = None,
    ) -> None:
        """From the query parameters."""
        super().__init__(request, limit, cursor)


@router.get("/latest")
def latest(
    snapshot: DatabaseSnapshot,
    now: Now,
    paged: Annotated[LatestPaging, Depends()],
    municipality: Municipality = None,
    basin: Basin = None,
    kind: Kind = None,
) -> AllLatest:
    """The current state of the active stations."""
    rows = places.list_stations(
        snapshot,
        municipality=municipality,
        basin=basin,
        kind=kind,
        active=True,
        after=paged.cursor,
        limit=paged.fetch_limit,
    )
    page = paged.page(rows, lambda one: one.id)
    shown = {one.id: one for one in current.current_stations(snapshot, [one.id for one in page.items])}
    stations = [shown[one.id] for one in page.items if one.id in shown]
    items = _latest_of_stations(snapshot, stations, now)
    return AllLatest(at=now, items=items, next=page.next, stations=items)


@router.get("/stations/{station_id}/latest")
def station_latest(snapshot: DatabaseSnapshot, now: Now, station_id: Id) -> Latest:
    """The current state of one station."""
    found = _latest_of_stations(snapshot, current.current_stations(snapshot, station_id), now)
    if not found:
        raise NoSuchStation
    return found[0]


def _latest_of_stations(connection: Connection, stations: Sequence[CurrentStation], now: datetime) -> list[Latest]:
    trends = current_trends(connection, now, stations)
    return [_latest(one, trends.get(one.id), now) for one in stations]


def _latest(one: CurrentStation, change: Trend | None, now: datetime) -> Latest:
    state = health(one, now)
    return Latest(
        station=one.id,
        kind=one.kind.name,
        name=one.name,
        unit=one.kind.unit,
        nar=int(one.nar),
        health=state,
        value=one.value,
        observed_at=one.value_at,
        age_s=None if one.value_at is None else max((now - one.value_at).total_seconds(), 0.0),
        trend=None if change is None else TrendNow(rate_m_h=change.rate_m_h, course=change.course),
        devices=[_device(device) for device in one.devices],
    )


def _device(device: CurrentDevice) -> DeviceLatest:
    return DeviceLatest(
        device=device.code,
        online=device.online,
        observed_at=device.observed_at,
        received_at=device.received_at,
        values=dict(device.latest),
        quality=None if device.observed_at is None else quality_code(device.flags),
        flags=flag_names(device.flags),
    )
