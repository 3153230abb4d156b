"""Queries of service alerts: those in force for riders, and all of them for operators."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import msgspec
from pydantic import Field
from sqlalchemy import Connection, Row, Select, select, text

from models.alert import NAR
from models.tables.service_alerts import service_alerts
from services.runtime.audience import Audience, name_for
from services.transit.model.service_alert import ActivePeriod, Cause, Effect, InformedEntity, ServiceAlert, Translated
from services.transit.model.stop_index import StopIndex

State = Literal["draft", "published", "ended"]
MOST_IN_FORCE = 500
MOST_FLOOD_STOPS = 50
FLOOD_RADIUS_M = 600.0
"""A stop within this distance of a stream gauge at naranja or above gets a flood alert."""
LEAST_FLOOD_NAR = NAR.NARANJA


@dataclass(frozen=True, slots=True, kw_only=True)
class InBothLanguages:
    """The same text in Spanish and in English."""

    es: Annotated[str, Field(examples=["Calle 7 cortada entre 47 y 50"])]
    en: Annotated[str, Field(examples=["Street 7 closed between 47 and 50"])]


@dataclass(frozen=True, slots=True, kw_only=True)
class Concerned:
    """What the alert concerns. All fields that are given must match."""

    agency: Annotated[str, Field(description="Empty: any", examples=["union-platense"])] = ""
    line: Annotated[str, Field(description="A line's id; empty: any", examples=["307"])] = ""
    stop: Annotated[str, Field(description="A stop's id; empty: any", examples=["LP1912"])] = ""
    direction: Annotated[Literal[0, 1] | None, Field(description="Of that line", examples=[0])] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """From `start` up to but not at `end`; open where null."""

    start: datetime | None = None
    end: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptAlert:
    """A service alert as stored."""

    id: Annotated[int, Field(examples=[3])]
    version: Annotated[int, Field(description="To be sent back with an action", examples=[2])]
    state: State
    cause: Annotated[Cause, Field(description="As in GTFS-realtime, in lower case", examples=["weather"])]
    effect: Annotated[Effect, Field(description="As in GTFS-realtime, in lower case", examples=["detour"])]
    header: InBothLanguages
    description: InBothLanguages
    url: Annotated[str, Field(examples=["https://www.laplata.gob.ar/"])]
    concerns: Annotated[list[Concerned], Field(max_length=100)]
    periods: Annotated[list[Period], Field(max_length=20, description="When it holds; none: while published")]
    created_at: datetime
    created_by: Annotated[str, Field(description="A name for operators, a role for the public", examples=["operator"])]
    published_at: datetime | None
    published_by: Annotated[str | None, Field(examples=["operator"])]
    ended_at: datetime | None
    ended_by: Annotated[str | None, Field(examples=["operator"])]


def list_alerts(
    connection: Connection, audience: Audience, *, state: State, after: int | None, limit: int
) -> list[KeptAlert]:
    """Service alerts in a state, the newest first, with numbers below `after` where it is given.

    The public sees what was published once, with roles in place of names.
    """
    query = _query(audience).where(service_alerts.c.state == state)
    if after is not None:
        query = query.where(service_alerts.c.id < after)
    return [_operator_alert(row) for row in connection.execute(query.order_by(service_alerts.c.id.desc()).limit(limit))]


def get_alert(connection: Connection, alert_id: int, audience: Audience) -> KeptAlert | None:
    """One service alert; None where there is none of that number, and for the public also where it is no longer a draft
    and never was published.
    """
    row = connection.execute(_query(audience).where(service_alerts.c.id == alert_id)).one_or_none()
    return None if row is None else _operator_alert(row)


def _query(audience: Audience) -> Select[Any]:
    names = {"created_by", "published_by", "ended_by"}
    columns = [name_for(audience, column) if column.name in names else column for column in service_alerts.columns]
    query = select(*columns)
    if audience is Audience.OPERATORS:
        return query
    return query.where((service_alerts.c.state != "ended") | service_alerts.c.published_at.is_not(None))


def alerts_in_force(connection: Connection, near: StopIndex) -> tuple[ServiceAlert, ...]:
    """The alerts shown to riders now: those operators published, then one for each flooding stream gauge near stops."""
    published = (
        select(service_alerts)
        .where(service_alerts.c.state == "published")
        .order_by(service_alerts.c.id.desc())
        .limit(MOST_IN_FORCE)
    )
    return (*map(_published_alert, connection.execute(published)), *_flood_alerts(connection, near))


def _flood_alerts(connection: Connection, near: StopIndex) -> list[ServiceAlert]:
    """A service alert for each stream gauge at naranja or above that has stops nearby."""
    rows = connection.execute(
        text(
            "SELECT a.id, a.nar, a.opened_at, p.name, p.latitude, p.longitude FROM alerts a"
            " JOIN stations p ON p.id = a.subject AND p.active AND p.kind = 'river'"
            " WHERE a.state = 'firing' AND a.nar >= :least ORDER BY a.nar DESC, a.id LIMIT 50"
        ),
        {"least": int(LEAST_FLOOD_NAR)},
    )
    return [alert for row in rows if (alert := _flood_alert(row, near)) is not None]


def _flood_alert(row: Row[Any], near: StopIndex) -> ServiceAlert | None:
    stops = near.stops_within((row.latitude, row.longitude), FLOOD_RADIUS_M)[:MOST_FLOOD_STOPS]
    if not stops:
        return None
    colour = NAR(row.nar)
    return ServiceAlert(
        f"nar-{row.id}",
        Cause.WEATHER,
        Effect.MODIFIED_SERVICE,
        Translated(f"Anegamiento cerca de {row.name}", f"Flooding near {row.name}"),
        Translated(
            f"Nivel {colour.name.lower()} en {row.name}: puede haber desvíos y demoras.",
            f"Attention level {int(colour)} at {row.name}: expect detours and delays.",
        ),
        tuple(InformedEntity(stop_id=stop.id) for _, stop in stops),
        changed_at=row.opened_at.timestamp(),
    )


def _published_alert(row: Row[Any]) -> ServiceAlert:
    return ServiceAlert(
        f"{row.id}",
        Cause(row.cause),
        Effect(row.effect),
        msgspec.convert(row.header, Translated),
        msgspec.convert(row.description, Translated),
        msgspec.convert(row.informed, tuple[InformedEntity, ...]),
        msgspec.convert(row.periods, tuple[ActivePeriod, ...]),
        row.url,
        row.published_at.timestamp(),
    )


def _operator_alert(row: Row[Any]) -> KeptAlert:
    columns = row._mapping
    informed = msgspec.convert(row.informed, tuple[InformedEntity, ...])
    periods = msgspec.convert(row.periods, tuple[ActivePeriod, ...])
    return KeptAlert(
        **{name: columns[name] for name in _COPIED_COLUMNS},
        cause=Cause(row.cause),
        effect=Effect(row.effect),
        header=InBothLanguages(**row.header),
        description=InBothLanguages(**row.description),
        concerns=[
            Concerned(agency=one.agency_id, line=one.route_id, stop=one.stop_id, direction=_direction(one.direction_id))
            for one in informed
        ],
        periods=[Period(start=_datetime_of(one.start), end=_datetime_of(one.end)) for one in periods],
    )


_COPIED_COLUMNS = (
    "id",
    "version",
    "state",
    "url",
    "created_at",
    "created_by",
    "published_at",
    "published_by",
    "ended_at",
    "ended_by",
)


def _datetime_of(at: float | None) -> datetime | None:
    return None if at is None else datetime.fromtimestamp(at, UTC)


def _direction(direction_id: int | None) -> Literal[0, 1] | None:
    match direction_id:
        case 0 | 1:
            return direction_id
        case _:
            return None
