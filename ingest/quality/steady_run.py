"""Fast quality check of a whole run of readings that get no flag.

Nearly all readings get none, and a device that was offline sends many at once. A run that may get a flag is left to
`ingest.quality.checks.check_reading`, reading by reading. A test checks that both compute exactly the same memory.
"""

from collections.abc import Sequence
from typing import cast

from ingest.quality.checks import (
    BACKFILL_AFTER_S,
    INTERVAL_GROWTH,
    MAX_CLOCK_SKEW_S,
    MAX_PAUSE_INTERVALS,
    MAX_STEP_DECAY,
    QualityMemory,
    updated_flat_s,
    updated_lag_s,
)
from models.kind import Limits
from models.reading import MAX_AHEAD_S, Reading


def check_steady_run(
    limits: Limits, memory: QualityMemory | None, run: Sequence[Reading], measure_index: int
) -> QualityMemory | None:
    """The memory after a run that `checks.check_reading` would not flag; None if some reading may get a flag."""
    values = [reading.values[measure_index] for reading in run]
    if memory is None or not (
        _nothing_pending(memory) and _unflagged(limits, memory, run) and _within_limits(limits, values)
    ):
        return None
    max_change = min(limits.jump or 0.0, limits.spike or 0.0)
    at, received_at, interval_s, lag_s = memory.observed_at, memory.received_at, memory.interval_s, memory.lag_s
    last_value, step, max_step = cast("float", memory.accepted_value), memory.last_step, memory.max_step
    flat_since, flat_s = memory.flat_since, memory.longest_flat_s
    for reading, value in zip(run, cast("list[float]", values), strict=True):
        observed_at = reading.observed_at
        passed_s, change = (observed_at - at).total_seconds(), value - last_value
        if not (passed_s > 0.0 and -max_change <= change <= max_change):
            return None
        intervals = passed_s / interval_s if passed_s > interval_s > 0.0 else 1.0
        if change or intervals > MAX_PAUSE_INTERVALS:
            flat_s, flat_since = updated_flat_s(flat_since, at, flat_s), observed_at
        if reading.received_at is not received_at:
            lag_s = updated_lag_s(lag_s, received_at, reading, passed_s)
            if reading.received_at < received_at or abs(lag_s) > MAX_CLOCK_SKEW_S:
                return None
            received_at = reading.received_at
        if observed_at > received_at and (observed_at - received_at).total_seconds() > MAX_AHEAD_S:
            return None
        step, max_step = change / intervals, max_step * MAX_STEP_DECAY
        max_step = max(max_step, abs(step))
        interval_s = min(passed_s, interval_s * INTERVAL_GROWTH) if interval_s else passed_s
        at, last_value = observed_at, value
    return QualityMemory(
        at, received_at, at, flat_since, interval_s, lag_s, last_value, last_value, step, max_step, None, flat_s, None
    )


def _nothing_pending(memory: QualityMemory) -> bool:
    """Whether the last value of the device is the accepted one, with no pending change, shift or clock error."""
    return (
        memory.accepted_value is not None
        and memory.accepted_value == memory.last_value
        and memory.measured_at == memory.observed_at
        and memory.pending is None
        and memory.shifted_at is None
        and abs(memory.lag_s) <= MAX_CLOCK_SKEW_S
    )


def _unflagged(limits: Limits, memory: QualityMemory, run: Sequence[Reading]) -> bool:
    """Whether the readings came without flags, and get none for a backfill or a flat line.

    The readings must be in the order of their observation and of their receipt.
    """
    first, last = run[0], run[-1]
    flat_s = (last.observed_at - memory.flat_since).total_seconds()
    return (
        (last.received_at - first.observed_at).total_seconds() <= BACKFILL_AFTER_S
        and (limits.flat_s is None or flat_s < limits.flat_s)
        and not any([reading.flags for reading in run])  # noqa: C419 - a list is quicker than asking one by one
    )


def _within_limits(limits: Limits, values: Sequence[object]) -> bool:
    """Whether all values are numbers within the limits of sensor and site, and none is a sentinel."""
    if not all([type(value) is float or type(value) is int for value in values]):  # noqa: C419
        return False
    lowest, highest = min(cast("Sequence[float]", values)), max(cast("Sequence[float]", values))
    for low, high in filter(None, (limits.sensor, limits.site)):
        if not low <= lowest <= highest <= high:
            return False
    return not any(lowest <= sentinel <= highest for sentinel in limits.sentinels)
