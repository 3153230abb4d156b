"""How the escalation of an incident stands, for people: who was called when, what came of it, who is next and when."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field
from sqlalchemy import Connection, Row, select, text

from models.alert import NAR
from models.tables.duty import escalations
from models.tables.incidents import incidents
from services.duty.rota import staff
from services.duty.rota_rows import people_of, read_rota, read_zones
from services.notices.escalation.engine import Run, must_answer, next_step
from services.notices.escalation.rows import calls_of, orders_of, read_steps

MAX_CALLS = 500
"""Calls of a run that are shown, the newest first; the last step repeats for as long as nobody answers."""
PositionName = Annotated[str, Field(description="operator, second, chief or everybody", examples=["chief"])]


@dataclass(frozen=True, slots=True, kw_only=True)
class CallMade:
    """One call. `name`: null where nobody had the position. `told_at`: when a channel took the message."""

    step: Annotated[int, Field(description="From 0; grows on where the last step is repeated", examples=[1])]
    position: PositionName
    name: Annotated[str | None, Field(examples=["Bruno Díaz"])]
    called_at: datetime
    told_at: Annotated[datetime | None, Field(description="A channel took it: that proves nothing about the person")]
    channels: Annotated[tuple[str, ...], Field(description="The channels that were tried", examples=[["sms"]])]
    unreached: Annotated[
        Literal["nobody", "no_channel", "failed"] | None, Field(description="Why the call reached nobody")
    ]
    answered_at: Annotated[datetime | None, Field(description="When the person acknowledged or answered")]


@dataclass(frozen=True, slots=True, kw_only=True)
class NextCall:
    """The step that comes next while nobody answers, at the latest."""

    position: PositionName
    at: datetime
    names: Annotated[tuple[str, ...], Field(description="Who has the position now")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """The newest escalation of an incident."""

    incident_id: Annotated[int, Field(examples=[7])]
    run: Annotated[int, Field(description="From 1: an incident that asks again is escalated again", examples=[1])]
    nar: Annotated[int, Field(ge=0, le=3, description="The colour that asks", examples=[3])]
    reason: Annotated[Literal["asks", "graver", "again"], Field(description="Why it began")]
    started_at: datetime
    ended_at: datetime | None
    ended_because: Annotated[Literal["answered", "over", "graver"] | None, Field(description="Why it ended")]
    calls: Annotated[tuple[CallMade, ...], Field(description="The newest first")]
    next: Annotated[NextCall | None, Field(description="Null where it ended")]
    must_answer: Annotated[
        tuple[str, ...], Field(description="Who was called in a step that asks all to answer, and has not")
    ]


def progress_of(transaction: Connection, incident: int, now: datetime) -> Progress | None:
    """How the newest escalation of an incident stands; None where there was none."""
    row = transaction.execute(
        select(escalations, incidents.c.area)
        .join(incidents, incidents.c.id == escalations.c.incident_id)
        .where(escalations.c.incident_id == incident)
        .order_by(escalations.c.run.desc())
        .limit(1)
    ).one_or_none()
    if row is None:
        return None
    run = Run(NAR(row.nar), row.started_at, row.answered_at, calls_of(transaction, [row.id]).get(row.id, []))
    run = replace(run, orders=orders_of(transaction, [row.id]).get(row.id, []))
    rota, zones = read_rota(transaction, now), read_zones(transaction)
    steps = read_steps(transaction).of(zones.of(row.area), run.nar)
    waiting = [] if row.ended_at is not None else must_answer(run, steps)
    following, people = next_step(steps, run, now), staff(rota, zones.of(row.area), now)
    coming = people.get(following.position, ())
    names = {number: one.name for number, one in people_of(transaction, {*coming, *waiting}).items()}
    return Progress(
        incident_id=incident,
        run=row.run,
        nar=row.nar,
        reason=row.reason,
        started_at=row.started_at,
        ended_at=row.ended_at,
        ended_because=row.ended_because,
        calls=tuple(map(_call, transaction.execute(text(_CALLS), {"run": row.id, "most": MAX_CALLS}))),
        next=None
        if row.ended_at is not None
        else NextCall(position=following.position, at=following.at, names=tuple(names[one] for one in coming)),
        must_answer=tuple(names[one] for one in waiting),
    )


_CALLS = """
SELECT c.step, c.position, p.name, c.called_at, n.sent_at AS told_at, c.unreached_why, c.answered_at,
  coalesce(array_agg(d.channel ORDER BY d.first_at) FILTER (WHERE d.channel IS NOT NULL), '{}') AS channels
FROM escalation_calls c LEFT JOIN people p ON p.id = c.person_id
LEFT JOIN notices n ON (n.escalation_id, n.step, n.person_id) = (c.escalation_id, c.step, c.person_id)
LEFT JOIN notice_deliveries d ON d.notice_id = n.id
WHERE c.escalation_id = :run GROUP BY c.id, p.name, n.sent_at ORDER BY c.id DESC LIMIT :most
"""


def _call(row: Row[Any]) -> CallMade:
    return CallMade(
        step=row.step,
        position=row.position,
        name=row.name,
        called_at=row.called_at,
        told_at=row.told_at,
        channels=tuple(dict.fromkeys(row.channels)),
        unreached=row.unreached_why,
        answered_at=row.answered_at,
    )
