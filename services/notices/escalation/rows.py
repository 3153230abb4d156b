"""Rows of escalation: what incidents ask, the runs that go on with their calls, and the steps of a municipality."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, select

from models.alert import NAR
from models.rows import driver
from models.tables.duty import escalation_steps
from services.notices.escalation.engine import DEFAULT_STEPS, Call, Demand, Ended, Reason, Run, Step, Unreached

MAX_INCIDENTS = 500
"""Incidents looked at in one round, the worst first."""
_DEMANDS = """
WITH asking AS (
  SELECT incident_id, nar, min(coalesce(waiting_since, changed_at)) AS since FROM alerts
  WHERE state <> 'closed' AND state = 'firing' AND acknowledged_at IS NULL AND shelved_until IS NULL AND nar > 0
  GROUP BY incident_id, nar
), worst AS (
  SELECT DISTINCT ON (incident_id) incident_id, nar, since FROM asking ORDER BY incident_id, nar DESC
)
SELECT i.id, i.area, i.hazard, i.exercise, w.nar, w.since,
  EXISTS (SELECT FROM alerts a WHERE a.incident_id = i.id AND a.state = 'firing'),
  e.id, e.nar, e.started_at, e.answered_at, last.run, last.nar
FROM incidents i LEFT JOIN worst w ON w.incident_id = i.id
LEFT JOIN escalations e ON e.incident_id = i.id AND e.ended_at IS NULL
LEFT JOIN LATERAL (SELECT run, nar FROM escalations r WHERE r.incident_id = i.id ORDER BY run DESC LIMIT 1) last ON true
WHERE w.incident_id IS NOT NULL OR e.id IS NOT NULL
ORDER BY w.nar DESC NULLS LAST, i.id LIMIT %(most)s
"""


@dataclass(frozen=True, slots=True)
class AskingIncident:
    """An incident that asks, or whose escalation goes on. `escalation`: the number of the run, None without one.

    `last_run`, `last_nar`: the number and colour of the newest run of the incident; 0 and None before the first.
    """

    id: int
    area: str
    hazard: str
    exercise: str | None
    demand: Demand
    escalation: int | None
    run: Run | None
    last_run: int
    last_nar: NAR | None


def asking_incidents(transaction: Connection) -> list[AskingIncident]:
    """The incidents that ask to be acknowledged, and those whose escalation goes on; the worst first."""
    with driver(transaction).cursor() as cursor:
        rows = cursor.execute(_DEMANDS, {"most": MAX_INCIDENTS}).fetchall()
    running = [row[7] for row in rows if row[7] is not None]
    calls, orders = calls_of(transaction, running), orders_of(transaction, running)
    return [
        AskingIncident(
            id=row[0],
            area=row[1],
            hazard=row[2],
            exercise=row[3],
            demand=Demand(None if row[4] is None else NAR(row[4]), row[5], bool(row[6])),
            escalation=row[7],
            run=None
            if row[7] is None
            else Run(NAR(row[8]), row[9], row[10], calls.get(row[7], []), orders.get(row[7], [])),
            last_run=row[11] or 0,
            last_nar=None if row[12] is None else NAR(row[12]),
        )
        for row in rows
    ]


def calls_of(transaction: Connection, escalations: Sequence[int]) -> dict[int, list[Call]]:
    """The calls of these runs, in order."""
    found: dict[int, list[Call]] = {}
    if not escalations:
        return found
    with driver(transaction).cursor() as cursor:
        cursor.execute(
            "SELECT escalation_id, step, position, person_id, called_at, unreached_at, unreached_why, answered_at"
            " FROM escalation_calls WHERE escalation_id = ANY(%s) ORDER BY id",
            [list(escalations)],
        )
        for row in cursor:
            why = None if row[6] is None else Unreached(row[6])
            found.setdefault(row[0], []).append(Call(row[1], row[2], row[3], row[4], row[5], why, row[7]))
    return found


def orders_of(transaction: Connection, escalations: Sequence[int]) -> dict[int, list[datetime]]:
    """When people ordered the next step of these runs, in order of time."""
    found: dict[int, list[datetime]] = {}
    if not escalations:
        return found
    with driver(transaction).cursor() as cursor:
        cursor.execute(
            "SELECT e.id, x.at FROM escalations e JOIN alert_actions x ON x.incident_id = e.incident_id"
            " AND x.action = 'escalate' AND x.at >= e.started_at WHERE e.id = ANY(%s) ORDER BY x.at",
            [list(escalations)],
        )
        for number, at in cursor:
            found.setdefault(number, []).append(at)
    return found


@dataclass(frozen=True, slots=True)
class StepTable:
    """The steps of every municipality that has its own."""

    steps: Mapping[tuple[str, int], tuple[Step, ...]]

    def of(self, zones: Sequence[str], nar: NAR) -> tuple[Step, ...]:
        """The steps of a colour: those of the nearest of these zones that has any for it, else DEFAULT_STEPS."""
        own = (self.steps.get((zone, int(nar))) for zone in zones)
        return next((steps for steps in own if steps), DEFAULT_STEPS[nar])


def read_steps(transaction: Connection) -> StepTable:
    """The steps as the city configured them."""
    found: dict[tuple[str, int], tuple[Step, ...]] = {}
    for row in transaction.execute(select(escalation_steps).order_by(escalation_steps.c.step)):
        key = (f"municipality:{row.municipality_id}", row.nar)
        step = Step(timedelta(seconds=row.after_s), row.position, row.all_answer)
        found[key] = (*found.get(key, ()), step)
    return StepTable(found)


def begin_run(transaction: Connection, incident: AskingIncident, nar: NAR, reason: Reason, started_at: datetime) -> int:
    """Write a new run of an incident; returns its number."""
    with driver(transaction).cursor() as cursor:
        cursor.execute(
            "INSERT INTO escalations (incident_id, run, nar, reason, started_at) VALUES (%s, %s, %s, %s, %s)"
            " RETURNING id",
            [incident.id, incident.last_run + 1, int(nar), reason, started_at],
        )
        return int(cursor.fetchall()[0][0])


def end_run(transaction: Connection, escalation: int, why: Ended, now: datetime) -> None:
    """Write that a run ended."""
    with driver(transaction).cursor() as cursor:
        cursor.execute(
            "UPDATE escalations SET ended_at = %s, ended_because = %s WHERE id = %s AND ended_at IS NULL",
            [now, why, escalation],
        )


def note_answered(transaction: Connection, escalation: int, now: datetime) -> None:
    """Write that the incident asks no more, while some must still answer."""
    with driver(transaction).cursor() as cursor:
        cursor.execute("UPDATE escalations SET answered_at = %s WHERE id = %s", [now, escalation])


def add_call(transaction: Connection, escalation: int, call: Call) -> None:
    """Write a call. One of this run, step and person that is there already stays as it is."""
    with driver(transaction).cursor() as cursor:
        cursor.execute(
            "INSERT INTO escalation_calls (escalation_id, step, position, person_id, called_at, unreached_at,"
            " unreached_why) VALUES (%s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
            [
                escalation,
                call.step,
                call.position,
                call.person_id,
                call.called_at,
                call.unreached_at,
                call.unreached_why,
            ],
        )


_ANSWERED = """
UPDATE escalation_calls c SET answered_at = acted.at FROM (
  SELECT c.id, min(x.at) AS at FROM escalation_calls c
  JOIN escalations e ON e.id = c.escalation_id
  JOIN people p ON p.id = c.person_id
  JOIN alert_actions x ON x.actor = p.name AND x.action IN ('acknowledge', 'answer') AND x.at >= e.started_at
    AND (x.incident_id = e.incident_id OR x.alert_id IN (SELECT id FROM alerts WHERE incident_id = e.incident_id))
  WHERE c.escalation_id = ANY(%(runs)s) AND c.answered_at IS NULL GROUP BY c.id
) acted WHERE acted.id = c.id
"""
_FAILED = """
UPDATE escalation_calls c SET unreached_at = CASE WHEN s.failed THEN %(now)s::timestamptz END,
  unreached_why = CASE WHEN s.failed THEN 'failed' END
