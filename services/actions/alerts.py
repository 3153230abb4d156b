"""Actions of an operator on one alert: acknowledge, comment, close. In the caller's transaction."""

from datetime import datetime

from sqlalchemy import Connection, select, text

from alerts import incident_log
from models.tables.alerts import alerts
from services.actions.log import lock_incident, log_action, require_open, update_unchanged
from services.actions.refusals import AlertAlreadyAcknowledged, AlertChanged, AlertStillHeld, NoSuchAlert


def acknowledge(
    transaction: Connection, alert_id: int, *, operator: str, note: str, version: int, now: datetime
) -> int:
    """Acknowledge an alert at `version`; returns its new version.

    Raises NoSuchAlert, AlertAlreadyClosed, AlertAlreadyAcknowledged, and AlertChanged where the version is not the
    current one: an operator must not acknowledge a colour that they have not seen.
    """
    changed = transaction.execute(
        update_unchanged(alert_id, version)
        .where(alerts.c.acknowledged_at.is_(None))
        .values(acknowledged_at=now, acknowledged_by=operator, version=alerts.c.version + 1)
    ).one_or_none()
    if changed is None:
        acknowledged = require_open(transaction, alert_id).acknowledged_at is not None
        raise AlertAlreadyAcknowledged if acknowledged else AlertChanged
    log_action(transaction, changed, "acknowledge", operator, note, now)
    return int(changed.version)


def close(transaction: Connection, alert_id: int, *, operator: str, note: str, version: int, now: datetime) -> int:
    """Close an alert that no active rule holds; returns its new version.

    Raises NoSuchAlert, AlertAlreadyClosed, AlertChanged, and AlertStillHeld while an active rule holds a colour,
    because closing would hide a danger that still exists.
    """
    incident = lock_incident(transaction, alert_id)
    if _is_held_by_rule(transaction, alert_id):
        raise AlertStillHeld
    changed = transaction.execute(
        update_unchanged(alert_id, version).values(
            state="closed", closed_at=now, closed_by=operator, version=alerts.c.version + 1
        )
    ).one_or_none()
    if changed is None:
        require_open(transaction, alert_id)
        raise AlertChanged
    log_action(transaction, changed, "close", operator, note, now)
    if incident is not None:
        incident_log.close_if_empty(transaction, incident, now)
    return int(changed.version)


def comment(transaction: Connection, alert_id: int, *, operator: str, note: str, now: datetime) -> None:
    """Add a note to an alert, open or closed. Raises NoSuchAlert."""
    alert = transaction.execute(select(alerts).where(alerts.c.id == alert_id)).one_or_none()
    if alert is None:
        raise NoSuchAlert
    log_action(transaction, alert, "comment", operator, note, now)


def _is_held_by_rule(transaction: Connection, alert_id: int) -> bool:
    query = text(
        "SELECT 1 FROM alerts a JOIN stations p ON p.id = a.subject AND p.active"
        " JOIN subject_states s ON s.subject = p.id JOIN rules r ON r.id = a.rule_id AND r.active"
        " WHERE a.id = :alert AND a.state = 'firing' AND (s.colours ->> a.judgement)::int > 0"
    )
    return transaction.execute(query, {"alert": alert_id}).first() is not None
