"""Periodic work of a pipeline: silent sensors, ends of holds, overdue buses, unsaved states, the heartbeat."""

import threading
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial

from alerts import engine
from ingest.lanes import lane_kinds
from ingest.mqtt.receiver import Receiver
from ingest.sender_rates import EPISODE_GAP
from models.kind import Lane
from models.rows import StaleRowError
from services.pipeline.sender_faults import SenderFaults
from services.pipeline.state import PipelineState, verify
from services.pipeline.steps import judge_each
from services.runtime.bisect import bisect_failures
from services.runtime.clock import PeriodicTimer, wall_clock
from services.runtime.heartbeat import last_heartbeat, write_heartbeat
from services.runtime.retry import retry_while_unavailable

TICK_S = 5.0
HEARTBEAT_S = 1.0
TICK_OVERDUE_S = 5.0
"""A tick that is later than this, after a start or while the database was away, first waits RECEIVE_FIRST_S. The
pipeline has received nothing meanwhile, so it must not report sensors as silent."""
RECEIVE_FIRST_S = 10.0
"""How long to receive messages before that tick: all devices that were waiting are heard meanwhile."""


class Ticks:
    """The periodic work of one pipeline."""

    def __init__(self, state: PipelineState, lane: Lane | None, process: str) -> None:
        self._state = state
        self._lane = lane
        self._process = process
        self._started_at = state.clock()
        self._tick = PeriodicTimer(TICK_S)
        self._sender_faults = SenderFaults(state, lane)
        self._heartbeat = PeriodicTimer(HEARTBEAT_S)

    def begin(self) -> None:
        """Look when a process of this name wrote its last heartbeat: since then nobody listened. Call it once."""
        with self._state.database.begin() as transaction:
            self._state.clock_trust.listened_until(last_heartbeat(transaction, self._process), self._started_at)

    def run_due(self, broker: Receiver, stop: threading.Event) -> bool:
        """Do what is due, and wait for the database if it is away. False if told to stop before all was done."""
        state = self._state
        state.look_at_clock()
        if state.save_every.due() and not retry_while_unavailable(state.save, stop):
            return False
        if self._tick.overdue_s > TICK_OVERDUE_S:
            self._tick.postpone(RECEIVE_FIRST_S)
        if self._tick.due() and not (
            retry_while_unavailable(partial(tick_rules, state, self._lane), stop) and self._ticked(stop)
        ):
            return False
        if self._heartbeat.due():
            retry_while_unavailable(partial(self._write_heartbeat, self._status(broker)), stop)
        return True

    def _write_heartbeat(self, status: dict[str, object]) -> None:
        state = self._state
        ahead_s = write_heartbeat(state.database, self._process, self._started_at, state.clock, status)
        if state.clock is wall_clock:
            state.clock_trust.compare_with_database(ahead_s)

    def _ticked(self, stop: threading.Event) -> bool:
        return all(
            retry_while_unavailable(task, stop) for task in (partial(tick_buses, self._state), self._sender_faults.tick)
        )

    def _status(self, broker: Receiver) -> dict[str, object]:
        fleet = self._state.fleet
        return {
            "connected": broker.connected,
            "session_present": broker.session_present,
            "unacknowledged": broker.unacknowledged,
            **broker.events.report(),
            **asdict(self._state.counts),
            "postponed": self._state.rates.postponed.total(),
            "senders_above_rate": len(self._state.rates.above(self._state.clock(), EPISODE_GAP)),
            "rejections_counted": self._state.rejection_budget.counted.total(),
            **self._state.clock_trust.report(),
            **(asdict(fleet.status) if fleet else {}),
        }


def tick_rules(state: PipelineState, lane: Lane | None) -> None:
    """Judge what changes without a reading: silence and the end of holds. Raises where the database is lost."""
    state.look_at_clock()
    now, trusted_since = state.clock(), state.clock_trust.trusted_since
    try:
        with state.connection() as transaction, transaction.begin():
            rulebook = state.current_rulebook(transaction)
            subjects = engine.due_subjects(transaction, rulebook, lane_kinds(lane), now)
            state.rule_states.load(transaction, rulebook, engine.required_subjects(rulebook, subjects))
            evaluation, faults = judge_each(
                subjects, lambda some: engine.tick(rulebook, state.rule_states, some, now, trusted_since)
            )
            memories = state.memories.write(transaction, {})
            verify([memories, engine.store_evaluation(transaction, rulebook, state.rule_states, evaluation, now)])
            for station, error in faults.items():
                engine.report_fault(transaction, rulebook, station, error, now)
    except StaleRowError:
        state.forget()  # another process judges too; the next tick sees what it did
        return
    state.generation += 1
    state.confirm({}, evaluation.states)
    state.counts.transitions += len(evaluation.transitions)


def tick_buses(state: PipelineState) -> None:
    """Update what changes without a report: silent vehicles, trips without a vehicle, the timetable in force."""
    if (fleet := state.fleet) is None or not fleet.is_tick_due(state.clock()):
        return

    def update(_: Sequence[None]) -> None:
        with state.connection() as transaction, transaction.begin():
            fleet.tick(transaction, state.clock())
        fleet.after_commit()

    bisect_failures([None], update, lambda _, error: fleet.record_failure(error))
