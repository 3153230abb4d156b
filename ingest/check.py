"""Quality checks of a batch: flag each reading against the memory of its device, and update the memories."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby

from ingest.memory import NEVER, DeviceMemories, DeviceMemory
from ingest.quality import checks, sequence_gaps
from ingest.quality.checks import QualityMemory
from ingest.quality.sequence_gaps import FilledGap, Gap, next_position
from ingest.quality.steady_run import check_steady_run
from ingest.registry import Device, DeviceKey, device_key
from ingest.store import CheckedReading
from models.kinds import KINDS_BY_NAME
from models.reading import NOT_REMEMBERED, Flag, Reading

MIN_RUN_READINGS = 4
"""Consecutive readings of one device from which checking them together is faster than one by one."""
_SERVER_TIME = int(Flag.SERVER_TIME)


@dataclass(slots=True)
class CheckedBatch:
    """The readings of a batch with their flags, and the memories of its devices after them.

    `gaps`: by device, numbers missing from `seq` and missing numbers that arrived. `spikes`: earlier readings (device,
    kind, observed_at, seq) that a later reading shows to have been lone spikes. `clean`: no reading has a flag, and
    each is the next one of its device's run. The memories can then be computed again from the rows.
    """

    readings: list[CheckedReading] = field(default_factory=list)
    memories: dict[int, DeviceMemory] = field(default_factory=dict)
    gaps: list[tuple[int, Gap | FilledGap]] = field(default_factory=list)
    spikes: list[tuple[int, str, datetime, int]] = field(default_factory=list)
    clean: bool = True


def check_readings(
    devices: Mapping[DeviceKey, Device], memories: DeviceMemories, readings: Iterable[Reading], skew_s: float = 0.0
) -> CheckedBatch:
    """Flag readings in their order of arrival. A reading later than all before it is certainly not in the tables.

    skew_s: how far Vigía's clock is ahead of the city's devices (`ingest.quality.city_skew`), 0 while it is right.
    """
    checked = CheckedBatch()
    for key, run in groupby(readings, device_key):
        _check_run(checked, devices[key], memories, list(run), skew_s)
    return checked


def _check_run(
    checked: CheckedBatch, device: Device, memories: DeviceMemories, run: Sequence[Reading], skew_s: float
) -> None:
    """Flag consecutive readings of one device, and update its memory."""
    before = checked.memories.get(device.id) or memories.get(device.id)
    measure_index = KINDS_BY_NAME[run[0].kind].measure_index
    if len(run) >= MIN_RUN_READINGS and not skew_s and _continues_sequence(before, run):
        quality = check_steady_run(device.limits, before.quality, run, measure_index)
        if quality is not None:
            position = sequence_gaps.SequencePosition(before.sequence.boot, run[-1].seq)
            checked.memories[device.id] = DeviceMemory(quality, position, run[-1].observed_at, run[-1])
            checked.readings += [CheckedReading(device.id, device.station, reading, is_newest=True) for reading in run]
            return
    quality, position, newest_at, newest = before.quality, before.sequence, before.newest_at, before.newest
    for reading in run:
        result = checks.check_reading(device.limits, quality, reading, measure_index, skew_s)
        flagged, spike = result.reading, result.spike
        flags, boot = int(flagged.flags), reading.boot or ""
        if flags & _SERVER_TIME and _began_anew(quality, result.memory):
            newest_at = NEVER
        quality = result.memory
        is_newest = flagged.observed_at > newest_at and not flags & NOT_REMEMBERED
        if flags or not is_newest or newest is None or boot != position.boot:
            checked.clean = False
        if is_newest or (reading.seq > position.seq and boot == position.boot):
            position, gap = next_position(position, flagged)  # a late reading counts too: its number is not missing
            if gap is not None:
                checked.gaps.append((device.id, gap))
        if is_newest:
            newest_at, newest = flagged.observed_at, flagged
        checked.readings.append(CheckedReading(device.id, device.station, flagged, is_newest=is_newest))
        if spike is not None:
            checked.spikes.append((device.id, reading.kind, *spike))
    checked.memories[device.id] = DeviceMemory(quality, position, newest_at, newest)


def _began_anew(before: QualityMemory | None, after: QualityMemory | None) -> bool:
    """Whether the checks threw away a memory of a time that has not come."""
    return before is not None and after is not None and after.observed_at < before.observed_at


def _continues_sequence(before: DeviceMemory, run: Sequence[Reading]) -> bool:
    """Whether the readings are newer than all before, and their numbers follow the last one without a gap."""
    boot, seq = before.sequence.boot, before.sequence.seq + 1
    return (
        before.newest is not None
        and run[0].observed_at > before.newest_at
        and [reading.seq for reading in run] == list(range(seq, seq + len(run)))
        and [reading.boot for reading in run] == [boot] * len(run)
    )


def filled_gaps(checked: CheckedBatch, new: Sequence[int]) -> list[tuple[int, FilledGap]]:
    """Missing numbers that have arrived, in any run of their device.

    new: positions in `checked.readings` of the readings that were not in the tables before.
    """
    if checked.clean:
        return []
    late = (one for one in (checked.readings[position] for position in new) if not one.is_newest)
    return [(one.device_id, FilledGap(one.reading.boot or "", one.reading.seq)) for one in late if one.reading.seq >= 0]
