"""Queues the notices of a transition: to every contact, and to the operators where it is announced."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from alerts.incidents.announcing import OWN_CAUSES, REPEAT_AFTER, Announced, Before, Reason
from models.alert import NAR, Transition
from models.json_text import json_text
from models.rows import driver
from models.tables.alerts import ASKS

CONSOLE = "console"
WATCH = "guardia"
"""The recipient on the console channel: the person on watch."""

_OPEN = f"SELECT rule_id, rule_nar, {ASKS} FROM alerts WHERE incident_id = %s AND state <> 'closed'"
_ANNOUNCED = (
    "SELECT t.rule_id, t.after, t.confirmed, t.announced = 'own_rise' OR t.cause = ANY(%(own)s)"
    " FROM transitions t JOIN alerts a ON a.id = t.alert_id JOIN incidents i ON i.id = a.incident_id"
    " JOIN incidents this ON (this.hazard, this.area, this.kind) = (i.hazard, i.area, i.kind)"
    " AND this.exercise IS NOT DISTINCT FROM i.exercise"
    " WHERE this.id = %(incident)s AND t.announced IS NOT NULL AND t.decided_at > %(since)s"
)
_INSERT = (
    "INSERT INTO notices (alert_id, transition_id, channel, recipient, priority, dedup_key, body, not_before)"
    " SELECT %(alert)s, %(transition)s, channel, address, %(priority)s,"
    " concat_ws(':', %(alert)s, %(transition)s, channel, address),"
    " CASE WHEN channel = %(console)s THEN %(announced)s::jsonb ELSE '{}' END || %(body)s::jsonb, %(now)s"
    " FROM (SELECT %(console)s AS channel, %(watch)s AS address WHERE %(announced)s::jsonb ? 'reason' UNION ALL"
    " SELECT channel, address FROM contacts WHERE least_nar <= %(colour)s AND ended_at IS NULL"
    " AND NOT EXISTS (SELECT 1 FROM alerts WHERE id = %(alert)s AND exercise IS NOT NULL)) AS recipients"
    " ON CONFLICT (dedup_key) DO NOTHING"
)


@dataclass(frozen=True, slots=True)
class Queued:
    """What the notices are about. `body`: what each of them says."""

    alert_id: int
    transition_id: int
    transition: Transition
    body: Mapping[str, object]


def incident_before(transaction: Connection, incident: int, rule_id: str, now: datetime) -> Before:
    """The incident before an alert of this rule changes. The incident must be locked, and the alert not yet written."""
    since, own = now - REPEAT_AFTER, sorted(OWN_CAUSES)
    with driver(transaction).cursor() as cursor:
        members = cursor.execute(_OPEN, [incident]).fetchall()
        told = cursor.execute(_ANNOUNCED, {"incident": incident, "since": since, "own": own}).fetchall()
    return Before(
        others=any(rule != rule_id for rule, _, _ in members),
        worst=NAR(max((nar for _, nar, _ in members), default=0)),
        waiting=any(waits for _, _, waits in members),
        announced=[Announced(rule, NAR(nar), sure, by_itself) for rule, nar, sure, by_itself in told],
    )


def queue_notices(transaction: Connection, queued: Queued, announced: Reason | None) -> None:
    """Insert a notice to each contact whose minimum colour is reached, and to the operators if it is announced."""
    transition = queued.transition
    with driver(transaction).cursor() as cursor:
        cursor.execute(
            _INSERT,
            {
                "alert": queued.alert_id,
                "transition": queued.transition_id,
                "priority": NAR.ROJO - transition.after,
                "body": json_text(dict(queued.body)),
                "announced": json_text({} if announced is None else {"reason": announced}),
                "now": transition.decided_at,
                "console": CONSOLE,
                "watch": WATCH,
                "colour": int(max(transition.before, transition.after)),
            },
        )
