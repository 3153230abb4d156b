"""Routes of the page of the rota, and of the phone tree of an incident."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Form, Path, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import StringConstraints
from sqlalchemy import Connection

from services.actions import NoSuchIncident
from services.duty import changes, handover
from services.duty.changes import MAX_NOTE_CHARS, NewChange, Post, WrongPeriod
from services.duty.phone_tree import tick, tree_of_incident
from services.duty.rota import Period, Position
from services.duty.rota_rows import person_named
from services.queries.city.city import current_city
from services.web.access import Operator, Supervisor, Viewer
from services.web.context import DatabaseSnapshot, Now, Transaction
from services.web.pages.duty.duty_page import MAX_COMING, duty_page
from services.web.pages.incident import incident_page
from services.web.pages.rendering import PageRoute, Visitor, render_page

PAGE = "/guardia"
NO_NUL = r"^[^\x00]*$"

router = APIRouter(route_class=PageRoute, default_response_class=HTMLResponse, include_in_schema=False)

PostText = Annotated[str, StringConstraints(pattern=r"^(municipality|basin):[^\x00|]{1,100}\|(operator|second|chief)$")]
"""A position of a zone, as the form sends it: `municipality:laplata|chief`."""
PostField = Annotated[PostText, Form(alias="puesto")]
ZoneField = Annotated[str, Form(alias="zona", pattern=r"^(municipality|basin):[^\x00]{1,100}$")]
NoteField = Annotated[str, Form(alias="nota", max_length=MAX_NOTE_CHARS, pattern=NO_NUL)]
PersonField = Annotated[str, Form(alias="persona", min_length=1, max_length=60, pattern=NO_NUL)]
LocalTime = Annotated[str, StringConstraints(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d)?$")]
"""A wall time of the city, as `datetime-local` sends it."""
From = Annotated[LocalTime, Form(alias="desde")]
To = Annotated[LocalTime, Form(alias="hasta")]
Number = Annotated[int, Path(ge=1, le=2**63 - 1)]


@dataclass(frozen=True, slots=True)
class ChangeForm:
    """A form that asks for a change of the rota. Its times are wall times of the city."""

    post: PostField
    person: PersonField
    starts: From
    ends: To
    note: NoteField = ""

    def wanted(self, transaction: Connection) -> NewChange:
        """The change that it asks for. Raises WrongPeriod, NotAPerson."""
        zone = current_city(transaction).zone
        try:
            start, end = (datetime.fromisoformat(one).replace(tzinfo=zone) for one in (self.starts, self.ends))
        except ValueError:
            raise WrongPeriod from None
        return NewChange(
            _post(self.post), Period(start, end), person_named(transaction, self.person), self.note.strip()
        )


SentChange = Annotated[ChangeForm, Depends()]


@router.get(PAGE)
def duty(name: Viewer, visit: Visitor, snapshot: DatabaseSnapshot) -> HTMLResponse:
    """Who is on duty now and in the coming days, and what is wrong with the rota."""
    shown = duty_page(snapshot, name, visit.now)
    return render_page(visit, "duty/duty.html", page=shown, me=name, MAX_COMING=MAX_COMING)


@router.post(f"{PAGE}/tomar")
def take(name: Operator, transaction: Transaction, now: Now, post: PostField, note: NoteField = "") -> Response:
    """Take the watch at once."""
    changes.take_watch(transaction, _post(post), by=name, now=now, note=note.strip())
    return _back("ahora")


@router.post(f"{PAGE}/pedir")
def ask(name: Operator, transaction: Transaction, now: Now, form: SentChange) -> Response:
    """Ask another person to cover a part of one's own turn."""
    changes.ask_cover(transaction, form.wanted(transaction), by=name, now=now)
    return _back("cambios")


@router.post(f"{PAGE}/poner")
def order(name: Supervisor, transaction: Transaction, now: Now, form: SentChange) -> Response:
    """Put a person on duty for a period."""
    changes.order_change(transaction, form.wanted(transaction), by=name, now=now)
    return _back("cambios")


@router.post(f"{PAGE}/cambio/{{change_id}}/aceptar")
def accept(name: Operator, transaction: Transaction, now: Now, change_id: Number) -> Response:
    """Accept to cover a turn."""
    changes.accept_change(transaction, change_id, by=name, now=now)
    return _back("cambios")


@router.post(f"{PAGE}/cambio/{{change_id}}/retirar")
def withdraw(name: Operator, transaction: Transaction, now: Now, change_id: Number) -> Response:
    """Refuse what was asked, or take a change back."""
    changes.withdraw_change(transaction, change_id, by=name, now=now)
    return _back("cambios")


@router.post(f"{PAGE}/entregar")
def hand_over(name: Operator, transaction: Transaction, now: Now, zone: ZoneField, note: NoteField = "") -> Response:
    """Hand the watch over with a summary of what is open."""
    handover.hand_over(transaction, zone, by=name, note=note.strip(), now=now)
    return _back("entregas")


@router.post(f"{PAGE}/entrega/{{handover_id}}/recibir")
def take_over(name: Operator, transaction: Transaction, now: Now, handover_id: Number) -> Response:
    """Acknowledge the summary of a hand-over."""
    handover.acknowledge_handover(transaction, handover_id, by=name, now=now)
    return _back("entregas")


@router.get("/suceso/{incident_id}/telefonos")
def telephones(_name: Viewer, visit: Visitor, snapshot: DatabaseSnapshot, incident_id: Number) -> HTMLResponse:
    """The phone tree of an incident: what to say, whom to call in order, and what they answered."""
    entries = tree_of_incident(snapshot, incident_id)
    found = incident_page(snapshot, incident_id, visit.now, visit.audience)
    if entries is None or found is None:
        raise NoSuchIncident
    return render_page(visit, "duty/phone.html", entries=entries, line=found.line)


@router.post("/suceso/{incident_id}/telefonos/{entry_id}")
def ticked(
    name: Operator,
    transaction: Transaction,
    now: Now,
    incident_id: Number,
    entry_id: Number,
    answer: Annotated[Literal["answered", "no_answer"], Form(alias="contesto")],
    note: NoteField = "",
) -> Response:
    """Note what a telephone call was answered."""
    tick(transaction, incident_id, entry_id, answer, by=name, note=note.strip(), now=now)
    return RedirectResponse(f"/suceso/{incident_id}/telefonos#telefono-{entry_id}", 303)


def _post(post: str) -> Post:
    zone, _, position = post.rpartition("|")
    return Post(zone, Position(position))


def _back(part: str) -> Response:
    return RedirectResponse(f"{PAGE}#{part}", 303)
