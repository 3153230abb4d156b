"""Contents of the page of the rota: who is on duty, what is missing, what waits for this person, and hand-overs."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, select

from models.tables.people import people
from services.duty.handover import latest_handovers
from services.duty.overview import Duty, PendingChange, Watch, read_duty
from services.duty.rota_rows import read_zones

MAX_PEOPLE = 500
MAX_COMING = 24
"""Watches of the coming days on the page. The API gives all."""
MAX_HANDOVERS_SHOWN = 5


@dataclass(frozen=True, slots=True)
class DutyPage:
    """The rota as one person sees it.

    `own`: the person's coming turns; `asked`: what waits for their answer; `pending`: hand-overs nobody acknowledged.
    """

    duty: Duty
    zones: Sequence[tuple[str, str]]
    own: Sequence[Watch]
    asked: Sequence[PendingChange]
    others: Sequence[PendingChange]
    people: Sequence[tuple[str, str]]
    pending: Sequence[Row[Any]]
    taken: Sequence[Row[Any]]


def duty_page(transaction: Connection, name: str, now: datetime) -> DutyPage:
    """Read the page. `name`: who looks at it."""
    duty, zones = read_duty(transaction, now), read_zones(transaction)
    handovers = latest_handovers(transaction)
    asked = [one for one in duty.changes if one.person == name and not one.accepted]
    return DutyPage(
        duty=duty,
        zones=[(zone, zones.name_of(zone)) for zone in zones.all],
        own=[watch for watch in duty.watches if any(one.name == name for one in watch.people)],
        asked=asked,
        others=[one for one in duty.changes if one not in asked],
        people=[
            (row.login, row.name)
            for row in transaction.execute(
                select(people.c.login, people.c.name)
                .where(people.c.disabled_at.is_(None))
                .order_by(people.c.name)
                .limit(MAX_PEOPLE)
            )
        ],
        pending=[one for one in handovers if one.acknowledged_at is None],
        taken=[one for one in handovers if one.acknowledged_at is not None][:MAX_HANDOVERS_SHOWN],
    )
