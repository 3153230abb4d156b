"""Streaming quality checks of the readings of one device: time, range, spike, jump, drop-out, flat line, zero shift.

The checks add flags and never correct a value. Water rises fast and falls slowly. A sudden rise is therefore only
suspect, while a fall faster than the recent rises of the stream means that the sensor is out of the water. The limit
for a sudden change grows with the recent steps of the device, so that it adapts to a flashy stream, and with the time
since the last value.
"""

from datetime import datetime

import msgspec

from models.kind import Limits
from models.reading import MAX_AHEAD_S, NOT_REMEMBERED, Flag, Reading

BACKFILL_AFTER_S = 7 * 86_400.0
MAX_CLOCK_SKEW_S = 60.0
MAX_LAG_STEP_S = 5.0
MAX_PAUSE_INTERVALS = 3.0
"""A pause of more usual intervals than this ends a flat line. After it, a rise cannot be confirmed as a spike."""
INTERVAL_GROWTH = 1.5
ZERO_SHIFT_AFTER_S = 3600.0
"""If a low value stays this long after a fall, the zero of the gauge may have moved. The rules see it, as suspect."""
ZERO_SHIFT_SUSPECT_S = 86_400.0
"""How long values after a zero shift stay suspect, so that they cannot lower an alert."""
SPIKE_REMAINDER = 1 / 3
"""A rise was a spike if less than this share of it is left one reading later."""
FALL_ACCELERATION = 3.0
"""Water may fall so many times faster than one reading before, when the falling limb of a flood wave passes."""
FALL_PER_RISE = 1.25
"""Water may fall within one reading by so many times its largest recent step: a short pulse falls as it rose."""
MAX_STEP_DECAY = 0.97
"""Factor on the largest recent step at each reading: half of it is left after 23 readings."""
FLAT_RUN_FACTOR = 3.0
"""A run of equal values is a flat line if it is so many times longer than the longest recent run of the device."""
FLAT_RUN_DECAY = 0.02
"""How fast the length of the longest recent run decays: one hour in fifty hours."""

_SENTINEL = int(Flag.SENTINEL)
_SENSOR_RANGE = int(Flag.SENSOR_RANGE)
_SITE_RANGE = int(Flag.SITE_RANGE)
_JUMP = int(Flag.JUMP)
_FLAT = int(Flag.FLAT)
_DROPOUT = int(Flag.DROPOUT)
_SHIFT = int(Flag.SHIFT)
_LATE = int(Flag.LATE)
_FUTURE = int(Flag.FUTURE)
_BACKFILL = int(Flag.BACKFILL)
_CLOCK_SKEW = int(Flag.CLOCK_SKEW)
_SERVER_TIME = int(Flag.SERVER_TIME)
_CLOCK_DOUBT = int(Flag.CLOCK_DOUBT)
_NUMBER = (float, int)
_NO_VALUE = int(Flag.SENTINEL | Flag.SENSOR_RANGE)


