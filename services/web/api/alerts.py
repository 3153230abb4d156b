"""API routes of alerts: lists, one alert, actions of operators, and transitions."""

from dataclasses import replace
from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection

from models.tables.erasures import MAX_REASON_CHARS
from services import actions
from services.queries.alerts import alerts as queries
from services.queries.alerts.alerts import Alert, AlertFilter, AlertState, AlertStory, Move
from services.queries.watch.levels import levels_now
from services.runtime.audience import Audience
from services.web.access import PUBLIC, Operator, ReadBy
from services.web.api.paging import Page, Paged
from services.web.api.parameters import Kind, Municipality, Number, Since, Station
from services.web.context import DatabaseSnapshot, Now, Transaction
from services.web.routes import PreparedRoute

router = APIRouter(tags=["alerts"], route_class=PreparedRoute)

StateFilter = Annotated[AlertState | Literal["open"] | None, Query(description="open: not closed")]
MinNar = Annotated[int | None, Query(ge=0, le=3, description="This level or above: 0 verde .. 3 rojo")]


class Note(BaseModel):
    """A note of an operator."""

    model_config = ConfigDict(extra="forbid")

    note: str = Field(min_length=1, max_length=actions.MAX_NOTE_CHARS, pattern=r"\S", examples=["Cuadrilla en camino."])


class AlertAction(BaseModel):
    """An action on an alert, at the version that the operator saw."""

    model_config = ConfigDict(extra="forbid")

    version: int = Field(ge=1, le=2**31 - 1, description="The alert's version when it was seen", examples=[3])
    note: str = Field(default="", max_length=actions.MAX_NOTE_CHARS, examples=["Cuadrilla en camino."])


class AlertDecision(BaseModel):
    """An action on an alert that needs a reason, at the version that the operator saw."""

    model_config = ConfigDict(extra="forbid")

    version: int = Field(ge=1, le=2**31 - 1, description="The alert's version when it was seen", examples=[3])
    note: str = Field(
        min_length=1, max_length=actions.MAX_NOTE_CHARS, pattern=r"\S", description="The reason", examples=["Era otra."]
    )


class Shelving(AlertDecision):
    """For how long an alert is put aside, and why."""

    minutes: int = Field(ge=1, le=actions.MAX_SHELF_MIN, examples=[240])


class Redaction(BaseModel):
    """Why a note is redacted."""

    model_config = ConfigDict(extra="forbid")

    reason: str = Field(min_length=1, max_length=MAX_REASON_CHARS, pattern=r"\S", examples=["Nombraba a una vecina."])


def _alert_filter(
    state: StateFilter = None,
    least_nar: MinNar = None,
    kind: Kind = None,
    station: Station = None,
    municipality: Municipality = None,
    since: Since = None,
) -> AlertFilter:
    return AlertFilter(
        state=state, least_nar=least_nar, kind=kind, station=station, municipality=municipality, since=since
    )


@router.get("/alerts", dependencies=[PUBLIC])
def alerts(
    snapshot: DatabaseSnapshot,
    now: Now,
    audience: ReadBy,
    paged: Paged,
    criteria: Annotated[AlertFilter, Depends(_alert_filter)],
) -> Page[Alert]:
    """Alerts, the newest first; `since` looks at their last change."""
    found = queries.list_alerts(snapshot, criteria, audience, after=paged.cursor_number, limit=paged.fetch_limit)
    return paged.page(_with_levels(snapshot, now, found), lambda one: one.id)


@router.get("/alerts/{alert_id}", dependencies=[PUBLIC])
def alert(snapshot: DatabaseSnapshot, now: Now, audience: ReadBy, alert_id: Number) -> AlertStory:
    """An alert with its transitions and the actions of operators. The public sees roles, no names and no notes."""
    return _story(snapshot, now, alert_id, audience)


@router.post("/alerts/{alert_id}/acknowledge", operation_id="acknowledge_alert")
def acknowledge(
    operator: Operator, transaction: Transaction, now: Now, alert_id: Number, action: AlertAction
) -> AlertStory:
    """Acknowledge an alert. 409 where it changed since it was seen, or another operator was faster."""
    actions.acknowledge(transaction, alert_id, operator=operator, note=action.note, version=action.version, now=now)
    return _story(transaction, now, alert_id, Audience.OPERATORS)


