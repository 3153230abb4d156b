"""Between decoding and storing: each reading meets its device's memory, and the memory is moved by what was new."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from ingest import quality
from ingest.gaps import Filled, Gap, follow
from ingest.memory import DeviceMemory
from ingest.registry import Device, Sender, sender_of
from ingest.store import Entry
from models.kinds import BY_NAME
from models.reading import Flag, Reading

_NO_NEWS = Flag.LATE | Flag.FUTURE | Flag.RETAINED


@dataclass(slots=True)
class Checked:
    """A batch's readings, flagged, with what its devices' memories become.

    `spikes`: earlier readings (device, kind, observed_at, seq) that a later one shows to have been lone spikes.
    """

    entries: list[Entry] = field(default_factory=list)
    memories: dict[int, DeviceMemory] = field(default_factory=dict)
    spikes: list[tuple[int, str, datetime, int]] = field(default_factory=list)


def check(
    devices: Mapping[Sender, Device], memories: Mapping[int, DeviceMemory], readings: Iterable[Reading]
) -> Checked:
    """Flag readings in their order of arrival. What is later than all before it is surely new to the tables."""
    checked = Checked()
    moved = checked.memories
    for reading in readings:
        device = devices[sender_of(reading)]
        before = moved.get(device.id) or memories.get(device.id) or DeviceMemory()
        verdict = quality.check(device.limits, before.quality, reading, BY_NAME[reading.kind].measure_index)
        flagged = verdict.reading
        newer = flagged.observed_at > before.newest_at and not flagged.flags & _NO_NEWS
        checked.entries.append(Entry(device.id, device.station, flagged, newer))
        newest = (flagged.observed_at, flagged) if newer else (before.newest_at, before.newest)
        moved[device.id] = DeviceMemory(verdict.memory, before.sequence, *newest)
        if verdict.spike is not None:
            checked.spikes.append((device.id, reading.kind, *verdict.spike))
    return checked


def losses(checked: Checked, fresh: Sequence[int]) -> list[tuple[int, Gap | Filled]]:
    """Holes in `seq` that the new readings show, or fill. Moves the memories' sequences."""
    found = []
    for position in fresh:
        entry = checked.entries[position]
        memory = checked.memories[entry.device_id]
        sequence, loss = follow(memory.sequence, entry.reading)
        if sequence is not memory.sequence:
            checked.memories[entry.device_id] = replace(memory, sequence=sequence)
        if loss is not None:
            found.append((entry.device_id, loss))
    return found
