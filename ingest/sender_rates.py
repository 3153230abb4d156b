"""Sending rates: which messages of a receive are above the rate of their sender. One token bucket a sender. Pure.

Messages above the rate are postponed (`ingest.postponed`), so that others do not wait behind them. All messages of a
sender follow its postponed ones, so that their order stays.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache

from ingest.canary import PREFIX, canary_lane
from ingest.topic import MAX_TOPIC_LENGTH, MAX_TOPICS_REMEMBERED, DeviceTopic, parse_topic
from models.kind import DEFAULT_RATE, SendingRate
from models.kinds import KINDS_BY_NAME
from models.reading import Message

Excess = tuple[str, Message]
"""A message to be postponed, and its sender."""

UNREGISTERED = "(unregistered)"
"""All devices that nobody registered are one sender: who invents names has no more room than who invents none."""
NO_DEVICE = "(no device)"
"""All topics that name no device are one sender."""
UNREGISTERED_RATE = SendingRate(per_s=50.0, burst=10_000)
NO_DEVICE_RATE = SendingRate(per_s=2.0, burst=1_000)
FOREIGN_LEVELS = 9
"""Topic levels that identify a sender in other systems' topics: for HFP, down to operator and vehicle."""
FAIR_SHARE = 0.05
"""A sender above its rate is postponed only if it has more than this share of what was received at once: after an
outage all devices are above their rates, and none stands in another's way."""
LEAST_POSTPONED = 20
"""Fewer messages at once delay nobody."""
MAX_SENDERS = 65_536
"""Buckets in memory. Beyond it all begin again, full."""
EPISODE_GAP = timedelta(seconds=60)
"""A sender that stays within its rate for so long and then exceeds it begins anew."""


@dataclass(slots=True)
class Bucket:
    """One sender's allowance. `above_since`, `above_at`: first and last time above the rate, in one episode."""

    rate: SendingRate
    tokens: float
    filled_at: datetime
    above_since: datetime | None = None
    above_at: datetime | None = None
    excess: int = 0
    """Messages above the rate in this episode."""

    def spend(self, messages: int, now: datetime) -> bool:
        """Take the tokens of so many messages, as far as there are. Returns whether there were too few."""
        passed_s = max(0.0, (now - self.filled_at).total_seconds())
        left = min(float(self.rate.burst), self.tokens + passed_s * self.rate.per_s) - messages
        self.tokens, self.filled_at = max(left, 0.0), now
        if left >= 0:
            return False
        if self.above_at is None or now - self.above_at > EPISODE_GAP:
            self.above_since, self.excess = now, 0
        self.above_at = now
        self.excess += min(messages, int(-left) + 1)
        return True


@dataclass(slots=True)
class SenderRates:
    """The buckets of all senders of one pipeline, and how many messages of each are postponed."""

    registered: Mapping[str, str | None] | None = None
    """The station of each registered device, by its topic; None until known."""
    buckets: dict[str, Bucket] = field(default_factory=dict)
    postponed: Counter[str] = field(default_factory=Counter)
    """Messages stored for later."""
    unregistered_topic: str = ""
    """The last topic of a device that is not registered."""
    _coming: Counter[str] = field(default_factory=Counter)
    """Messages split off and not yet stored."""

    def split(self, messages: Sequence[Message]) -> tuple[Sequence[Message], Sequence[Excess]]:
        """Split messages received at once into those to process now and those to postpone, each in order."""
        if not messages:
            return messages, ()
        counts: Counter[str] = Counter()
        for topic, count in Counter([message.topic for message in messages]).items():
            counts[self.sender(topic)] += count
        fair, now = max(LEAST_POSTPONED, FAIR_SHARE * len(messages)), messages[-1].received_at
        excessive = {
            sender
            for sender, count in counts.items()
            if (self._bucket(sender, now).spend(count, now) and count > fair)
            or sender in self.postponed
            or sender in self._coming
        }
        if not excessive:
            return messages, ()
        now_due: list[Message] = []
        excess: list[Excess] = []
        for message in messages:
            if (sender := self.sender(message.topic)) in excessive:
                excess.append((sender, message))
            else:
                now_due.append(message)
        self._coming.update({sender: counts[sender] for sender in excessive})
        return now_due, excess

    def mark_stored(self, excess: Iterable[Excess], stored: Iterable[Excess]) -> None:
        """Count of this excess what was stored for later as postponed. The rest of it was rejected."""
        self.postponed.update([sender for sender, _ in stored])
        self._coming = +(self._coming - Counter([sender for sender, _ in excess]))

    def mark_processed(self, sender: str, messages: int) -> None:
        """Count so many postponed messages of a sender as processed."""
        self.postponed = +(self.postponed - Counter({sender: messages}))

    def sender(self, topic: str) -> str:
        """Who sent a message on this topic: a device by its topic, or one of the senders above."""
        sender = topic_sender(topic) if len(topic) <= MAX_TOPIC_LENGTH else NO_DEVICE
        own = self.registered is None or sender in self.registered or sender.startswith(("/", PREFIX))
        if own or sender == NO_DEVICE:
            return sender
        self.unregistered_topic = sender
        return UNREGISTERED

    def above(self, now: datetime, since: timedelta) -> dict[str, Bucket]:
        """The senders that were above their rate within `since`."""
        return {
            sender: bucket
            for sender, bucket in self.buckets.items()
            if bucket.above_at is not None and now - bucket.above_at <= since
        }

    def _bucket(self, sender: str, now: datetime) -> Bucket:
        bucket = self.buckets.get(sender)
        if bucket is None:
            if len(self.buckets) >= MAX_SENDERS:
                self.buckets.clear()
            rate = sending_rate(sender)
            bucket = self.buckets[sender] = Bucket(rate, float(rate.burst), now)
        return bucket


def sending_rate(sender: str) -> SendingRate:
    """The rate allowed to a sender."""
    if sender == UNREGISTERED:
        return UNREGISTERED_RATE
    if sender == NO_DEVICE:
        return NO_DEVICE_RATE
    kind = KINDS_BY_NAME.get(sender.split("/")[3]) if sender.startswith("vigia/v1/") else None
    return kind.rate if kind else DEFAULT_RATE


@lru_cache(maxsize=MAX_TOPICS_REMEMBERED)
def topic_sender(topic: str) -> str:
    """The topic of the device that a topic names, without `/status`; its first levels where it is another system's."""
    if topic.startswith("/"):
        return "/".join(topic.split("/", FOREIGN_LEVELS)[:FOREIGN_LEVELS])
    if canary_lane(topic):
        return topic
    match parse_topic(topic):
        case DeviceTopic(municipality=municipality, kind=kind, device=device):
            return device_topic(municipality, kind.name, device)
        case _:
            return NO_DEVICE


def device_topic(municipality: str, kind: str, device: str) -> str:
    """The topic on which a device publishes its readings."""
    return f"vigia/v1/{municipality}/{kind}/{device}"