@router.post("/alerts/{alert_id}/withdraw", operation_id="withdraw_acknowledgement")
def withdraw(
    operator: Operator, transaction: Transaction, now: Now, alert_id: Number, decision: AlertDecision
) -> AlertStory:
    """Take the acknowledgement back, anybody's: the alert asks again, and its escalation starts again."""
    actions.withdraw(transaction, alert_id, operator=operator, note=decision.note, version=decision.version, now=now)
    return _story(transaction, now, alert_id, Audience.OPERATORS)


@router.post("/alerts/{alert_id}/shelve", operation_id="shelve_alert")
def shelve(operator: Operator, transaction: Transaction, now: Now, alert_id: Number, shelving: Shelving) -> AlertStory:
    """Put an alert aside for a while: not announced, not escalated, in a list of its own. A graver level ends it.

    409 for rojo of a stream, of rain, or of a gauge lost in a flood.
    """
    actions.shelve(
        transaction,
        alert_id,
        operator=operator,
        note=shelving.note,
        minutes=shelving.minutes,
        version=shelving.version,
        now=now,
    )
    return _story(transaction, now, alert_id, Audience.OPERATORS)


@router.post("/alerts/{alert_id}/unshelve", operation_id="unshelve_alert")
def unshelve(
    operator: Operator, transaction: Transaction, now: Now, alert_id: Number, action: AlertAction
) -> AlertStory:
    """Take a shelved alert back at once."""
    actions.unshelve(transaction, alert_id, operator=operator, note=action.note, version=action.version, now=now)
    return _story(transaction, now, alert_id, Audience.OPERATORS)


@router.post("/alerts/{alert_id}/lower", operation_id="confirm_lower_level")
def lower(operator: Operator, transaction: Transaction, now: Now, alert_id: Number, action: AlertAction) -> AlertStory:
    """Confirm the lower level that the system proposes (`rule_nar` below `nar`). An alert that is over closes."""
    actions.lower(transaction, alert_id, operator=operator, note=action.note, version=action.version, now=now)
    return _story(transaction, now, alert_id, Audience.OPERATORS)


@router.post("/alerts/{alert_id}/comment", operation_id="comment_on_alert")
def comment(operator: Operator, transaction: Transaction, now: Now, alert_id: Number, note: Note) -> AlertStory:
    """Add a note to an alert, open or closed."""
    actions.comment(transaction, alert_id, operator=operator, note=note.note.strip(), now=now)
    return _story(transaction, now, alert_id, Audience.OPERATORS)


@router.post("/alerts/{alert_id}/close", operation_id="close_alert")
def close(operator: Operator, transaction: Transaction, now: Now, alert_id: Number, action: AlertAction) -> AlertStory:
    """Close an alert that its rule has cleared. 409 while the rule holds it, or where it changed since it was seen."""
    actions.close(transaction, alert_id, operator=operator, note=action.note, version=action.version, now=now)
    return _story(transaction, now, alert_id, Audience.OPERATORS)


@router.post("/alerts/{alert_id}/actions/{action_id}/redact", operation_id="redact_note")
def redact(
    operator: Operator, transaction: Transaction, now: Now, alert_id: Number, action_id: Number, redaction: Redaction
) -> AlertStory:
    """Erase the text of a note, for instance one that names a private person. Who asked, when and why stays."""
    actions.redact_note(
        transaction, action_id, operator=operator, reason=redaction.reason.strip(), now=now, alert_id=alert_id
    )
    return _story(transaction, now, alert_id, Audience.OPERATORS)


@router.get("/transitions", dependencies=[PUBLIC])
def transitions(snapshot: DatabaseSnapshot, paged: Paged, station: Station = None, since: Since = None) -> Page[Move]:
    """All changes of rule states with their evidence, the newest first."""
    rows = queries.list_transitions(
        snapshot, station=station, since=since, after=paged.cursor_number, limit=paged.fetch_limit
    )
    return paged.page(rows, lambda one: one.id)


def _with_levels(connection: Connection, now: datetime, found: list[Alert]) -> list[Alert]:
    """Add the current level of its stream to each alert that is not closed."""
    levels = levels_now(connection, now, [one.subject for one in found if one.state != "closed"])
    return [one if one.state == "closed" else replace(one, level_now=levels.get(one.subject)) for one in found]


def _story(connection: Connection, now: datetime, alert_id: int, audience: Audience) -> AlertStory:
    found = queries.one_alert(connection, alert_id, audience)
    if found is None:
        raise actions.NoSuchAlert
    (shown,) = _with_levels(connection, now, [found.alert])
    return replace(found, alert=shown)
