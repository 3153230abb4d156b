"""Writes incidents in the caller's transaction: finds or opens the one of an alert, and closes it after its last alert.

Whoever changes an alert and its incident locks the incident first, so that two transactions never wait for each other.
"""

from datetime import datetime

from sqlalchemy import Connection

from alerts.delivery.live_events import announce
from alerts.incidents.grouping import accepts
from alerts.record import RULE, Entry, record
from models.incident import IncidentKey
from models.rows import driver

_FIND = (
    "SELECT i.id, coalesce(bool_or(a.state = 'firing'), false), coalesce(max(a.changed_at), i.opened_at)"
    " FROM incidents i LEFT JOIN alerts a ON a.incident_id = i.id AND a.state <> 'closed' WHERE i.id = %s GROUP BY i.id"
)
_LOCK_OPEN = (
    "SELECT id FROM incidents WHERE hazard = %s AND area = %s AND kind = %s"
    " AND exercise IS NOT DISTINCT FROM %s AND state = 'open' AND origin = 'rule' FOR UPDATE"
)
_OPEN = (
    "INSERT INTO incidents (hazard, area, kind, exercise, opened_at) VALUES (%s, %s, %s, %s, %s)"
    " ON CONFLICT (hazard, area, kind, exercise) WHERE state = 'open' AND origin = 'rule' DO NOTHING RETURNING id"
)


def join(transaction: Connection, key: IncidentKey, now: datetime) -> int:
    """The number of the open incident of this key, locked until the transaction ends. Opens one where there is none.

    One that accepts no more alerts is over: it waits for people to close its alerts, and a new one opens.
    """
    with driver(transaction).cursor() as cursor:
        while True:
            found = cursor.execute(_LOCK_OPEN, [key.hazard, key.area, key.kind, key.exercise]).fetchone()
            if found is not None:
                number, firing, changed_at = cursor.execute(_FIND, found).fetchall()[0]
                if accepts(firing=firing, changed_at=changed_at, now=now):
                    return int(number)
                cursor.execute("UPDATE incidents SET state = 'over' WHERE id = %s", [number])
                _announce(transaction, int(number), "over", now)
            opened = cursor.execute(_OPEN, [key.hazard, key.area, key.kind, key.exercise, now]).fetchone()
            if opened is not None:
                _announce(transaction, int(opened[0]), "opened", now)
                return int(opened[0])


def lock(transaction: Connection, incident: int) -> bool:
    """Lock an incident until the transaction ends. False where there is none of that number."""
    with driver(transaction).cursor() as cursor:
        return cursor.execute("SELECT 1 FROM incidents WHERE id = %s FOR UPDATE", [incident]).fetchone() is not None


def close_if_empty(transaction: Connection, incident: int, now: datetime) -> bool:
    """Close an incident that has no open alert any more; returns whether it did. The incident must be locked."""
    with driver(transaction).cursor() as cursor:
        closed = cursor.execute(
            "UPDATE incidents SET state = 'closed', closed_at = %s WHERE id = %s AND state <> 'closed'"
            " AND origin = 'rule' AND NOT EXISTS"
            " (SELECT 1 FROM alerts WHERE incident_id = incidents.id AND state <> 'closed')",
            [now, incident],
        ).rowcount
    if closed:
        _announce(transaction, incident, "closed", now)
    return bool(closed)


def _announce(transaction: Connection, incident: int, change: str, now: datetime) -> None:
    record(transaction, Entry(f"incident.{change}", f"incident:{incident}", RULE), now)
    announce(transaction, "incident", {"id": incident, "change": change, "at": now}, now)
