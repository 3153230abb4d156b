"""The road of a reading: take, decode, check, store, judge, commit, acknowledge. Nothing is acknowledged earlier.

What is wrong with one message is settled by halving the batch until the culprit stands alone and is set aside; a lost
database is no message's fault: nothing is acknowledged, and everything comes again.
"""

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
from functools import partial

from sqlalchemy import Connection, Engine

from alerts import engine, rulebook
from alerts.delivery.live_events import announce
from alerts.engine import Evaluation
from alerts.rule_states import RuleStates, StatesByRule
from alerts.rulebook import Rulebook
from ingest.check import CheckedBatch, check_readings, filled_gaps
from ingest.lanes import belongs_to_lane, lane_kinds, lane_topics
from ingest.memory import DeviceMemories, DeviceMemory, store_sequence_gaps
from ingest.mqtt.receiver import Receiver
from ingest.presence import store_presences
from ingest.registry import Device, DeviceKey, DeviceRegistry
from ingest.store import CheckedReading, add_flag, readings_after_memory, store_rejected, storing_readings
from models.kind import Lane
from models.reading import Flag, Message, Reason, Rejected
from models.rows import StaleMemory, Written, committing, driver
from services.pipeline.batch import Batch, News, Ready, by_station, conflicts_of, news_of, portions, sorted_out
from services.runtime.bisect import bisect_failures
from services.runtime.clock import Clock, PeriodicTimer
from services.runtime.heartbeat import write_heartbeat
from services.runtime.retry import DATABASE_LOST, error_summary, retry_while_unavailable
from services.transit.fleet.fleet_updater import FleetUpdater

log = logging.getLogger(__name__)

TAKE_WAIT_S = 0.5
TICK_S = 5.0
HEARTBEAT_S = 1.0
DEAF_S = 5.0
"""Who has not listened for so long beyond a tick, just started or without a database, cannot call others silent."""
LISTEN_S = 10.0
"""How long to listen before the first tick then: every device that was waiting is heard meanwhile."""
MOST_BYTES = 1 << 22
"""Of payloads in one transaction: a long array holds many readings, and all of a batch are in memory at once."""
WORTH_A_TRANSACTION = 250
"""Readings from which two transactions, one judged while the other commits, are quicker than one of twice as many."""
MOST_NEWS = 1_000
"""Readings in one event of the live stream, whose readers take many events at a time."""
REMEMBER_S = 1.0
"""How long calm memories may wait to be written: a device that catches up after an outage moves its own every message.
Until then they follow from the rows, from which whoever comes next makes them again."""
REREAD_S = 1.0
"""How long new rules and newly registered devices may go unnoticed."""


@dataclass(slots=True)
class Counts:
    """What a pipeline did since it started."""

    messages: int = 0
    readings: int = 0
    duplicates: int = 0
    rejected: int = 0
    transitions: int = 0
    set_aside: int = 0


@dataclass(frozen=True, slots=True)
class Kept:
    """A batch that is written and not yet committed: what to count and to remember once it is."""

    counts: Counts
    memories: Mapping[int, DeviceMemory]
    states: Mapping[str, StatesByRule]
    remembered: bool
    """Memories and states were written too."""
    news: News
    """What is still to be announced of it."""


Following = Callable[[], Batch | None]


def _nothing() -> None:
    """Nothing follows."""


