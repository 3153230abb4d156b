"""A batch of messages on the road: taken, understood, and perhaps judged before its rows are written. Pure."""

from collections import defaultdict
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import assert_never

from alerts.engine import Evaluation
from ingest.check import CheckedBatch
from ingest.decode import decode
from ingest.registry import DeviceKey, device_key
from ingest.store import CheckedReading
from models.kinds import BY_NAME
from models.reading import Message, Presence, Reading, Reason, Rejected

News = Mapping[str, Sequence[dict[str, object]]]
"""What the live stream says of new readings, by kind."""


@dataclass(slots=True)
class Arrived:
    """A batch by what its messages turned out to be."""

    readings: list[Reading] = field(default_factory=list)
    sources: list[Message] = field(default_factory=list)
    """The message of each reading."""
    presences: list[Presence] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    heard: set[DeviceKey] = field(default_factory=set)
    """Every device the batch speaks of."""


@dataclass(frozen=True, slots=True)
class Ready:
    """A batch checked and judged ahead of its turn, all of it surely new. Good while nothing moved since `turn`."""

    turn: int
    checked: CheckedBatch
    judged: Evaluation
    news: News


@dataclass(slots=True)
class Batch:
    """Messages to be kept in one transaction, and what is known of them before it begins.

    `taken`: with those that are another lane's to keep, all to be acknowledged.
    """

    taken: Sequence[Message]
    messages: Sequence[Message]
    arrived: Arrived | None = None
    ready: Ready | None = None


def sorted_out(messages: Iterable[Message], foreign: str | None) -> Arrived:
    """What each message says."""
    arrived = Arrived()
    for message in messages:
        for item in decode(message, foreign):
            match item:
                case Reading():
                    arrived.readings.append(item)
                    arrived.sources.append(message)
                case Presence():
                    arrived.presences.append(item)
                case Rejected():
                    arrived.rejected.append(item)
                case _:
                    assert_never(item)
    arrived.heard = {*map(device_key, arrived.readings), *map(device_key, arrived.presences)}
    return arrived


def conflicts_of(contradictions: Iterable[tuple[Message, Reading]]) -> list[Rejected]:
    """What says something else than is kept; a message is set aside once, however many of its readings do."""
    by_message: defaultdict[Message, list[Reading]] = defaultdict(list)
    for message, reading in contradictions:
        by_message[message].append(reading)
    return [_conflict(message, readings) for message, readings in by_message.items()]


def _conflict(message: Message, readings: Sequence[Reading]) -> Rejected:
    first, more = readings[0], f" and {len(readings) - 1} more" if len(readings) > 1 else ""
    detail = (
        f"another value is kept for {first.observed_at.isoformat()}, seq {first.seq}{more}: "
        "a device must not change what it said; send a correction under its own time or seq"
    )
    return Rejected(message, Reason.CONFLICT, detail)


def portions(messages: Sequence[Message], most_bytes: int) -> Iterator[Sequence[Message]]:
    """The messages in their order, in runs of no more payload than that; a longer message goes alone."""
    start = run_bytes = 0
    for position, message in enumerate(messages):
        run_bytes += len(message.payload)
        if run_bytes > most_bytes and position > start:
            yield messages[start:position]
            start, run_bytes = position, len(message.payload)
    if start < len(messages):
        yield messages[start:]


def by_station(fresh: Iterable[CheckedReading], judged: Container[str]) -> dict[str, list[Reading]]:
    """The readings of each station that is judged, in their order of arrival."""
    arrived: defaultdict[str, list[Reading]] = defaultdict(list)
    for entry in fresh:
        if entry.station is not None and entry.station in judged:
            arrived[entry.station].append(entry.reading)
    return arrived


def news_of(fresh: Iterable[CheckedReading]) -> News:
    """What there is to say of these: events hold many, so that each costs little."""
    by_kind: defaultdict[str, list[dict[str, object]]] = defaultdict(list)
    for entry in fresh:
        reading = entry.reading
        if not BY_NAME[reading.kind].judgements:
            continue  # what no rule judges nobody watches live
        by_kind[reading.kind].append(
            {
                "station": entry.station,
                "device": reading.device,
                "observed_at": reading.observed_at,
                "value": reading.values[BY_NAME[reading.kind].measure_index],
                "flags": int(reading.flags),
            }
        )
    return by_kind