FROM (
  SELECT c.id, (n.id = ANY(%(unreached)s)) AS failed FROM escalation_calls c
  JOIN notices n ON (n.escalation_id, n.step, n.person_id) = (c.escalation_id, c.step, c.person_id)
  WHERE c.escalation_id = ANY(%(runs)s) AND (c.unreached_why IS NULL OR c.unreached_why = 'failed')
) s WHERE s.id = c.id AND s.failed <> (c.unreached_at IS NOT NULL)
"""


def note_answers(transaction: Connection, escalations: Sequence[int]) -> int:
    """Note which of the people called acknowledged or answered since the run began. Returns how many."""
    if not escalations:
        return 0
    with driver(transaction).cursor() as cursor:
        return cursor.execute(_ANSWERED, {"runs": list(escalations)}).rowcount


def unsent_notices(transaction: Connection, escalations: Sequence[int]) -> list[int]:
    """The notices of these runs that no channel has accepted."""
    if not escalations:
        return []
    with driver(transaction).cursor() as cursor:
        cursor.execute(
            "SELECT id FROM notices WHERE escalation_id = ANY(%s) AND sent_at IS NULL AND attempts > 0",
            [list(escalations)],
        )
        return [row[0] for row in cursor]


def note_unreached(transaction: Connection, escalations: Sequence[int], unreached: Sequence[int], now: datetime) -> int:
    """Note which people no channel has reached, by their notices, and take it back where one has since."""
    if not escalations:
        return 0
    with driver(transaction).cursor() as cursor:
        return cursor.execute(_FAILED, {"runs": list(escalations), "unreached": list(unreached), "now": now}).rowcount
