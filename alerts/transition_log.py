"""Writes a transition and its consequences in the caller's transaction: transition row, alert, notices, live event."""

from dataclasses import replace
from datetime import datetime

from sqlalchemy import Connection

from alerts.alert_log import ChangedAlert, Origin, change_alert
from alerts.delivery.live_events import announce
from alerts.notice_queue import Queued, queue_notices
from alerts.rulebook import JUDGEMENT_NAMES, Station
from models.alert import NAR, Transition
from models.json_text import json_text
from models.reading import evidence_in_words
from models.rows import driver
from models.rule import Rule


def origin_of(rule: Rule) -> Origin:
    """The origin of a rule's transitions."""
    return Origin(rule.id, rule.version, JUDGEMENT_NAMES[type(rule.judgement)])


def log_transition(
    transaction: Connection, station: Station, origin: Origin, transition: Transition, *, notify: bool
) -> None:
    """Write one transition and its consequences. notify: False where an outage alert already covers it."""
    alert = change_alert(transaction, station, origin, transition)
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
            "alert_nar": None if alert is None else int(alert.nar),
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


def _insert_transition(
    transaction: Connection, station: Station, origin: Origin, transition: Transition, alert: ChangedAlert | None
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
    transaction: Connection,
    station: Station,
    origin: Origin,
    transition: Transition,
    alert: ChangedAlert,
    transition_id: int,
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
        "nar": int(alert.nar),
        "change": transition.change,
        "cause": transition.cause,
        "confirmed": transition.confirmed,
        "observed_at": transition.observed_at,
        "decided_at": transition.decided_at,
        "evidence": dict(transition.evidence),
    }
    queue_notices(transaction, Queued(alert.id, transition_id, transition, body), alert.announced)
