"""Municipalities, basins, stations with their rules, devices and attention levels, as the API returns them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from pydantic import Field
from sqlalchemy import BigInteger, Connection, Select, and_, cast, func, literal, select, true

from models.tables.alerts import attention
from models.tables.city import basins, devices, municipalities, stations
from models.tables.readings import device_memories, sequence_gaps
from models.tables.rules import rules
from services.queries.city.declared import DeclaredNow

Colour = Annotated[
    int, Field(ge=0, le=3, description="Attention level: 0 verde, 1 amarillo, 2 naranja, 3 rojo", examples=[2])
]
DECLARED = "The alert that a person of the authority declared here, or around it; `nar` is measured and no alert"
MAX_RULES = 50
MAX_DEVICE_ID = 2**31 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Municipality:
    """A municipality and the attention level proposed for it; None before the first evaluation."""

    id: Annotated[str, Field(examples=["laplata"])]
    name: Annotated[str, Field(examples=["La Plata"])]
    latitude: Annotated[float, Field(examples=[-34.9214])]
    longitude: Annotated[float, Field(examples=[-57.9545])]
    nar: Colour | None
    since: Annotated[datetime | None, Field(description="Since when at this level")]
    declared: Annotated[DeclaredNow | None, Field(description=DECLARED)] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Basin:
    """A drainage basin and the attention level proposed for it; `geometry` is GeoJSON, WGS 84."""

    id: Annotated[str, Field(examples=["gato"])]
    municipality: Annotated[str, Field(examples=["laplata"])]
    name: Annotated[str, Field(examples=["Arroyo del Gato"])]
    note: str
    geometry: Annotated[dict[str, Any] | None, Field(description="GeoJSON geometry, WGS 84")]
    nar: Colour | None
    since: Annotated[datetime | None, Field(description="Since when at this level")]
    declared: Annotated[DeclaredNow | None, Field(description=DECLARED)] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Station:
    """A place with a sensor of one kind. `speed_limits` only for radars."""

    id: Annotated[str, Field(examples=["gato-143-524"])]
    municipality: Annotated[str, Field(examples=["laplata"])]
    basin: Annotated[str | None, Field(examples=["gato"])]
    kind: Annotated[str, Field(examples=["river"])]
    name: Annotated[str, Field(examples=["Arroyo del Gato, 143 y 524"])]
    latitude: Annotated[float, Field(examples=[-34.9214])]
    longitude: Annotated[float, Field(examples=[-57.9545])]
    street: Annotated[str | None, Field(description="For radars: whose speeds are counted", examples=["Av. 7"])]
    speed_limits: Annotated[Any, Field(description="For radars: limits in km/h by hour")]
    site_limits: Annotated[Any, Field(description="Lowest and highest value that is possible at this station")]
    note: str
    active: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleInForce:
    """A rule in force. `judgement`: its numbers."""

    id: Annotated[str, Field(examples=["gato-143-524.stage"])]
    version: Annotated[int, Field(examples=[1])]
    judgement: Annotated[
        dict[str, Any], Field(examples=[{"judgement": "stage", "thresholds_m": [1.0, 1.5, 2.0], "clear_margin_m": 0.1}])
    ]
    changed_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A device, identified by its topic. `station`: None while it is not registered."""

    id: Annotated[int, Field(examples=[17])]
    municipality: Annotated[str, Field(examples=["laplata"])]
    kind: Annotated[str, Field(examples=["river"])]
    code: Annotated[str, Field(examples=["gato-143-524"])]
    station: Annotated[str | None, Field(examples=["gato-143-524"])]
    registered_at: datetime | None
    first_seen_at: datetime | None
    online: Annotated[bool | None, Field(description="By birth and last will; null until either came")]
    online_since: datetime | None
    observed_at: Annotated[datetime | None, Field(description="Of its newest reading")]
    received_at: Annotated[datetime | None, Field(description="Of its newest reading")]
    gaps: Annotated[int, Field(description="Gaps in `seq`, filled later or not", examples=[2])]
    lost: Annotated[int, Field(description="Readings that never arrived", examples=[5])]


@dataclass(frozen=True, slots=True, kw_only=True)
class Attention:
    """The level proposed for a basin, a municipality or a class of sensors in outage, and why."""

    subject: Annotated[str, Field(description="basin:ID, municipality:ID or outage:ID:KIND", examples=["basin:gato"])]
    nar: Colour
    since: datetime
    evidence: Annotated[Any, Field(examples=[{"cause": "worst", "stations": {"gato-143-524": 2}}])]


def list_municipalities(connection: Connection, *, after: str | None, limit: int) -> list[Municipality]:
    """Municipalities by id."""
    query = _with_attention(select(municipalities), municipalities, "municipality")
    return [Municipality(**row._mapping) for row in connection.execute(_page(query, municipalities.c.id, after, limit))]


