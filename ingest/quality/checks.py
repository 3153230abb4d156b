"""Streaming checks of one device's readings: what stands against believing each, and what to remember for the next.

Nothing here corrects a value. Water rises fast and falls slowly, and the checks lean on it: a sudden rise is only ever
suspect, while a fall quicker than the stream's own late rises is a sensor out of the water. What counts as sudden
widens with the steps the device was lately seen to take, so that a flashy stream teaches its own scale, and with the
time since the last value.
"""

from datetime import datetime

import msgspec

from models.kind import Limits
from models.reading import Flag, Reading

MAX_AHEAD_S = 120.0
BACKFILL_AFTER_S = 7 * 86_400.0
MAX_CLOCK_SKEW_S = 60.0
MAX_LAG_STEP_S = 5.0
MAX_PAUSE_INTERVALS = 3.0
"""A pause of more usual intervals than this ends a flat line, and leaves a spike without its other side."""
INTERVAL_GROWTH = 1.5
ZERO_SHIFT_AFTER_S = 3600.0
"""A fallen value that stays this long may be a gauge whose zero moved: it is shown to the rules again, as suspect."""
ZERO_SHIFT_SUSPECT_S = 86_400.0
"""For so long a moved zero stays suspect, and so cannot ease an alert."""
SPIKE_REMAINDER = 1 / 3
"""A rise of which no more than this is left one reading later was a spike."""
FALL_ACCELERATION = 3.0
"""Falling water may fall so many times faster than a reading before, when a flood wave's back passes."""
FALL_PER_RISE = 1.25
"""Water may fall within one reading by so much of its largest late step: a short pulse falls as it rose."""
MAX_STEP_DECAY = 0.97
"""What each reading leaves of the largest late step: half is gone after 23."""
FLAT_RUN_FACTOR = 3.0
"""A flat line is so many times longer than the longest the device lately had."""
FLAT_RUN_DECAY = 0.02
"""How fast the memory of a long flat line fades: an hour of it in fifty."""

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
_NOT_CURRENT = int(Flag.LATE | Flag.FUTURE | Flag.RETAINED)
_NUMBER = (float, int)
_NO_VALUE = int(Flag.SENTINEL | Flag.SENSOR_RANGE)


