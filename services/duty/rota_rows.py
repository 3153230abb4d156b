"""Reads the rota from the tables: shifts, accepted changes, the people in it, and the zones that answer for an area."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, func, or_, select

from models.tables.city import basins, municipalities
from models.tables.duty import shift_changes, shifts
from models.tables.people import people
from services.duty.rota import MAX_TURN, Change, Period, Position, Rota, Shift
from services.queries.city.city import current_city
from services.runtime.problem import HttpProblem

MAX_SHIFTS = 2_000
MAX_CHANGES = 2_000
SYSTEM = "system"
"""The area of an incident about Vigía itself."""


class NotAPerson(HttpProblem):
    """Sólo una persona con cuenta puede estar de guardia, no una clave. / Only a person can be on duty, not a key."""

    status = 409


@dataclass(frozen=True, slots=True)
class Person:
    """A person of the rota. `is_disabled`: may not sign in any more, and is not called."""

    id: int
    login: str
    name: str
    is_disabled: bool


def read_rota(transaction: Connection, now: datetime) -> Rota:
    """The shifts and changes in force since shortly before `now`, without those of disabled people."""
    since = now - MAX_TURN
    enabled = people.c.disabled_at.is_(None)
    found = transaction.execute(
        select(shifts)
        .join(people, people.c.id == shifts.c.person_id)
        .where(enabled, or_(shifts.c.ended_at.is_(None), shifts.c.ended_at > since))
        .order_by(shifts.c.id)
        .limit(MAX_SHIFTS)
    )
    changes = transaction.execute(
        select(shift_changes)
        .join(people, people.c.id == shift_changes.c.person_id)
        .where(
            enabled,
            shift_changes.c.accepted_at.is_not(None),
            shift_changes.c.withdrawn_at.is_(None),
            shift_changes.c.ends_at > since,
        )
        .order_by(shift_changes.c.id)
        .limit(MAX_CHANGES)
    )
    zone = current_city(transaction).zone
    return Rota(zone, tuple(map(_shift, found)), tuple(map(_change, changes)))


def people_of(transaction: Connection, numbers: Collection[int]) -> dict[int, Person]:
    """People by their number."""
    rows = transaction.execute(
        select(people.c.id, people.c.login, people.c.name, people.c.disabled_at).where(people.c.id.in_(list(numbers)))
    )
    return {row.id: Person(row.id, row.login, row.name, row.disabled_at is not None) for row in rows}


def person_named(transaction: Connection, name: str) -> Person:
    """The person of this name or login, who is not disabled. Raises NotAPerson."""
    wanted = name.strip().lower()
    row = transaction.execute(
        select(people.c.id, people.c.login, people.c.name)
        .where(or_(func.lower(people.c.name) == wanted, people.c.login == wanted), people.c.disabled_at.is_(None))
        .order_by(func.lower(people.c.name) == wanted)
    ).all()
    if not row:
        raise NotAPerson
    return Person(row[-1].id, row[-1].login, row[-1].name, is_disabled=False)


@dataclass(frozen=True, slots=True)
class Zones:
    """Which zones answer for an area. `city`: the zone of the whole city, whose rota stands in for every other."""

    city: str
    owners: Mapping[str, str]
    """The municipality of each basin."""
    names: Mapping[str, str]

    def of(self, area: str) -> tuple[str, ...]:
        """The zones that answer for the area of an incident, the nearest first, the city last."""
        noun, _, basin = area.partition(":")
        owner = self.owners.get(basin) if noun == "basin" else None
        nearest = () if area == SYSTEM else (area,)
        return tuple(dict.fromkeys([*nearest, *([f"municipality:{owner}"] if owner else []), self.city]))

    def name_of(self, zone: str) -> str:
        """The name of a zone, as people read it; the zone itself where the city has no such place any more."""
        return self.names.get(zone, zone)

    @property
    def all(self) -> list[str]:
        """Every zone that there may be, municipalities first."""
        return sorted(self.names, key=lambda zone: (not zone.startswith("municipality:"), self.names[zone]))


def read_zones(transaction: Connection) -> Zones:
    """The zones of the city as it is configured."""
    owned = transaction.execute(select(basins.c.id, basins.c.name, basins.c.municipality_id)).all()
    towns = transaction.execute(select(municipalities.c.id, municipalities.c.name)).all()
    names = {f"municipality:{one.id}": str(one.name) for one in towns}
    names |= {f"basin:{one.id}": str(one.name) for one in owned}
    city = current_city(transaction)
    return Zones(f"municipality:{city.id}", {one.id: one.municipality_id for one in owned}, names)


def _shift(row: Row[Any]) -> Shift:
    return Shift(
        id=row.id,
        zone=row.zone,
        position=Position(row.position),
        person_id=row.person_id,
        first_day=row.first_day,
        last_day=row.last_day,
        cycle_days=row.cycle_days,
        days=frozenset(row.days),
        from_time=row.from_time,
        to_time=row.to_time,
        since=row.created_at,
        until=row.ended_at,
    )


def _change(row: Row[Any]) -> Change:
    return Change(
        id=row.id,
        zone=row.zone,
        position=Position(row.position),
        person_id=row.person_id,
        instead_of=row.instead_of,
        period=Period(row.starts_at, row.ends_at),
        accepted_at=row.accepted_at,
    )
