"""The steps of the road in detail, each in the transaction of one batch and on the caches of a `PipelineState`."""

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field
from datetime import datetime

from sqlalchemy import Connection

from alerts import engine
from alerts.delivery.live_events import CANARY, announce
from alerts.engine import Evaluation
from alerts.rule_states import StatesByRule
from alerts.rulebook import Rulebook
from ingest.canary import Canary
from ingest.check import CheckedBatch, check_readings, filled_gaps
from ingest.memory import DeviceMemory, store_sequence_gaps
from ingest.presence import store_presences
from ingest.registry import Device, DeviceKey
from ingest.rejected import store_rejected
from ingest.store import CheckedReading, StoreResult, add_flag, readings_after_memory
from models.reading import Flag, Presence
from models.rows import driver
from services.pipeline.batch import Batch, Decoded, LiveReadings, by_station, conflict_rejections, live_readings_of
from services.pipeline.state import Counts, PipelineState, verify
from services.runtime.bisect import bisect_failures
from services.runtime.retry import error_summary

log = logging.getLogger(__name__)

MOST_LIVE_READINGS = 1_000
"""Readings in one event of the live stream, whose clients receive many events at a time."""


@dataclass(frozen=True, slots=True)
class BatchEvaluation:
    """What the rules say of a batch. `faults`: what failed, by the station whose rules failed."""

    evaluation: Evaluation
    live_readings: LiveReadings
    faults: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Result:
    """What one transaction wrote; to be counted and remembered once it is committed.

    `saved`: memories and states were written too, not only held.
    """

    counts: Counts
    memories: Mapping[int, DeviceMemory]
    states: Mapping[str, StatesByRule]
    saved: bool
    live_readings: LiveReadings


