"""Writes a transition and its consequences in the caller's transaction: transition row, alert, notices, live event."""

from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Connection

from alerts import incident_log
from alerts.delivery.live_events import announce
from alerts.incidents.announcing import Reason, reason_to_announce
from alerts.incidents.grouping import membership
from alerts.notice_queue import Queued, incident_before, queue_notices
from alerts.rulebook import JUDGEMENT_NAMES, Station
from models.alert import NAR, Cause, Change, Transition
from models.incident import Exercise, Membership
from models.json_text import json_text
from models.reading import evidence_in_words
from models.rows import driver
from models.rule import Rule

CONFIRMING = frozenset({Cause.RAIN, Cause.UPSTREAM})
"""Evidence of other stations that confirms what a station's own reading raised."""


@dataclass(frozen=True, slots=True)
class Origin:
    """The rule that a transition comes from, as stored with the transition.

    `closes_itself`: its alert needs no person to close it when it is cleared. `exercise`: None for a real event; else
    `rule_id` begins with EXERCISE_RULE.
    """

    rule_id: str
    rule_version: int
    judgement: str
    closes_itself: bool = False
    exercise: Exercise | None = None


@dataclass(frozen=True, slots=True)
class _Alert:
    """The alert after a transition. `version` grows with each change of it, also by operators."""

    id: int
    version: int
    incident_id: int
    announced: Reason | None = None


def origin_of(rule: Rule) -> Origin:
    """The origin of a rule's transitions."""
    return Origin(rule.id, rule.version, JUDGEMENT_NAMES[type(rule.judgement)])


def log_transition(
    transaction: Connection, station: Station, origin: Origin, transition: Transition, *, notify: bool
) -> None:
    """Write one transition and its consequences. notify: False where an outage alert already covers it."""
    alert = _upsert_alert(transaction, station, origin, transition)
    if alert is not None and not notify:
        alert = replace(alert, announced=None)
    transition_id = _insert_transition(transaction, station, origin, transition, alert)
    if alert is not None and notify:
        _insert_notices(transaction, station, origin, transition, alert, transition_id)
    announce(
        transaction,
        "transition",
        {
            "id": transition_id,
            "alert_id": None if alert is None else alert.id,
            "incident_id": None if alert is None else alert.incident_id,
            "rule_id": origin.rule_id,
            "judgement": origin.judgement,
            "subject": station.id,
            "before": int(transition.before),
            "after": int(transition.after),
            "change": transition.change,
            "cause": transition.cause,
            "confirmed": transition.confirmed,
            "observed_at": transition.observed_at,
            "decided_at": transition.decided_at,
            "evidence": evidence_in_words(transition.evidence),
            "announced": None if alert is None else alert.announced,
        },
        transition.decided_at,
    )


def has_open_alert(transaction: Connection, origin: Origin, subject: str) -> bool:
    """Whether this rule has an alert on this subject that is not closed."""
    with driver(transaction).cursor() as cursor:
        rows = cursor.execute(
            "SELECT 1 FROM alerts WHERE rule_id = %s AND subject = %s AND state <> 'closed'", [origin.rule_id, subject]
        )
        return rows.fetchone() is not None


def log_area_level(
    transaction: Connection, subject: str, before: NAR, after: NAR, evidence: object, now: datetime
) -> None:
    """Write the colour of a basin, a municipality or an outage, and announce it. It raises no alert of its own."""
    with driver(transaction).cursor() as cursor:
        cursor.execute(
            "INSERT INTO attention (subject, nar, since, evidence) VALUES (%s, %s, %s, %s::jsonb)"
            " ON CONFLICT (subject) DO UPDATE SET nar = excluded.nar, since = excluded.since,"
            " evidence = excluded.evidence",
            [subject, int(after), now, json_text(evidence)],
        )
    data = {"subject": subject, "before": int(before), "nar": int(after), "since": now, "evidence": evidence}
    announce(transaction, "attention", data, now)


