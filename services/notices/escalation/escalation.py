"""Escalates incidents: each round, in one transaction, begins and ends runs and calls whoever is due.

Several notifiers may run: one of them does the round. What is called is a row of `notices` to a person, in the same
transaction as the row that says so.
"""

import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, text

from alerts.delivery.live_events import announce
from alerts.incidents.grouping import SYSTEM
from alerts.record import Entry, record
from alerts.system_faults import TITLE
from models.alert import NAR
from services.duty.chain import without_tested_channel
from services.duty.rota import Rota, staff
from services.duty.rota_rows import Zones, read_rota, read_zones
from services.notices.deliveries import unreached_people
from services.notices.escalation import rows
from services.notices.escalation.engine import DEFAULT_STEPS, Call, Course, Reason, Run, course, due_calls
from services.notices.escalation.rows import AskingIncident, StepTable
from services.notices.messages import Purpose
from services.notices.person_notices import PersonNotice, queue_person_notice
from services.runtime.clock import Clock
from services.runtime.retry import DATABASE_UNAVAILABLE

log = logging.getLogger(__name__)

LOCK = 0x76696769_E5CA
ESCALATED = "escalated"
"""What the live event of an incident says when somebody is called."""


@dataclass(frozen=True, slots=True)
class Escalation:
    """The escalation of a city's incidents, run in the notifier's round."""

    database: Engine
    clock: Clock

    def run(self) -> int:
        """One round in a transaction of its own. Returns how many calls were made. Raises what the database raises."""
        with self.database.begin() as transaction:
            if not transaction.execute(text("SELECT pg_try_advisory_xact_lock(:lock)"), {"lock": LOCK}).scalar_one():
                return 0
            return escalate(transaction, self.clock())


@dataclass(frozen=True, slots=True)
class _City:
    """What one round reads of the city."""

    rota: Rota
    zones: Zones
    steps: StepTable
    unreachable: Collection[int]
    """People of the rota without a tested channel."""
    unreachable_in_exercises: Collection[int]
    """Those, and people without a tested channel that is told of exercises."""


def escalate(transaction: Connection, now: datetime) -> int:
    """Bring every run up to `now`. Returns how many calls were made. Calling it again at once makes none."""
    if not (found := rows.asking_incidents(transaction)):
        return 0
    running = [one.escalation for one in found if one.escalation is not None]
    unreached = unreached_people(transaction, rows.unsent_notices(transaction, running))
    if rows.note_answers(transaction, running) + rows.note_unreached(transaction, running, list(unreached), now):
        found = rows.asking_incidents(transaction)
    city = _read_city(transaction, found, now)
    return sum(_escalate_alone(transaction, incident, city, now) for incident in found)


def _read_city(transaction: Connection, found: Sequence[AskingIncident], now: datetime) -> _City:
    rota = read_rota(transaction, now)
    called = {call.person_id for one in found if one.run is not None for call in one.run.calls}
    people = {*rota.people, *(person for person in called if person is not None)}
    unreachable = without_tested_channel(transaction, people)
    exercises = any(one.exercise is not None for one in found)
    in_exercises = without_tested_channel(transaction, people, exercise=True) if exercises else unreachable
    return _City(rota, read_zones(transaction), rows.read_steps(transaction), unreachable, in_exercises)


def _escalate_alone(transaction: Connection, incident: AskingIncident, city: _City, now: datetime) -> int:
    """Follow one incident so that a bug costs it alone: what it wrote is undone, and the next round tries again."""
    try:
        with transaction.begin_nested():
            return _escalate_incident(transaction, incident, city, now)
    except DATABASE_UNAVAILABLE:
        raise
    except Exception:
        log.exception("an incident could not be escalated", extra={"action": "escalate", "incident": incident.id})
        return 0