@dataclass(slots=True)
class Pipeline:
    """One lane's road, with what it remembers between batches. One thread only."""

    database: Engine
    clock: Clock
    lane: Lane | None
    foreign: str | None = None
    """The municipality that foreign topics speak for, where they are heard."""
    buses: FleetUpdater | None = None
    registry: DeviceRegistry = field(default_factory=DeviceRegistry)
    memories: DeviceMemories = field(default_factory=DeviceMemories)
    states: RuleStates = field(default_factory=RuleStates)
    book: Rulebook | None = None
    counts: Counts = field(default_factory=Counts)
    remember: PeriodicTimer = field(default_factory=lambda: PeriodicTimer(0.0))
    """How often calm memories are written."""
    _coming: deque[Batch] = field(default_factory=deque)
    """What was taken and is not yet kept, but for the batch on the road."""
    _readings_a_message: float = 1.0
    """In the last batch."""
    _turn: int = 0
    """Moves whenever anything but the next batch changes what is remembered."""
    _standing: Connection | None = None
    _reread: PeriodicTimer = field(default_factory=lambda: PeriodicTimer(REREAD_S))

    def run(self, broker: Receiver, batch: int, stop: threading.Event) -> None:
        """Carry messages until told to stop. Returns between two batches, with everything carried acknowledged."""
        started_at, tick, heartbeat = self.clock(), PeriodicTimer(TICK_S), PeriodicTimer(HEARTBEAT_S)
        following = partial(self._following, broker, batch)
        while not stop.is_set():
            if not self._coming:
                self._take(broker, batch, TAKE_WAIT_S)
            if self._coming:
                one = self._coming.popleft()
                if not retry_while_unavailable(partial(self.carry_batch, one, following), stop):
                    return
                broker.acknowledge(one.taken)
            if self.remember.due() and not retry_while_unavailable(self.write_down, stop):
                return
            if tick.overdue_s > DEAF_S:
                tick.wait(LISTEN_S)
            if tick.due() and not (
                retry_while_unavailable(self.tick, stop) and retry_while_unavailable(self.tick_buses, stop)
            ):
                return
            if heartbeat.due():
                status = self._status(broker)
                retry_while_unavailable(
                    partial(write_heartbeat, self.database, self.name, started_at, self.clock(), status), stop
                )

    def write_down(self) -> None:
        """Write what is remembered and was not yet written."""
        if not self.memories.unwritten and not self.states.unwritten:
            return
        try:
            with self._connection() as transaction, transaction.begin():
                self._write_down(transaction)
        except StaleMemory:
            self.forget()
            return
        self._confirm({}, {})

    def close(self) -> None:
        """Write what was not yet written, and give the connection back."""
        with suppress(*DATABASE_LOST):
            self.write_down()
        if self._standing is not None:
            self._standing.close()
            self._standing = None

    @property
    def name(self) -> str:
        """How this process signs: its heartbeat and its client id."""
        return f"pipeline-{self.lane or 'all'}"

    def carry(self, messages: Sequence[Message]) -> None:
        """Bring messages into the tables, each as readings or as a rejection. Raises where the database is lost."""
        self.carry_batch(self.batch(messages))

    def batch(self, taken: Sequence[Message]) -> Batch:
        """These messages, with those that are this lane's to keep."""
        return Batch(taken, [message for message in taken if belongs_to_lane(self.lane, message.topic)])

    def carry_batch(self, batch: Batch, following: Following = _nothing) -> None:
        """Carry a batch whole or, where that fails, in parts.

        following: asked, while the server writes, for the batch to be carried next, which is then decoded and judged.
        """

        def commit(some: Sequence[Message]) -> None:
            if some is batch.messages:
                self._commit(batch, following)
            else:
                self._commit(Batch(some, some))

        bisect_failures(batch.messages, commit, self._set_aside)

    def _take(self, broker: Receiver, batch: int, wait_s: float) -> None:
        """Take what is there; where it is worth it no more than half of what the broker sends unasked."""
        half = broker.inflight_window // 2
        limit = min(batch, half) if half * self._readings_a_message >= WORTH_A_TRANSACTION else batch
        self._coming.extend(map(self.batch, portions(broker.receive(limit=limit, wait_s=wait_s), MOST_BYTES)))

    def _following(self, broker: Receiver, batch: int) -> Batch | None:
        """The batch that comes next, if it is there."""
        if broker.connected and not self._coming:
            self._take(broker, batch, 0.0)
        return self._coming[0] if self._coming else None

    @property
    def topics(self) -> tuple[str, ...]:
        """What to subscribe to."""
        return lane_topics(self.lane, foreign=self.foreign is not None)

    def tick(self) -> None:
        """Let time pass for what no reading moves."""
        now = self.clock()
        try:
            with self._connection() as transaction, transaction.begin():
                book = self._current_book(transaction)
                subjects = engine.due_subjects(transaction, book, lane_kinds(self.lane), now)
                self.states.load(transaction, book, engine.required_subjects(book, subjects))
                judged, faults = _isolated(subjects, lambda some: engine.tick(book, self.states, some, now))
                memories = self.memories.write(transaction, {})
                _verify([memories, engine.store_evaluation(transaction, book, self.states, judged, now)])
                for station, trouble in faults.items():
                    engine.report_fault(transaction, book, station, trouble, now)
        except StaleMemory:
            self.forget()  # another process judges too; the next tick sees what it did
            return
        self._turn += 1
        self._confirm({}, judged.states)
        self.counts.transitions += len(judged.transitions)

    def _commit(self, batch: Batch, following: Following = _nothing) -> None:
        """One transaction. First as if nothing were wrong with any of it; if something is, once more with care."""
        try:
            counts = self._attempt(batch, careful=False, following=following)
        except DATABASE_LOST:
            raise
        except Exception as trouble:  # noqa: BLE001 - whatever it is, care will find it
            log.info("carrying a batch with care", extra={"action": "care", "trouble": error_summary(trouble)})
            counts = self._attempt(Batch(batch.taken, batch.messages), careful=True)
        self._add(counts)

    def _attempt(self, batch: Batch, *, careful: bool, following: Following = _nothing) -> Counts:
        """Keep a batch and commit. While the server writes its rows the next one is decoded, while it commits judged.

        What is remembered is moved before the commit is certain, and forgotten should it fail.
        """
        following_one: Batch | None = None

        def meanwhile() -> None:
            nonlocal following_one
            following_one = following()
            if following_one is not None and following_one.arrived is None:
                with self._left_to_its_turn():
                    following_one.arrived = sorted_out(following_one.messages, self.foreign)

        with ExitStack() as unless_committed:
            unless_committed.callback(self.forget)
            with self._connection() as connection, connection.begin():
                kept = self._keep(connection, batch, careful=careful, meanwhile=meanwhile)
                self.committed(kept)
                last = partial(self._announce, connection, kept.news)
                with committing(connection, last), self._left_to_its_turn():
                    if following_one is not None:
                        self._judge_ahead(following_one)
            unless_committed.pop_all()
        return kept.counts

    @contextmanager
    def _left_to_its_turn(self) -> Iterator[None]:
        """What fails ahead of its turn fails again in it, where its culprit is found; the batch before must not."""
        try:
            yield
        except Exception as trouble:  # noqa: BLE001 - whatever it is
            log.info("a batch is left to its turn", extra={"action": "ahead", "trouble": error_summary(trouble)})

    def _judge_ahead(self, batch: Batch) -> None:
        """Check and judge the next batch, where that asks nothing of the tables."""
        if batch.arrived is None or self.book is None or batch.arrived.presences:
            return
        devices = self.registry.cached(batch.arrived.heard)
        if devices is None or not self.memories.are_loaded(device.id for device in devices.values()):
            return
        checked = check_readings(devices, self.memories, batch.arrived.readings)
        arrived = by_station(checked.readings, self.book.rules)
        if not checked.clean or not self.states.are_loaded(engine.required_subjects(self.book, arrived)):
            return
        judged = engine.evaluate(self.book, self.states, arrived, self.clock())
        batch.ready = Ready(self._turn, checked, judged, news_of(checked.readings))

    def committed(self, kept: Kept) -> None:
        """What was kept is committed: remember what goes with it."""
        if kept.remembered:
            self._confirm(kept.memories, kept.states)
        else:
            self.memories.keep_unwritten(kept.memories)
            self.states.keep_unwritten(kept.states)
        if self.buses is not None:
            self.buses.after_commit()

    def _confirm(self, memories: Mapping[int, DeviceMemory], states: Mapping[str, StatesByRule]) -> None:
        self.memories.mark_written(memories)
        self.states.mark_written(states)

    def _write_down(self, transaction: Connection) -> None:
        if self.book is not None:
            memories = self.memories.write(transaction, {})
            _verify([memories, self.states.write(transaction, self.book, {}, self.clock())])

    def forget(self) -> None:
        """Look up again what devices and rules remember: what was written may not have been committed."""
        self._turn += 1
        self.memories.clear()
        self.states.clear()
        if self.buses is not None:
            self.buses.after_rollback()

    @contextmanager
    def _connection(self) -> Iterator[Connection]:
        """The connection this pipeline stays on; a new one after any trouble with it."""
        if self._standing is None:
            self._standing = self.database.connect()
        try:
            yield self._standing
        except DATABASE_LOST:
            lost, self._standing = self._standing, None
            lost.invalidate()
            self.forget()
            raise

    def keep(self, transaction: Connection, messages: Sequence[Message], *, careful: bool = True) -> Kept:
        """The road itself, in the caller's transaction.

        careful: expect duplicates and failing rules where there should be none. Without care they raise.
        """
        kept = self._keep(transaction, self.batch(messages), careful=careful)
        self._announce(transaction, kept.news)
        return kept

    def _keep(
        self, transaction: Connection, batch: Batch, *, careful: bool, meanwhile: Callable[[], object] = _nothing
    ) -> Kept:
        """`meanwhile`: done while the server writes the rows; must not use the transaction."""
        now = self.clock()
        book = self._current_book(transaction)
        arrived = batch.arrived or sorted_out(batch.messages, self.foreign)
        self._readings_a_message = len(arrived.readings) / max(1, len(batch.messages))
        devices = self.registry.resolve(transaction, arrived.heard, now)
        senders = {devices[sender].id: sender for sender in arrived.heard}
        met = self.memories.load(transaction, senders, lock=careful)
        again = self._made_again(transaction, devices, {device_id: senders[device_id] for device_id in met})
        ready = batch.ready if batch.ready and batch.ready.turn == self._turn and not careful else None
        checked = ready.checked if ready else check_readings(devices, self.memories, arrived.readings)
        stations = {entry.station for entry in checked.readings if entry.station is not None} & book.rules.keys()
        self.states.load(transaction, book, engine.required_subjects(book, stations), lock=careful)
        with storing_readings(transaction, checked.readings, expect_duplicates=careful) as stored:
            fresh = [checked.readings[position] for position in stored.new]
            if ready and len(fresh) == len(checked.readings):
                judged, faults, news = ready.judged, dict[str, str](), ready.news
            else:
                judged, faults = self._judge(book, [*again.readings, *fresh], now, careful=careful)
                news = news_of(fresh)
            meanwhile()
        conflicts = conflicts_of((arrived.sources[at], arrived.readings[at]) for at in stored.conflicts)
        rejected = store_rejected(transaction, [*arrived.rejected, *conflicts])
        calm = again.clean and checked.clean and judged.all_verde and not faults
        remembering = not calm or self.remember.due()
        losses = [*checked.gaps, *filled_gaps(checked, stored.new)]
        written = []
        with driver(transaction).pipeline() if checked.spikes or losses or remembering else nullcontext():
            add_flag(transaction, checked.spikes, Flag.SPIKE)
            store_sequence_gaps(transaction, losses, now)
            if remembering:
                written = [
                    self.memories.write(transaction, checked.memories),
                    engine.store_evaluation(transaction, book, self.states, judged, now),
                ]
        _verify(written)
        for station, trouble in faults.items():
            engine.report_fault(transaction, book, station, trouble, now)
        self._follow(transaction, fresh, now)
        for presence in store_presences(transaction, devices, arrived.presences):
            announce(transaction, "device", asdict(presence), now)
        duplicates = len(arrived.readings) - len(fresh) - len(stored.conflicts)
        counts = Counts(len(batch.messages), len(fresh), duplicates, rejected, len(judged.transitions))
        return Kept(counts, checked.memories, judged.states, remembering, news)

    def _announce(self, transaction: Connection, news: News) -> None:
        now = self.clock()
        for kind, readings in news.items():
            for start in range(0, len(readings), MOST_NEWS):
                some = readings[start : start + MOST_NEWS]
                announce(transaction, "readings", {"kind": kind, "readings": some}, now)

    def _made_again(
        self, transaction: Connection, devices: Mapping[DeviceKey, Device], met: Mapping[int, DeviceKey]
    ) -> CheckedBatch:
        """What of devices met anew was kept and not yet remembered: no news, and the rules must see it again."""
        remembered = {device_id: (sender, self.memories.get(device_id)) for device_id, sender in met.items()}
        again = check_readings(devices, self.memories, readings_after_memory(transaction, remembered))
        self.memories.keep_unwritten(again.memories)
        return again

    def _follow(self, transaction: Connection, fresh: Sequence[CheckedReading], now: datetime) -> None:
        """Follow the batch's buses. What fails there costs a vehicle's outlook, or the batch's, and never a reading."""
        if (buses := self.buses) is None or not buses.has_positions(fresh):
            return

        def work(_: Sequence[None]) -> None:
            with transaction.begin_nested():
                bisect_failures(
                    buses.position_reports(transaction, fresh, now), buses.follow_at(now), buses.reset_vehicle
                )
                buses.write_pending(transaction, now)

        bisect_failures([None], work, lambda _, trouble: buses.record_failure(trouble))

    def tick_buses(self) -> None:
        """Let time pass for buses, apart from the rules."""
        if (buses := self.buses) is None or not buses.is_tick_due(self.clock()):
            return

        def work(_: Sequence[None]) -> None:
            with self._connection() as transaction, transaction.begin():
                buses.tick(transaction, self.clock())
            buses.after_commit()

        bisect_failures([None], work, lambda _, trouble: buses.record_failure(trouble))

    def _current_book(self, transaction: Connection) -> Rulebook:
        """The rules in force; whether the configuration changed is asked once a second."""
        if self.book is not None and not self._reread.due():
            return self.book
        version = rulebook.configuration_version(transaction)
        self.registry.clear_if_outdated(version)
        if self.book is None or self.book.version != version:
            self._write_down(transaction)  # by the rules it was judged by
            self._turn += 1
            self.memories.clear()
            self.states.clear()
            self.book = rulebook.read(transaction)
        return self.book

    def _judge(
        self, book: Rulebook, fresh: Sequence[CheckedReading], now: datetime, *, careful: bool
    ) -> tuple[Evaluation, dict[str, str]]:
        """Let the rules see what is new. With care, a rule that fails costs its own station's judgement alone.

        Returns what came of it and, by station, what failed.
        """
        arrived = by_station(fresh, book.rules)
        if not careful:
            return engine.evaluate(book, self.states, arrived, now), {}
        return _isolated(
            list(arrived),
            lambda some: engine.evaluate(book, self.states, {station: arrived[station] for station in some}, now),
        )

    def _set_aside(self, message: Message, trouble: Exception) -> None:
        log.error("set a message aside", extra={"action": "set-aside", "topic": message.topic}, exc_info=trouble)
        with self._connection() as transaction, transaction.begin():
            store_rejected(transaction, [Rejected(message, Reason.POISON, error_summary(trouble))])
        self._add(Counts(messages=1, rejected=1, set_aside=1))

    def _add(self, counts: Counts) -> None:
        for one in fields(Counts):
            setattr(self.counts, one.name, getattr(self.counts, one.name) + getattr(counts, one.name))

    def _status(self, broker: Receiver) -> dict[str, object]:
        return {
            "connected": broker.connected,
            "session_present": broker.session_present,
            "unacknowledged": broker.unacknowledged,
            **asdict(self.counts),
            **(asdict(self.buses.status) if self.buses else {}),
        }


def _isolated(
    stations: Sequence[str], judge: Callable[[Sequence[str]], Evaluation]
) -> tuple[Evaluation, dict[str, str]]:
    """Judge stations together; one whose rules fail costs its own judgement alone, and is named with what failed."""
    judged, faults = Evaluation(), {}

    def blame(station: str, trouble: Exception) -> None:
        faults[station] = error_summary(trouble)

    bisect_failures(stations, lambda some: judged.add(judge(some)), blame)
    return judged, faults


def _verify(written: Iterable[Written | None]) -> None:
    for one in written:
        if one is not None:
            one.verify()
