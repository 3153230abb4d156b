"""Writes alerts in the caller's transaction: opens, changes and clears the one of a rule, within its incident."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection

from alerts import incident_log
from alerts.action_log import ActedOn, log_alert_action
from alerts.incidents.announcing import Reason, reason_to_announce
from alerts.incidents.grouping import membership
from alerts.life.limits import FLAPPING_WINDOW
from alerts.life.next_state import AlertState, NextState, OpenAlert, RuleChange, next_state
from alerts.notice_queue import incident_before
from alerts.record import RULE
from alerts.rulebook import Station
from models.alert import NAR, Cause, Change, Transition
from models.incident import Exercise, Membership
from models.json_text import json_text
from models.rows import driver

CONFIRMING = frozenset({Cause.RAIN, Cause.UPSTREAM})
"""Evidence of other stations that confirms what a station's own reading raised."""
RECENT_TRANSITIONS = 200
"""Transitions of one subject that are looked at for flapping."""
OPEN_ALERT = (
    "state, nar, rule_nar, held_nar, highest_nar, acknowledged_at IS NOT NULL, shelved_nar, flapping_since IS NOT NULL"
)
ACTED_ON = ", ".join(ActedOn._fields)


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
class ChangedAlert:
    """The alert after a transition. `version` grows with each change of it, also by people.

    `nar`: the colour shown. `announced`: why the operators hear of this transition; None where they do not.
    """

    id: int
    version: int
    incident_id: int
    nar: NAR
    announced: Reason | None


@dataclass(frozen=True, slots=True)
class _Stored:
    """The open alert of a rule, locked."""

    id: int
    incident_id: int
    membership: Membership
    alert: OpenAlert


@dataclass(frozen=True, slots=True)
class _Place:
    """The incident of an alert and why it belongs there. `left`: the incident that it leaves, locked too."""

    incident: int
    membership: Membership
    left: int | None = None


def change_alert(
    transaction: Connection, station: Station, origin: Origin, transition: Transition
) -> ChangedAlert | None:
    """Open or change the alert of this transition. None where there is no open alert to clear.

    An alert that was cleared and fires again does so since now: what was before is in its transitions.
    """
    place = _place(transaction, station, origin, transition)
    if place is None:
        return None
    changes, highest = _recent_changes(transaction, station.id, origin.rule_id, transition)
    change = RuleChange(
        origin.judgement, transition.after, transition.confirmed, changes, highest, origin.closes_itself
    )
    incident = incident_before(transaction, place.incident, origin.rule_id, transition.decided_at)
    stored = _lock_alert(transaction, origin.rule_id, station.id)
    state = next_state(None if stored is None else stored.alert, change)
    values = _values(station, origin, transition, state, place)
    row = _insert(transaction, values) if stored is None else _update(transaction, stored, values)
    if row is None:  # another process opened it since: change that one
        return change_alert(transaction, station, origin, transition)
    *acted_on, cause = row
    alert = ActedOn(*acted_on)
    for action in _happenings(stored, state):
        log_alert_action(transaction, alert, action, RULE, "", transition.decided_at)
    if place.left is not None or state.state is AlertState.CLOSED:
        left = place.incident if place.left is None else place.left
        incident_log.close_if_empty(transaction, left, transition.decided_at)
    reason = reason_to_announce(incident, origin.rule_id, place.membership, transition, raised_by=Cause(cause))
    return ChangedAlert(alert.id, alert.version, place.incident, state.nar, reason if state.announced else None)


