"""One message on its way from a simulated device to the broker, and how many streams of them keep to time."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from heapq import heappop, heappush


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """Bytes for a topic, to be published at `due_at`.

    `made_at` is the simulated minute that brought it forth. It never falls along a stream, whatever delays `due_at`,
    so that one who puts a stream in order knows how long to wait.
    """

    made_at: datetime
    due_at: datetime
    topic: str
    payload: bytes
    retain: bool = False


def in_order(parcels: Iterable[Parcel]) -> Iterator[Parcel]:
    """The same parcels by `due_at`. Holds only those that are due later than the stream has come."""
    waiting: list[tuple[datetime, int, Parcel]] = []
    for number, parcel in enumerate(parcels):
        while waiting and waiting[0][0] <= parcel.made_at:
            yield heappop(waiting)[-1]
        heappush(waiting, (parcel.due_at, number, parcel))
    while waiting:
        yield heappop(waiting)[-1]
