"""Both levels of each area: the one that Vigía proposes from measurements, and the one that a person declared."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated, Any

from pydantic import Field
from sqlalchemy import Connection, Row, func, literal, null, select, text

from alerts.declared.level import BASIN, MUNICIPALITY, Declared, Difference, difference
from models.alert import NAR
from models.tables.city import stations
from models.tables.declared.declarations import declarations
from services.runtime.audience import Audience

MAX_AREAS = 1_000
MAX_DECLARATIONS = 1_000
"""Declared levels in force that are read together."""
MAX_ACTS = 100
_AREAS = text(
    "SELECT areas.area, areas.name, areas.wider, attention.nar, attention.since FROM ("
    "SELECT 'municipality:' || id AS area, name, ARRAY[]::text[] AS wider, 'municipality:' || id AS subject,"
    " (id IS DISTINCT FROM (SELECT city ->> 'id' FROM configuration))::int AS place FROM municipalities"
    " UNION ALL SELECT 'basin:' || id, name, ARRAY['municipality:' || municipality_id], 'basin:' || id, 2 FROM basins"
    " UNION ALL SELECT 'barrio:' || id, name,"
    " array_remove(ARRAY['basin:' || basin_id, 'municipality:' || municipality_id], NULL), 'basin:' || basin_id, 3"
    " FROM barrios) AS areas"
    f" LEFT JOIN attention ON attention.subject = areas.subject ORDER BY place, areas.name LIMIT {MAX_AREAS}"
)
"""All areas, the city first, with the areas around each and the level proposed for it."""


@dataclass(frozen=True, slots=True)
class AreaLevels:
    """An area with both levels. `area`: municipality:ID, basin:ID or barrio:ID. `wider`: areas that contain it.

    `proposed`: None where nothing was ever proposed; of a barrio, what is proposed for its basin. `declared_for`: the
    name of the wider area whose declaration holds here; None where the declaration is its own. `last`: the last act of
    this very area, 0 where there was none.
    """

    area: str
    name: str
    wider: tuple[str, ...]
    proposed: NAR | None
    proposed_since: datetime | None
    declared: Declared | None = None
    declared_for: str | None = None
    last: int = 0

    @property
    def noun(self) -> str:
        """municipality, basin or barrio."""
        return self.area.partition(":")[0]

    @property
    def level(self) -> NAR:
        """The proposed level, verde where there never was another."""
        return self.proposed or NAR.VERDE

    @property
    def difference(self) -> Difference:
        """How the proposal differs from what is declared."""
        return difference(self.proposed, None if self.declared is None else self.declared.nar)

    @property
    def own(self) -> Declared | None:
        """What is declared for this very area."""
        return self.declared if self.declared_for is None else None

    @property
    def is_raised(self) -> bool:
        """Whether a level above verde is proposed here, or one is declared for this very area."""
        return bool(self.level) or self.own is not None

    @property
    def stands_out(self) -> bool:
        """Whether the area needs a line beside that of the area around it."""
        return self.own is not None or self.difference is Difference.GRAVER


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredNow:
    """A level declared by a person of the authority, in force."""

    id: Annotated[int, Field(examples=[7])]
    area: Annotated[str, Field(description="The area that it was declared for", examples=["municipality:laplata"])]
    nar: Annotated[int, Field(ge=0, le=3, examples=[2])]
    since: datetime
    until: datetime
    by: Annotated[str | None, Field(description="A name for staff; null for the public")]
    reason: Annotated[str | None, Field(description="For staff; null for the public")]


@dataclass(frozen=True, slots=True, kw_only=True)
class AreaLevelsNow:
    """An area with the level proposed by Vigía and the level declared by a person. Only the second is an alert."""

    area: Annotated[str, Field(description="municipality:ID, basin:ID or barrio:ID", examples=["basin:gato"])]
    name: Annotated[str, Field(examples=["Arroyo del Gato"])]
    proposed: Annotated[int | None, Field(ge=0, le=3, description="Follows from measurements; no alert", examples=[3])]
    proposed_since: datetime | None
    declared: Annotated[DeclaredNow | None, Field(description="Of this area, else of the nearest area around it")]
    difference: Annotated[str, Field(description="none, graver, milder or undeclared: of the proposal")]
    last: Annotated[
        int | None, Field(description="The last act of this area, to be sent back with the next one", examples=[7])
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclarationActed:
    """An act about the declared level of an area. `nar`, `since`, `until`: null where the act ends the level."""

    id: Annotated[int, Field(examples=[7])]
    area: Annotated[str, Field(examples=["municipality:laplata"])]
    act: Annotated[str, Field(description="declared, extended, withdrawn or expired", examples=["declared"])]
    nar: Annotated[int | None, Field(ge=0, le=3, examples=[2])]
    proposed: Annotated[int, Field(ge=0, le=3, description="The level proposed then", examples=[3])]
    at: datetime
    since: datetime | None
    until: datetime | None
    replaces: Annotated[int | None, Field(description="The act of this area before it", examples=[6])]
    actor: Annotated[str | None, Field(description="A name for staff; null for the public")]
    reason: Annotated[str | None, Field(description="For staff; null for the public")]


def declared_now(declared: Declared) -> DeclaredNow:
    """A declared level as the API returns it."""
    return DeclaredNow(
        id=declared.id,
        area=declared.area,
        nar=int(declared.nar),
        since=declared.since,
        until=declared.until,
        by=declared.by,
        reason=declared.reason,
    )


def as_answer(levels: AreaLevels) -> AreaLevelsNow:
    """The levels of an area as the API returns them."""
    return AreaLevelsNow(
        area=levels.area,
        name=levels.name,
        proposed=None if levels.proposed is None else int(levels.proposed),
        proposed_since=levels.proposed_since,
        declared=None if levels.declared is None else declared_now(levels.declared),
        difference=levels.difference,
        last=levels.last or None,
    )


def area_levels(
    connection: Connection, now: datetime, audience: Audience, only: Iterable[str] | None = None
) -> list[AreaLevels]:
    """Both levels of all areas: the city first, other municipalities, basins and barrios by name.

    `only`: the areas to return. The public gets no names and no reasons.
    """
    areas = {row.area: _area(row) for row in connection.execute(_AREAS)}
    declared = declared_levels(connection, now, audience)
    newest = select(declarations.c.area, func.max(declarations.c.id)).group_by(declarations.c.area)
    last = {row.area: row.max for row in connection.execute(newest)}
    wanted = areas if only is None else [one for one in dict.fromkeys(only) if one in areas]
    return [_with_declared(areas[one], areas, declared, last.get(one, 0)) for one in wanted]


def declared_levels(connection: Connection, now: datetime, audience: Audience) -> dict[str, Declared]:
    """The declared levels in force, by area."""
    later = declarations.alias()
    in_force = (
        declarations.c.nar.is_not(None)
        & (declarations.c.until > now)
        & ~select(literal(1)).where(later.c.replaces == declarations.c.id).exists()
    )
    rows = connection.execute(select(declarations).where(in_force).limit(MAX_DECLARATIONS))
    return {row.area: _declared(row, audience) for row in rows}


def acts(connection: Connection, audience: Audience, *, after: int | None = None, limit: int = MAX_ACTS) -> list[Any]:
    """What people did about declared levels, newest first, without names and reasons for the public."""
    columns = [column for column in declarations.columns if column.name not in {"actor", "reason"}]
    told = (declarations.c.actor, declarations.c.reason)
    if audience is Audience.PUBLIC:
        query = select(*columns, null().label("actor"), null().label("reason"))
    else:
        query = select(*columns, *told)
    if after is not None:
        query = query.where(declarations.c.id < after)
    return list(connection.execute(query.order_by(declarations.c.id.desc()).limit(limit)))


def station_areas(connection: Connection, station: str) -> list[str]:
    """The areas that a station is in, the widest first; none where the subject is no station."""
    query = select(stations.c.municipality_id, stations.c.basin_id).where(stations.c.id == station)
    row = connection.execute(query).one_or_none()
    named = () if row is None else ((MUNICIPALITY, row.municipality_id), (BASIN, row.basin_id))
    return [f"{noun}:{one}" for noun, one in named if one]


def _area(row: Row[Any]) -> AreaLevels:
    return AreaLevels(row.area, row.name, tuple(row.wider), None if row.nar is None else NAR(row.nar), row.since)


def _with_declared(
    area: AreaLevels, areas: Mapping[str, AreaLevels], declared: Mapping[str, Declared], last: int
) -> AreaLevels:
    """The area with the level declared for it, else with that of the nearest area around it."""
    holder = next((one for one in (area.area, *area.wider) if one in declared), None)
    if holder is None:
        return replace(area, last=last)
    around = None if holder == area.area else areas[holder].name if holder in areas else holder
    return replace(area, declared=declared[holder], declared_for=around, last=last)


def _declared(row: Row[Any], audience: Audience) -> Declared:
    told = (row.actor, row.reason) if audience is Audience.OPERATORS else (None, None)
    return Declared(row.id, row.area, NAR(row.nar), row.since, row.at, row.until, *told)
