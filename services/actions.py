"""What a person does about an alert: acknowledge, comment, close. Rows and events in the caller's transaction."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, insert, select, text, update
from sqlalchemy.sql.dml import ReturningUpdate

from alerts.delivery.live_events import announce
from models.tables.alerts import alert_actions, alerts
from services.runtime.problem import HttpProblem, NotFound

LONGEST_NOTE = 2_000


class NoSuchAlert(NotFound):
    """No hay una alerta con ese número. / There is no alert of that number."""


class AlertAlreadyClosed(HttpProblem):
    """Esta alerta ya se cerró; si hay otra, está en la lista. / This alert was closed earlier."""

    status = 409


class AlertAlreadyAcknowledged(HttpProblem):
    """Otra persona ya tomó esta alerta. / This alert was acknowledged earlier."""

    status = 409


class AlertChanged(HttpProblem):
    """La alerta cambió desde que la viste: mirala de nuevo. / The alert changed since you saw it: look again."""

    status = 409


class UnwritableNote(HttpProblem):
    """La nota tiene caracteres que no se pueden guardar. / The note holds characters that cannot be kept."""


class AlertStillHeld(HttpProblem):
    """La regla todavía mantiene esta alerta; se cierra cuando ceda. / Its rule still holds this alert."""

    status = 409


def acknowledge(
    transaction: Connection, alert_id: int, *, operator: str, note: str, version: int, now: datetime
) -> int:
    """Take charge of an alert as it was at `version`; returns its new version.

    Raises NoSuchAlert, AlertAlreadyClosed, AlertAlreadyAcknowledged, and AlertChanged where it moved on: nobody
    acknowledges a colour they have not seen.
    """
    changed = transaction.execute(
        _seen(alert_id, version)
        .where(alerts.c.acknowledged_at.is_(None))
        .values(acknowledged_at=now, acknowledged_by=operator, version=alerts.c.version + 1)
    ).one_or_none()
    if changed is None:
        taken = _open_alert(transaction, alert_id).acknowledged_at is not None
        raise AlertAlreadyAcknowledged if taken else AlertChanged
    _write_down(transaction, changed, "acknowledge", operator, note, now)
    return int(changed.version)


def close(transaction: Connection, alert_id: int, *, operator: str, note: str, version: int, now: datetime) -> int:
    """End an alert whose rule let go of it; returns its new version.

    Raises NoSuchAlert, AlertAlreadyClosed, AlertChanged, and AlertStillHeld while a rule in force holds a
    colour: closing would hide a danger that is still there.
    """
    if _still_held(transaction, alert_id):
        raise AlertStillHeld
    changed = transaction.execute(
        _seen(alert_id, version).values(state="closed", closed_at=now, closed_by=operator, version=alerts.c.version + 1)
    ).one_or_none()
    if changed is None:
        _open_alert(transaction, alert_id)
        raise AlertChanged
    _write_down(transaction, changed, "close", operator, note, now)
    return int(changed.version)


def comment(transaction: Connection, alert_id: int, *, operator: str, note: str, now: datetime) -> None:
    """Write a note beside an alert, open or closed. Raises NoSuchAlert."""
    alert = transaction.execute(select(alerts).where(alerts.c.id == alert_id)).one_or_none()
    if alert is None:
        raise NoSuchAlert
    _write_down(transaction, alert, "comment", operator, note, now)


def _seen(alert_id: int, version: int) -> ReturningUpdate[Any]:
    return (
        update(alerts)
        .where(alerts.c.id == alert_id, alerts.c.version == version, alerts.c.state != "closed")
        .returning(*alerts.c)
    )


def _still_held(transaction: Connection, alert_id: int) -> bool:
    held = text(
        "SELECT 1 FROM alerts a JOIN stations p ON p.id = a.subject AND p.active"
        " JOIN subject_states s ON s.subject = p.id JOIN rules r ON r.id = a.rule_id AND r.active"
        " WHERE a.id = :alert AND a.state = 'firing' AND (s.colours ->> a.judgement)::int > 0"
    )
    return transaction.execute(held, {"alert": alert_id}).first() is not None


def _open_alert(transaction: Connection, alert_id: int) -> Row[Any]:
    """The alert as it stands, for saying why it could not be changed. Raises NoSuchAlert, AlertAlreadyClosed."""
    alert = transaction.execute(select(alerts).where(alerts.c.id == alert_id)).one_or_none()
    if alert is None:
        raise NoSuchAlert
    if alert.state == "closed":
        raise AlertAlreadyClosed
    return alert


def _write_down(transaction: Connection, alert: Row[Any], action: str, operator: str, note: str, now: datetime) -> None:
    if "\0" in note:  # PostgreSQL's text has no place for it
        raise UnwritableNote
    transaction.execute(
        insert(alert_actions).values(alert_id=alert.id, at=now, actor=operator, action=action, note=note)
    )
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
            "by": operator,
        },
        now,
    )
