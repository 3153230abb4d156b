"""Messages of senders above their rate: set down before they are acknowledged, and processed after what others sent."""

import threading
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import islice
from time import monotonic

from ingest.decode import decode
from ingest.postponed import (
    MAX_POSTPONED,
    MAX_POSTPONED_BYTES,
    ROW_BYTES,
    count_postponed,
    oldest_postponed,
    store_postponed,
)
from ingest.rejected import store_rejected
from ingest.sender_rates import Excess
from models.kind import Lane
from models.reading import Reason, Rejected
from services.pipeline.batch import Batch
from services.pipeline.state import Counts, PipelineState
from services.runtime.clock import PeriodicTimer
from services.runtime.retry import retry_while_unavailable

TURN_MESSAGES = 500
"""Postponed messages in one transaction. All of them are of one sender; the senders take turns."""
TURN_SHARE = 0.1
"""While messages wait at the broker, this share of the time goes to postponed ones, so that no sender waits without
end."""
LOOK_EVERY_S = 10.0
"""How soon a process that postponed nothing takes up what another one of its lane postponed and left."""
_FULL = (
    f"above its sender's rate, and {MAX_POSTPONED:,} messages or {MAX_POSTPONED_BYTES:,} bytes are postponed already: "
    "send less"
)


class Backlog:
    """The postponed messages of one lane. One thread only."""

    def __init__(self, state: PipelineState, lane: Lane | None, foreign: str | None) -> None:
        """Hold nothing yet: call `load` before the first message."""
        self._state, self._lane, self._foreign = state, lane, foreign
        self._bytes = 0
        self._next_turn_s = 0.0
        self._senders: Iterator[str] = iter(())
        self._look = PeriodicTimer(LOOK_EVERY_S)

    def load(self) -> None:
        """Read what other processes postponed."""
        with self._state.connection() as transaction, transaction.begin():
            counts, self._bytes = count_postponed(transaction, self._lane)
        self._state.rates.postponed = counts

    def postpone(self, excess: Sequence[Excess]) -> None:
        """Store messages for later, in a transaction of their own. What is no reading at all is rejected at once."""
        state, later, rejected, size = self._state, list[Excess](), list[Rejected](), self._bytes
        room = MAX_POSTPONED - state.rates.postponed.total()
        for sender, message in excess:
            match decode(message, self._foreign):
                case [Rejected() as item]:
                    rejected.append(item)
                case _ if len(later) < room and size < MAX_POSTPONED_BYTES:
                    later.append((sender, message))
                    size += len(message.payload) + ROW_BYTES
                case _:
                    rejected.append(Rejected(message, Reason.OVERFLOW, _FULL))
        with state.connection() as transaction, transaction.begin():
            store_postponed(transaction, later)
            count = store_rejected(transaction, rejected, state.rejection_budget)
        self._bytes = size
        state.rates.mark_stored(excess, later)
        state.counts.add(Counts(messages=len(rejected), rejected=count))

    def run_due(self, process: Callable[[Batch], None], stop: threading.Event, *, pressed: bool) -> bool:
        """Process one sender's oldest messages, if it is time. False if told to stop before that was done.

        pressed: messages wait at the broker.
        """
        if not self._state.rates.postponed and self._look.due() and not retry_while_unavailable(self.load, stop):
            return False
        began_s = monotonic()
        if not self._state.rates.postponed or (pressed and began_s < self._next_turn_s):
            return True
        done = retry_while_unavailable(partial(self._process_turn, self._next_sender(), process), stop)
        ended_s = monotonic()
        self._next_turn_s = ended_s + (ended_s - began_s) * (1 - TURN_SHARE) / TURN_SHARE
        return done

    def _process_turn(self, sender: str, process: Callable[[Batch], None]) -> None:
        state = self._state
        with state.connection() as transaction, transaction.begin():
            messages = oldest_postponed(transaction, self._lane, sender, TURN_MESSAGES)
        if not messages:  # another process took them up
            self.load()
            return
        process(Batch((), messages))
        state.generation += 1  # a batch judged ahead did not know of these
        self._bytes -= sum(len(message.payload) + ROW_BYTES for message in messages)
        state.rates.mark_processed(sender, len(messages))

    def _next_sender(self) -> str:
        """The senders in turn."""
        for sender in islice(self._senders, 1):
            if sender in self._state.rates.postponed:
                return sender
        self._senders = iter([*self._state.rates.postponed])
        return next(self._senders)
