"""Queues the notices of a transition: to every contact, and to the operators where it is announced."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from alerts.incidents.announcing import OWN_CAUSES, REPEAT_AFTER, Announced, Before, Reason
from models.alert import NAR, Cause, Transition
from models.json_text import json_text
from models.rows import driver

CONSOLE = "console"
WATCH = "guardia"
"""The recipient on the console channel: the person on watch."""
NOT_ANNOUNCED = "{}"

_OPEN = "SELECT rule_id, nar, state = 'firing' AND acknowledged_at IS NULL FROM alerts WHERE incident_id = %s"
_ANNOUNCED = (
    "SELECT a.rule_id, (n.body ->> 'after')::int, (n.body ->> 'confirmed')::boolean, n.body ->> 'raised_by'"
    " FROM notices n JOIN alerts a ON a.id = n.alert_id JOIN incidents i ON i.id = a.incident_id"
    " JOIN incidents this ON (this.hazard, this.area, this.kind) = (i.hazard, i.area, i.kind)"
    " WHERE this.id = %(incident)s AND n.channel = %(console)s AND n.not_before > %(since)s AND n.body ? 'reason'"
)
_INSERT = (
    "INSERT INTO notices (alert_id, transition_id, channel, recipient, priority, dedup_key, body, not_before)"
    " SELECT %(alert)s, %(transition)s, channel, address, %(priority)s,"
    " concat_ws(':', %(alert)s, %(transition)s, channel, address),"
    " %(body)s::jsonb || CASE WHEN channel = %(console)s THEN %(announced)s::jsonb ELSE '{}' END, %(now)s"
    " FROM (SELECT %(console)s AS channel, %(watch)s AS address WHERE %(announced)s::jsonb ? 'reason' UNION ALL"
    " SELECT channel, address FROM contacts WHERE least_nar <= %(colour)s AND ended_at IS NULL) AS recipients"
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
    with driver(transaction).cursor() as cursor:
        members = cursor.execute(f"{_OPEN} AND state <> 'closed'", [incident]).fetchall()
        told = cursor.execute(
            _ANNOUNCED, {"incident": incident, "console": CONSOLE, "since": now - REPEAT_AFTER}
        ).fetchall()
    return Before(
        others=any(rule != rule_id for rule, _, _ in members),
        worst=NAR(max((nar for _, nar, _ in members), default=0)),
        waiting=any(waits for _, _, waits in members),
        announced=[Announced(rule, NAR(nar), sure, Cause(cause) in OWN_CAUSES) for rule, nar, sure, cause in told],
    )


def announcement(reason: Reason | None, raised_by: Cause) -> str:
    """What the notice to the operators says besides the transition, as JSON; empty where it is not announced."""
    return NOT_ANNOUNCED if reason is None else json_text({"reason": reason, "raised_by": raised_by})


def queue_notices(transaction: Connection, queued: Queued, announced: str) -> None:
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
                "announced": announced,
                "now": transition.decided_at,
                "console": CONSOLE,
                "watch": WATCH,
                "colour": int(max(transition.before, transition.after)),
            },
        )
