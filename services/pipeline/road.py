"""The road of a message: receive, decode, check, store, judge, commit, acknowledge. Nothing is acknowledged earlier.

The seven steps stand here in their order. What each does in detail is in `steps`; what happens when one fails, in
`recovery`; what time moves, in `ticks`; how the next batch is prepared meanwhile, in `lookahead`.
"""

import threading
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial

from sqlalchemy import Connection, Engine

from ingest.check import check_readings
from ingest.lanes import lane_topics
from ingest.mqtt.receiver import Receiver
from ingest.postponed import delete_postponed
from ingest.store import storing_readings
from models.kind import Lane
from models.reading import Message
from models.rows import commit_in_background
from services.pipeline import recovery, steps
from services.pipeline.backlog import Backlog
from services.pipeline.batch import Batch, decode_messages
from services.pipeline.intake import Intake, batch_of
from services.pipeline.lookahead import Lookahead, NextBatch
from services.pipeline.state import Counts, PipelineState
from services.pipeline.ticks import Ticks, tick_buses, tick_rules
from services.runtime.clock import Clock, PeriodicTimer
from services.runtime.retry import retry_while_unavailable
from services.transit.fleet.fleet_updater import FleetUpdater

MEMORY_WRITE_INTERVAL_S = 1.0
"""How long the memories of steady devices may wait to be written: a device that catches up after an outage changes its
memory with every message. Until then they follow from the rows, from which the next process makes them again."""