def _place(transaction: Connection, station: Station, origin: Origin, transition: Transition) -> _Place | None:
    """The incident of the alert that this transition opens or changes, locked. None where nothing is open to clear.

    An open alert stays in its incident, unless it grows graver or fires again: then it may be of another one, such as a
    silent gauge whose stream rises, or a gauge in the next storm.
    """
    with driver(transaction).cursor() as cursor:
        found = cursor.execute(
            "SELECT incident_id, membership, state = 'firing' AND nar >= %s FROM alerts"
            " WHERE rule_id = %s AND subject = %s AND state <> 'closed'",
            [int(transition.after), origin.rule_id, station.id],
        ).fetchone()
    if found is None and not transition.after:
        return None
    if found is not None and (found[2] or not transition.after):
        incident_log.lock(transaction, found[0])
        return _Place(found[0], Membership(found[1]))
    key, why = membership(station, origin.judgement, transition.after)
    key = replace(key, exercise=origin.exercise)
    incident = incident_log.join(transaction, key, transition.decided_at)
    if found is None or found[0] == incident:
        return _Place(incident, why)
    incident_log.lock(transaction, found[0])
    return _Place(incident, why, left=found[0])


def _recent_changes(transaction: Connection, subject: str, rule_id: str, transition: Transition) -> tuple[int, NAR]:
    """How often the colour of this rule changed within FLAPPING_WINDOW, and its highest, with this transition."""
    with driver(transaction).cursor() as cursor:
        cursor.execute(
            "SELECT count(*), coalesce(max(greatest(before, after)), 0) FROM (SELECT * FROM transitions"
            " WHERE subject = %s ORDER BY id DESC LIMIT %s) AS recent"
            " WHERE rule_id = %s AND before <> after AND decided_at > %s",
            [subject, RECENT_TRANSITIONS, rule_id, transition.decided_at - FLAPPING_WINDOW],
        )
        count, highest = cursor.fetchall()[0]
    changed = transition.before != transition.after
    return count + changed, NAR(max(highest, transition.before, transition.after))


def _lock_alert(transaction: Connection, rule_id: str, subject: str) -> _Stored | None:
    with driver(transaction).cursor() as cursor:
        row = cursor.execute(
            f"SELECT id, incident_id, membership, {OPEN_ALERT} FROM alerts"
            " WHERE rule_id = %s AND subject = %s AND state <> 'closed' FOR UPDATE",
            [rule_id, subject],
        ).fetchone()
    if row is None:
        return None
    number, incident, why, *stored = row
    return _Stored(number, incident, Membership(why), open_alert(stored))


def open_alert(row: Sequence[Any]) -> OpenAlert:
    """An alert from the columns OPEN_ALERT."""
    state, nar, rule_nar, held, highest, acknowledged, shelved, flapping = row
    return OpenAlert(
        AlertState(state),
        NAR(nar),
        NAR(rule_nar),
        NAR(held),
        NAR(highest),
        acknowledged=acknowledged,
        shelved_nar=None if shelved is None else NAR(shelved),
        flapping=flapping,
    )


def _values(
    station: Station, origin: Origin, transition: Transition, state: NextState, place: _Place
) -> dict[str, Any]:
    return {
        "rule_id": origin.rule_id,
        "rule_version": origin.rule_version,
        "subject": station.id,
        "kind": station.kind,
        "judgement": origin.judgement,
        "state": state.state,
        "nar": int(state.nar),
        "rule_nar": int(state.rule_nar),
        "held_nar": int(state.held_nar),
        "cause": transition.cause,
        "confirmed": transition.confirmed,
        "observed_at": transition.observed_at,
        "now": transition.decided_at,
        "evidence": json_text(dict(transition.evidence)),
        "incident": place.incident,
        "why": place.membership,
        "asks": state.asks,
        "unshelved": state.unshelved,
        "flapping": state.flapping,
        # What confirms a colour does not take the place of what raised it, and what eases it is no evidence for it.
        "keeps": transition.change is Change.CONFIRMED and transition.cause in CONFIRMING,
        "firing": bool(transition.after),
    }


