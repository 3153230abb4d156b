"""Actions of an operator on an alert: acknowledge, comment, close, redact a note. In the caller's transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, insert, select, text, update
from sqlalchemy.dialects.postgresql import insert as insert_if_new
from sqlalchemy.sql.dml import ReturningUpdate

from alerts import incident_log
from alerts.delivery.live_events import announce
from models.tables.alerts import alert_actions, alerts
from models.tables.erasures import redactions
from services.runtime.audience import OPERATOR_ROLE
from services.runtime.problem import HttpProblem, NotFound

MAX_NOTE_CHARS = 2_000
MAX_SEEN = 500
"""Alerts of an incident that are acknowledged together."""


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


class NoSuchIncident(NotFound):
    """No hay un suceso con ese número. / There is no incident of that number."""


class IncidentChanged(HttpProblem):
    """El suceso cambió desde que lo viste: miralo de nuevo. / The incident changed since you saw it: look again."""

    status = 409


class UnwritableNote(HttpProblem):
    """La nota tiene caracteres que no se pueden guardar. / The note holds characters that cannot be kept."""


class NoSuchNote(NotFound):
    """No hay una nota con ese número. / There is no note of that number."""


class NoteAlreadyRedacted(HttpProblem):
    """Esa nota ya se quitó. / This note was redacted earlier."""

    status = 409


class AlertStillHeld(HttpProblem):
    """La regla todavía mantiene esta alerta; se cierra cuando ceda. / Its rule still holds this alert."""

    status = 409


def acknowledge(
    transaction: Connection, alert_id: int, *, operator: str, note: str, version: int, now: datetime
) -> int:
    """Acknowledge an alert at `version`; returns its new version.

    Raises NoSuchAlert, AlertAlreadyClosed, AlertAlreadyAcknowledged, and AlertChanged where the version is not the
    current one: an operator must not acknowledge a colour that they have not seen.
    """
    changed = transaction.execute(
        _update_unchanged(alert_id, version)
        .where(alerts.c.acknowledged_at.is_(None))
        .values(acknowledged_at=now, acknowledged_by=operator, version=alerts.c.version + 1)
    ).one_or_none()
    if changed is None:
        acknowledged = _require_open(transaction, alert_id).acknowledged_at is not None
        raise AlertAlreadyAcknowledged if acknowledged else AlertChanged
    _log_action(transaction, changed, "acknowledge", operator, note, now)
    return int(changed.version)


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
    IncidentChanged where nothing could be acknowledged.
    """
    if not incident_log.lock(transaction, incident):
        raise NoSuchIncident
    colours = {one.alert_id: one.nar for one in seen}
    waiting = transaction.execute(
        select(alerts.c.id, alerts.c.nar, alerts.c.version)
        .where(alerts.c.incident_id == incident, alerts.c.state != "closed", alerts.c.acknowledged_at.is_(None))
        .order_by(alerts.c.id)
        .with_for_update()
    ).all()
    as_seen = [one for one in waiting if one.nar <= colours.get(one.id, -1)]
    for one in as_seen:
        acknowledge(transaction, one.id, operator=operator, note=note, version=one.version, now=now)
    if not as_seen:
        raise IncidentChanged
    return [one.id for one in as_seen]


def close(transaction: Connection, alert_id: int, *, operator: str, note: str, version: int, now: datetime) -> int:
    """Close an alert that no active rule holds; returns its new version.

    Raises NoSuchAlert, AlertAlreadyClosed, AlertChanged, and AlertStillHeld while an active rule holds a colour,
    because closing would hide a danger that still exists.
    """
    incident = _lock_incident(transaction, alert_id)
    if _is_held_by_rule(transaction, alert_id):
        raise AlertStillHeld
    changed = transaction.execute(
        _update_unchanged(alert_id, version).values(
            state="closed", closed_at=now, closed_by=operator, version=alerts.c.version + 1
        )
    ).one_or_none()
    if changed is None:
        _require_open(transaction, alert_id)
        raise AlertChanged
    _log_action(transaction, changed, "close", operator, note, now)
    if incident is not None:
        incident_log.close_if_empty(transaction, incident, now)
    return int(changed.version)


