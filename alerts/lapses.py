"""What time alone changes of an alert: acknowledgements expire, shelves end, flapping alerts grow calm.

One process does this for all alerts, in short transactions: an acknowledgement must expire whatever becomes of the
pipeline that wrote the alert.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from alerts import incident_log
from alerts.action_log import ActedOn, log_alert_action
from alerts.alert_log import ACTED_ON, OPEN_ALERT, open_alert
from alerts.life.limits import CALM_AFTER
from alerts.life.next_state import AlertState, Because, calm_state
from alerts.record import RULE
from models.rows import driver

MAX_LAPSES = 500
"""Alerts changed in one round."""
_DUE = {
    "expire": "state = 'firing' AND acknowledged_until <= %(now)s",
    "unshelve": "state <> 'closed' AND shelved_until <= %(now)s",
    "calm": "state <> 'closed' AND flapping_since IS NOT NULL AND changed_at <= %(calm)s",
}

Begin = Callable[[], AbstractContextManager[Connection]]


def run_lapses(begin: Begin, now: datetime) -> int:
    """Change every alert that is due, each in a transaction of its own. Returns how many were. begin: begins one."""
    with begin() as transaction:
        due = list(_due(transaction, now))
    return sum(_lapse(begin, what, alert, incident, now) for what, alert, incident in due)


def _due(transaction: Connection, now: datetime) -> Iterator[tuple[str, int, int]]:
    """What is due: the change, the alert, its incident."""
    with driver(transaction).cursor() as cursor:
        for what, condition in _DUE.items():
            cursor.execute(
                f"SELECT id, incident_id FROM alerts WHERE state <> 'closed' AND {condition}"
                " ORDER BY id LIMIT %(most)s",
                _bounds(now),
            )
            yield from ((what, *row) for row in cursor)


def _bounds(now: datetime) -> dict[str, Any]:
    return {"now": now, "calm": now - CALM_AFTER, "most": MAX_LAPSES}


def _lapse(begin: Begin, what: str, alert: int, incident: int, now: datetime) -> bool:
    """Change one alert, if it is still due. Another process may have changed it, or may do so after this one."""
    with begin() as transaction:
        incident_log.lock(transaction, incident)
        with driver(transaction).cursor() as cursor:
            found = cursor.execute(
                f"SELECT incident_id, judgement, {OPEN_ALERT} FROM alerts WHERE id = %(id)s AND {_DUE[what]}"
                " FOR UPDATE",
                {"id": alert, **_bounds(now)},
            ).fetchone()
        if found is None or found[0] != incident:
            return False
        match what:
            case "expire":
                _expire(transaction, alert, now)
            case "unshelve":
                _unshelve(transaction, alert, now)
            case _:
                _calm(transaction, alert, found, now)
        return True


def _expire(transaction: Connection, alert: int, now: datetime) -> None:
    values = "acknowledged_at = NULL, acknowledged_by = NULL, acknowledged_until = NULL, "
    asks = {"now": now, "because": Because.EXPIRED}
    changed = _set(transaction, alert, values + "waiting_since = %(now)s, waiting_because = %(because)s", asks)
    log_alert_action(transaction, changed, "acknowledgement_expired", RULE, "", now)


def _unshelve(transaction: Connection, alert: int, now: datetime) -> None:
    values = (
        "shelved_until = NULL, shelved_by = NULL, shelved_nar = NULL,"
        " waiting_since = CASE WHEN acknowledged_at IS NULL THEN %(now)s::timestamptz END,"
        " waiting_because = CASE WHEN acknowledged_at IS NULL THEN %(because)s END"
    )
    changed = _set(transaction, alert, values, {"now": now, "because": Because.UNSHELVED})
    log_alert_action(transaction, changed, "shelf_ended", RULE, "", now)


def _calm(transaction: Connection, alert: int, found: tuple[Any, ...], now: datetime) -> None:
    """End flapping. Where the rule holds nothing any more, the alert clears as it would have without it."""
    incident, judgement, *before = found
    state = calm_state(open_alert(before), judgement)
    values = (
        "flapping_since = NULL, state = %(state)s, nar = %(nar)s, held_nar = %(held)s,"
        " cleared_at = CASE WHEN %(state)s <> 'firing' THEN %(now)s::timestamptz END"
    )
    if state.state is AlertState.CLOSED:
        values += (
            f", closed_at = %(now)s, closed_by = '{RULE}', shelved_until = NULL, shelved_by = NULL,"
            " shelved_nar = NULL, waiting_since = NULL, waiting_because = NULL"
        )
    colours = {"state": state.state, "nar": int(state.nar), "held": int(state.held_nar), "now": now}
    log_alert_action(transaction, _set(transaction, alert, values, colours), "calm", RULE, "", now)
    if state.state is AlertState.CLOSED:
        incident_log.close_if_empty(transaction, incident, now)


def _set(transaction: Connection, alert: int, values: str, parameters: dict[str, Any]) -> ActedOn:
    with driver(transaction).cursor() as cursor:
        cursor.execute(
            f"UPDATE alerts SET {values}, version = version + 1 WHERE id = %(id)s RETURNING {ACTED_ON}",
            {**parameters, "id": alert},
        )
        return ActedOn(*cursor.fetchall()[0])
