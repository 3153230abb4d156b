"""What a transition leaves behind, in the caller's transaction: its row, the alert it moves, notices and an event."""

from dataclasses import dataclass
from datetime import datetime

import orjson
from sqlalchemy import Connection

from alerts.delivery.live_events import announce
from alerts.rulebook import JUDGEMENT_NAMES, Station
from models.alert import NAR, Transition
from models.rows import driver
from models.rule import Rule

CONSOLE = "console"
WATCH = "guardia"
"""The recipient on the console channel: whoever has the watch."""


@dataclass(frozen=True, slots=True)
class Origin:
    """The rule a transition came from, as its row names it."""

    rule_id: str
    rule_version: int
    judgement: str


def origin_of(rule: Rule) -> Origin:
    """How a rule signs its transitions."""
    return Origin(rule.id, rule.version, JUDGEMENT_NAMES[type(rule.judgement)])


def log_transition(transaction: Connection, place: Station, origin: Origin, moved: Transition, *, tell: bool) -> None:
    """Keep one transition and everything that follows from it. `tell` False: an outage already speaks for it."""
    alert_id = _upsert_alert(transaction, place, origin, moved)
    transition_id = _insert_transition(transaction, place, origin, moved, alert_id)
    if alert_id is not None and tell:
        _insert_notices(transaction, place, origin, moved, alert_id, transition_id)
    announce(
        transaction,
        "transition",
        {
            "id": transition_id,
            "alert_id": alert_id,
            "rule_id": origin.rule_id,
            "judgement": origin.judgement,
            "subject": place.id,
            "before": int(moved.before),
            "after": int(moved.after),
            "change": moved.change,
            "cause": moved.cause,
            "confirmed": moved.confirmed,
            "observed_at": moved.observed_at,
            "decided_at": moved.decided_at,
            "evidence": dict(moved.evidence),
        },
        moved.decided_at,
    )


def has_open_alert(transaction: Connection, origin: Origin, subject: str) -> bool:
    """Whether this rule has an alert on this subject that nobody closed yet."""
    with driver(transaction).cursor() as cursor:
        found = cursor.execute(
            "SELECT 1 FROM alerts WHERE rule_id = %s AND subject = %s AND state <> 'closed'", [origin.rule_id, subject]
        )
        return found.fetchone() is not None


def log_area_level(
    transaction: Connection, subject: str, before: NAR, after: NAR, evidence: object, now: datetime
) -> None:
    """Keep the colour of a basin or a municipality, which follows its stations and raises no alert of its own."""
    with driver(transaction).cursor() as cursor:
        cursor.execute(
            "INSERT INTO attention (subject, nar, since, evidence) VALUES (%s, %s, %s, %s::jsonb)"
            " ON CONFLICT (subject) DO UPDATE SET nar = excluded.nar, since = excluded.since,"
            " evidence = excluded.evidence",
            [subject, int(after), now, _json(evidence)],
        )
    data = {"subject": subject, "before": int(before), "nar": int(after), "since": now, "evidence": evidence}
    announce(transaction, "attention", data, now)


def _json(value: object) -> str:
    return orjson.dumps(value).decode()


def _upsert_alert(transaction: Connection, place: Station, origin: Origin, moved: Transition) -> int | None:
    """The alert this transition opens or moves. None where it clears what nobody had open any more."""
    if moved.after == NAR.VERDE:
        return _clear_alert(transaction, place, origin, moved)
    with driver(transaction).cursor() as cursor:
        # A colour above the one that was acknowledged needs a person again.
        row = cursor.execute(
            "INSERT INTO alerts (rule_id, rule_version, subject, kind, judgement, state, nar, highest_nar, cause,"
            " confirmed, observed_at, opened_at, changed_at, evidence)"
            " VALUES (%(rule_id)s, %(rule_version)s, %(subject)s, %(kind)s, %(judgement)s, 'firing', %(nar)s, %(nar)s,"
            " %(cause)s, %(confirmed)s, %(observed_at)s, %(now)s, %(now)s, %(evidence)s::jsonb)"
            " ON CONFLICT (rule_id, subject) WHERE state <> 'closed' DO UPDATE SET"
            " acknowledged_at = CASE WHEN excluded.nar > alerts.nar OR alerts.state = 'cleared' THEN NULL"
            " ELSE alerts.acknowledged_at END,"
            " acknowledged_by = CASE WHEN excluded.nar > alerts.nar OR alerts.state = 'cleared' THEN NULL"
            " ELSE alerts.acknowledged_by END,"
            " rule_version = excluded.rule_version, state = 'firing', nar = excluded.nar,"
            " highest_nar = greatest(alerts.highest_nar, excluded.nar), cause = excluded.cause,"
            " confirmed = excluded.confirmed, observed_at = excluded.observed_at, changed_at = excluded.changed_at,"
            " cleared_at = NULL, evidence = excluded.evidence, version = alerts.version + 1 RETURNING id",
            {
                "rule_id": origin.rule_id,
                "rule_version": origin.rule_version,
                "subject": place.id,
                "kind": place.kind,
                "judgement": origin.judgement,
                "nar": int(moved.after),
                "cause": moved.cause,
                "confirmed": moved.confirmed,
                "observed_at": moved.observed_at,
                "now": moved.decided_at,
                "evidence": _json(dict(moved.evidence)),
            },
        ).fetchone()
    return None if row is None else int(row[0])


