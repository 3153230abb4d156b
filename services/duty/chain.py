"""What is wrong with the chain before a storm: periods without anybody, and people whom no tested channel reaches."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, select, true

from models.alert import WEB_PUSH
from models.tables.people import people, person_channels
from services.duty.rota import Gap, Period, Rota, gaps
from services.duty.rota_rows import Person, people_of, read_rota, read_zones

AHEAD = timedelta(days=14)
"""How far ahead gaps are reported."""


@dataclass(frozen=True, slots=True)
class ChainCheck:
    """What was found. `is_empty`: nobody stands in the rota, so that nothing is expected of it."""

    gaps: Sequence[Gap]
    untested: Sequence[Person]
    is_empty: bool


def check_chain(transaction: Connection, now: datetime, ahead: timedelta = AHEAD) -> ChainCheck:
    """The gaps of the rota from now on, and the people in it whom no tested channel reaches, by name."""
    rota = read_rota(transaction, now)
    return ChainCheck(
        gaps=gaps(rota, read_zones(transaction).city, Period(now, now + ahead)) if rota.shifts else [],
        untested=untested_people(transaction, rota),
        is_empty=not rota.shifts,
    )


def untested_people(transaction: Connection, rota: Rota) -> list[Person]:
    """The people of the rota whom no tested channel reaches, by name."""
    found = people_of(transaction, without_tested_channel(transaction, rota.people))
    return sorted(found.values(), key=lambda person: person.name)


def without_tested_channel(transaction: Connection, person_ids: Iterable[int], *, exercise: bool = False) -> set[int]:
    """Those of these people whom no tested channel reaches. Web push counts for nothing: it may stop at any time.

    exercise: only channels that are told of exercises count.
    """
    wanted = set(person_ids)
    if not wanted:
        return set()
    reached = transaction.execute(
        select(person_channels.c.person_id)
        .join(people, people.c.id == person_channels.c.person_id)
        .where(
            person_channels.c.person_id.in_(wanted),
            person_channels.c.ended_at.is_(None),
            person_channels.c.tested_at.is_not(None),
            person_channels.c.channel != WEB_PUSH,
            people.c.disabled_at.is_(None),
            person_channels.c.told_of_exercises if exercise else true(),
        )
    ).scalars()
    return wanted - set(reached)