def comment(transaction: Connection, alert_id: int, *, operator: str, note: str, now: datetime) -> None:
    """Add a note to an alert, open or closed. Raises NoSuchAlert."""
    alert = transaction.execute(select(alerts).where(alerts.c.id == alert_id)).one_or_none()
    if alert is None:
        raise NoSuchAlert
    _log_action(transaction, alert, "comment", operator, note, now)


def redact_note(
    transaction: Connection, action_id: int, *, operator: str, reason: str, now: datetime, alert_id: int | None = None
) -> int:
    """Redact the note of an action: nobody can read it from now on, and its text is erased. Returns the redaction.

    Only a role that may erase does so at once; for the others `vigia upkeep` does, within seconds. Who asked, when and
    why stays. `alert_id`: the alert that the note must belong to. Raises NoSuchNote, NoteAlreadyRedacted.
    """
    if "\0" in reason:
        raise UnwritableNote
    found = transaction.execute(
        select(alert_actions.c.alert_id, alert_actions.c.note).where(alert_actions.c.id == action_id)
    ).one_or_none()
    if found is None or (alert_id is not None and found.alert_id != alert_id):
        raise NoSuchNote
    redaction = transaction.execute(
        insert_if_new(redactions)
        .values(action_id=action_id, requested_at=now, requested_by=operator, reason=reason)
        .on_conflict_do_nothing()
        .returning(redactions.c.id)
    ).scalar_one_or_none()
    if redaction is None:
        raise NoteAlreadyRedacted
    if not found.note:
        raise NoSuchNote
    if may_erase(transaction):
        erase_note(transaction, redaction)
    alert = transaction.execute(select(alerts).where(alerts.c.id == found.alert_id)).one()
    _announce_action(transaction, alert, "redact", now)
    return int(redaction)


def may_erase(transaction: Connection) -> bool:
    """Whether the database role of this process may erase redacted notes."""
    allowed = text("SELECT has_function_privilege('redact_note(bigint)', 'EXECUTE')")
    return bool(transaction.execute(allowed).scalar_one())


def erase_note(transaction: Connection, redaction: int) -> bool:
    """Erase the text of a redacted note, with a record of it. False where that was done before."""
    statement = text("SELECT redact_note(:redaction)")
    return bool(transaction.execute(statement, {"redaction": redaction}).scalar_one())


def _lock_incident(transaction: Connection, alert_id: int) -> int | None:
    """Lock the incident of an alert; None where it has none."""
    incident = transaction.execute(select(alerts.c.incident_id).where(alerts.c.id == alert_id)).scalar_one_or_none()
    if incident is not None:
        incident_log.lock(transaction, incident)
    return incident


def _update_unchanged(alert_id: int, version: int) -> ReturningUpdate[Any]:
    return (
        update(alerts)
        .where(alerts.c.id == alert_id, alerts.c.version == version, alerts.c.state != "closed")
        .returning(*alerts.c)
    )


def _is_held_by_rule(transaction: Connection, alert_id: int) -> bool:
    query = text(
        "SELECT 1 FROM alerts a JOIN stations p ON p.id = a.subject AND p.active"
        " JOIN subject_states s ON s.subject = p.id JOIN rules r ON r.id = a.rule_id AND r.active"
        " WHERE a.id = :alert AND a.state = 'firing' AND (s.colours ->> a.judgement)::int > 0"
    )
    return transaction.execute(query, {"alert": alert_id}).first() is not None


def _require_open(transaction: Connection, alert_id: int) -> Row[Any]:
    """The current row of an open alert. Raises NoSuchAlert, AlertAlreadyClosed."""
    alert = transaction.execute(select(alerts).where(alerts.c.id == alert_id)).one_or_none()
    if alert is None:
        raise NoSuchAlert
    if alert.state == "closed":
        raise AlertAlreadyClosed
    return alert


def _log_action(transaction: Connection, alert: Row[Any], action: str, operator: str, note: str, now: datetime) -> None:
    if "\0" in note:  # PostgreSQL cannot store NUL in text
        raise UnwritableNote
    transaction.execute(
        insert(alert_actions).values(alert_id=alert.id, at=now, actor=operator, action=action, note=note)
    )
    _announce_action(transaction, alert, action, now)


def _announce_action(transaction: Connection, alert: Row[Any], action: str, now: datetime) -> None:
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
