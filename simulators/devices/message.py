"""One message on its way from a simulated device to the broker, and how many streams of them keep to time."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from heapq import heappop, heappush


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedMessage:
    """Bytes for a topic, to be published at `due_at`.

    `created_at` is the simulated minute that brought it forth. It never falls along a stream, whatever delays `due_at`,
    so that one who puts a stream in order knows how long to wait.
    """

    created_at: datetime
    due_at: datetime
    topic: str
    payload: bytes
    retain: bool = False


def in_due_order(messages: Iterable[SimulatedMessage]) -> Iterator[SimulatedMessage]:
    """The same messages by `due_at`. Holds only those that are due later than the stream has come."""
    waiting: list[tuple[datetime, int, SimulatedMessage]] = []
    for number, message in enumerate(messages):
        while waiting and waiting[0][0] <= message.created_at:
            yield heappop(waiting)[-1]
        heappush(waiting, (message.due_at, number, message))
    while waiting:
        yield heappop(waiting)[-1]
