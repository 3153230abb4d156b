"""Between decoding and storing: each reading meets its device's memory, and the memory is moved by what was new."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from ingest import quality
from ingest.gaps import Filled, Gap, follow
from ingest.memory import DeviceMemory, Memories
from ingest.registry import Device, Sender
from ingest.store import Entry
from models.kinds import BY_NAME
from models.reading import Flag, Reading

_NO_NEWS = int(Flag.LATE | Flag.FUTURE | Flag.RETAINED)


@dataclass(slots=True)
class Checked:
    """A batch's readings, flagged, with what its devices' memories become.

    `losses`: by device, holes in `seq`. `spikes`: earlier readings (device, kind, observed_at, seq) that a later one
    shows to have been lone spikes. `plain`: every reading is the next one of a device's run with nothing against it, so
    that what is remembered after them follows from their rows.
    """

    entries: list[Entry] = field(default_factory=list)
    memories: dict[int, DeviceMemory] = field(default_factory=dict)
    losses: list[tuple[int, Gap | Filled]] = field(default_factory=list)
    spikes: list[tuple[int, str, datetime, int]] = field(default_factory=list)
    plain: bool = True


def check(devices: Mapping[Sender, Device], memories: Memories, readings: Iterable[Reading]) -> Checked:
    """Flag readings in their order of arrival. What is later than all before it is surely new to the tables."""
    checked = Checked()
    moved = checked.memories
    for reading in readings:
        device = devices[reading.municipality, reading.kind, reading.device]
        device_id = device.id
        before = moved.get(device_id) or memories.of(device_id)
        verdict = quality.check(device.limits, before.quality, reading, BY_NAME[reading.kind].measure_index)
        flagged = verdict.reading
        if flagged.observed_at > before.newest_at and not (flagged.flags and int(flagged.flags) & _NO_NEWS):
            sequence, loss = follow(before.sequence, flagged)
            if loss is not None:
                checked.losses.append((device_id, loss))
            if flagged.flags or before.newest is None or (reading.boot or "") != before.sequence.boot:
                checked.plain = False
            moved[device_id] = DeviceMemory(verdict.memory, sequence, flagged.observed_at, flagged)
            checked.entries.append(Entry(device_id, device.station, flagged, surely_new=True))
        else:
            checked.plain = False
            sequence = before.sequence
            if reading.seq > sequence.seq and (reading.boot or "") == sequence.boot:
                sequence, loss = follow(sequence, flagged)  # received all the same: not to be missed later
                if loss is not None:
                    checked.losses.append((device_id, loss))
            moved[device_id] = DeviceMemory(verdict.memory, sequence, before.newest_at, before.newest)
            checked.entries.append(Entry(device_id, device.station, flagged, surely_new=False))
        if verdict.spike is not None:
            checked.spikes.append((device_id, reading.kind, *verdict.spike))
    return checked


def late_arrivals(checked: Checked, fresh: Sequence[int]) -> list[tuple[int, Filled]]:
    """Numbers of earlier gaps that came after all, among the readings that turned out new; of any run of the device."""
    late = (entry for entry in (checked.entries[position] for position in fresh) if not entry.surely_new)
    return [(one.device_id, Filled(one.reading.boot or "", one.reading.seq)) for one in late if one.reading.seq >= 0]