class PendingChange(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A sudden change nobody has confirmed yet: the reading that made it, and the value it showed."""

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
    """`spike` names the reading before this one, by time and `seq`, where this one shows that it was a lone spike."""

    memory: QualityMemory | None
    reading: Reading
    spike: tuple[datetime, int] | None = None


class _ValueCheck(msgspec.Struct, frozen=True, gc=False):
    """What a value is against the believed one, and what is believed after it."""

    flags: int
    accepted_value: float | None
    last_step: float
    max_step: float
    pending: PendingChange | None = None
    spike: tuple[datetime, int] | None = None


def check_reading(limits: Limits, memory: QualityMemory | None, reading: Reading, measure_index: int) -> CheckResult:
    """Flag one reading in the order of arrival, beside the flags it brings; `limits` are in the measure's own unit.

    Only a newer reading with a trusted time moves the memory: late, duplicate, future and retained ones leave it as it
    is (None where nothing else ever came). A value None is no measurement of this measure, and nothing against it.
    """
    lag_s = (reading.received_at - reading.observed_at).total_seconds()
    flags = int(reading.flags) | _time_flags(memory, reading.observed_at, lag_s)
    value = reading.values[measure_index]
    measured = value if isinstance(value, _NUMBER) else None
    if measured is not None:
        flags |= _range_flags(limits, measured)
    if flags & _NOT_CURRENT or (memory is not None and reading.observed_at == memory.observed_at):
        return CheckResult(memory, _flagged(reading, flags))
    believable = None if flags & _NO_VALUE else measured
    if memory is None:
        at = reading.observed_at
        first = QualityMemory(at, reading.received_at, at, at, last_value=believable, accepted_value=believable)
        return CheckResult(first, _flagged(reading, flags))
    return _check_against_memory(limits, memory, reading, believable, flags)


def _time_flags(memory: QualityMemory | None, observed_at: datetime, lag_s: float) -> int:
    if lag_s < -MAX_AHEAD_S:
        return _FUTURE
    late = _LATE if memory is not None and observed_at < memory.observed_at else 0
    return late | _BACKFILL if lag_s > BACKFILL_AFTER_S else late


def _range_flags(limits: Limits, value: float) -> int:
    """What a value's own size tells."""
    if value in limits.sentinels:
        return _SENTINEL
    low, high = limits.sensor
    if not low <= value <= high:
        return _SENSOR_RANGE
    if limits.site is not None and not limits.site[0] <= value <= limits.site[1]:
        return _SITE_RANGE
    return 0


def _check_against_memory(
    limits: Limits, memory: QualityMemory, reading: Reading, value: float | None, flags: int
) -> CheckResult:
    """The reading against those before it, and the memory with it in."""
    observed_at = reading.observed_at
    passed_s = (observed_at - memory.observed_at).total_seconds()
    measured_at = memory.measured_at
    since_s = passed_s if measured_at is memory.observed_at else (observed_at - measured_at).total_seconds()
    intervals = max(1.0, since_s / memory.interval_s) if memory.interval_s else 1.0
    median_s = (
        memory.lag_s if flags & _SERVER_TIME else updated_lag_s(memory.lag_s, memory.received_at, reading, passed_s)
    )
    course = _check_value(limits, memory, reading, value, intervals)
    same = value is None or (value == memory.last_value and intervals <= MAX_PAUSE_INTERVALS)
    flat_since = memory.flat_since if same else observed_at
    flat_s = (
        memory.longest_flat_s if same else updated_flat_s(memory.flat_since, memory.observed_at, memory.longest_flat_s)
    )
    shifted_at = observed_at if course.flags & _SHIFT else memory.shifted_at
    flags |= course.flags
    if abs(median_s) > MAX_CLOCK_SKEW_S:
        flags |= _CLOCK_SKEW
    if shifted_at is not None and (observed_at - shifted_at).total_seconds() < ZERO_SHIFT_SUSPECT_S:
        flags |= _SHIFT
    if same and _is_flat(limits, (observed_at - flat_since).total_seconds(), flat_s):
        flags |= _FLAT
    after = QualityMemory(
        observed_at,
        reading.received_at,
        memory.measured_at if value is None else observed_at,
        flat_since,
        min(passed_s, memory.interval_s * INTERVAL_GROWTH) if memory.interval_s else passed_s,
        median_s,
        memory.last_value if value is None else value,
        course.accepted_value,
        course.last_step,
        course.max_step,
        course.pending,
        flat_s,
        shifted_at,
    )
    return CheckResult(after, _flagged(reading, flags), course.spike)


def updated_lag_s(lag_s: float, received_at: datetime, reading: Reading, passed_s: float) -> float:
    """The running median of lags with this reading's: it follows each by a bounded step, whatever its size.

    received_at: when the reading before was, which was made `passed_s` earlier. Readings that come faster than they
    were made had been waiting: they say nothing of the device's clock.
    """
    if reading.received_at is received_at:
        return lag_s  # of one message
    if (reading.received_at - received_at).total_seconds() < passed_s / 2:
        return lag_s
    this_s = (reading.received_at - reading.observed_at).total_seconds()
    return lag_s + max(-MAX_LAG_STEP_S, min(MAX_LAG_STEP_S, this_s - lag_s))


def _check_value(
    limits: Limits, memory: QualityMemory, reading: Reading, value: float | None, intervals: float
) -> _ValueCheck:
    """Whether the value goes on from the believed one, leaves it, or settles a doubt about an earlier one.

    `intervals`: the time since the last value in usual intervals, at least 1; each allows as much change again.
    """
    believed, swing, doubt = memory.accepted_value, memory.max_step * MAX_STEP_DECAY, memory.pending
    if value is None:
        return _ValueCheck(0, believed, memory.last_step, memory.max_step, doubt)
    if limits.jump is None or limits.spike is None or believed is None:
        return _ValueCheck(0, value, 0.0, swing)
    step, spike = memory.last_step, None
    if doubt is not None and doubt.value < believed:
        if value < believed - intervals * _max_plausible_fall(limits.spike, step, swing):
            return _check_low_value(reading, memory, value, swing, doubt)
    elif doubt is not None and value - believed < (doubt.value - believed) * SPIKE_REMAINDER:
        spike = (doubt.observed_at, doubt.seq) if intervals <= MAX_PAUSE_INTERVALS else None
    elif doubt is not None:
        step, swing, believed = doubt.value - believed, max(swing, doubt.value - believed), doubt.value
    change = value - believed
    if change > intervals * max(limits.jump, swing):
        return _ValueCheck(_JUMP, believed, step, swing, PendingChange(reading.observed_at, reading.seq, value), spike)
    if change < 0 and -change > intervals * _max_plausible_fall(limits.spike, step, swing):
        return _ValueCheck(
            _DROPOUT, believed, step, swing, PendingChange(reading.observed_at, reading.seq, value), spike
        )
    step = change / intervals
    return _ValueCheck(_JUMP if -step > limits.jump else 0, value, step, max(swing, abs(step)), None, spike)


def _max_plausible_fall(spike: float, step: float, swing: float) -> float:
    """How far water may fall within one reading: little further than it lately rose, or some times the fall before."""
    return max(spike, FALL_PER_RISE * swing, -FALL_ACCELERATION * step)


def _check_low_value(
    reading: Reading, memory: QualityMemory, value: float, swing: float, doubt: PendingChange
) -> _ValueCheck:
    """Still low after a sudden fall: no level, until it has stayed so long that the gauge's zero may have moved."""
    if (reading.observed_at - doubt.observed_at).total_seconds() < ZERO_SHIFT_AFTER_S:
        return _ValueCheck(_DROPOUT, memory.accepted_value, memory.last_step, swing, doubt)
    return _ValueCheck(_SHIFT, value, 0.0, swing)


def updated_flat_s(since: datetime, until: datetime, longest_s: float) -> float:
    """The longest late flat line, with the one that ended now; every hour of it fades the memory of longer ones."""
    if since is until:
        return longest_s
    run_s = (until - since).total_seconds()
    return max(run_s, longest_s - FLAT_RUN_DECAY * run_s)


def _is_flat(limits: Limits, run_s: float, longest_s: float) -> bool:
    return limits.flat_s is not None and run_s >= max(limits.flat_s, FLAT_RUN_FACTOR * longest_s)


def _flagged(reading: Reading, flags: int) -> Reading:
    return reading if flags == reading.flags else msgspec.structs.replace(reading, flags=Flag(flags))
