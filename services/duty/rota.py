"""The rota: recurring shifts and their changes, who is on duty at a time, and where nobody is. Pure functions.

Times of a shift are wall times of the city. A turn that begins or ends at a time that the clocks skip, or have twice,
begins or ends at one instant all the same, so that two shifts that meet by the clock on the wall meet in time.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from enum import StrEnum
from itertools import pairwise

MAX_TURN = timedelta(hours=26)
"""A turn lasts a day at most, and an hour more where the clocks go back; with room for a change of the zone's rules."""
DAY = timedelta(days=1)


class Position(StrEnum):
    """The place of a person in the chain of those who are called."""

    OPERATOR = "operator"
    SECOND = "second"
    CHIEF = "chief"


CHAIN = tuple(Position)
"""In the order in which they are called."""
EVERYBODY = "everybody"
"""Everybody who stands in the rota of a zone, on duty or not."""


@dataclass(frozen=True, slots=True)
class Period:
    """A time from `start` until before `end`."""

    start: datetime
    end: datetime

    def __contains__(self, instant: datetime) -> bool:
        return self.start <= instant < self.end


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """Recurring turns of one person. Day 0 of the cycle is `first_day`; `last_day`: the last on which a turn begins.

    `to_time` is of the next day where it is not after `from_time`. `since`, `until`: when the shift was entered and
    ended, if it was: nobody was on duty by it before or after.
    """

    id: int
    zone: str
    position: Position
    person_id: int
    first_day: date
    last_day: date | None = None
    cycle_days: int
    days: frozenset[int]
    from_time: time
    to_time: time
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """An accepted change: `person_id` is on duty in `period`. `instead_of`: None: instead of whoever is."""

    id: int
    zone: str
    position: Position
    person_id: int
    instead_of: int | None
    period: Period
    accepted_at: datetime


@dataclass(frozen=True, slots=True)
class Rota:
    """All shifts and accepted changes of a city, with its time zone."""

    time_zone: tzinfo
    shifts: Sequence[Shift] = field(default_factory=tuple)
    changes: Sequence[Change] = field(default_factory=tuple)

    @property
    def people(self) -> frozenset[int]:
        """Everybody who stands in it."""
        return frozenset({*(one.person_id for one in self.shifts), *(one.person_id for one in self.changes)})


@dataclass(frozen=True, slots=True)
class Gap:
    """A period in which nobody has a position of a zone."""

    zone: str
    position: Position
    period: Period


def turns(shift: Shift, within: Period, time_zone: tzinfo) -> Iterator[Period]:
    """The turns of a shift that touch a period, in order."""
    day = max(shift.first_day, (within.start - MAX_TURN).astimezone(time_zone).date())
    last = (within.end + DAY).astimezone(time_zone).date()
    while day <= last and (shift.last_day is None or day <= shift.last_day):
        if (day - shift.first_day).days % shift.cycle_days in shift.days:
            next_day = shift.to_time <= shift.from_time
            start = instant(day, shift.from_time, time_zone)
            end = instant(day + DAY if next_day else day, shift.to_time, time_zone)
            start = start if shift.since is None else max(start, shift.since)
            end = end if shift.until is None else min(end, shift.until)
            if start < end and start < within.end and end > within.start:
                yield Period(start, end)
        day += DAY


def instant(day: date, wall: time, time_zone: tzinfo) -> datetime:
    """The instant of a wall time, in UTC: the first of two; of a skipped one, as many minutes after the skip."""
    return datetime.combine(day, wall, time_zone).astimezone(UTC)


def on_duty(rota: Rota, zone: str, position: Position, at: datetime) -> tuple[int, ...]:
    """The people on duty in a position of a zone, without repetition. Empty: nobody.

    Changes apply in the order in which they were accepted, so that the last one counts.
    """
    moment = Period(at, at + timedelta(microseconds=1))
    people = [
        shift.person_id
        for shift in rota.shifts
        if (shift.zone, shift.position) == (zone, position) and any(turns(shift, moment, rota.time_zone))
    ]
    for change in sorted(rota.changes, key=lambda one: (one.accepted_at, one.id)):
        if (change.zone, change.position) == (zone, position) and at in change.period:
            stay = [] if change.instead_of is None else [one for one in people if one != change.instead_of]
            people = [*stay, change.person_id]
    return tuple(dict.fromkeys(people))


def boundaries(rota: Rota, zone: str, position: Position, within: Period) -> list[datetime]:
    """The instants of a period at which the people on duty may change, with its start and its end, in order."""
    found = {within.start, within.end}
    for shift in rota.shifts:
        if (shift.zone, shift.position) == (zone, position):
            for turn in turns(shift, within, rota.time_zone):
                found |= {turn.start, turn.end}
    for change in rota.changes:
        if (change.zone, change.position) == (zone, position):
            found |= {change.period.start, change.period.end}
    return sorted(one for one in found if within.start <= one <= within.end)


def watches(rota: Rota, zone: str, position: Position, within: Period) -> list[tuple[Period, tuple[int, ...]]]:
    """A period cut where turns begin and end, each part with the people on duty; one part where nobody is."""
    marks = boundaries(rota, zone, position, within)
    parts: list[tuple[Period, tuple[int, ...]]] = []
    for start, end in pairwise(marks):
        people = on_duty(rota, zone, position, start)
        if parts and not people and not parts[-1][1]:
            parts[-1] = (Period(parts[-1][0].start, end), people)
        else:
            parts.append((Period(start, end), people))
    return parts


def gaps(rota: Rota, whole_chain: str, within: Period) -> list[Gap]:
    """Where nobody has a position that the rota of its zone fills, in order of time; in `whole_chain`, any position."""
    found = [
        Gap(zone, position, part)
        for zone in zones_in_use(rota, within.start)
        for position in CHAIN
        if zone == whole_chain or any((one.zone, one.position) == (zone, position) for one in rota.shifts)
        for part, people in watches(rota, zone, position, within)
        if not people
    ]
    return sorted(found, key=lambda gap: (gap.period.start, gap.zone, CHAIN.index(gap.position)))


def zones_in_use(rota: Rota, at: datetime) -> tuple[str, ...]:
    """The zones for which the rota has a shift that is not over, in order of name."""
    today = at.astimezone(rota.time_zone).date()
    return tuple(
        sorted(
            {one.zone for one in rota.shifts if (one.last_day is None or one.last_day >= today) and one.until is None}
        )
    )


def everybody(rota: Rota, zone: str, at: datetime) -> tuple[int, ...]:
    """Everybody who stands in the rota of a zone, on duty or not: by shifts not over and by changes in force."""
    today = at.astimezone(rota.time_zone).date()
    by_shift = [
        one.person_id
        for position in CHAIN
        for one in rota.shifts
        if one.zone == zone
        and one.position == position
        and one.until is None
        and (one.last_day is None or one.last_day >= today - DAY)
    ]
    by_change = [one.person_id for one in rota.changes if one.zone == zone and at in one.period]
    return tuple(dict.fromkeys([*by_shift, *by_change]))


def staff(rota: Rota, zones: Sequence[str], at: datetime) -> dict[str, tuple[int, ...]]:
    """Who is called in each position for something in a zone. `zones`: that zone, then those that stand in for it.

    The first zone that has anybody on duty in a position counts; everybody is in the rota of any of them.
    """
    on_watch = {
        str(position): next((people for zone in zones if (people := on_duty(rota, zone, position, at))), ())
        for position in CHAIN
    }
    return {**on_watch, EVERYBODY: tuple(dict.fromkeys(one for zone in zones for one in everybody(rota, zone, at)))}
