"""Budget of rejected messages: how many are kept byte for byte. What exceeds it is counted, and a sample is kept.

A sender of garbage can therefore neither fill the disk nor use up what others' rejections need. Pure but for the tokens
it counts.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from models.reading import Rejected

ROW_BYTES = 400
"""What a rejection takes beside topic, payload and detail: row, keys of four indexes."""
OTHERS = "(others)"
"""The name under which senders beyond `MAX_COUNTED_SENDERS` are counted."""
MAX_COUNTED_SENDERS = 200
"""Of one hour, so that invented names do not fill the table of counts."""
SAMPLE_BYTES = 8_192
"""Longer messages are no sample."""
MAX_SENDERS = 10_000
HOUR, DAY_S, MINUTE_S = timedelta(hours=1), 86_400.0, 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RejectionLimits:
    """What one pipeline keeps of rejected messages, in bytes of the database and in rows.

    `sender_share`: how much of the bytes of a minute one sender may use. `samples_per_minute`: messages kept beyond.
    """

    bytes_per_minute: float = 200_000.0
    bytes_per_day: float = 64_000_000.0
    rows_per_day: float = 100_000.0
    sender_share: float = 0.5
    samples_per_minute: float = 1.0


@dataclass(slots=True)
class Allowance:
    """A token bucket of so much in `period_s`, full at first."""

    most: float
    period_s: float
    left: float
    at: datetime

    def has(self, amount: float, now: datetime) -> bool:
        """Refill, and say whether so much is left."""
        passed_s = max(0.0, (now - self.at).total_seconds())
        self.left, self.at = min(self.most, self.left + passed_s * self.most / self.period_s), max(now, self.at)
        return self.left >= amount


@dataclass(frozen=True, slots=True)
class RejectionCount:
    """Rejections of one sender and reason in one hour that were counted and not kept. `size`: bytes of payload."""

    hour: datetime
    sender: str
    reason: str
    messages: int
    size: int
    last_at: datetime


@dataclass(slots=True)
class RejectionBudget:
    """What may still be kept. `sender`: who sent a message on a topic (`SenderRates.sender`)."""

    sender: Callable[[str], str]
    limits: RejectionLimits = field(default_factory=RejectionLimits)
    counted: Counter[str] = field(default_factory=Counter)
    """Messages counted and not kept, by reason, since the start."""
    exhausted_at: datetime | None = None
    """When the budget of all senders last refused a message."""
    exhausted_by: str = ""
    """Who sent it."""
    _allowances: dict[str, Allowance] = field(default_factory=dict)
    _senders: dict[str, Allowance] = field(default_factory=dict)
    _hour: datetime | None = None
    _sampled: set[tuple[str, str]] = field(default_factory=set)
    _named: set[str] = field(default_factory=set)

    def divide(self, rejected: Sequence[Rejected]) -> tuple[list[Rejected], list[RejectionCount]]:
        """Divide rejections into those to keep and the counts of the others."""
        kept: list[Rejected] = []
        counts: dict[tuple[datetime, str, str], tuple[int, int, datetime]] = {}
        for item in rejected:
            message, sender = item.message, self.sender(item.message.topic)
            hour = message.received_at.replace(minute=0, second=0, microsecond=0)
            self._begin_hour(hour)
            if self._affords(item, sender) or self._is_sample(item, sender):
                kept.append(item)
                continue
            key = (hour, self._name(sender), item.reason.value)
            messages, size, _ = counts.get(key, (0, 0, message.received_at))
            counts[key] = (messages + 1, size + len(message.payload), message.received_at)
            self.counted[item.reason.value] += 1
        return kept, [RejectionCount(*key, *value) for key, value in sorted(counts.items())]

    def _affords(self, item: Rejected, sender: str) -> bool:
        limits, now, size = self.limits, item.message.received_at, _row_bytes(item)
        of_all = [
            (self._allowance("minute", limits.bytes_per_minute, MINUTE_S, now), size),
            (self._allowance("day", limits.bytes_per_day, DAY_S, now), size),
            (self._allowance("rows", limits.rows_per_day, DAY_S, now), 1),
        ]
        own = self._sender_allowance(sender, now)
        if not own.has(size, now):
            return False
        if not all([allowance.has(amount, now) for allowance, amount in of_all]):  # noqa: C419 - refill each of them
            self.exhausted_at, self.exhausted_by = now, sender
            return False
        for allowance, amount in (*of_all, (own, size)):
            allowance.left -= amount
        return True

    def _is_sample(self, item: Rejected, sender: str) -> bool:
        """Whether this is the hour's first of its sender and reason beyond the budget, and short."""
        key, now = (sender, item.reason.value), item.message.received_at
        samples = self._allowance("samples", 3 * self.limits.samples_per_minute, 3 * MINUTE_S, now)
        if key in self._sampled or _row_bytes(item) > SAMPLE_BYTES or not samples.has(1.0, now):
            return False
        samples.left -= 1.0
        self._sampled.add(key)
        return True

    def _begin_hour(self, hour: datetime) -> None:
        if hour != self._hour:
            self._hour = hour
            self._sampled.clear()
            self._named.clear()

    def _name(self, sender: str) -> str:
        if sender not in self._named and len(self._named) >= MAX_COUNTED_SENDERS:
            return OTHERS
        self._named.add(sender)
        return sender

    def _allowance(self, name: str, most: float, period_s: float, now: datetime) -> Allowance:
        return self._allowances.setdefault(name, Allowance(most, period_s, most, now))

    def _sender_allowance(self, sender: str, now: datetime) -> Allowance:
        if len(self._senders) >= MAX_SENDERS:
            self._senders.clear()
        most = self.limits.sender_share * self.limits.bytes_per_minute
        return self._senders.setdefault(sender, Allowance(most, MINUTE_S, most, now))


def _row_bytes(item: Rejected) -> int:
    return ROW_BYTES + len(item.message.topic) + len(item.message.payload) + len(item.detail)
