"""Rows and live events of actions on alerts and incidents, by people or by rules. In the caller's transaction."""

from datetime import datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection

from alerts.delivery.live_events import announce
from alerts.record import RULE, Entry, record
from models.rows import driver

BY_OPERATOR: Final = "operator"
"""Told to the public in place of a person's name."""
_DONE: Final = {
    "acknowledge": "acknowledged",
    "acknowledgement_expired": "acknowledgement_expired",
    "answer": "answered",
    "calm": "calm",
    "close": "closed",
    "comment": "commented",
    "escalate": "escalated",
    "flapping": "flapping",
    "lower": "lowered",
    "shelf_broken": "shelf_broken",
    "shelf_ended": "shelf_ended",
    "shelve": "shelved",
    "unshelve": "unshelved",
    "withdraw": "acknowledgement_withdrawn",
}
"""By action, what the record calls it."""


class ActedOn(NamedTuple):
    """An alert after an action, as its live event tells of it."""

    id: int
    subject: str
    state: str
    nar: int
    rule_nar: int
    version: int
    acknowledged_at: datetime | None
    waiting_because: str | None
    shelved_until: datetime | None
    flapping_since: datetime | None


def log_alert_action(
    transaction: Connection, alert: ActedOn, action: str, actor: str, note: str, now: datetime
) -> None:
    """Store an action on an alert, record it, and announce it."""
    values = {"alert_id": alert.id, "action": action, "actor": actor, "note": note, "nar": alert.nar, "now": now}
    details = {"action": _insert(transaction, values), "nar": alert.nar, "version": alert.version}
    _record(transaction, f"alert.{_DONE[action]}", f"alert:{alert.id}", actor, note, details, now)
    announce_alert_action(transaction, alert, action, now, by=RULE if actor == RULE else BY_OPERATOR)


def announce_alert_action(
    transaction: Connection, alert: ActedOn, action: str, now: datetime, *, by: str = BY_OPERATOR
) -> None:
    """Announce an action without its author: anyone may read the live events."""
    announce(transaction, "alert", {**alert._asdict(), "action": action, "by": by}, now)


def log_incident_action(
    transaction: Connection, incident: int, nar: int, action: str, actor: str, note: str, now: datetime
) -> None:
    """Store a person's action on an incident that shows this colour, record it, and announce it without its author."""
    values = {"incident_id": incident, "action": action, "actor": actor, "note": note, "nar": nar, "now": now}
    details = {"action": _insert(transaction, values), "nar": nar}
    _record(transaction, f"incident.{_DONE[action]}", f"incident:{incident}", actor, note, details, now)
    announce(transaction, "incident", {"id": incident, "change": action, "at": now}, now)


def _insert(transaction: Connection, values: dict[str, Any]) -> int:
    with driver(transaction).cursor() as cursor:
        cursor.execute(
            "INSERT INTO alert_actions (alert_id, incident_id, at, actor, action, note, nar)"
            " VALUES (%(alert_id)s, %(incident_id)s, %(now)s, %(actor)s, %(action)s, %(note)s, %(nar)s) RETURNING id",
            {"alert_id": None, "incident_id": None, **values},
        )
        return int(cursor.fetchall()[0][0])


def _record(
    transaction: Connection, what: str, about: str, by: str, note: str, details: dict[str, Any], now: datetime
) -> None:
    record(transaction, Entry(what, about, by, {**details, **({"note": note} if note else {})}), now)
