"""The row and the live event of an action on an alert, and checks that actions share. In the caller's transaction."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update
from sqlalchemy.sql.dml import ReturningUpdate

from alerts import incident_log
from alerts.delivery.live_events import announce
from alerts.record import Entry, record
from models.tables.alerts import alert_actions, alerts
from services.actions.refusals import AlertAlreadyClosed, NoSuchAlert, UnwritableNote
from services.runtime.audience import OPERATOR_ROLE

MAX_NOTE_CHARS = 2_000
_RECORDED_AS = {"acknowledge": "alert.acknowledged", "comment": "alert.commented", "close": "alert.closed"}


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


def require_open(transaction: Connection, alert_id: int) -> Row[Any]:
    """The current row of an open alert. Raises NoSuchAlert, AlertAlreadyClosed."""
    alert = transaction.execute(select(alerts).where(alerts.c.id == alert_id)).one_or_none()
    if alert is None:
        raise NoSuchAlert
    if alert.state == "closed":
        raise AlertAlreadyClosed
    return alert


def log_action(transaction: Connection, alert: Row[Any], action: str, operator: str, note: str, now: datetime) -> None:
    """Store an action with its note, record it, and announce it. Raises UnwritableNote."""
    if "\0" in note:  # PostgreSQL cannot store NUL in text
        raise UnwritableNote
    values = {"alert_id": alert.id, "at": now, "actor": operator, "action": action, "note": note}
    number = transaction.execute(insert(alert_actions).values(values).returning(alert_actions.c.id)).scalar_one()
    details = {"action": number, "nar": alert.nar, "version": alert.version, **({"note": note} if note else {})}
    what = _RECORDED_AS.get(action, f"alert.{action}")
    record(transaction, Entry(what, f"alert:{alert.id}", operator, details), now)
    announce_action(transaction, alert, action, now)


def announce_action(transaction: Connection, alert: Row[Any], action: str, now: datetime) -> None:
    """Announce an action without its author: anyone may read the live events."""
    announce(
        transaction,
        "alert",
        {
            "id": alert.id,
            "subject": alert.subject,
            "state": alert.state,
            "nar": alert.nar,
            "version": alert.version,
            "acknowledged_at": alert.acknowledged_at,
            "action": action,
            "by": OPERATOR_ROLE,
        },
        now,
    )
