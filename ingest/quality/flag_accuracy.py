"""Accuracy of the quality flags, measured against a technician's corrections of a recorded series. Pure.

A row is bad if the raw value is a sentinel, or if raw minus corrected differs by more than 5 cm from its local offset,
the median of the 97 samples around it: corrections move a whole stretch, a fault moves a few rows. Flags and bad rows
match within one sample. Only flags about the value count. Flags about time, a flat line or a shifted zero do not say
that the row is wrong.
"""

from bisect import bisect_left, insort
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from ingest.quality.checks import QualityMemory, check_reading
from models.kind import SensorKind
from models.reading import Flag, Reading

MAX_DEPARTURE_M = 0.05
OFFSET_SAMPLES = 97
VALUE_FLAGS = Flag.SENTINEL | Flag.SENSOR_RANGE | Flag.SITE_RANGE | Flag.JUMP | Flag.SPIKE | Flag.DROPOUT


@dataclass(frozen=True, slots=True)
class FlagAccuracy:
    """Counts of bad rows, of bad rows with a flag, and of flags on good rows."""

    bad_rows: int
    found_rows: int
    false_flags: int


def flags_of_series(kind: SensorKind, times: Sequence[datetime], values: Sequence[float]) -> list[Flag]:
    """The flags of a recorded series, result reading by reading as in the pipeline. Times must strictly increase."""
    memory: QualityMemory | None = None
    flags: list[Flag] = []
    measure_index = kind.measure_index
    empty = [None] * len(kind.columns)
    for row, (time, value) in enumerate(zip(times, values, strict=True)):
        cells = (*empty[:measure_index], value, *empty[measure_index + 1 :])
        result = check_reading(
            kind.limits, memory, Reading(kind.name, "", "", time, time, row, None, cells), measure_index
        )
        memory = result.memory
        flags.append(result.reading.flags)
        if result.spike is not None:
            flags[result.spike[1]] |= Flag.SPIKE
    return flags


def bad_rows(raw: Sequence[float], corrected: Sequence[float | None], sentinels: Sequence[float]) -> list[bool]:
    """Whether each row is bad according to the technician's corrections."""
    offsets = [
        None if true is None or value in sentinels else value - true for value, true in zip(raw, corrected, strict=True)
    ]
    return [
        value in sentinels or (offset is not None and median is not None and abs(offset - median) > MAX_DEPARTURE_M)
        for value, offset, median in zip(raw, offsets, _centred_medians(offsets), strict=True)
    ]


def flag_accuracy(flags: Sequence[Flag], bad: Sequence[bool]) -> FlagAccuracy:
    """Count bad rows with a value flag within one sample, and value flags without a bad row within one sample."""
    flagged = [bool(flag & VALUE_FLAGS) for flag in flags]
    near_flag, near_bad = _with_neighbours(flagged), _with_neighbours(bad)
    return FlagAccuracy(
        bad_rows=sum(bad),
        found_rows=sum(is_bad and near for is_bad, near in zip(bad, near_flag, strict=True)),
        false_flags=sum(is_flagged and not near for is_flagged, near in zip(flagged, near_bad, strict=True)),
    )


def _centred_medians(offsets: Sequence[float | None]) -> list[float | None]:
    """The median of the window around each row; shorter at both ends, without blanks; None if all are empty."""
    half = OFFSET_SAMPLES // 2
    window: list[float] = []
    medians: list[float | None] = []
    for row in range(-half, len(offsets)):
        if row + half < len(offsets) and (entering := offsets[row + half]) is not None:
            insort(window, entering)
        if row > half and (leaving := offsets[row - half - 1]) is not None:
            del window[bisect_left(window, leaving)]
        if row >= 0:
            medians.append(_median(window))
    return medians


def _median(ordered: Sequence[float]) -> float | None:
    if not ordered:
        return None
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def _with_neighbours(marks: Sequence[bool]) -> list[bool]:
    """Whether each mark or one of its two neighbours is set."""
    return [any(marks[max(row - 1, 0) : row + 2]) for row in range(len(marks))]
