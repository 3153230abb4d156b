"""The quality checks over a run of readings that have nothing against them, in one go and at a fraction of the cost.

Nearly all readings are such, and a device that had been away says many at once. What is not plainly calm is left to
`ingest.quality.checks.check`, reading by reading; a test holds that both remember exactly the same.
"""

from collections.abc import Sequence
from typing import cast

from ingest.quality.checks import (
    BACKFILL_AFTER_S,
    INTERVAL_GROWTH,
    MAX_AHEAD_S,
    MAX_CLOCK_SKEW_S,
    MAX_PAUSE_INTERVALS,
    MAX_STEP_DECAY,
    QualityMemory,
    updated_flat_s,
    updated_lag_s,
)
from models.kind import Limits
from models.reading import Reading


def check_steady_run(
    limits: Limits, memory: QualityMemory | None, run: Sequence[Reading], measure_index: int
) -> QualityMemory | None:
    """What is remembered after readings that `checks.check` would not flag; None where that is not plain."""
    levels = [reading.values[measure_index] for reading in run]
    if memory is None or not (
        _nothing_pending(memory) and _unflagged(limits, memory, run) and _within_limits(limits, levels)
    ):
        return None
    most = min(limits.jump or 0.0, limits.spike or 0.0)
    at, received_at, interval_s, lag_s = memory.observed_at, memory.received_at, memory.interval_s, memory.lag_s
    value, step, swing = cast("float", memory.accepted_value), memory.last_step, memory.max_step
    flat_since, flat_s = memory.flat_since, memory.longest_flat_s
    for reading, level in zip(run, cast("list[float]", levels), strict=True):
        observed_at = reading.observed_at
        passed_s, change = (observed_at - at).total_seconds(), level - value
        if not (passed_s > 0.0 and -most <= change <= most):
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
        step, swing = change / intervals, swing * MAX_STEP_DECAY
        swing = max(swing, abs(step))
        interval_s = min(passed_s, interval_s * INTERVAL_GROWTH) if interval_s else passed_s
        at, value = observed_at, level
    return QualityMemory(
        at, received_at, at, flat_since, interval_s, lag_s, value, value, step, swing, None, flat_s, None
    )


def _nothing_pending(memory: QualityMemory) -> bool:
    """Whether the device's last value is the one believed, with nothing pending."""
    return (
        memory.accepted_value is not None
        and memory.accepted_value == memory.last_value
        and memory.measured_at == memory.observed_at
        and memory.pending is None
        and memory.shifted_at is None
        and abs(memory.lag_s) <= MAX_CLOCK_SKEW_S
    )


def _unflagged(limits: Limits, memory: QualityMemory, run: Sequence[Reading]) -> bool:
    """Whether nothing was against the readings as they came, nor is by their times or the length of a flat line.

    They are taken to be in the order of both clocks.
    """
    first, last = run[0], run[-1]
    flat_s = (last.observed_at - memory.flat_since).total_seconds()
    return (
        (last.received_at - first.observed_at).total_seconds() <= BACKFILL_AFTER_S
        and (limits.flat_s is None or flat_s < limits.flat_s)
        and not any([reading.flags for reading in run])  # noqa: C419 - a list is quicker than asking one by one
    )


def _within_limits(limits: Limits, levels: Sequence[object]) -> bool:
    """Whether all are numbers that sensor and site can show, and none the device's word for "no value"."""
    if not all([type(level) is float or type(level) is int for level in levels]):  # noqa: C419
        return False
    lowest, highest = min(cast("Sequence[float]", levels)), max(cast("Sequence[float]", levels))
    for low, high in filter(None, (limits.sensor, limits.site)):
        if not low <= lowest <= highest <= high:
            return False
    return not any(lowest <= sentinel <= highest for sentinel in limits.sentinels)
