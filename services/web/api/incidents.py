"""API routes of incidents: lists, one incident, and acknowledging its alerts together."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection

from services import actions
from services.actions import MAX_NOTE_CHARS, MAX_SEEN, NoSuchIncident, Seen
from services.queries.alerts import incidents as queries
from services.queries.alerts.alerts import Action
from services.queries.alerts.incidents import Incident, IncidentState
from services.queries.watch.levels import current_levels
from services.web.access import PUBLIC, Operator, ReadBy
from services.web.api.paging import Page, Paged
from services.web.api.parameters import Number
from services.web.context import DatabaseSnapshot, Now, Transaction
from services.web.routes import PreparedRoute

router = APIRouter(tags=["alerts"], route_class=PreparedRoute)


class SeenAlert(BaseModel):
    """An alert of the incident as it was seen."""

    model_config = ConfigDict(extra="forbid")

    alert_id: int = Field(ge=1, le=2**63 - 1, examples=[7])
    nar: int = Field(ge=0, le=3, description="The colour that it held when it was seen", examples=[2])


class IncidentAcknowledgement(BaseModel):
    """The alerts that the operator saw. A graver or new one still asks to be acknowledged."""

    model_config = ConfigDict(extra="forbid")

    seen: list[SeenAlert] = Field(min_length=1, max_length=MAX_SEEN)
    note: str = Field(default="", max_length=MAX_NOTE_CHARS, examples=["Cuadrilla en camino."])


class IncidentReason(BaseModel):
    """Why an action is taken on an incident."""

    model_config = ConfigDict(extra="forbid")

    note: str = Field(min_length=1, max_length=MAX_NOTE_CHARS, pattern=r"\S", examples=["Era la otra cuenca."])


class IncidentNote(BaseModel):
    """An action on an incident, with or without a note."""

    model_config = ConfigDict(extra="forbid")

    note: str = Field(default="", max_length=MAX_NOTE_CHARS, examples=["Voy en camino."])


StateFilter = Annotated[IncidentState | None, Query(description="Only these")]


@router.get("/incidents", dependencies=[PUBLIC])
def incidents(snapshot: DatabaseSnapshot, now: Now, paged: Paged, state: StateFilter = None) -> Page[Incident]:
    """Incidents (sucesos), the newest first: alerts of one hazard, one area and one time."""
    found = queries.list_incidents(
        snapshot, current_levels(snapshot, now), state=state, after=paged.cursor_number, limit=paged.fetch_limit
    )
    return paged.page(found, lambda one: one.id)


@router.get("/incidents/{incident_id}", dependencies=[PUBLIC])
def incident(snapshot: DatabaseSnapshot, now: Now, incident_id: Number) -> Incident:
    """An incident with its alerts, and why each belongs to it."""
    return _found(snapshot, now, incident_id)


@router.post("/incidents/{incident_id}/acknowledge", operation_id="acknowledge_incident")
def acknowledge(
    operator: Operator, transaction: Transaction, now: Now, incident_id: Number, seen: IncidentAcknowledgement
) -> Incident:
    """Acknowledge its alerts as they were seen. 409 where all of them changed since, or others were faster."""
    members = [Seen(one.alert_id, one.nar) for one in seen.seen]
    actions.acknowledge_incident(transaction, incident_id, members, operator=operator, note=seen.note, now=now)
    return _found(transaction, now, incident_id)


@router.post("/incidents/{incident_id}/withdraw", operation_id="withdraw_incident_acknowledgement")
def withdraw(
    operator: Operator, transaction: Transaction, now: Now, incident_id: Number, reason: IncidentReason
) -> Incident:
    """Take back its last acknowledgement, anybody's: the alerts that it answered ask again. 409 without one."""
    actions.withdraw_incident(transaction, incident_id, operator=operator, note=reason.note, now=now)
    return _found(transaction, now, incident_id)


@router.post("/incidents/{incident_id}/lower", operation_id="confirm_lower_levels")
def lower(
    operator: Operator, transaction: Transaction, now: Now, incident_id: Number, seen: IncidentAcknowledgement
) -> Incident:
    """Confirm the lower levels that are proposed for its alerts, where each is still at most the one that was seen.

    `nar` of each alert: the proposed level, its `rule_nar`. 409 where none is left.
    """
    members = [Seen(one.alert_id, one.nar) for one in seen.seen]
    actions.lower_incident(transaction, incident_id, members, operator=operator, note=seen.note, now=now)
    return _found(transaction, now, incident_id)


@router.post("/incidents/{incident_id}/escalate", operation_id="escalate_incident")
def escalate(
    operator: Operator, transaction: Transaction, now: Now, incident_id: Number, note: IncidentNote
) -> Incident:
    """Call the next step of the escalation now, whatever its time."""
    actions.escalate(transaction, incident_id, operator=operator, note=note.note, now=now)
    return _found(transaction, now, incident_id)


@router.post("/incidents/{incident_id}/answer", operation_id="answer_incident")
def answer(operator: Operator, transaction: Transaction, now: Now, incident_id: Number, note: IncidentNote) -> Incident:
    """Say that this person knows of it, for a step that asks all to answer. It acknowledges no alert."""
    actions.answer(transaction, incident_id, operator=operator, note=note.note, now=now)
    return _found(transaction, now, incident_id)


@router.get("/incidents/{incident_id}/actions", dependencies=[PUBLIC])
def incident_actions(snapshot: DatabaseSnapshot, now: Now, audience: ReadBy, incident_id: Number) -> list[Action]:
    """What people and rules did about an incident and its alerts, oldest first. The public sees roles and no notes."""
    _found(snapshot, now, incident_id)
    return queries.incident_actions(snapshot, incident_id, audience)


def _found(connection: Connection, now: Now, incident_id: int) -> Incident:
    found = queries.one_incident(connection, incident_id, current_levels(connection, now))
    if found is None:
        raise NoSuchIncident
    return found
