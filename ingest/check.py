"""Between decoding and storing: each reading meets its device's memory, and the memory is moved by what was new."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby

from ingest.memory import DeviceMemory, Memories
from ingest.quality import checks, sequence_gaps
from ingest.quality.sequence_gaps import Filled, Gap, follow
from ingest.quality.steady_run import calm_run
from ingest.registry import Device, Sender, sender_of
from ingest.store import Entry
from models.kinds import BY_NAME
from models.reading import Flag, Reading

LONG_RUN = 4
"""Readings on end from which a look at all of them together is cheaper than one at each."""
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
    for sender, run in groupby(readings, sender_of):
        _check_run(checked, devices[sender], memories, list(run))
    return checked


def _check_run(checked: Checked, device: Device, memories: Memories, run: Sequence[Reading]) -> None:
    """Flag readings of one device that came one after the other, and move its memory."""
    before = checked.memories.get(device.id) or memories.of(device.id)
    measure_index = BY_NAME[run[0].kind].measure_index
    if len(run) >= LONG_RUN and _goes_on(before, run):
        after = calm_run(device.limits, before.quality, run, measure_index)
        if after is not None:
            sequence = sequence_gaps.Sequence(before.sequence.boot, run[-1].seq)
            checked.memories[device.id] = DeviceMemory(after, sequence, run[-1].observed_at, run[-1])
            checked.entries += [Entry(device.id, device.station, reading, surely_new=True) for reading in run]
            return
    memory, sequence, newest_at, newest = before.quality, before.sequence, before.newest_at, before.newest
    for reading in run:
        verdict = checks.check(device.limits, memory, reading, measure_index)
        memory, flagged, spike = verdict.memory, verdict.reading, verdict.spike
        flags, boot = int(flagged.flags), reading.boot or ""
        is_next = flagged.observed_at > newest_at and not flags & _NO_NEWS
        if flags or not is_next or newest is None or boot != sequence.boot:
            checked.plain = False
        if is_next or (reading.seq > sequence.seq and boot == sequence.boot):
            sequence, loss = follow(sequence, flagged)  # late or not, it was received: not to be missed later
            if loss is not None:
                checked.losses.append((device.id, loss))
        if is_next:
            newest_at, newest = flagged.observed_at, flagged
        checked.entries.append(Entry(device.id, device.station, flagged, surely_new=is_next))
        if spike is not None:
            checked.spikes.append((device.id, reading.kind, *spike))
    checked.memories[device.id] = DeviceMemory(memory, sequence, newest_at, newest)


def _goes_on(before: DeviceMemory, run: Sequence[Reading]) -> bool:
    """Whether the readings are newer than all before and counted on from the last one without a hole."""
    boot, seq = before.sequence.boot, before.sequence.seq + 1
    return (
        before.newest is not None
        and run[0].observed_at > before.newest_at
        and [reading.seq for reading in run] == list(range(seq, seq + len(run)))
        and [reading.boot for reading in run] == [boot] * len(run)
    )


def late_arrivals(checked: Checked, fresh: Sequence[int]) -> list[tuple[int, Filled]]:
    """Numbers of earlier gaps that came after all, among the readings that turned out new; of any run of the device."""
    if checked.plain:
        return []
    late = (entry for entry in (checked.entries[position] for position in fresh) if not entry.surely_new)
    return [(one.device_id, Filled(one.reading.boot or "", one.reading.seq)) for one in late if one.reading.seq >= 0]