def _upsert_alert(transaction: Connection, station: Station, origin: Origin, transition: Transition) -> _Alert | None:
    """Open or update the alert of this transition. None where there is no open alert to clear.

    An alert that was cleared and fires again does so since now: what was before is in its transitions.
    """
    if transition.after == NAR.VERDE:
        return _clear_alert(transaction, station, origin, transition)
    place = _incident(transaction, station, origin, transition)
    before = incident_before(transaction, place.incident, origin.rule_id, transition.decided_at)
    with driver(transaction).cursor() as cursor:
        # A higher colour than the acknowledged one must be acknowledged again.
        row = cursor.execute(
            "INSERT INTO alerts (rule_id, rule_version, subject, kind, judgement, state, nar, highest_nar, cause,"
            " confirmed, observed_at, opened_at, changed_at, evidence, incident_id, membership)"
            " VALUES (%(rule_id)s, %(rule_version)s, %(subject)s, %(kind)s, %(judgement)s, 'firing', %(nar)s, %(nar)s,"
            " %(cause)s, %(confirmed)s, %(observed_at)s, %(now)s, %(now)s, %(evidence)s::jsonb, %(incident)s, %(why)s)"
            " ON CONFLICT (rule_id, subject) WHERE state <> 'closed' DO UPDATE SET"
            " acknowledged_at = CASE WHEN excluded.nar > alerts.nar OR alerts.state = 'cleared' THEN NULL"
            " ELSE alerts.acknowledged_at END,"
            " acknowledged_by = CASE WHEN excluded.nar > alerts.nar OR alerts.state = 'cleared' THEN NULL"
            " ELSE alerts.acknowledged_by END,"
            " opened_at = CASE WHEN alerts.state = 'cleared' THEN excluded.opened_at ELSE alerts.opened_at END,"
            " incident_id = excluded.incident_id, membership = excluded.membership,"
            " rule_version = excluded.rule_version, state = 'firing', nar = excluded.nar,"
            " highest_nar = greatest(alerts.highest_nar, excluded.nar), confirmed = excluded.confirmed,"
            " cause = CASE WHEN %(keeps)s THEN alerts.cause ELSE excluded.cause END,"
            " evidence = CASE WHEN %(keeps)s THEN alerts.evidence ELSE excluded.evidence END,"
            " observed_at = CASE WHEN %(keeps)s THEN alerts.observed_at ELSE excluded.observed_at END,"
            " changed_at = excluded.changed_at, cleared_at = NULL, version = alerts.version + 1"
            " RETURNING id, version, incident_id, cause",
            {
                "rule_id": origin.rule_id,
                "rule_version": origin.rule_version,
                "subject": station.id,
                "kind": station.kind,
                "judgement": origin.judgement,
                "nar": int(transition.after),
                "cause": transition.cause,
                "confirmed": transition.confirmed,
                "observed_at": transition.observed_at,
                "now": transition.decided_at,
                "evidence": json_text(dict(transition.evidence)),
                "incident": place.incident,
                "why": place.membership,
                # What confirms a colour does not take the place of what raised it.
                "keeps": transition.change is Change.CONFIRMED and transition.cause in CONFIRMING,
            },
        ).fetchone()
    if place.left is not None:
        incident_log.close_if_empty(transaction, place.left, transition.decided_at)
    if row is None:
        return None
    alert_id, version, incident, cause = row
    reason = reason_to_announce(before, origin.rule_id, place.membership, transition, raised_by=Cause(cause))
    return _Alert(alert_id, version, incident, reason)


@dataclass(frozen=True, slots=True)
class _Place:
    """The incident of an alert and why it belongs there. `left`: the incident that it leaves, locked too."""

    incident: int
    membership: Membership
    left: int | None = None