def _escalate_incident(transaction: Connection, incident: AskingIncident, city: _City, now: datetime) -> int:
    """Follow one incident. Returns how many calls were made."""
    zones = city.zones.of(incident.area)
    started = incident.run.nar if incident.run is not None else incident.demand.asks
    steps = DEFAULT_STEPS[NAR.ROJO] if started is None else city.steps.of(zones, started)
    following = course(incident.run, incident.demand, steps, now, earlier=incident.last_nar)
    number, run, reason = _follow(transaction, incident, following, now)
    if number is None or run is None:
        return 0
    people = staff(city.rota, zones, now)
    everyone = {one for position in people.values() for one in position}
    everyone |= {call.person_id for call in run.calls if call.person_id is not None}
    unreachable = city.unreachable if incident.exercise is None else city.unreachable_in_exercises
    calls = due_calls(city.steps.of(zones, run.nar), run, people, everyone - set(unreachable), now)
    for call in calls:
        rows.add_call(transaction, number, call)
        record(transaction, Entry("escalation.called", f"incident:{incident.id}", details=_recorded(number, call)), now)
        if call.person_id is not None and call.unreached_at is None:
            body = _body(incident, run, call, reason, city.zones)
            _queue(transaction, incident, number, run, call, body, now)
    if calls:
        announce(transaction, "incident", {"id": incident.id, "change": ESCALATED, "at": now}, now)
    return len(calls)


def _follow(
    transaction: Connection, incident: AskingIncident, following: Course, now: datetime
) -> tuple[int | None, Run | None, Reason | None]:
    """Write what becomes of the incident's run. Returns the run that goes on, and why it begins where it does now."""
    number, run = incident.escalation, incident.run
    if number is not None and run is not None:
        if following.answered:
            rows.note_answered(transaction, number, now)
            run = replace(run, answered_at=now)
        if following.end is not None:
            rows.end_run(transaction, number, following.end, now)
            details = {"escalation": number, "why": following.end}
            record(transaction, Entry("escalation.ended", f"incident:{incident.id}", details=details), now)
            number, run = None, None
    if following.begin is not None and following.begin_at is not None and incident.demand.asks is not None:
        run = Run(incident.demand.asks, following.begin_at)
        number = rows.begin_run(transaction, incident, run.nar, following.begin, run.started_at)
        details = {"escalation": number, "nar": int(run.nar), "why": following.begin}
        record(transaction, Entry("escalation.began", f"incident:{incident.id}", details=details), now)
    return number, run, following.begin


def _recorded(escalation: int, call: Call) -> dict[str, object]:
    return {
        "escalation": escalation,
        "step": call.step,
        "position": call.position,
        "person_id": call.person_id,
        "unreached": call.unreached_why,
    }


def _body(incident: AskingIncident, run: Run, call: Call, reason: Reason | None, zones: Zones) -> dict[str, Any]:
    """What the message to a person is written from. No name of a person stands in it."""
    return {
        "purpose": _purpose(run, call, reason),
        "incident_id": incident.id,
        "nar": int(run.nar),
        "hazard": incident.hazard,
        "place": TITLE if incident.area == SYSTEM else zones.name_of(incident.area),
        "unanswered_since": incident.demand.since,
        "step": call.step,
    }


def _purpose(run: Run, call: Call, reason: Reason | None) -> Purpose:
    if run.answered_at is not None:
        return Purpose.ALL_ANSWER
    if call.step == 0 and reason is Reason.GRAVER:
        return Purpose.GRAVER
    return Purpose.RAISED if call.step == 0 and reason is Reason.ASKS else Purpose.ESCALATION


def _queue(
    transaction: Connection,
    incident: AskingIncident,
    escalation: int,
    run: Run,
    call: Call,
    body: dict[str, Any],
    now: datetime,
) -> None:
    assert call.person_id is not None
    notice = PersonNotice(
        person_id=call.person_id,
        key=f"escalation:{escalation}:{call.step}",
        priority=NAR.ROJO - run.nar,
        body=body,
        incident_id=incident.id,
        exercise=incident.exercise,
        escalation_id=escalation,
        step=call.step,
    )
    queue_person_notice(transaction, notice, now)
