"""Forms of the life of alerts and incidents: acknowledgement taken back, shelf, lower colour, escalation, answer.

Each form leads back to the page from which it was sent.
"""

from typing import Annotated

from fastapi import APIRouter, Form, Response
from fastapi.responses import HTMLResponse

from services import actions
from services.actions import MAX_SEEN, MAX_SHELF_MIN, Seen
from services.web.pages.forms import ActionId, Reason, SeenAlert, SentAlertForm, SentIncidentForm, Version
from services.web.pages.rendering import PageRoute

router = APIRouter(route_class=PageRoute, default_response_class=HTMLResponse, include_in_schema=False)

ShelfMinutes = Annotated[int, Form(ge=1, le=MAX_SHELF_MIN)]


@router.post("/alerta/{alert_id}/retirar")
def withdraw(form: SentAlertForm, version: Version) -> Response:
    """Take the acknowledgement of an alert back. The note is the reason."""
    actions.withdraw(
        form.transaction, form.alert_id, operator=form.operator, note=form.note_text, version=version, now=form.now
    )
    return form.redirect_back()


@router.post("/alerta/{alert_id}/apartar")
def shelve(form: SentAlertForm, version: Version, minutes: ShelfMinutes) -> Response:
    """Put an alert aside for a while. The note is the reason."""
    actions.shelve(
        form.transaction,
        form.alert_id,
        operator=form.operator,
        note=form.note_text,
        minutes=minutes,
        version=version,
        now=form.now,
    )
    return form.redirect_back()


@router.post("/alerta/{alert_id}/traer")
def unshelve(form: SentAlertForm, version: Version) -> Response:
    """Take a shelved alert back."""
    actions.unshelve(
        form.transaction, form.alert_id, operator=form.operator, note=form.note_text, version=version, now=form.now
    )
    return form.redirect_back()


@router.post("/alerta/{alert_id}/bajar")
def lower(form: SentAlertForm, version: Version) -> Response:
    """Confirm the lower colour that is proposed for an alert."""
    actions.lower(
        form.transaction, form.alert_id, operator=form.operator, note=form.note_text, version=version, now=form.now
    )
    return form.redirect_back()


@router.post("/suceso/{incident_id}/retirar")
def withdraw_incident(form: SentIncidentForm) -> Response:
    """Take back the acknowledgements of all alerts of an incident. The note is the reason."""
    actions.withdraw_incident(
        form.transaction, form.incident_id, operator=form.operator, note=form.note_text, now=form.now
    )
    return form.redirect_back()


@router.post("/suceso/{incident_id}/bajar")
def lower_incident(form: SentIncidentForm, seen: Annotated[list[SeenAlert], Form(max_length=MAX_SEEN)]) -> Response:
    """Confirm the lower colours that are proposed for the alerts of an incident, as they were seen."""
    members = [Seen(*map(int, one.split(":"))) for one in seen]
    actions.lower_incident(
        form.transaction, form.incident_id, members, operator=form.operator, note=form.note_text, now=form.now
    )
    return form.redirect_back()


@router.post("/suceso/{incident_id}/escalar")
def escalate(form: SentIncidentForm) -> Response:
    """Call the next step of an incident's escalation now."""
    actions.escalate(form.transaction, form.incident_id, operator=form.operator, note=form.note_text, now=form.now)
    return form.redirect_back()


@router.post("/suceso/{incident_id}/recibido")
def answer(form: SentIncidentForm) -> Response:
    """Say that this person knows of an incident."""
    actions.answer(form.transaction, form.incident_id, operator=form.operator, note=form.note_text, now=form.now)
    return form.redirect_back()


@router.post("/suceso/{incident_id}/quitar-nota")
def redact(form: SentIncidentForm, action: ActionId, reason: Reason) -> Response:
    """Redact the note of an action on an incident."""
    actions.redact_note(
        form.transaction,
        action,
        operator=form.operator,
        reason=reason.strip(),
        now=form.now,
        incident_id=form.incident_id,
    )
    return form.redirect_back()
