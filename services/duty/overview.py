"""Who is on duty now and in the coming days, in the words of pages, API and terminal: with names and until when."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Literal

from pydantic import Field
from sqlalchemy import Connection, select

from models.tables.duty import shift_changes
from services.duty.chain import AHEAD, without_tested_channel
from services.duty.rota import CHAIN, Gap, Period, Position, Rota, gaps, watches, zones_in_use
from services.duty.rota_rows import Person, Zones, people_of, read_rota, read_zones

MAX_PENDING = 100
PositionName = Literal["operator", "second", "chief"]
Zone = Annotated[str, Field(description="municipality:ID or basin:ID", examples=["municipality:laplata"])]
Login = Annotated[str, Field(description="What the person signs in with", examples=["ana"])]
PersonName = Annotated[str, Field(examples=["Ana Sosa"])]


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonOnDuty:
    """A person on duty. `tested`: whether a tested channel reaches them."""

    id: Annotated[int, Field(examples=[3])]
    login: Login
    name: PersonName
    tested: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """A time during which the same people have one position of one zone. Without people: a gap."""

    zone: Zone
    zone_name: Annotated[str, Field(examples=["La Plata"])]
    position: Annotated[PositionName, Field(description="The place in the chain of those who are called")]
    starts_at: datetime
    ends_at: datetime
    people: tuple[PersonOnDuty, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingChange:
    """A cover that was asked of a person who has not accepted it yet, or a change that is to come."""

    id: Annotated[int, Field(examples=[12])]
    kind: Annotated[Literal["cover", "override", "take"], Field(description="Asked, ordered, or the watch taken")]
    zone: Zone
    zone_name: str
    position: PositionName
    starts_at: datetime
    ends_at: datetime
    person: Annotated[str, Field(description="Who is on duty instead", examples=["Bruno Díaz"])]
    instead_of: Annotated[str | None, Field(description="Null: instead of whoever is on duty")]
    asked_by: str
    accepted: bool
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Duty:
    """The rota as it stands, with what is wrong with it before it is needed."""

    now: Annotated[tuple[Watch, ...], Field(description="Who is on duty now, by zone and position")]
    watches: Annotated[tuple[Watch, ...], Field(description="Now and the next 14 days, in order of time")]
    gaps: Annotated[tuple[Watch, ...], Field(description="Within the next 14 days nobody has the position")]
    untested: Annotated[
        tuple[PersonOnDuty, ...], Field(description="People in the rota whom no tested channel reaches")
    ]
    changes: Annotated[tuple[PendingChange, ...], Field(description="Asked and accepted changes that are not over")]


@dataclass(frozen=True, slots=True)
class _Names:
    """What turns a rota into words."""

    zones: Zones
    people: dict[int, Person]
    untested: set[int]

    def person(self, number: int) -> PersonOnDuty:
        known = self.people[number]
        return PersonOnDuty(id=number, login=known.login, name=known.name, tested=number not in self.untested)

    def watch(self, zone: str, position: Position, period: Period, people: Sequence[int]) -> Watch:
        return Watch(
            zone=zone,
            zone_name=self.zones.name_of(zone),
            position=position.value,
            starts_at=period.start,
            ends_at=period.end,
            people=tuple(map(self.person, people)),
        )


def read_duty(transaction: Connection, now: datetime, ahead: timedelta = AHEAD) -> Duty:
    """The rota from now on. Zones in order of name, the chain in its order."""
    rota, zones = read_rota(transaction, now), read_zones(transaction)
    names = _Names(zones, people_of(transaction, rota.people), without_tested_channel(transaction, rota.people))
    within = Period(now, now + ahead)
    coming = [
        names.watch(zone, position, period, people)
        for zone in zones_in_use(rota, now)
        for position in CHAIN
        for period, people in watches(rota, zone, position, within)
        if people
    ]
    missing = [names.watch(gap.zone, gap.position, gap.period, ()) for gap in _gaps(rota, zones, within)]
    everything = sorted((*coming, *missing), key=lambda watch: (watch.starts_at, watch.zone))
    return Duty(
        now=tuple(sorted((one for one in everything if one.starts_at == now), key=_by_place)),
        watches=tuple(everything),
        gaps=tuple(missing),
        untested=tuple(sorted(map(names.person, names.untested), key=lambda one: one.name)),
        changes=tuple(_changes(transaction, names, now)),
    )


def _by_place(watch: Watch) -> tuple[str, int]:
    return watch.zone, CHAIN.index(Position(watch.position))


def _gaps(rota: Rota, zones: Zones, within: Period) -> list[Gap]:
    return gaps(rota, zones.city, within) if rota.shifts else []


def _changes(transaction: Connection, names: _Names, now: datetime) -> list[PendingChange]:
    rows = transaction.execute(
        select(shift_changes)
        .where(shift_changes.c.withdrawn_at.is_(None), shift_changes.c.ends_at > now)
        .order_by(shift_changes.c.starts_at, shift_changes.c.id)
        .limit(MAX_PENDING)
    ).all()
    numbers = {number for row in rows for number in (row.person_id, row.instead_of) if number is not None}
    known = people_of(transaction, numbers)
    return [
        PendingChange(
            id=row.id,
            kind=row.kind,
            zone=row.zone,
            zone_name=names.zones.name_of(row.zone),
            position=row.position,
            starts_at=row.starts_at,
            ends_at=row.ends_at,
            person=known[row.person_id].name,
            instead_of=None if row.instead_of is None else known[row.instead_of].name,
            asked_by=row.asked_by,
            accepted=row.accepted_at is not None,
            note=row.note,
        )
        for row in rows
    ]
