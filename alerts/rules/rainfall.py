"""Rainfall over the last 15 minutes, 1 hour and 3 hours: raised at once, eased after less rain for the hold time."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from alerts.rules.clock_doubt import lies_ahead, may_only_raise
from alerts.rules.colour_change import colour_change
from models.alert import NAR, Cause, Transition
from models.kinds import KINDS_BY_NAME
from models.reading import NO_PRESENT_VALUE, Reading
from models.rule import Rainfall, RainLimit

WINDOWS_S = (900, 3600, 10_800)
MAX_MM_PER_MIN = 40.0
"""More is an error: the records for one minute are 31.2 mm (Unionville, 1956) and 38 mm (Barot, 1970)."""
MERGE_S = 60
"""Reports that end within the same minute are merged, so that three hours never hold more than 181 intervals."""


WetInterval = tuple[float, int, float]
"""An interval in which rain fell: its end, seconds since 1970-01-01 UTC, its length, s, and the rain, mm."""


@dataclass(frozen=True, slots=True)
class RainfallState:
    """`wet`: the intervals with rain in the longest window. `head_s`: end of the newest interval, wet or dry.

    `less_since_s`: the time since which the windows call for less than the current colour; None while they do not.
    """

    nar: NAR = NAR.VERDE
    head_s: float = 0.0
    wet: tuple[WetInterval, ...] = ()
    less_since_s: float | None = None


def judge(rule: Rainfall, state: RainfallState, reading: Reading) -> tuple[RainfallState, Transition | None]:
    """Judge the report of one interval. Late reports and impossible amounts change nothing.

    Only reports ease a colour: a silent gauge does not show that the rain has stopped. A report whose time is in doubt
    may raise only.
    """
    interval = _interval(reading)
    if interval is None:
        return state, None
    at_s = interval[0]
    if at_s <= state.head_s:
        if not lies_ahead(state.head_s, reading):
            return state, None
        state = replace(state, head_s=0.0, wet=tuple(earlier for earlier in state.wet if earlier[0] <= at_s))
    if int(reading.flags) & NO_PRESENT_VALUE:
        return _judge_in_doubt(rule, state, reading, interval)
    wet = _add_interval(state.wet, interval)
    window_mm = tuple(_rain_in_window_mm(wet, at_s, window_s) for window_s in WINDOWS_S)
    called = _called_nar(rule, window_mm)
    since_s = _less_since_s(state, interval, called)
    eased = since_s is not None and at_s - since_s >= rule.clear_hold_s
    nar = called if eased else max(called, state.nar)
    after = RainfallState(nar, at_s, wet, None if nar != state.nar else since_s)
    if nar == state.nar:
        return after, None
    cause = Cause.RAIN if nar > state.nar else Cause.RECESSION
    evidence = _evidence(rule, window_mm, wet)
    confirmed = len(wet) > 1 or nar < state.nar
    return after, colour_change(
        state.nar, nar, cause, reading.observed_at, reading.received_at, evidence, confirmed=confirmed
    )


def _judge_in_doubt(
    rule: Rainfall, state: RainfallState, reading: Reading, interval: WetInterval
) -> tuple[RainfallState, Transition | None]:
    """Add the rain of a report, so that it may raise. The report does not become the newest one."""
    if interval[2] == 0.0 or (state.wet and interval[0] <= state.wet[-1][0]):
        return state, None
    wet = _add_interval(state.wet, interval)
    window_mm = tuple(_rain_in_window_mm(wet, interval[0], window_s) for window_s in WINDOWS_S)
    nar = max(state.nar, _called_nar(rule, window_mm))
    after = RainfallState(nar, state.head_s, wet, None)
    if nar == state.nar:
        return after, None
    evidence, confirmed = _evidence(rule, window_mm, wet), len(wet) > 1
    return after, colour_change(
        state.nar, nar, Cause.RAIN, reading.observed_at, reading.received_at, evidence, confirmed=confirmed
    )


def rain_15_min_mm(state: RainfallState) -> float:
    """The rain of the 15 minutes before the end of the newest report, mm."""
    return _rain_in_window_mm(state.wet, state.head_s, WINDOWS_S[0])


def reached_limit(rule: Rainfall, state: RainfallState) -> RainLimit | None:
    """The limit of the state's colour that the rain reaches, of the shortest window; None at verde, or where it rained
    less since, so that the colour is only held.
    """
    if not state.nar:
        return None
    for window_s, limits in zip(WINDOWS_S, (rule.in_15_min_mm, rule.in_1_h_mm, rule.in_3_h_mm), strict=True):
        rain_mm, threshold_mm = _rain_in_window_mm(state.wet, state.head_s, window_s), limits[state.nar - 1]
        if rain_mm >= threshold_mm:
            return RainLimit(rain_mm, threshold_mm, window_s)
    return None


def _interval(reading: Reading) -> WetInterval | None:
    """The reading as an interval; None where it is ignored or its amount is impossible."""
    if int(reading.flags) & NO_PRESENT_VALUE and not may_only_raise(int(reading.flags)):
        return None
    kind = KINDS_BY_NAME[reading.kind]
    rain_mm = reading.values[kind.measure_index]
    length_s = reading.values[kind.columns.index("interval_s")]
    if not isinstance(rain_mm, float) or not isinstance(length_s, int):
        return None
    if not 0.0 <= rain_mm <= MAX_MM_PER_MIN * max(length_s, MERGE_S) / 60:
        return None
    return reading.observed_at.timestamp(), length_s, rain_mm


def _add_interval(wet: tuple[WetInterval, ...], interval: WetInterval) -> tuple[WetInterval, ...]:
    """The wet intervals of the longest window that ends with `interval`, which is included if it is wet."""
    at_s, length_s, rain_mm = interval
    start = 0
    while start < len(wet) and wet[start][0] <= at_s - WINDOWS_S[-1]:
        start += 1
    kept = wet[start:]
    if rain_mm == 0.0:
        return kept
    if kept and kept[-1][0] // MERGE_S == at_s // MERGE_S:
        _, last_s, last_mm = kept[-1]
        return (*kept[:-1], (at_s, last_s + length_s, last_mm + rain_mm))
    return (*kept, interval)


def _less_since_s(state: RainfallState, interval: WetInterval, called: NAR) -> float | None:
    """The time since which the windows call for less than the current colour. A gap between reports restarts it."""
    at_s, length_s, _ = interval
    if called >= state.nar:
        return None
    gap = at_s - length_s - state.head_s > WINDOWS_S[0]
    return at_s if gap or state.less_since_s is None else state.less_since_s


def _rain_in_window_mm(wet: Iterable[WetInterval], at_s: float, window_s: int) -> float:
    """Rain within the window that ends at `at_s`. An interval that begins before the window counts in proportion."""
    start_s = at_s - window_s
    total_mm = 0.0
    for end_s, length_s, rain_mm in wet:
        if end_s > start_s:
            total_mm += rain_mm * min(1.0, (end_s - start_s) / length_s)
    return round(total_mm, 3)


def _called_nar(rule: Rainfall, window_mm: tuple[float, ...]) -> NAR:
    """The highest colour whose amount is reached in any window."""
    amounts = (rule.in_15_min_mm, rule.in_1_h_mm, rule.in_3_h_mm)
    return NAR(
        max(sum(mm >= threshold for threshold in thresholds) for mm, thresholds in zip(window_mm, amounts, strict=True))
    )


def _evidence(rule: Rainfall, window_mm: tuple[float, ...], wet: tuple[WetInterval, ...]) -> dict[str, object]:
    in_15_min, in_1_h, in_3_h = window_mm
    return {
        "rain_15_min_mm": in_15_min,
        "rain_1_h_mm": in_1_h,
        "rain_3_h_mm": in_3_h,
        "in_15_min_mm": list(rule.in_15_min_mm),
        "in_1_h_mm": list(rule.in_1_h_mm),
        "in_3_h_mm": list(rule.in_3_h_mm),
        "wet_reports": len(wet),
    }
