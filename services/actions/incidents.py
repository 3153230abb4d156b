"""Actions on an incident and on its alerts together: as they were seen. In the caller's transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, func, select

from alerts import incident_log
from models.tables.alerts import alert_actions, alerts
from models.tables.incidents import incidents
from services.actions.alerts import acknowledge, lower, withdraw
from services.actions.log import log_on_incident, require_reason
from services.actions.refusals import (
    AlertNotAcknowledged,
    IncidentAlreadyAcknowledged,
    IncidentChanged,
    IncidentClosed,
    JustEscalated,
    NoSuchIncident,
    NothingToConfirm,
)

MAX_SEEN = 500
"""Alerts of an incident that are acknowledged together."""
ESCALATE_AGAIN_AFTER = timedelta(seconds=10)
"""A second order to escalate within this time is a button pressed twice."""


@dataclass(frozen=True, slots=True)
class Seen:
    """An alert as an operator saw it in its incident: its number and its colour then."""

    alert_id: int
    nar: int


def acknowledge_incident(
    transaction: Connection, incident: int, seen: Sequence[Seen], *, operator: str, note: str, now: datetime
) -> list[int]:
    """Acknowledge the open alerts of an incident as they were seen; returns the numbers of those acknowledged now.

    One that was not seen, or is graver than it was, still asks to be acknowledged. Raises NoSuchIncident, and
    IncidentChanged or IncidentAlreadyAcknowledged where nothing could be acknowledged.
    """
    if not incident_log.lock(transaction, incident):
        raise NoSuchIncident
    colours = {one.alert_id: one.nar for one in seen}
    waiting = _open_alerts(transaction, incident, alerts.c.acknowledged_at.is_(None))
    as_seen = [one for one in waiting if one.nar <= colours.get(one.id, -1)]
    for one in as_seen:
        acknowledge(transaction, one.id, operator=operator, note=note, version=one.version, now=now)
    if not as_seen:
        raise IncidentChanged if waiting else IncidentAlreadyAcknowledged
    return [one.id for one in as_seen]


def withdraw_incident(transaction: Connection, incident: int, *, operator: str, note: str, now: datetime) -> list[int]:
    """Take back the last acknowledgement of an incident, of all alerts that it answered; returns their numbers.

    note: the reason. What others acknowledged before stays. Raises ReasonMissing, NoSuchIncident, and
    AlertNotAcknowledged where none is acknowledged.
    """
    reason = require_reason(note)
    _lock(transaction, incident)
    acknowledged = _open_alerts(transaction, incident, alerts.c.acknowledged_at.is_not(None))
    last = max((one.acknowledged_at for one in acknowledged), default=None)
    acknowledged = [one for one in acknowledged if one.acknowledged_at == last]
    for one in acknowledged:
        withdraw(transaction, one.id, operator=operator, note=reason, version=one.version, now=now)
    if not acknowledged:
        raise AlertNotAcknowledged
    return [one.id for one in acknowledged]


def lower_incident(
    transaction: Connection, incident: int, seen: Sequence[Seen], *, operator: str, note: str, now: datetime
) -> list[int]:
    """Confirm the lower colours that are proposed for alerts of an incident; returns the numbers of these alerts.

    seen: the proposed colours as they were seen. One that proposes a graver colour now stays. Raises NoSuchIncident,
    and NothingToConfirm where nothing is left.
    """
    _lock(transaction, incident)
    colours = {one.alert_id: one.nar for one in seen}
    proposed = _open_alerts(transaction, incident, alerts.c.nar > alerts.c.rule_nar)
    as_seen = [one for one in proposed if one.rule_nar <= colours.get(one.id, -1)]
    for one in as_seen:
        lower(transaction, one.id, operator=operator, note=note, version=one.version, now=now)
    if not as_seen:
        raise NothingToConfirm
    return [one.id for one in as_seen]


def escalate(transaction: Connection, incident: int, *, operator: str, note: str, now: datetime) -> None:
    """Order that the next step of the escalation is told of an incident now, whatever its time.

    Raises NoSuchIncident, IncidentClosed, and JustEscalated within ESCALATE_AGAIN_AFTER.
    """
    _require_open(transaction, incident)
    last = transaction.execute(
        select(func.max(alert_actions.c.at)).where(
            alert_actions.c.incident_id == incident, alert_actions.c.action == "escalate"
        )
    ).scalar_one()
    if last is not None and now - last < ESCALATE_AGAIN_AFTER:
        raise JustEscalated
    log_on_incident(transaction, incident, _shown_nar(transaction, incident), "escalate", operator, note, now)


def answer(transaction: Connection, incident: int, *, operator: str, note: str, now: datetime) -> None:
    """Say that this person knows of an incident. It acknowledges no alert. Raises NoSuchIncident, IncidentClosed."""
    _require_open(transaction, incident)
    log_on_incident(transaction, incident, _shown_nar(transaction, incident), "answer", operator, note, now)


def _lock(transaction: Connection, incident: int) -> None:
    if not incident_log.lock(transaction, incident):
        raise NoSuchIncident


def _require_open(transaction: Connection, incident: int) -> None:
    _lock(transaction, incident)
    if transaction.execute(select(incidents.c.state).where(incidents.c.id == incident)).scalar_one() == "closed":
        raise IncidentClosed


def _open_alerts(transaction: Connection, incident: int, condition: ColumnElement[bool]) -> Sequence[Row[Any]]:
    """The open alerts of a locked incident for which this holds, locked."""
    return transaction.execute(
        select(alerts)
        .where(alerts.c.incident_id == incident, alerts.c.state != "closed", condition)
        .order_by(alerts.c.id)
        .with_for_update()
    ).all()


def _shown_nar(transaction: Connection, incident: int) -> int:
    """The worst colour that the open alerts of an incident show."""
    shown = select(func.max(alerts.c.nar)).where(alerts.c.incident_id == incident, alerts.c.state != "closed")
    return int(transaction.execute(shown).scalar_one() or 0)
