"""Actions on one alert: acknowledged, taken back, lowered, commented, closed. In the caller's transaction."""

from datetime import datetime

from sqlalchemy import ColumnElement, Connection, case, select, text

from alerts import incident_log
from alerts.life.limits import ACKNOWLEDGEMENT_KEY, acknowledged_until, acknowledgement_minutes, holds_for_a_person
from alerts.life.next_state import Because
from models.alert import NAR
from models.tables.alerts import alerts
from models.tables.city import configuration
from services.actions.log import (
    ENDED_WITH_ALERT,
    change_unchanged,
    lock_incident,
    log_action,
    require_open,
    require_reason,
    update_unchanged,
)
from services.actions.refusals import (
    AlertAlreadyAcknowledged,
    AlertChanged,
    AlertNotAcknowledged,
    AlertStillHeld,
    NoSuchAlert,
    NothingToConfirm,
)


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
        .values(
            acknowledged_at=now,
            acknowledged_by=operator,
            acknowledged_until=_expiry(transaction, now),
            waiting_since=None,
            waiting_because=None,
            version=alerts.c.version + 1,
        )
    ).one_or_none()
    if changed is None:
        acknowledged = require_open(transaction, alert_id).acknowledged_at is not None
        raise AlertAlreadyAcknowledged if acknowledged else AlertChanged
    log_action(transaction, changed, "acknowledge", operator, note, now)
    return int(changed.version)


def withdraw(transaction: Connection, alert_id: int, *, operator: str, note: str, version: int, now: datetime) -> int:
    """Take the acknowledgement of an alert back, so that it asks again; returns its new version. Anybody may.

    note: the reason. Raises ReasonMissing, NoSuchAlert, AlertAlreadyClosed, AlertNotAcknowledged, AlertChanged.
    """
    reason = require_reason(note)
    if require_open(transaction, alert_id).acknowledged_at is None:
        raise AlertNotAcknowledged
    changed = change_unchanged(
        transaction,
        alert_id,
        version,
        acknowledged_at=None,
        acknowledged_by=None,
        acknowledged_until=None,
        waiting_since=now,
        waiting_because=Because.WITHDRAWN,
    )
    log_action(transaction, changed, "withdraw", operator, reason, now)
    return int(changed.version)


def lower(transaction: Connection, alert_id: int, *, operator: str, note: str, version: int, now: datetime) -> int:
    """Confirm the lower colour that the system proposes; returns the new version. One that is over is closed.

    Raises NoSuchAlert, AlertAlreadyClosed, NothingToConfirm, AlertChanged.
    """
    incident = lock_incident(transaction, alert_id)
    alert = require_open(transaction, alert_id)
    if alert.nar <= alert.rule_nar:
        raise NothingToConfirm
    held = holds_for_a_person(alert.judgement, NAR(alert.rule_nar), confirmed=alert.confirmed)
    colours = {"nar": alert.rule_nar, "held_nar": alert.rule_nar if held else NAR.VERDE}
    over = alert.state == "cleared"
    ends = {"state": "closed", "closed_at": now, "closed_by": operator, **dict.fromkeys(ENDED_WITH_ALERT)}
    changed = change_unchanged(transaction, alert_id, version, **colours, **(ends if over else {}))
    log_action(transaction, changed, "lower", operator, note, now)
    if over and incident is not None:
        incident_log.close_if_empty(transaction, incident, now)
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
            state="closed",
            nar=case((alerts.c.state == "cleared", alerts.c.rule_nar), else_=alerts.c.nar),
            closed_at=now,
            closed_by=operator,
            **dict.fromkeys(ENDED_WITH_ALERT),
            version=alerts.c.version + 1,
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


def _expiry(transaction: Connection, now: datetime) -> ColumnElement[datetime | None]:
    """When an acknowledgement given now expires, by the alert's colour."""
    city = transaction.execute(select(configuration.c.city)).scalar() or {}
    minutes = acknowledgement_minutes(city.get(ACKNOWLEDGEMENT_KEY, {}))
    return case(*((alerts.c.nar == int(nar), acknowledged_until(now, nar, minutes)) for nar in minutes))


def _is_held_by_rule(transaction: Connection, alert_id: int) -> bool:
    query = text(
        "SELECT 1 FROM alerts a JOIN stations p ON p.id = a.subject AND p.active"
        " JOIN subject_states s ON s.subject = p.id JOIN rules r ON r.id = a.rule_id AND r.active"
        " WHERE a.id = :alert AND a.state = 'firing' AND (s.colours ->> a.judgement)::int > 0"
    )
    return transaction.execute(query, {"alert": alert_id}).first() is not None