def _insert(transaction: Connection, values: dict[str, Any]) -> tuple[Any, ...] | None:
    """Open an alert; None where another process did meanwhile."""
    with driver(transaction).cursor() as cursor:
        return cursor.execute(
            "INSERT INTO alerts (rule_id, rule_version, subject, kind, judgement, state, nar, rule_nar, held_nar,"
            " highest_nar, cause, confirmed, observed_at, opened_at, changed_at, waiting_since, waiting_because,"
            " flapping_since, evidence, incident_id, membership)"
            " VALUES (%(rule_id)s, %(rule_version)s, %(subject)s, %(kind)s, %(judgement)s, %(state)s, %(nar)s,"
            " %(rule_nar)s, %(held_nar)s, %(nar)s, %(cause)s, %(confirmed)s, %(observed_at)s, %(now)s, %(now)s,"
            " %(now)s, %(asks)s, CASE WHEN %(flapping)s THEN %(now)s::timestamptz END, %(evidence)s::jsonb,"
            " %(incident)s, %(why)s)"
            f" ON CONFLICT (rule_id, subject) WHERE state <> 'closed' DO NOTHING RETURNING {ACTED_ON}, cause",
            values,
        ).fetchone()


def _update(transaction: Connection, stored: _Stored, values: dict[str, Any]) -> tuple[Any, ...] | None:
    asks = "%(asks)s::text IS NOT NULL"
    anew = f"{asks} AND (acknowledged_at IS NOT NULL OR state = 'cleared')"
    closed = "%(state)s = 'closed'"
    with driver(transaction).cursor() as cursor:
        return cursor.execute(
            "UPDATE alerts SET rule_version = CASE WHEN %(firing)s THEN %(rule_version)s ELSE rule_version END,"
            " state = %(state)s, nar = %(nar)s,"
            " rule_nar = %(rule_nar)s, held_nar = %(held_nar)s, highest_nar = greatest(highest_nar, %(nar)s),"
            " confirmed = CASE WHEN %(firing)s THEN %(confirmed)s ELSE confirmed END,"
            " cause = CASE WHEN %(keeps)s THEN cause ELSE %(cause)s END,"
            " evidence = CASE WHEN %(keeps)s OR NOT %(firing)s THEN evidence ELSE %(evidence)s::jsonb END,"
            " observed_at = CASE WHEN %(keeps)s THEN observed_at ELSE %(observed_at)s END,"
            " opened_at = CASE WHEN state = 'cleared' AND %(state)s = 'firing' THEN %(now)s ELSE opened_at END,"
            " changed_at = %(now)s,"
            " cleared_at = CASE WHEN %(state)s <> 'firing' THEN %(now)s::timestamptz END,"
            f" closed_at = CASE WHEN {closed} THEN %(now)s::timestamptz END,"
            f" closed_by = CASE WHEN {closed} THEN '{RULE}' END,"
            f" waiting_since = CASE WHEN {anew} THEN %(now)s WHEN {closed} THEN NULL ELSE waiting_since END,"
            f" waiting_because = CASE WHEN {anew} THEN %(asks)s WHEN {closed} THEN NULL ELSE waiting_because END,"
            f" acknowledged_at = CASE WHEN {asks} THEN NULL ELSE acknowledged_at END,"
            f" acknowledged_by = CASE WHEN {asks} THEN NULL ELSE acknowledged_by END,"
            f" acknowledged_until = CASE WHEN {asks} THEN NULL ELSE acknowledged_until END,"
            f" shelved_until = CASE WHEN %(unshelved)s OR {closed} THEN NULL ELSE shelved_until END,"
            f" shelved_by = CASE WHEN %(unshelved)s OR {closed} THEN NULL ELSE shelved_by END,"
            f" shelved_nar = CASE WHEN %(unshelved)s OR {closed} THEN NULL ELSE shelved_nar END,"
            " flapping_since = CASE WHEN %(flapping)s THEN coalesce(flapping_since, %(now)s) END,"
            " incident_id = %(incident)s, membership = %(why)s, version = version + 1"
            f" WHERE id = %(id)s RETURNING {ACTED_ON}, cause",
            {**values, "id": stored.id},
        ).fetchone()


def _happenings(stored: _Stored | None, state: NextState) -> list[str]:
    """What happened to the alert besides its transition, as the actions of a rule."""
    before = None if stored is None else stored.alert
    started = state.flapping and not (before is not None and before.flapping)
    return [*(["shelf_broken"] if state.unshelved else []), *(["flapping"] if started else [])]
