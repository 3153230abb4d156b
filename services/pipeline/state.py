"""What one pipeline process remembers between transactions: devices, rule states, the rulebook and its connection."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, fields

from sqlalchemy import Connection, Engine

from alerts import rulebook
from alerts.rule_states import RuleStates, StatesByRule
from alerts.rulebook import Rulebook
from ingest.memory import DeviceMemories, DeviceMemory
from ingest.registry import Device, DeviceKey, DeviceRegistry, registered_devices
from ingest.rejection_budget import RejectionBudget
from ingest.sender_rates import SenderRates, device_topic
from models.reading import Reading
from models.rows import PendingWrite, StaleRowError
from services.pipeline.batch import Prepared
from services.pipeline.clock_trust import ClockTrust
from services.pipeline.rejection_log import RejectionLog
from services.runtime.clock import Clock, ClockSteps, PeriodicTimer
from services.runtime.database import SessionId, connect_again
from services.runtime.retry import DATABASE_UNAVAILABLE
from services.transit.fleet.fleet_updater import FleetUpdater

CONFIG_CHECK_INTERVAL_S = 1.0
"""How long new rules and newly registered devices may go unnoticed."""


@dataclass(slots=True)
class Counts:
    """What a pipeline has processed since it started, or in one batch."""

    messages: int = 0
    readings: int = 0
    duplicates: int = 0
    rejected: int = 0
    transitions: int = 0
    set_aside: int = 0

    def add(self, other: "Counts") -> None:
        """Add each count of `other`."""
        for one in fields(Counts):
            setattr(self, one.name, getattr(self, one.name) + getattr(other, one.name))


@dataclass(slots=True)
class PipelineState:
    """Caches of the tables, valid as long as this process alone writes them. One thread only.

    A transaction that fails may have changed the caches before it failed: call `forget` then. A row that another
    process changed raises StaleRowError when it is written (`verify`).
    """

    database: Engine
    clock: Clock
    save_every: PeriodicTimer
    """How often device memories and rule states are written while no rule holds a colour above verde."""
    fleet: FleetUpdater | None = None
    """Follows the buses, where this lane carries them."""
    registry: DeviceRegistry = field(default_factory=DeviceRegistry)
    memories: DeviceMemories = field(default_factory=DeviceMemories)
    rule_states: RuleStates = field(default_factory=RuleStates)
    rates: SenderRates = field(default_factory=SenderRates)
    rejection_log: RejectionLog = field(default_factory=RejectionLog)
    rejection_budget: RejectionBudget = field(init=False)
    clock_trust: ClockTrust = field(init=False)
    rulebook: Rulebook | None = None
    counts: Counts = field(default_factory=Counts)
    generation: int = 0
    """Rises when anything but the next batch changes the caches or the skew. A batch judged ahead is used only if
    the generation has not changed since."""
    _municipalities: int = 0
    """With a station."""
    _connection: Connection | None = None
    _session: SessionId | None = None
    """Of the connection, or of the one that was lost last."""
    _reread: PeriodicTimer = field(default_factory=lambda: PeriodicTimer(CONFIG_CHECK_INTERVAL_S))

    def __post_init__(self) -> None:
        """Let the budget know senders as the rates do."""
        self.rejection_budget = RejectionBudget(self.rates.sender)
        self.clock_trust = ClockTrust(ClockSteps.of(self.clock))

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """The one connection of this process. When it is lost the caches are forgotten; the next call reconnects."""
        if self._connection is None:
            self._connection, self._session = connect_again(self.database, self._session)
        try:
            yield self._connection
        except DATABASE_UNAVAILABLE:
            lost, self._connection = self._connection, None
            lost.invalidate()
            self.forget()
            raise

    def current_rulebook(self, transaction: Connection) -> Rulebook:
        """The rules in force. Asks every CONFIG_CHECK_INTERVAL_S whether the configuration has changed."""
        if self.rulebook is not None and not self._reread.due():
            return self.rulebook
        version = rulebook.configuration_version(transaction)
        self.registry.clear_if_outdated(version)
        if self.rulebook is None or self.rulebook.version != version:
            self._write_unsaved(transaction)  # under the rules that produced the states
            self._forget_caches()
            self.rulebook = rulebook.read(transaction)
            self._municipalities = len({station.municipality for station in self.rulebook.stations.values()})
            self.rates.registered = {
                device_topic(*key): station for key, station in registered_devices(transaction).items()
            }
        return self.rulebook

    def look_at_clock(self) -> None:
        """Look for a step of the clock: before each batch and each tick, so that neither is judged by a wrong one."""
        if self.clock_trust.look(self.clock(), self._municipalities):
            self.generation += 1

    def learn_skew(self, devices: Mapping[DeviceKey, Device], readings: Sequence[Reading]) -> float:
        """Learn from some readings of a batch how far the clock is ahead of the city's devices. Returns it, s."""
        if self.clock_trust.learn(devices, readings, self._municipalities):
            self.generation += 1
        return self.clock_trust.skew_s

    def still_valid(self, prepared: Prepared | None) -> Prepared | None:
        """A prepared batch, unless the caches have changed since it was prepared."""
        return prepared if prepared is not None and prepared.generation == self.generation else None

    def confirm(self, memories: Mapping[int, DeviceMemory], states: Mapping[str, StatesByRule]) -> None:
        """Keep memories and states whose rows have been written and committed."""
        self.memories.mark_written(memories)
        self.rule_states.mark_written(states)

    def hold(self, memories: Mapping[int, DeviceMemory], states: Mapping[str, StatesByRule]) -> None:
        """Keep memories and states that are not yet written. Until `save` they can be made again from the readings."""
        self.memories.keep_unwritten(memories)
        self.rule_states.keep_unwritten(states)

    def save(self) -> None:
        """Write what is held and not yet written, in a transaction of its own."""
        if not self.memories.unwritten and not self.rule_states.unwritten:
            return
        try:
            with self.connection() as transaction, transaction.begin():
                self._write_unsaved(transaction)
        except StaleRowError:
            self.forget()
            return
        self.confirm({}, {})

    def forget(self) -> None:
        """Read everything again from the tables: what was written may not have been committed."""
        self._forget_caches()
        if self.fleet is not None:
            self.fleet.after_rollback()

    def close(self) -> None:
        """Write what is held, if the database is there, and close the connection."""
        with suppress(*DATABASE_UNAVAILABLE):
            self.save()
        if self._connection is not None:
            self._connection.close()
            self._connection = self._session = None

    def _forget_caches(self) -> None:
        self.generation += 1
        self.memories.clear()
        self.rule_states.clear()

    def _write_unsaved(self, transaction: Connection) -> None:
        if self.rulebook is not None:
            memories = self.memories.write(transaction, {})
            verify([memories, self.rule_states.write(transaction, self.rulebook, {}, self.clock())])


def verify(written: Iterable[PendingWrite | None]) -> None:
    """Raise StaleRowError where a statement changed fewer rows than it was to change."""
    for one in written:
        if one is not None:
            one.check_row_count()
