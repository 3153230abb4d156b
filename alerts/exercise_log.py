"""Exercises in the caller's transaction: started, their steps raised as alerts by the code of real ones, and ended.

The alerts of an exercise come from rules of its own (EXERCISE_RULE), in incidents that are marked as no real event.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from alerts import incident_log, transition_log
from alerts.alert_log import Origin
from alerts.delivery.live_events import announce
from alerts.record import RULE, Entry, record
from alerts.rulebook import Station
from alerts.rules.colour_change import colour_change
from models.alert import NAR, Cause
from models.incident import EXERCISE_RULE, Exercise
from models.rows import driver

EXERCISE = "exercise"
"""Live event, for staff only, of an exercise that starts or ends, and of all that happens in one."""
_CAUSES = {"stage": Cause.LEVEL, "rainfall": Cause.RAIN}
_ENDED = (
    "waiting_since = NULL, waiting_because = NULL, shelved_until = NULL, shelved_by = NULL, shelved_nar = NULL,"
    " flapping_since = NULL"
)
_STATION = "s.id, s.kind, s.municipality_id, s.basin_id, s.name"


@dataclass(frozen=True, slots=True)
class Step:
    """A rule of a station raises a colour at a time. `judgement`: stage or rainfall."""

    station: str
    judgement: str
    nar: NAR
    due_at: datetime


@dataclass(frozen=True, slots=True)
class Running:
    """The exercise that runs now."""

    id: int
    kind: Exercise
    name: str
    started_at: datetime
    started_by: str


def start(
    transaction: Connection, kind: Exercise, name: str, steps: Sequence[Step], *, by: str, now: datetime
) -> int | None:
    """Start an exercise; returns its number. None where another one runs."""
    with driver(transaction).cursor() as cursor:
        row = cursor.execute(
            "INSERT INTO exercises (kind, name, started_at, started_by) VALUES (%s, %s, %s, %s)"
            " ON CONFLICT DO NOTHING RETURNING id",
            [kind, name, now, by],
        ).fetchone()
        if row is None:
            return None
        for place, step in enumerate(steps, 1):
            cursor.execute(
                "INSERT INTO exercise_steps (exercise_id, place, station_id, judgement, nar, due_at)"
                " VALUES (%s, %s, %s, %s, %s, %s)",
                [row[0], place, step.station, step.judgement, step.nar, step.due_at],
            )
    _tell(transaction, row[0], kind, "started", by, now)
    return int(row[0])


def running(transaction: Connection) -> Running | None:
    """The exercise that runs now; None without one."""
    with driver(transaction).cursor() as cursor:
        row = cursor.execute(
            "SELECT id, kind, name, started_at, started_by FROM exercises WHERE ended_at IS NULL"
        ).fetchone()
    return None if row is None else Running(row[0], Exercise(row[1]), *row[2:])


def raise_due_steps(transaction: Connection, now: datetime) -> int:
    """Raise the alerts whose time has come; returns how many. Two processes raise each step once."""
    with driver(transaction).cursor() as cursor:
        due = cursor.execute(
            "UPDATE exercise_steps e SET done_at = %(now)s FROM stations s, exercises x WHERE s.id = e.station_id"
            " AND x.id = e.exercise_id AND x.ended_at IS NULL AND e.done_at IS NULL AND e.due_at <= %(now)s"
            f" RETURNING e.place, x.id, x.kind, e.judgement, e.nar, {_STATION}",
            {"now": now},
        ).fetchall()
    for _, number, kind, judgement, nar, *station in sorted(due):
        _change(transaction, number, Exercise(kind), judgement, Station(*station), NAR(nar), now)
    return len(due)


def end(transaction: Connection, *, by: str, now: datetime) -> int | None:
    """End the exercise that runs; returns its number. None without one. Its alerts are closed by `follow_exercises`."""
    with driver(transaction).cursor() as cursor:
        row = cursor.execute(
            "UPDATE exercises SET ended_at = %s, ended_by = %s WHERE ended_at IS NULL RETURNING id, kind", [now, by]
        ).fetchone()
    if row is None:
        return None
    _tell(transaction, int(row[0]), Exercise(row[1]), "ended", by, now)
    return int(row[0])


def close_ended(transaction: Connection, now: datetime) -> int:
    """Close the alerts of exercises that ended, without waiting for people; returns how many."""
    with driver(transaction).cursor() as cursor:
        left = cursor.execute(
            "SELECT a.id, a.incident_id FROM alerts a JOIN exercises x ON a.rule_id LIKE %s || x.id || '/%%'"
            " WHERE a.state <> 'closed' AND a.exercise IS NOT NULL AND x.ended_at IS NOT NULL ORDER BY a.id",
            [EXERCISE_RULE],
        ).fetchall()
    for incident in sorted({incident for _, incident in left}):
        incident_log.lock(transaction, incident)
    with driver(transaction).cursor() as cursor:
        cursor.execute(
            f"UPDATE alerts SET state = 'closed', nar = 0, rule_nar = 0, {_ENDED},"
            " cleared_at = coalesce(cleared_at, %(now)s), closed_at = %(now)s, closed_by = %(rule)s,"
            " changed_at = %(now)s, version = version + 1"
            " WHERE id = ANY(%(alerts)s) AND state <> 'closed'",
            {"now": now, "rule": RULE, "alerts": [alert for alert, _ in left]},
        )
    for incident in sorted({incident for _, incident in left}):
        incident_log.close_if_empty(transaction, incident, now)
    return len(left)


def follow_exercises(transaction: Connection, now: datetime) -> None:
    """Raise the alerts whose time has come, and close those of exercises that ended."""
    raise_due_steps(transaction, now)
    close_ended(transaction, now)


def _change(
    transaction: Connection,
    number: int,
    kind: Exercise,
    judgement: str,
    station: Station,
    nar: NAR,
    now: datetime,
) -> None:
    """Raise the colour of a rule of the exercise. The alert says that no reading is behind it."""
    rule = f"{EXERCISE_RULE}{number}/{station.id}.{judgement}"
    with driver(transaction).cursor() as cursor:
        row = cursor.execute(
            "SELECT nar FROM alerts WHERE rule_id = %s AND subject = %s AND state <> 'closed'", [rule, station.id]
        ).fetchone()
    before = NAR(row[0]) if row else NAR.VERDE
    transition = colour_change(before, nar, _CAUSES[judgement], now, now, {"exercise": number})
    origin = Origin(rule, 1, judgement, exercise=kind)
    transition_log.log_transition(transaction, station, origin, transition, notify=True)


def _tell(transaction: Connection, number: int, kind: Exercise, what: str, by: str, now: datetime) -> None:
    announce(transaction, EXERCISE, {"what": what, "exercise": kind, "id": number, "at": now}, now)
    record(transaction, Entry(f"{kind}.{what}", f"exercise:{number}", by or RULE), now)
