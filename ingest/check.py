"""Between decoding and storing: each reading meets its device's memory, and the memory is moved by what was new."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby

from ingest.memory import DeviceMemories, DeviceMemory
from ingest.quality import checks, sequence_gaps
from ingest.quality.sequence_gaps import FilledGap, Gap, next_position
from ingest.quality.steady_run import check_steady_run
from ingest.registry import Device, DeviceKey, device_key
from ingest.store import CheckedReading
from models.kinds import KINDS_BY_NAME
from models.reading import Flag, Reading

MIN_RUN_READINGS = 4
"""Readings on end from which a look at all of them together is cheaper than one at each."""
_NOT_CURRENT = int(Flag.LATE | Flag.FUTURE | Flag.RETAINED)


@dataclass(slots=True)
class CheckedBatch:
    """A batch's readings, flagged, with what its devices' memories become.

    `gaps`: by device, holes in `seq`. `spikes`: earlier readings (device, kind, observed_at, seq) that a later one
    shows to have been lone spikes. `clean`: every reading is the next one of a device's run with nothing against it, so
    that what is remembered after them follows from their rows.
    """

    readings: list[CheckedReading] = field(default_factory=list)
    memories: dict[int, DeviceMemory] = field(default_factory=dict)
    gaps: list[tuple[int, Gap | FilledGap]] = field(default_factory=list)
    spikes: list[tuple[int, str, datetime, int]] = field(default_factory=list)
    clean: bool = True


def check_readings(
    devices: Mapping[DeviceKey, Device], memories: DeviceMemories, readings: Iterable[Reading]
) -> CheckedBatch:
    """Flag readings in their order of arrival. What is later than all before it is surely new to the tables."""
    checked = CheckedBatch()
    for sender, run in groupby(readings, device_key):
        _check_run(checked, devices[sender], memories, list(run))
    return checked


def _check_run(checked: CheckedBatch, device: Device, memories: DeviceMemories, run: Sequence[Reading]) -> None:
    """Flag readings of one device that came one after the other, and move its memory."""
    before = checked.memories.get(device.id) or memories.get(device.id)
    measure_index = KINDS_BY_NAME[run[0].kind].measure_index
    if len(run) >= MIN_RUN_READINGS and _continues_sequence(before, run):
        after = check_steady_run(device.limits, before.quality, run, measure_index)
        if after is not None:
            sequence = sequence_gaps.SequencePosition(before.sequence.boot, run[-1].seq)
            checked.memories[device.id] = DeviceMemory(after, sequence, run[-1].observed_at, run[-1])
            checked.readings += [CheckedReading(device.id, device.station, reading, is_newest=True) for reading in run]
            return
    memory, sequence, newest_at, newest = before.quality, before.sequence, before.newest_at, before.newest
    for reading in run:
        verdict = checks.check_reading(device.limits, memory, reading, measure_index)
        memory, flagged, spike = verdict.memory, verdict.reading, verdict.spike
        flags, boot = int(flagged.flags), reading.boot or ""
        is_next = flagged.observed_at > newest_at and not flags & _NOT_CURRENT
        if flags or not is_next or newest is None or boot != sequence.boot:
            checked.clean = False
        if is_next or (reading.seq > sequence.seq and boot == sequence.boot):
            sequence, loss = next_position(sequence, flagged)  # late or not, it was received: not to be missed later
            if loss is not None:
                checked.gaps.append((device.id, loss))
        if is_next:
            newest_at, newest = flagged.observed_at, flagged
        checked.readings.append(CheckedReading(device.id, device.station, flagged, is_newest=is_next))
        if spike is not None:
            checked.spikes.append((device.id, reading.kind, *spike))
    checked.memories[device.id] = DeviceMemory(memory, sequence, newest_at, newest)


def _continues_sequence(before: DeviceMemory, run: Sequence[Reading]) -> bool:
    """Whether the readings are newer than all before and counted on from the last one without a hole."""
    boot, seq = before.sequence.boot, before.sequence.seq + 1
    return (
        before.newest is not None
        and run[0].observed_at > before.newest_at
        and [reading.seq for reading in run] == list(range(seq, seq + len(run)))
        and [reading.boot for reading in run] == [boot] * len(run)
    )


def filled_gaps(checked: CheckedBatch, fresh: Sequence[int]) -> list[tuple[int, FilledGap]]:
    """Numbers of earlier gaps that came after all, among the readings that turned out new; of any run of the device."""
    if checked.clean:
        return []
    late = (entry for entry in (checked.readings[position] for position in fresh) if not entry.is_newest)
    return [(one.device_id, FilledGap(one.reading.boot or "", one.reading.seq)) for one in late if one.reading.seq >= 0]
