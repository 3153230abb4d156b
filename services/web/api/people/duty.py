"""API routes of the rota and of escalation: who is on duty, changes, hand-overs, who was called, the phone tree."""

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from sqlalchemy import Connection

from services.actions import NoSuchIncident
from services.duty import changes, handover
from services.duty.changes import MAX_NOTE_CHARS, NewChange, Post
from services.duty.overview import Duty, read_duty
from services.duty.phone_tree import tick, tree_of_incident
from services.duty.rota import Period, Position
from services.duty.rota_rows import person_named
from services.notices.escalation.progress import Progress, progress_of
from services.runtime.problem import NotFound
from services.web.access import Operator, Supervisor, Viewer
from services.web.api.parameters import Number
from services.web.context import DatabaseSnapshot, Now, Transaction

router = APIRouter(tags=["duty"])

NO_NUL = r"^[^\x00]*$"
ZoneText = Annotated[str, Field(pattern=r"^(municipality|basin):[^\x00]{1,100}$", examples=["municipality:laplata"])]
NoteText = Annotated[str, Field(max_length=MAX_NOTE_CHARS, pattern=NO_NUL)]
PersonText = Annotated[str, Field(min_length=1, max_length=60, pattern=NO_NUL, examples=["bruno"])]


class NoEscalation(NotFound):
    """Ese suceso no se escaló. / That incident was not escalated."""


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class DutyPost(_Body):
    """A position of a zone."""

    zone: ZoneText
    position: Position
    note: NoteText = ""


class CoverRequest(DutyPost):
    """A period of one's own turn, and who is asked to cover it."""

    person: Annotated[PersonText, Field(description="Login or name of who is asked")]
    starts_at: AwareDatetime
    ends_at: AwareDatetime


class HandoverNote(_Body):
    """What the one who comes on must know, besides the summary."""

    zone: ZoneText
    note: NoteText = ""


class Handover(BaseModel):
    """A watch that was handed over. `summary`: what was open then."""

    id: Annotated[int, Field(examples=[7])]
    zone: str
    given_at: datetime
    given_by: str
    note: str
    summary: dict[str, Any]
    acknowledged_at: datetime | None
    acknowledged_by: str | None


class PhoneCall(BaseModel):
    """A telephone call that was made."""

    at: datetime
    by: str
    answer: str
    note: str


class PhoneEntry(BaseModel):
    """Whom to telephone, in order, with the calls made for this incident."""

    id: Annotated[int, Field(examples=[3])]
    name: str
    function: str
    number: str
    calls: list[PhoneCall]


class PhoneAnswer(_Body):
    """What a telephone call was answered."""

    entry_id: int = Field(ge=1, le=2**63 - 1, examples=[3])
    answer: Literal["answered", "no_answer"]
    note: NoteText = ""


@router.get("/duty")
def duty(_name: Viewer, snapshot: DatabaseSnapshot, now: Now) -> Duty:
    """Who is on duty now and in the next 14 days, where nobody is, and whom no tested channel reaches."""
    return read_duty(snapshot, now)


@router.post("/duty/take", operation_id="take_watch")
def take(name: Operator, transaction: Transaction, now: Now, post: DutyPost) -> Duty:
    """Take the watch at once, to the end of the turn that is under way."""
    changes.take_watch(transaction, Post(post.zone, post.position), by=name, now=now, note=post.note)
    return read_duty(transaction, now)


@router.post("/duty/covers", operation_id="ask_cover")
def ask(name: Operator, transaction: Transaction, now: Now, request: CoverRequest) -> Duty:
    """Ask another person to cover a part of one's own turn. Nothing changes until they accept."""
    changes.ask_cover(transaction, _wanted(transaction, request), by=name, now=now)
    return read_duty(transaction, now)


@router.post("/duty/changes", operation_id="order_change")
def order(name: Supervisor, transaction: Transaction, now: Now, request: CoverRequest) -> Duty:
    """Put a person on duty for a period, instead of whoever is."""
    changes.order_change(transaction, _wanted(transaction, request), by=name, now=now)
    return read_duty(transaction, now)


@router.post("/duty/changes/{change_id}/accept", operation_id="accept_change")
def accept(name: Operator, transaction: Transaction, now: Now, change_id: Number) -> Duty:
    """Accept to cover a turn."""
    changes.accept_change(transaction, change_id, by=name, now=now)
    return read_duty(transaction, now)


@router.post("/duty/changes/{change_id}/withdraw", operation_id="withdraw_change")
def withdraw(name: Operator, transaction: Transaction, now: Now, change_id: Number) -> Duty:
    """Refuse what was asked, or take a change back: the rota is as before."""
    changes.withdraw_change(transaction, change_id, by=name, now=now)
    return read_duty(transaction, now)


@router.get("/duty/handovers", operation_id="handovers")
def handovers(_name: Viewer, snapshot: DatabaseSnapshot) -> list[Handover]:
    """The newest hand-overs of the watch."""
    return [Handover(**row._mapping) for row in handover.latest_handovers(snapshot)]


@router.post("/duty/handovers", operation_id="hand_over")
def hand_over(name: Operator, transaction: Transaction, now: Now, given: HandoverNote) -> list[Handover]:
    """Hand the watch over, with a summary of what is open now."""
    handover.hand_over(transaction, given.zone, by=name, note=given.note, now=now)
    return handovers(name, transaction)


@router.post("/duty/handovers/{handover_id}/acknowledge", operation_id="acknowledge_handover")
def take_over(name: Operator, transaction: Transaction, now: Now, handover_id: Number) -> list[Handover]:
    """Acknowledge that the summary was read."""
    handover.acknowledge_handover(transaction, handover_id, by=name, now=now)
    return handovers(name, transaction)


@router.get("/incidents/{incident_id}/escalation", operation_id="escalation")
def escalation(_name: Viewer, snapshot: DatabaseSnapshot, now: Now, incident_id: Number) -> Progress:
    """Who was called for an incident, when, by which channel, what came of it, and who is next."""
    return _progress(snapshot, incident_id, now)


@router.get("/incidents/{incident_id}/phone-tree", operation_id="phone_tree")
def phone_tree(_name: Viewer, snapshot: DatabaseSnapshot, incident_id: Number) -> list[PhoneEntry]:
    """Whom to telephone for an incident, in order, and what they answered."""
    return _tree(snapshot, incident_id)


@router.post("/incidents/{incident_id}/phone-tree", operation_id="tick_phone_tree")
def tick_phone_tree(
    name: Operator, transaction: Transaction, now: Now, incident_id: Number, call: PhoneAnswer
) -> list[PhoneEntry]:
    """Note what a telephone call was answered."""
    tick(transaction, incident_id, call.entry_id, call.answer, by=name, note=call.note, now=now)
    return _tree(transaction, incident_id)


def _wanted(transaction: Connection, request: CoverRequest) -> NewChange:
    post, period = Post(request.zone, request.position), Period(request.starts_at, request.ends_at)
    return NewChange(post, period, person_named(transaction, request.person), request.note)


def _progress(connection: Connection, incident: int, now: datetime) -> Progress:
    found = progress_of(connection, incident, now)
    if found is None:
        raise NoEscalation
    return found


def _tree(connection: Connection, incident: int) -> list[PhoneEntry]:
    entries = tree_of_incident(connection, incident)
    if entries is None:
        raise NoSuchIncident
    return [
        PhoneEntry(
            id=one.id,
            name=one.name,
            function=one.function,
            number=one.number,
            calls=[PhoneCall(at=call.at, by=call.by, answer=call.answer, note=call.note) for call in one.calls],
        )
        for one in entries
    ]
