"""Tells who stays above the sending rate, and when rejections exceed their budget, as alerts that end by themselves."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from sqlalchemy import Connection

from alerts import sender_faults
from alerts.rulebook import Rulebook
from alerts.sender_faults import REJECTIONS, SenderFault, municipality_fault, station_fault
from ingest.lanes import lane_kinds
from ingest.sender_rates import EPISODE_GAP, UNREGISTERED, Bucket
from models.kind import Lane
from models.kinds import KINDS
from services.pipeline.state import PipelineState

HOLD = timedelta(seconds=10)
"""A sender is told of that is above its rate for longer: a buffer that empties is no fault."""
CALM = timedelta(minutes=5)
"""An alert ends after so long within the rate or the budget, with nothing postponed."""
MAX_FAULTS = 20
"""Alerts of one lane at once; the worst senders first."""

Evidence = Mapping[str, object]


class SenderFaults:
    """The alerts of one lane about its senders. Reads the open ones at its first tick."""

    def __init__(self, state: PipelineState, lane: Lane | None) -> None:
        self._state = state
        self._lane = lane
        self._firing: dict[SenderFault, datetime] | None = None
        """When each was last true."""

    def tick(self) -> None:
        """Raise and clear what is due, in a transaction of its own."""
        state, now = self._state, self._state.clock()
        true_now = self._true_now(now) if state.rulebook is not None else {}
        if not true_now and self._firing == {}:
            return
        with state.connection() as transaction, transaction.begin():
            book = state.current_rulebook(transaction)
            firing = self._known(transaction, now)
            true_now = self._true_now(now)
            over = [
                fault
                for fault, last_true in firing.items()
                if now - last_true > CALM and fault not in true_now and not state.rates.postponed
            ]
            new = [fault for fault in true_now if fault not in firing][: max(0, MAX_FAULTS - len(firing))]
            for fault in new:
                sender_faults.raise_fault(transaction, book, fault, true_now[fault], now)
            for fault in over:
                sender_faults.clear_fault(transaction, book, fault, {"calm_s": CALM.total_seconds()}, now)
        self._firing = {fault: last_true for fault, last_true in firing.items() if fault not in over}
        self._firing |= {fault: now for fault in true_now if fault in self._firing or fault in new}

    def _known(self, transaction: Connection, now: datetime) -> dict[SenderFault, datetime]:
        if self._firing is None:
            return dict.fromkeys(sender_faults.firing_faults(transaction, self._lane_name, lane_kinds(self._lane)), now)
        return dict(self._firing)

    @property
    def _lane_name(self) -> str:
        return self._lane or "all"

    def _true_now(self, now: datetime) -> dict[SenderFault, Evidence]:
        """What is to be told now, the worst senders first."""
        state = self._state
        book = state.rulebook
        if book is None or not book.stations:
            return {}
        above = [
            (sender, bucket)
            for sender, bucket in state.rates.above(now, EPISODE_GAP).items()
            if bucket.above_since is not None and bucket.above_at is not None
            if bucket.above_at - bucket.above_since >= HOLD
        ]
        above.sort(key=lambda one: -one[1].excess)
        found = {self._fault_of(book, sender, sender_faults.RATE): self._evidence(sender, b) for sender, b in above}
        budget = state.rejection_budget
        if budget.exhausted_at is not None and now - budget.exhausted_at <= CALM:
            fault = self._fault_of(book, budget.exhausted_by, REJECTIONS)
            found[fault] = {
                "sender": budget.exhausted_by,
                "counted": dict(budget.counted),
                "bytes_a_minute": budget.limits.bytes_per_minute,
            }
        return found

    def _evidence(self, sender: str, bucket: Bucket) -> Evidence:
        topic = {"topic": self._state.rates.unregistered_topic} if sender == UNREGISTERED else {}
        return topic | {
            "sender": sender,
            "allowed_a_minute": 60 * bucket.rate.per_s,
            "burst": bucket.rate.burst,
            "excess": bucket.excess,
            "postponed": self._state.rates.postponed[sender],
            "above_since_at": None if bucket.above_since is None else bucket.above_since.isoformat(),
        }

    def _fault_of(self, book: Rulebook, sender: str, what: str) -> SenderFault:
        """The station of a sender, where it has one; else its municipality, or the city's first."""
        parts = (self._state.rates.unregistered_topic if sender == UNREGISTERED else sender).split("/")
        own = len(parts) == 5 and parts[0] == "vigia"
        station = book.stations.get((self._state.rates.registered or {}).get(sender) or "")
        if what != REJECTIONS and station is not None:
            return station_fault(station)
        municipalities = sorted({station.municipality for station in book.stations.values()})
        municipality = parts[2] if own and parts[2] in municipalities else municipalities[0]
        kind = parts[3] if own else KINDS[0].name
        return municipality_fault(municipality, kind, what, self._lane_name)