def _incident(transaction: Connection, station: Station, origin: Origin, transition: Transition) -> _Place:
    """The incident of the alert that this transition opens or changes, locked.

    An open alert stays in its incident, unless it grows graver or fires again: then it may be of another one, such as a
    silent gauge whose stream rises, or a gauge in the next storm.
    """
    with driver(transaction).cursor() as cursor:
        found = cursor.execute(
            "SELECT incident_id, membership, state = 'firing' AND nar >= %s FROM alerts"
            " WHERE rule_id = %s AND subject = %s AND state <> 'closed'",
            [int(transition.after), origin.rule_id, station.id],
        ).fetchone()
    if found is not None and found[2]:
        incident_log.lock(transaction, found[0])
        return _Place(found[0], Membership(found[1]))
    key, why = membership(station, origin.judgement, transition.after)
    key = replace(key, exercise=origin.exercise)
    incident = incident_log.join(transaction, key, transition.decided_at)
    if found is None or found[0] == incident:
        return _Place(incident, why)
    incident_log.lock(transaction, found[0])
    return _Place(incident, why, left=found[0])


def _clear_alert(transaction: Connection, station: Station, origin: Origin, transition: Transition) -> _Alert | None:
    """Clear the open alert. It closes only if it was acknowledged and never rojo; else a person must close it."""
    incident = incident_log.lock_incident_of(transaction, origin.rule_id, station.id)
    closes = "(%(closes_itself)s OR acknowledged_at IS NOT NULL AND highest_nar < %(rojo)s)"
    with driver(transaction).cursor() as cursor:
        row = cursor.execute(
            "UPDATE alerts SET nar = 0, cause = %(cause)s, observed_at = %(observed_at)s, changed_at = %(now)s,"
            " cleared_at = %(now)s, version = version + 1,"
            f" state = CASE WHEN {closes} THEN 'closed' ELSE 'cleared' END,"
            f" closed_at = CASE WHEN {closes} THEN %(now)s END, closed_by = CASE WHEN {closes} THEN 'rule' END"
            " WHERE rule_id = %(rule_id)s AND subject = %(subject)s AND state <> 'closed'"
            " RETURNING id, version, incident_id",
            {
                "cause": transition.cause,
                "observed_at": transition.observed_at,
                "now": transition.decided_at,
                "rojo": int(NAR.ROJO),
                "closes_itself": origin.closes_itself,
                "rule_id": origin.rule_id,
                "subject": station.id,
            },
        ).fetchone()
    if incident is not None:
        incident_log.close_if_empty(transaction, incident, transition.decided_at)
    return None if row is None else _Alert(*row)


def _insert_transition(
    transaction: Connection, station: Station, origin: Origin, transition: Transition, alert: _Alert | None
) -> int:
    with driver(transaction).cursor() as cursor:
        cursor.execute(
            "INSERT INTO transitions (alert_id, rule_id, rule_version, subject, before, after, change, cause,"
            " confirmed, observed_at, decided_at, evidence, announced)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s::jsonb, %s)"
            " RETURNING id",
            [
                None if alert is None else alert.id,
                origin.rule_id,
                origin.rule_version,
                station.id,
                int(transition.before),
                int(transition.after),
                transition.change,
                transition.cause,
                transition.confirmed,
                transition.observed_at,
                transition.decided_at,
                json_text(dict(transition.evidence)),
                None if alert is None else alert.announced,
            ],
        )
        return int(cursor.fetchall()[0][0])


def _insert_notices(
    transaction: Connection, station: Station, origin: Origin, transition: Transition, alert: _Alert, transition_id: int
) -> None:
    """Insert the notices of a transition: to the operators only where it is announced, to contacts always."""
    body = {
        "alert_id": alert.id,
        "incident_id": alert.incident_id,
        "sequence": alert.version,
        "station": station.id,
        "name": station.name,
        "judgement": origin.judgement,
        "before": int(transition.before),
        "after": int(transition.after),
        "change": transition.change,
        "cause": transition.cause,
        "confirmed": transition.confirmed,
        "observed_at": transition.observed_at,
        "decided_at": transition.decided_at,
        "evidence": dict(transition.evidence),
    }
    queue_notices(transaction, Queued(alert.id, transition_id, transition, body), alert.announced)