class Pipeline:
    """One lane's road, with what it remembers between batches. One thread only.

    `foreign`: the municipality that foreign topics belong to, where they are received. `save_every`: how often memories
    of steady devices are written. `lookahead`: prepare the next batch while the server works.
    """

    def __init__(
        self,
        database: Engine,
        clock: Clock,
        lane: Lane | None,
        foreign: str | None = None,
        fleet: FleetUpdater | None = None,
        *,
        save_every: PeriodicTimer | None = None,
        lookahead: bool = True,
    ) -> None:
        self.state = PipelineState(database, clock, save_every or PeriodicTimer(0.0), fleet)
        self.lane, self.foreign, self.lookahead = lane, foreign, lookahead
        self.name = f"pipeline-{lane or 'all'}"
        self.topics = lane_topics(lane, foreign=foreign is not None)
        self.backlog = Backlog(self.state, lane, foreign)

    def run(self, broker: Receiver, batch_size: int, stop: threading.Event) -> None:
        """Process messages until told to stop. Returns between two batches, with every processed batch acknowledged."""
        intake = Intake(broker, batch_size, self.lane, self.state.rates)
        ticks = Ticks(self.state, self.lane, self.name)
        if not (retry_while_unavailable(ticks.begin, stop) and retry_while_unavailable(self.backlog.load, stop)):
            return
        while not stop.is_set():
            batch = intake.next()  # 1 receive
            if batch is not None:
                if not retry_while_unavailable(partial(self.process, batch, intake.peek), stop):  # 2 to 6
                    return
                broker.acknowledge(batch.received)  # 7 acknowledge
                intake.readings_per_message = batch.readings_per_message
            if not (self.backlog.run_due(self.process, stop, pressed=intake.pressed) and ticks.run_due(broker, stop)):
                return

    def process(self, batch: Batch, next_batch: NextBatch | None = None) -> None:
        """Write and commit a batch. Each message becomes readings or a rejection. Raises where the database is lost."""
        self.state.look_at_clock()
        if batch.excess:
            self.backlog.postpone(batch.excess)
            batch.excess = ()
            if not batch.messages:
                return
        ahead = Lookahead(self.state, self.foreign, next_batch) if self.lookahead and next_batch else None
        recovery.commit_batch(batch, partial(self._commit, batch, ahead), self._set_aside)

    def _commit(self, whole: Batch, ahead: Lookahead | None, batch: Batch, careful: bool) -> None:
        """One transaction. The caches change before the commit is certain, and are forgotten if it fails."""
        ahead = ahead if batch is whole and not careful else None
        state = self.state
        with ExitStack() as on_failure:
            on_failure.callback(state.forget)
            with state.connection() as connection, connection.begin():
                result = self.write(connection, batch, careful=careful, ahead=ahead)
                self.remember(result)
                announce = partial(steps.announce_readings, connection, result.live_readings, state.clock())
                with commit_in_background(connection, announce):  # 6 commit
                    if ahead:
                        ahead.judge()
            on_failure.pop_all()
        state.counts.add(result.counts)

    def write(
        self, transaction: Connection, batch: Batch, *, careful: bool, ahead: Lookahead | None = None
    ) -> steps.Result:
        """Steps 2 to 5 in the caller's transaction.

        `careful`: expect duplicates and failing rules where there should be none; if not careful, they raise.
        """
        state, now = self.state, self.state.clock()
        work = steps.BatchTransaction(transaction, state, state.current_rulebook(transaction), now, careful)
        batch.decoded = decoded = batch.decoded or decode_messages(batch.messages, self.foreign)  # 2 decode
        devices, unremembered = work.find_devices(decoded)
        skew_s = state.learn_skew(devices, decoded.readings)  # 3 check
        prepared = None if careful else state.still_valid(batch.prepared)
        checked = prepared.checked if prepared else check_readings(devices, state.memories, decoded.readings, skew_s)
        work.load_rule_states(checked)
        with storing_readings(transaction, checked.readings, expect_duplicates=careful) as stored:  # 4 store
            new = [checked.readings[position] for position in stored.new]
            if prepared and len(new) == len(checked.readings):
                judgement = steps.BatchEvaluation(prepared.evaluation, prepared.live_readings)
            else:
                judgement = work.judge(unremembered.readings, new)  # 5 judge
            if ahead:
                ahead.decode()
        rejected = work.write_rejections(decoded, stored)
        steady = unremembered.clean and checked.clean and judgement.evaluation.all_verde and not judgement.faults
        saved = work.write_results(checked, stored, judgement, steady=steady)
        work.follow_buses(new)
        work.write_presences(devices, decoded.presences)
        work.write_canaries(decoded.canaries)
        delete_postponed(transaction, batch.messages)
        counts = steps.count(batch, decoded, stored, rejected, judgement)
        return steps.Result(counts, checked.memories, judgement.evaluation.states, saved, judgement.live_readings)

    # One call each, for callers that hold no broker

    def process_messages(self, messages: Sequence[Message]) -> None:
        """Process messages as one batch."""
        self.process(batch_of(self.lane, messages))

    def write_messages(self, transaction: Connection, messages: Sequence[Message]) -> steps.Result:
        """Write messages in the caller's transaction. Call `remember` once it is committed."""
        result = self.write(transaction, batch_of(self.lane, messages), careful=True)
        steps.announce_readings(transaction, result.live_readings, self.state.clock())
        return result

    def remember(self, result: steps.Result) -> None:
        """Keep the memories and states that belong to a written result."""
        if result.saved:
            self.state.confirm(result.memories, result.states)
        else:
            self.state.hold(result.memories, result.states)
        if self.state.fleet is not None:
            self.state.fleet.after_commit()

    def tick_rules(self) -> None:
        """See `ticks.tick_rules`."""
        tick_rules(self.state, self.lane)

    def tick_buses(self) -> None:
        """See `ticks.tick_buses`."""
        tick_buses(self.state)

    def close(self) -> None:
        """Write what is not yet written and close the connection."""
        self.state.close()

    def _set_aside(self, message: Message, error: Exception) -> None:
        with self.state.connection() as transaction, transaction.begin():
            recovery.store_unprocessable(transaction, message, error)
            delete_postponed(transaction, [message])
        self.state.counts.add(Counts(messages=1, rejected=1, set_aside=1))
