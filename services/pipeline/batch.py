"""A batch of messages: as received, decoded, and perhaps checked and judged before its rows are written. Pure."""

from collections import defaultdict
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import assert_never

from alerts.engine import Evaluation
from ingest.canary import Canary
from ingest.check import CheckedBatch
from ingest.decode import decode
from ingest.registry import MAX_UNREGISTERED, DeviceKey, device_key
from ingest.sender_rates import Excess
from ingest.store import CheckedReading
from models.kinds import KINDS_BY_NAME
from models.reading import Message, Presence, Reading, Reason, Rejected, flag_names

TOO_MANY_NAMES = (
    f"{MAX_UNREGISTERED:,} unregistered devices are stored already: register this one (vigia load), or stop the sender"
)
LiveReadings = Mapping[str, Sequence[dict[str, object]]]
"""New readings as the live stream publishes them, by kind."""


@dataclass(slots=True)
class Decoded:
    """The contents of a batch's messages."""

    readings: list[Reading] = field(default_factory=list)
    sources: list[Message] = field(default_factory=list)
    """For each reading, the message it came in."""
    presences: list[Presence] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    canaries: list[Canary] = field(default_factory=list)
    senders: set[DeviceKey] = field(default_factory=set)
    """The devices that a reading or a presence names."""

    def reject_unknown(self, devices: Container[DeviceKey]) -> None:
        """Turn what senders without a device row sent into rejections: too many names are stored already."""
        if all([sender in devices for sender in self.senders]):  # noqa: C419 - a list is faster than a generator
            return
        known = [device_key(reading) in devices for reading in self.readings]
        refused = {id(source): source for source, good in zip(self.sources, known, strict=True) if not good}
        self.rejected += [Rejected(source, Reason.UNREGISTERED, TOO_MANY_NAMES) for source in refused.values()]
        self.readings = [reading for reading, good in zip(self.readings, known, strict=True) if good]
        self.sources = [source for source, good in zip(self.sources, known, strict=True) if good]
        self.presences = [presence for presence in self.presences if device_key(presence) in devices]
        self.senders = {sender for sender in self.senders if sender in devices}


@dataclass(frozen=True, slots=True)
class Prepared:
    """A batch checked and judged ahead of its turn, on the assumption that all its readings are new.

    Valid only while `PipelineState.generation` is still `generation`.
    """

    generation: int
    checked: CheckedBatch
    evaluation: Evaluation
    live_readings: LiveReadings


@dataclass(slots=True)
class Batch:
    """Messages to be written in one transaction.

    `received`: all messages to be acknowledged, also those that another lane writes. `messages`: those of this lane.
    `excess`: messages of senders above their rate, to be postponed.
    `decoded`: set by the road, or before its turn by `lookahead`. `prepared`: set by `lookahead`, or None.
    """

    received: Sequence[Message]
    messages: Sequence[Message]
    excess: Sequence[Excess] = ()
    decoded: Decoded | None = None
    prepared: Prepared | None = None

    @property
    def readings_per_message(self) -> float:
        """Readings for each message of this lane; 1 while the batch is not decoded."""
        return len(self.decoded.readings) / max(1, len(self.messages)) if self.decoded else 1.0


def decode_messages(messages: Iterable[Message], foreign: str | None) -> Decoded:
    """Decode every message. `foreign`: the municipality that foreign topics (HFP, GTFS-realtime) belong to."""
    decoded = Decoded()
    for message in messages:
        for item in decode(message, foreign):
            match item:
                case Reading():
                    decoded.readings.append(item)
                    decoded.sources.append(message)
                case Presence():
                    decoded.presences.append(item)
                case Rejected():
                    decoded.rejected.append(item)
                case Canary():
                    decoded.canaries.append(item)
                case _:
                    assert_never(item)
    decoded.senders = {*map(device_key, decoded.readings), *map(device_key, decoded.presences)}
    return decoded


def conflict_rejections(conflicts: Iterable[tuple[Message, Reading]]) -> list[Rejected]:
    """One rejection for each message with readings that differ from the stored ones, however many of them differ."""
    by_message: defaultdict[Message, list[Reading]] = defaultdict(list)
    for message, reading in conflicts:
        by_message[message].append(reading)
    return [_conflict(message, readings) for message, readings in by_message.items()]


def _conflict(message: Message, readings: Sequence[Reading]) -> Rejected:
    first, more = readings[0], f" and {len(readings) - 1} more" if len(readings) > 1 else ""
    detail = (
        f"another value is kept for {first.observed_at.isoformat()}, seq {first.seq}{more}: "
        "a device must not change what it said; send a correction under its own time or seq"
    )
    return Rejected(message, Reason.CONFLICT, detail)


def split_by_size(messages: Sequence[Message], most_bytes: int) -> Iterator[Sequence[Message]]:
    """Split messages, in order, into runs of at most `most_bytes` of payload. A larger message is a run of its own."""
    start = run_bytes = 0
    for position, message in enumerate(messages):
        run_bytes += len(message.payload)
        if run_bytes > most_bytes and position > start:
            yield messages[start:position]
            start, run_bytes = position, len(message.payload)
    if start < len(messages):
        yield messages[start:]


def by_station(entries: Iterable[CheckedReading], stations: Container[str]) -> dict[str, list[Reading]]:
    """The readings of each station in `stations`, in order of arrival."""
    readings: defaultdict[str, list[Reading]] = defaultdict(list)
    for entry in entries:
        if entry.station is not None and entry.station in stations:
            readings[entry.station].append(entry.reading)
    return readings


def live_readings_of(entries: Iterable[CheckedReading]) -> LiveReadings:
    """The new readings for the live stream. Kinds without rules are left out: nobody watches them live."""
    by_kind: defaultdict[str, list[dict[str, object]]] = defaultdict(list)
    for entry in entries:
        reading = entry.reading
        if not KINDS_BY_NAME[reading.kind].judgements:
            continue
        by_kind[reading.kind].append(
            {
                "station": entry.station,
                "device": reading.device,
                "observed_at": reading.observed_at,
                "value": reading.values[KINDS_BY_NAME[reading.kind].measure_index],
                "flags": flag_names(reading.flags),
            }
        )
    return by_kind
