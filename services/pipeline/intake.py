"""Receives messages from the broker and cuts them into batches that fit one transaction."""

from collections import deque
from collections.abc import Sequence

from ingest.lanes import belongs_to_lane
from ingest.mqtt.receiver import BURST_MESSAGES, Receiver
from ingest.sender_rates import SenderRates
from models.kind import Lane
from models.reading import Message
from services.pipeline.batch import Batch, split_by_size

RECEIVE_WAIT_S = 0.5
"""How long to wait for the first message; also how soon a stop is noticed."""
IDLE_WAIT_S = 0.02
"""How long nothing must come before the broker counts as empty, while messages are postponed. A broker takes less than
this to send more after an acknowledgement."""
MOST_BYTES = 1 << 22
"""Payload bytes in one transaction: a long array holds many readings, and all of a batch are in memory at once."""
MIN_READINGS_TO_SPLIT = 250
"""Readings from which two transactions, one judged while the other commits, are faster than one of twice as many."""


def batch_of(lane: Lane | None, messages: Sequence[Message], rates: SenderRates | None = None) -> Batch:
    """A batch of received messages; those of other lanes are only acknowledged. Without `rates` none is excess."""
    ours: Sequence[Message] = [message for message in messages if belongs_to_lane(lane, message.topic)]
    ours, excess = rates.split(ours) if rates else (ours, ())
    return Batch(messages, ours, excess)


class Intake:
    """The messages of one broker as batches of at most `batch_size` messages, in their order."""

    def __init__(self, broker: Receiver, batch_size: int, lane: Lane | None, rates: SenderRates) -> None:
        self._broker = broker
        self._batch_size = batch_size
        self._lane = lane
        self._rates = rates
        self.pressed = False
        """Whether more messages seem to wait at the broker."""
        self._waiting: deque[Batch] = deque()
        self.readings_per_message = 1.0
        """Of the last batch; set by the pipeline."""

    def next(self) -> Batch | None:
        """The next batch, after waiting up to RECEIVE_WAIT_S, or IDLE_WAIT_S; None if no message came."""
        if not self._waiting:
            self._receive(IDLE_WAIT_S if self._rates.postponed else RECEIVE_WAIT_S)
        return self._waiting.popleft() if self._waiting else None

    def peek(self) -> Batch | None:
        """The batch that `next` will return, without waiting; None if no message is there."""
        if self._broker.connected and not self._waiting:
            self._receive(0.0)
        return self._waiting[0] if self._waiting else None

    def _receive(self, wait_s: float) -> None:
        """Receive what is there. Half the broker's window at most, where half is worth a transaction of its own."""
        half = self._broker.inflight_window // 2
        worth = half * self.readings_per_message >= MIN_READINGS_TO_SPLIT
        limit = min(self._batch_size, half) if worth else self._batch_size
        messages = self._broker.receive(limit=limit, wait_s=wait_s)
        if messages or wait_s:
            self.pressed = len(messages) >= BURST_MESSAGES
        self._waiting.extend(batch_of(self._lane, some, self._rates) for some in split_by_size(messages, MOST_BYTES))
