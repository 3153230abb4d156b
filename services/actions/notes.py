"""Notes of actions: redacted by an operator, erased by a database role that may. In the caller's transaction."""

from datetime import datetime

from sqlalchemy import Connection, select, text
from sqlalchemy.dialects.postgresql import insert as insert_if_new

from alerts.action_log import announce_alert_action
from alerts.delivery.live_events import announce
from alerts.record import Entry, record
from models.tables.alerts import alert_actions, alerts
from models.tables.erasures import redactions
from services.actions.log import acted_on
from services.actions.refusals import NoSuchNote, NoteAlreadyRedacted, UnwritableNote


def redact_note(
    transaction: Connection,
    action_id: int,
    *,
    operator: str,
    reason: str,
    now: datetime,
    alert_id: int | None = None,
    incident_id: int | None = None,
) -> int:
    """Redact the note of an action: nobody can read it from now on, and its text is erased. Returns the redaction.

    Only a role that may erase does so at once; for the others `vigia upkeep` does, within seconds. Who asked, when and
    why stays. `alert_id`, `incident_id`: the alert or the incident that the note must belong to. Raises NoSuchNote,
    NoteAlreadyRedacted.
    """
    if "\0" in reason:
        raise UnwritableNote
    found = transaction.execute(
        select(alert_actions.c.alert_id, alert_actions.c.incident_id, alert_actions.c.note).where(
            alert_actions.c.id == action_id
        )
    ).one_or_none()
    if found is None or alert_id not in {None, found.alert_id} or incident_id not in {None, found.incident_id}:
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
    details = {"action": action_id, "reason": reason}
    about = f"incident:{found.incident_id}" if found.alert_id is None else f"alert:{found.alert_id}"
    record(transaction, Entry("note.redacted", about, operator, details), now)
    alert = transaction.execute(select(alerts).where(alerts.c.id == found.alert_id)).one_or_none()
    if alert is None:
        announce(transaction, "incident", {"id": found.incident_id, "change": "redact", "at": now}, now)
    else:
        announce_alert_action(transaction, acted_on(alert), "redact", now)
    return int(redaction)


def may_erase(transaction: Connection) -> bool:
    """Whether the database role of this process may erase redacted notes."""
    allowed = text("SELECT has_function_privilege('redact_note(bigint)', 'EXECUTE')")
    return bool(transaction.execute(allowed).scalar_one())


def erase_note(transaction: Connection, redaction: int) -> bool:
    """Erase the text of a redacted note, with a record of it. False where that was done before."""
    statement = text("SELECT redact_note(:redaction)")
    return bool(transaction.execute(statement, {"redaction": redaction}).scalar_one())