class PendingChange(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A sudden change that is not confirmed yet: time and number of its reading, and the value."""

    observed_at: datetime
    seq: int
    value: float


class QualityMemory(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """State of the checks for one device. A struct and not a dataclass, because every reading makes a new one.

    `observed_at`, `received_at`: of the newest reading with a trusted time. `measured_at`: of the newest with a value.
    `flat_since`: start of the present run of equal values. `longest_flat_s`: length of the longest recent such run;
    it decays. `interval_s`: usual time between readings. `lag_s`: running median of receipt minus observation.
    `last_value`: the last value. `accepted_value`: the last value that the checks accepted, `last_step` away from the
    one before. `max_step`: the largest recent step; it decays. `pending`: an unconfirmed rise or fall away from
    `accepted_value`. `shifted_at`: when the zero of the gauge may have moved.
    """

    observed_at: datetime
    received_at: datetime
    measured_at: datetime
    flat_since: datetime
    interval_s: float = 0.0
    lag_s: float = 0.0
    last_value: float | None = None
    accepted_value: float | None = None
    last_step: float = 0.0
    max_step: float = 0.0
    pending: PendingChange | None = None
    longest_flat_s: float = 0.0
    shifted_at: datetime | None = None


class CheckResult(msgspec.Struct, frozen=True, gc=False):
    """The checked reading and the memory after it.

    `spike`: time and `seq` of the reading before, if this reading shows that it was a lone spike.
    """

    memory: QualityMemory | None
    reading: Reading
    spike: tuple[datetime, int] | None = None


class _ValueCheck(msgspec.Struct, frozen=True, gc=False):
    """The flags of a value compared with the accepted one, and the value state after it."""

    flags: int
    accepted_value: float | None
    last_step: float
    max_step: float
    pending: PendingChange | None = None
    spike: tuple[datetime, int] | None = None


def check_reading(
    limits: Limits, memory: QualityMemory | None, reading: Reading, measure_index: int, skew_s: float = 0.0
) -> CheckResult:
    """Add flags to one reading. Readings must come in the order of arrival.

    limits: in the unit of the measure. measure_index: position of the measure in `reading.values`; the value None
    means that the reading has no such measurement, which is not a fault. skew_s: how far Vigía's clock is ahead of the
    devices of the whole city, negative where it is behind; 0 while it is right.

    Only a newer reading with a trusted time changes the memory. Late, duplicate, future and retained readings leave it
    as it is (None if no other reading has arrived).
    """
    lag_s = (reading.received_at - reading.observed_at).total_seconds()
    flags = int(reading.flags) | _time_flags(memory, reading.observed_at, lag_s, skew_s)
    if flags & _LATE and flags & _SERVER_TIME and memory is not None and _lies_ahead(memory, reading):
        flags, memory = flags & ~_LATE, None
    value = reading.values[measure_index]
    measured = value if isinstance(value, _NUMBER) else None
    if measured is not None:
        flags |= _range_flags(limits, measured)
    if flags & NOT_REMEMBERED or (memory is not None and reading.observed_at == memory.observed_at):
        return CheckResult(memory, _flagged(reading, flags))
    trusted_value = None if flags & _NO_VALUE else measured
    if memory is None:
        at = reading.observed_at
        first = QualityMemory(at, reading.received_at, at, at, last_value=trusted_value, accepted_value=trusted_value)
        return CheckResult(first, _flagged(reading, flags))
    return _check_against_memory(limits, memory, reading, trusted_value, flags, skew_s)


def _time_flags(memory: QualityMemory | None, observed_at: datetime, lag_s: float, skew_s: float) -> int:
    """The flags of the time. The city's skew excuses a reading; it never speaks against one."""
    late = _LATE if memory is not None and observed_at < memory.observed_at else 0
    if lag_s < -MAX_AHEAD_S:
        return late | _CLOCK_DOUBT if skew_s < 0.0 and lag_s - skew_s >= -MAX_AHEAD_S else _FUTURE
    return late | _BACKFILL if min(lag_s, lag_s - skew_s) > BACKFILL_AFTER_S else late


def _lies_ahead(memory: QualityMemory, reading: Reading) -> bool:
    """Whether the memory is of a time that has not come: Vigía's clock was ahead when it gave that time to a device
    that has none. The device's readings are in order as they arrive, and the checks begin anew.
    """
    return (memory.observed_at - reading.received_at).total_seconds() > MAX_AHEAD_S


def _range_flags(limits: Limits, value: float) -> int:
    """The flags of a value outside the limits, independent of other readings."""
    if value in limits.sentinels:
        return _SENTINEL
    low, high = limits.sensor
    if not low <= value <= high:
        return _SENSOR_RANGE
    if limits.site is not None and not limits.site[0] <= value <= limits.site[1]:
        return _SITE_RANGE
    return 0


def _check_against_memory(
    limits: Limits, memory: QualityMemory, reading: Reading, value: float | None, flags: int, skew_s: float
) -> CheckResult:
    """Compare the reading with the memory, and compute the memory after it."""
    observed_at = reading.observed_at
    passed_s = (observed_at - memory.observed_at).total_seconds()
    measured_at = memory.measured_at
    since_s = passed_s if measured_at is memory.observed_at else (observed_at - measured_at).total_seconds()
    intervals = max(1.0, since_s / memory.interval_s) if memory.interval_s else 1.0
    lag_s = memory.lag_s
    if not flags & _SERVER_TIME:
        lag_s = updated_lag_s(lag_s, memory.received_at, reading, passed_s, skew_s)
    check = _check_value(limits, memory, reading, value, intervals)
    unchanged = value is None or (value == memory.last_value and intervals <= MAX_PAUSE_INTERVALS)
    flat_since = memory.flat_since if unchanged else observed_at
    flat_s = (
        memory.longest_flat_s
        if unchanged
        else updated_flat_s(memory.flat_since, memory.observed_at, memory.longest_flat_s)
    )
    shifted_at = observed_at if check.flags & _SHIFT else memory.shifted_at
    flags |= check.flags
    if abs(lag_s) > MAX_CLOCK_SKEW_S:
        flags |= _CLOCK_SKEW
    if shifted_at is not None and (observed_at - shifted_at).total_seconds() < ZERO_SHIFT_SUSPECT_S:
        flags |= _SHIFT
    if unchanged and _is_flat(limits, (observed_at - flat_since).total_seconds(), flat_s):
        flags |= _FLAT
    after = QualityMemory(
        observed_at,
        reading.received_at,
        memory.measured_at if value is None else observed_at,
        flat_since,
        min(passed_s, memory.interval_s * INTERVAL_GROWTH) if memory.interval_s else passed_s,
        lag_s,
        memory.last_value if value is None else value,
        check.accepted_value,
        check.last_step,
        check.max_step,
        check.pending,
        flat_s,
        shifted_at,
    )
    return CheckResult(after, _flagged(reading, flags), check.spike)


def updated_lag_s(lag_s: float, received_at: datetime, reading: Reading, passed_s: float, skew_s: float = 0.0) -> float:
    """Update the running median of lags: it moves towards the lag of the reading by at most `MAX_LAG_STEP_S`.

    received_at: time of receipt of the reading before. passed_s: time between the two observations. Readings that
    arrive faster than they were made had been queued, so their lag says nothing about the clock of the device.
    skew_s: how far Vigía's own clock is ahead, which is not the device's fault.
    """
    if reading.received_at is received_at:
        return lag_s  # both came in one message
    if (reading.received_at - received_at).total_seconds() < passed_s / 2:
        return lag_s
    this_s = (reading.received_at - reading.observed_at).total_seconds() - skew_s
    return lag_s + max(-MAX_LAG_STEP_S, min(MAX_LAG_STEP_S, this_s - lag_s))


def _check_value(
    limits: Limits, memory: QualityMemory, reading: Reading, value: float | None, intervals: float
) -> _ValueCheck:
    """Compare a value with the accepted one: it continues it, jumps away, or confirms or ends a pending change.

    intervals: time since the last value in usual intervals, at least 1. The allowed change is proportional to it.
    """
    accepted, max_step, pending = memory.accepted_value, memory.max_step * MAX_STEP_DECAY, memory.pending
    if value is None:
        return _ValueCheck(0, accepted, memory.last_step, memory.max_step, pending)
    if limits.jump is None or limits.spike is None or accepted is None:
        return _ValueCheck(0, value, 0.0, max_step)
    step, spike = memory.last_step, None
    if pending is not None and pending.value < accepted:
        if value < accepted - intervals * _max_plausible_fall(limits.spike, step, max_step):
            return _check_low_value(reading, memory, value, max_step, pending)
    elif pending is not None and value - accepted < (pending.value - accepted) * SPIKE_REMAINDER:
        spike = (pending.observed_at, pending.seq) if intervals <= MAX_PAUSE_INTERVALS else None
    elif pending is not None:
        step, max_step, accepted = pending.value - accepted, max(max_step, pending.value - accepted), pending.value
    change = value - accepted
    if change > intervals * max(limits.jump, max_step):
        return _ValueCheck(
            _JUMP, accepted, step, max_step, PendingChange(reading.observed_at, reading.seq, value), spike
        )
    if change < 0 and -change > intervals * _max_plausible_fall(limits.spike, step, max_step):
        return _ValueCheck(
            _DROPOUT, accepted, step, max_step, PendingChange(reading.observed_at, reading.seq, value), spike
        )
    step = change / intervals
    return _ValueCheck(_JUMP if -step > limits.jump else 0, value, step, max(max_step, abs(step)), None, spike)


def _max_plausible_fall(spike: float, step: float, max_step: float) -> float:
    """The largest plausible fall of the water within one reading, from its recent steps and its last fall."""
    return max(spike, FALL_PER_RISE * max_step, -FALL_ACCELERATION * step)


def _check_low_value(
    reading: Reading, memory: QualityMemory, value: float, max_step: float, pending: PendingChange
) -> _ValueCheck:
    """Check a value that is still low after a sudden fall: a drop-out or, after a long time, a shifted zero."""
    if (reading.observed_at - pending.observed_at).total_seconds() < ZERO_SHIFT_AFTER_S:
        return _ValueCheck(_DROPOUT, memory.accepted_value, memory.last_step, max_step, pending)
    return _ValueCheck(_SHIFT, value, 0.0, max_step)


def updated_flat_s(since: datetime, until: datetime, longest_s: float) -> float:
    """The longest recent run of equal values, with the run that ended now. A longer earlier run decays meanwhile."""
    if since is until:
        return longest_s
    run_s = (until - since).total_seconds()
    return max(run_s, longest_s - FLAT_RUN_DECAY * run_s)


def _is_flat(limits: Limits, run_s: float, longest_s: float) -> bool:
    return limits.flat_s is not None and run_s >= max(limits.flat_s, FLAT_RUN_FACTOR * longest_s)


def _flagged(reading: Reading, flags: int) -> Reading:
    return reading if flags == reading.flags else msgspec.structs.replace(reading, flags=Flag(flags))