def _clear_alert(transaction: Connection, place: Station, origin: Origin, moved: Transition) -> int | None:
    """A cleared alert closes by itself only if a person had seen it and it never was rojo; else it waits for one."""
    is_over = "acknowledged_at IS NOT NULL AND highest_nar < %(rojo)s"
    with driver(transaction).cursor() as cursor:
        row = cursor.execute(
            "UPDATE alerts SET nar = 0, cause = %(cause)s, observed_at = %(observed_at)s, changed_at = %(now)s,"
            " cleared_at = %(now)s, version = version + 1,"
            f" state = CASE WHEN {is_over} THEN 'closed' ELSE 'cleared' END,"
            f" closed_at = CASE WHEN {is_over} THEN %(now)s END, closed_by = CASE WHEN {is_over} THEN 'rule' END"
            " WHERE rule_id = %(rule_id)s AND subject = %(subject)s AND state <> 'closed' RETURNING id",
            {
                "cause": moved.cause,
                "observed_at": moved.observed_at,
                "now": moved.decided_at,
                "rojo": int(NAR.ROJO),
                "rule_id": origin.rule_id,
                "subject": place.id,
            },
        ).fetchone()
    return None if row is None else int(row[0])


def _insert_transition(
    transaction: Connection, place: Station, origin: Origin, moved: Transition, alert_id: int | None
) -> int:
    with driver(transaction).cursor() as cursor:
        cursor.execute(
            "INSERT INTO transitions (alert_id, rule_id, rule_version, subject, before, after, change, cause,"
            " confirmed, observed_at, decided_at, evidence)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s::jsonb)"
            " RETURNING id",
            [
                alert_id,
                origin.rule_id,
                origin.rule_version,
                place.id,
                int(moved.before),
                int(moved.after),
                moved.change,
                moved.cause,
                moved.confirmed,
                moved.observed_at,
                moved.decided_at,
                _json(dict(moved.evidence)),
            ],
        )
        return int(cursor.fetchall()[0][0])


def _insert_notices(
    transaction: Connection, place: Station, origin: Origin, moved: Transition, alert_id: int, transition_id: int
) -> None:
    """One notice to the watch and one to each contact who wants to hear of this colour."""
    body = {
        "alert_id": alert_id,
        "station": place.id,
        "name": place.name,
        "judgement": origin.judgement,
        "before": int(moved.before),
        "after": int(moved.after),
        "change": moved.change,
        "cause": moved.cause,
        "confirmed": moved.confirmed,
        "observed_at": moved.observed_at,
        "evidence": dict(moved.evidence),
    }
    with driver(transaction).cursor() as cursor:
        cursor.execute(
            "INSERT INTO notices (alert_id, transition_id, channel, recipient, priority, dedup_key, body, not_before)"
            " SELECT %(alert)s, %(transition)s, channel, address, %(priority)s,"
            " concat_ws(':', %(alert)s, %(transition)s, channel, address), %(body)s::jsonb, %(now)s"
            " FROM (SELECT %(console)s AS channel, %(watch)s AS address UNION ALL"
            " SELECT channel, address FROM contacts WHERE least_nar <= %(colour)s) AS recipients"
            " ON CONFLICT (dedup_key) DO NOTHING",
            {
                "alert": alert_id,
                "transition": transition_id,
                "priority": NAR.ROJO - moved.after,
                "body": _json(body),
                "now": moved.decided_at,
                "console": CONSOLE,
                "watch": WATCH,
                "colour": int(max(moved.before, moved.after)),
            },
        )