@dataclass(frozen=True, slots=True)
class BatchTransaction:
    """One transaction for one batch, in the caller's connection.

    `now`: the time of the whole batch. `careful`: expect duplicates and failing rules; if not careful, they raise.
    """

    transaction: Connection
    state: PipelineState
    rulebook: Rulebook
    now: datetime
    careful: bool

    def find_devices(self, decoded: Decoded) -> tuple[Mapping[DeviceKey, Device], CheckedBatch]:
        """The devices of a batch, with their memories in the cache.

        Also returns readings that were stored after a device's memory was last written, checked again: the process that
        stored them ended before it wrote the memory. They are not news, but the rules must see them again.
        """
        memories = self.state.memories
        devices = self.state.registry.resolve(self.transaction, decoded.senders, self.now)
        decoded.reject_unknown(devices)
        senders = {devices[sender].id: sender for sender in decoded.senders}
        if undeclared := [sender for sender in decoded.senders if devices[sender].station is None]:
            self.state.rejection_log.note_undeclared(undeclared, self.now)
        loaded = memories.load(self.transaction, senders, lock=self.careful)
        remembered = {device_id: (senders[device_id], memories.get(device_id)) for device_id in loaded}
        unremembered = check_readings(devices, memories, readings_after_memory(self.transaction, remembered))
        memories.keep_unwritten(unremembered.memories)
        return devices, unremembered

    def load_rule_states(self, checked: CheckedBatch) -> None:
        """Put the rule states of the stations in a batch into the cache."""
        rulebook = self.rulebook
        stations = {entry.station for entry in checked.readings if entry.station is not None} & rulebook.rules.keys()
        subjects = engine.required_subjects(rulebook, stations)
        self.state.rule_states.load(self.transaction, rulebook, subjects, lock=self.careful)

    def judge(self, unremembered: Sequence[CheckedReading], new: Sequence[CheckedReading]) -> BatchEvaluation:
        """Let the rules see the new readings. If careful, a rule that fails costs only its own station's judgement."""
        rulebook, states, now = self.rulebook, self.state.rule_states, self.now
        readings = by_station([*unremembered, *new], rulebook.rules)
        if not self.careful:
            return BatchEvaluation(engine.evaluate(rulebook, states, readings, now), live_readings_of(new))
        evaluation, faults = judge_each(
            list(readings),
            lambda stations: engine.evaluate(
                rulebook, states, {station: readings[station] for station in stations}, now
            ),
        )
        return BatchEvaluation(evaluation, live_readings_of(new), faults)

    def write_results(
        self, checked: CheckedBatch, stored: StoreResult, judgement: BatchEvaluation, *, steady: bool
    ) -> bool:
        """Write spike flags, lost messages, alerts and, unless they can wait, memories and states.

        `steady`: the readings alone suffice to make memories and states again. Returns whether these were written.
        """
        transaction, state = self.transaction, self.state
        losses = [*checked.gaps, *filled_gaps(checked, stored.new)]
        save = not steady or state.save_every.due()
        written = []
        with driver(transaction).pipeline() if checked.spikes or losses or save else nullcontext():
            add_flag(transaction, checked.spikes, Flag.SPIKE)
            store_sequence_gaps(transaction, losses, self.now)
            if save:
                written = [
                    state.memories.write(transaction, checked.memories),
                    engine.store_evaluation(
                        transaction, self.rulebook, state.rule_states, judgement.evaluation, self.now
                    ),
                ]
        verify(written)
        for station, error in judgement.faults.items():
            engine.report_fault(transaction, self.rulebook, station, error, self.now)
        return save

    def write_rejections(self, decoded: Decoded, stored: StoreResult) -> int:
        """Store or count the messages that are no reading or contradict a stored one. Returns how many were new."""
        conflicts = conflict_rejections((decoded.sources[at], decoded.readings[at]) for at in stored.conflicts)
        rejected = [*decoded.rejected, *conflicts]
        if rejected:
            named = ((self.state.rates.sender(item.message.topic), item) for item in rejected)
            self.state.rejection_log.note_rejected(named, self.now)
        return store_rejected(self.transaction, rejected, self.state.rejection_budget)

    def write_presences(self, devices: Mapping[DeviceKey, Device], presences: Sequence[Presence]) -> None:
        """Store which devices connected or disconnected, and publish each change."""
        for presence in store_presences(self.transaction, devices, presences):
            announce(self.transaction, "device", asdict(presence), self.now)

    def write_canaries(self, canaries: Sequence[Canary]) -> None:
        """Store and announce that Vigía's own test messages arrived, in the transaction of the readings around them.

        They take the way of readings up to the open pages: the API's reader of the live stream looks for them.
        """
        if not canaries:
            return
        with driver(self.transaction).cursor() as cursor:
            for canary in canaries:
                cursor.execute(
                    "INSERT INTO canaries (lane, sent_at) VALUES (%s, %s) ON CONFLICT (lane) DO UPDATE"
                    " SET sent_at = excluded.sent_at, stored_at = clock_timestamp()",
                    [canary.lane, canary.sent_at],
                )
        for canary in canaries:
            announce(self.transaction, CANARY, {"lane": canary.lane}, self.now)

    def follow_buses(self, new: Sequence[CheckedReading]) -> None:
        """Follow the buses of a batch. A failure costs predictions, of one vehicle or of the batch, and no reading."""
        fleet, transaction, now = self.state.fleet, self.transaction, self.now
        if fleet is None or not fleet.has_positions(new):
            return

        def follow(_: Sequence[None]) -> None:
            with transaction.begin_nested():
                bisect_failures(
                    fleet.position_reports(transaction, new, now), fleet.follow_at(now), fleet.reset_vehicle
                )
                fleet.write_pending(transaction, now)

        bisect_failures([None], follow, lambda _, error: fleet.record_failure(error))


def judge_each(
    stations: Sequence[str], evaluate: Callable[[Sequence[str]], Evaluation]
) -> tuple[Evaluation, dict[str, str]]:
    """Judge stations together; where that fails, find the stations that fail. Returns their errors by station."""
    evaluation, faults = Evaluation(), dict[str, str]()

    def note_fault(station: str, error: Exception) -> None:
        faults[station] = error_summary(error)

    bisect_failures(stations, lambda some: evaluation.add(evaluate(some)), note_fault)
    return evaluation, faults


def announce_readings(transaction: Connection, live_readings: LiveReadings, now: datetime) -> None:
    """Publish new readings to the live stream; clients receive them when the transaction commits."""
    for kind, readings in live_readings.items():
        for start in range(0, len(readings), MOST_LIVE_READINGS):
            some = readings[start : start + MOST_LIVE_READINGS]
            announce(transaction, "readings", {"kind": kind, "readings": some}, now)


def count(batch: Batch, decoded: Decoded, stored: StoreResult, rejected: int, judgement: BatchEvaluation) -> Counts:
    """Count what became of a batch."""
    duplicates = len(decoded.readings) - len(stored.new) - len(stored.conflicts)
    return Counts(len(batch.messages), len(stored.new), duplicates, rejected, len(judgement.evaluation.transitions))
