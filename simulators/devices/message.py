"""A message from a simulated device to the broker, and the ordering of a stream of messages by due time."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from heapq import heappop, heappush


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedMessage:
    """A payload for a topic, to be published at `due_at`.

    `created_at` is the simulated minute in which the message was made. It never decreases along a stream, even if
    `due_at` is delayed, so that `in_due_order` knows how long to wait.
    """

    created_at: datetime
    due_at: datetime
    topic: str
    payload: bytes
    retain: bool = False


def in_due_order(messages: Iterable[SimulatedMessage]) -> Iterator[SimulatedMessage]:
    """The same messages ordered by `due_at`. Holds only messages due later than the present `created_at`."""
    waiting: list[tuple[datetime, int, SimulatedMessage]] = []
    for number, message in enumerate(messages):
        while waiting and waiting[0][0] <= message.created_at:
            yield heappop(waiting)[-1]
        heappush(waiting, (message.due_at, number, message))
    while waiting:
        yield heappop(waiting)[-1]
