"""The row and the live event of an action, and checks that actions share. In the caller's transaction."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, select, update
from sqlalchemy.sql.dml import ReturningUpdate

from alerts import incident_log
from alerts.action_log import ActedOn, log_alert_action, log_incident_action
from models.tables.alerts import alerts
from services.actions.refusals import AlertAlreadyClosed, AlertChanged, NoSuchAlert, ReasonMissing, UnwritableNote

MAX_NOTE_CHARS = 2_000
ENDED_WITH_ALERT = ("waiting_since", "waiting_because", "shelved_until", "shelved_by", "shelved_nar", "flapping_since")
"""Columns that are null in an alert that is closed."""


def lock_incident(transaction: Connection, alert_id: int) -> int | None:
    """Lock the incident of an alert; None where it has none."""
    incident = transaction.execute(select(alerts.c.incident_id).where(alerts.c.id == alert_id)).scalar_one_or_none()
    if incident is not None:
        incident_log.lock(transaction, incident)
    return incident


def update_unchanged(alert_id: int, version: int) -> ReturningUpdate[Any]:
    """The update of an open alert that is at this version; it changes no row where the alert is at another."""
    return (
        update(alerts)
        .where(alerts.c.id == alert_id, alerts.c.version == version, alerts.c.state != "closed")
        .returning(*alerts.c)
    )


def change_unchanged(transaction: Connection, alert_id: int, version: int, **values: object) -> Row[Any]:
    """Set columns of an open alert at this version, and count the version up. Raises AlertChanged."""
    statement = update_unchanged(alert_id, version).values(**values, version=alerts.c.version + 1)
    changed = transaction.execute(statement).one_or_none()
    if changed is None:
        raise AlertChanged
    return changed


def require_open(transaction: Connection, alert_id: int) -> Row[Any]:
    """The current row of an open alert. Raises NoSuchAlert, AlertAlreadyClosed."""
    alert = transaction.execute(select(alerts).where(alerts.c.id == alert_id)).one_or_none()
    if alert is None:
        raise NoSuchAlert
    if alert.state == "closed":
        raise AlertAlreadyClosed
    return alert


def acted_on(alert: Row[Any]) -> ActedOn:
    """The alert as its live event tells of it."""
    return ActedOn(*(alert._mapping[field] for field in ActedOn._fields))


def log_action(transaction: Connection, alert: Row[Any], action: str, operator: str, note: str, now: datetime) -> None:
    """Store an action on an alert with its note, and announce it. Raises UnwritableNote."""
    log_alert_action(transaction, acted_on(alert), action, operator, _writable(note), now)


def log_on_incident(
    transaction: Connection, incident: int, nar: int, action: str, operator: str, note: str, now: datetime
) -> None:
    """Store an action on an incident with its note, and announce it. Raises UnwritableNote."""
    log_incident_action(transaction, incident, nar, action, operator, _writable(note), now)


def require_reason(note: str) -> str:
    """The note without surrounding blanks. Raises ReasonMissing where nothing is left."""
    if not note.strip():
        raise ReasonMissing
    return note.strip()


def _writable(note: str) -> str:
    if "\0" in note:  # PostgreSQL cannot store NUL in text
        raise UnwritableNote
    return note