def one_municipality(connection: Connection, municipality_id: str) -> Municipality | None:
    """The municipality of that id."""
    query = _with_attention(select(municipalities), municipalities, "municipality")
    row = connection.execute(query.where(municipalities.c.id == municipality_id)).one_or_none()
    return Municipality(**row._mapping) if row else None


def list_basins(connection: Connection, *, municipality: str | None, after: str | None, limit: int) -> list[Basin]:
    """Basins by id."""
    query = _filtered(_basin_query(), {basins.c.municipality_id: municipality})
    return [Basin(**row._mapping) for row in connection.execute(_page(query, basins.c.id, after, limit))]


def one_basin(connection: Connection, basin_id: str) -> Basin | None:
    """The basin of that id."""
    row = connection.execute(_basin_query().where(basins.c.id == basin_id)).one_or_none()
    return Basin(**row._mapping) if row else None


def list_stations(
    connection: Connection,
    *,
    municipality: str | None = None,
    basin: str | None = None,
    kind: str | None = None,
    active: bool | None = None,
    after: str | None = None,
    limit: int,
) -> list[Station]:
    """Stations by id, inactive ones too unless `active` says otherwise."""
    wanted = {stations.c.municipality_id: municipality, stations.c.basin_id: basin, stations.c.kind: kind}
    query = _filtered(_station_query(), wanted | {stations.c.active: active})
    return [Station(**row._mapping) for row in connection.execute(_page(query, stations.c.id, after, limit))]


def get_station(connection: Connection, station_id: str) -> Station | None:
    """The station of that id."""
    row = connection.execute(_station_query().where(stations.c.id == station_id)).one_or_none()
    return Station(**row._mapping) if row else None


def station_rules(connection: Connection, station_id: str) -> list[RuleInForce]:
    """The rules in force at a station."""
    rows = connection.execute(
        select(rules.c.id, rules.c.version, rules.c.judgement, rules.c.changed_at)
        .where(rules.c.subject == station_id, rules.c.active)
        .order_by(rules.c.id)
        .limit(MAX_RULES)
    )
    return [RuleInForce(**row._mapping) for row in rows]


def list_devices(
    connection: Connection,
    *,
    kind: str | None,
    station: str | None,
    registered: bool | None,
    after: int | None,
    limit: int,
) -> list[Device]:
    """Devices by number. `registered` False: only devices without a station."""
    after = None if after is None else min(after, MAX_DEVICE_ID)
    query = _filtered(_device_query(), {devices.c.kind: kind, devices.c.station_id: station})
    if registered is not None:
        query = query.where(devices.c.station_id.is_not(None) if registered else devices.c.station_id.is_(None))
    return [Device(**row._mapping) for row in connection.execute(_page(query, devices.c.id, after, limit))]


def one_device(connection: Connection, device_id: int) -> Device | None:
    """The device of that number."""
    row = connection.execute(_device_query().where(devices.c.id == device_id)).one_or_none()
    return Device(**row._mapping) if row else None


def list_attention(connection: Connection, *, after: str | None, limit: int) -> list[Attention]:
    """All proposed levels, by subject."""
    rows = connection.execute(_page(select(attention), attention.c.subject, after, limit))
    return [Attention(**row._mapping) for row in rows]


def _with_attention(query: Select[Any], table: Any, noun: str) -> Select[Any]:
    at_level = attention.c.subject == literal(f"{noun}:") + table.c.id
    return query.add_columns(attention.c.nar, attention.c.since).select_from(table.outerjoin(attention, at_level))


def _basin_query() -> Select[Any]:
    columns = (
        basins.c.id,
        basins.c.municipality_id.label("municipality"),
        basins.c.name,
        basins.c.note,
        basins.c.geometry,
    )
    return _with_attention(select(*columns), basins, "basin")


def _station_query() -> Select[Any]:
    named = {"municipality_id": "municipality", "basin_id": "basin"}
    return select(*(column.label(named.get(column.name, column.name)) for column in stations.columns))


def _device_query() -> Select[Any]:
    lost = func.sum(sequence_gaps.c.last_seq - sequence_gaps.c.first_seq + 1 - sequence_gaps.c.filled)
    holes = (
        select(func.count().label("gaps"), cast(func.coalesce(lost, 0), BigInteger).label("lost"))
        .where(sequence_gaps.c.device_id == devices.c.id)
        .lateral()
    )
    named = {"station_id": "station"}
    return (
        select(*(column.label(named.get(column.name, column.name)) for column in devices.columns))
        .add_columns(device_memories.c.observed_at, device_memories.c.received_at, holes.c.gaps, holes.c.lost)
        .select_from(devices.outerjoin(device_memories).join(holes, true()))
    )


def _filtered(query: Select[Any], values: Mapping[Any, object]) -> Select[Any]:
    """The query with a condition for each value that is not None."""
    return query.where(and_(True, *(column == value for column, value in values.items() if value is not None)))


def _page(query: Select[Any], key: Any, after: object, limit: int) -> Select[Any]:
    """One page of the query, ordered by a unique key, after the key `after`."""
    return (query if after is None else query.where(key > after)).order_by(key).limit(limit)
