"""The quality checks held against a technician's corrections: which rows were bad, which were flagged. Pure.

A row is bad where the raw value is a sentinel, or where raw minus corrected departs more than 5 cm from its own local
offset, the median of the 97 samples around it: corrections move a whole stretch, a fault moves a few rows. Flags and
bad rows match within one sample. Only flags about the value count; those about time, a flat line or a moved zero say
something else than "this row is wrong".
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
    """How many of the bad rows were found, and how many good ones were flagged."""

    bad_rows: int
    found_rows: int
    false_flags: int


def flags_of_series(kind: SensorKind, times: Sequence[datetime], values: Sequence[float]) -> list[Flag]:
    """The flags of a recorded series, reading by reading as the pipeline meets them; times strictly rising."""
    memory: QualityMemory | None = None
    flags: list[Flag] = []
    place = kind.measure_index
    blank = [None] * len(kind.columns)
    for row, (time, value) in enumerate(zip(times, values, strict=True)):
        cells = (*blank[:place], value, *blank[place + 1 :])
        checked = check_reading(kind.limits, memory, Reading(kind.name, "", "", time, time, row, None, cells), place)
        memory = checked.memory
        flags.append(checked.reading.flags)
        if checked.spike is not None:
            flags[checked.spike[1]] |= Flag.SPIKE
    return flags


def bad_rows(raw: Sequence[float], corrected: Sequence[float | None], sentinels: Sequence[float]) -> list[bool]:
    """Which rows the technician's corrections show to be wrong."""
    offsets = [
        None if true is None or value in sentinels else value - true for value, true in zip(raw, corrected, strict=True)
    ]
    return [
        value in sentinels or (offset is not None and median is not None and abs(offset - median) > MAX_DEPARTURE_M)
        for value, offset, median in zip(raw, offsets, _centred_medians(offsets), strict=True)
    ]


def flag_accuracy(flags: Sequence[Flag], bad: Sequence[bool]) -> FlagAccuracy:
    """Bad rows with a flag about the value beside them, and such flags without a bad row beside them."""
    flagged = [bool(flag & VALUE_FLAGS) for flag in flags]
    near_flag, near_bad = _with_neighbours(flagged), _with_neighbours(bad)
    return FlagAccuracy(
        bad_rows=sum(bad),
        found_rows=sum(is_bad and near for is_bad, near in zip(bad, near_flag, strict=True)),
        false_flags=sum(is_flagged and not near for is_flagged, near in zip(flagged, near_bad, strict=True)),
    )


def _centred_medians(offsets: Sequence[float | None]) -> list[float | None]:
    """The median of the window around each row, cut off at both ends, blanks left out; None where all are blank."""
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
    """Each mark with its two neighbours."""
    return [any(marks[max(row - 1, 0) : row + 2]) for row in range(len(marks))]
