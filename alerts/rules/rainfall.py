"""Rain over the last 15 minutes, hour and three hours: raised at once, eased when it has been less for the hold."""

from collections.abc import Iterable
from dataclasses import dataclass

from alerts.rules.colour_change import colour_change
from models.alert import NAR, Cause, Transition
from models.kinds import KINDS_BY_NAME
from models.reading import UNTRUSTED, Flag, Reading
from models.rule import Rainfall

WINDOWS_S = (900, 3600, 10_800)
MOST_MM_PER_MIN = 40.0
"""More has never been measured: the records for one minute are 31.2 mm (Unionville, 1956) and 38 mm (Barot, 1970)."""
MERGED_S = 60
"""Reports that end within the same minute are kept as one, so that three hours never hold more than 181."""

_NO_NEWS = int(Flag.LATE | Flag.FUTURE | Flag.BACKFILL | Flag.RETAINED | UNTRUSTED)

Wet = tuple[float, int, float]
"""An interval in which rain fell: its end, seconds since 1970-01-01 UTC, its length, s, and the rain, mm."""


@dataclass(frozen=True, slots=True)
class RainfallState:
    """`wet`: the intervals with rain of the longest window. `head_s`: end of the newest interval, wet or dry.

    `less_since_s`: since when the windows call for less than the colour held, None while they do not.
    """

    nar: NAR = NAR.VERDE
    head_s: float = 0.0
    wet: tuple[Wet, ...] = ()
    less_since_s: float | None = None


def judge(rule: Rainfall, state: RainfallState, reading: Reading) -> tuple[RainfallState, Transition | None]:
    """Take one interval's report into account. Late ones and impossible amounts change nothing.

    Only reports ease: a gauge that says nothing has not said that it stopped raining.
    """
    interval = _interval(reading)
    if interval is None or interval[0] <= state.head_s:
        return state, None
    at_s = interval[0]
    wet = _with(state.wet, interval)
    fallen_mm = tuple(_fallen_mm(wet, at_s, window_s) for window_s in WINDOWS_S)
    called = _called(rule, fallen_mm)
    since_s = _less_since_s(state, interval, called)
    eased = since_s is not None and at_s - since_s >= rule.clear_hold_s
    nar = called if eased else max(called, state.nar)
    after = RainfallState(nar, at_s, wet, None if nar != state.nar else since_s)
    if nar == state.nar:
        return after, None
    cause = Cause.RAIN if nar > state.nar else Cause.RECESSION
    evidence = _evidence(rule, fallen_mm, wet)
    confirmed = len(wet) > 1 or nar < state.nar
    return after, colour_change(
        state.nar, nar, cause, reading.observed_at, reading.received_at, evidence, confirmed=confirmed
    )


def rain_15_min_mm(state: RainfallState) -> float:
    """The rain of the 15 minutes that ended with the newest report, mm."""
    return _fallen_mm(state.wet, state.head_s, WINDOWS_S[0])


def _interval(reading: Reading) -> Wet | None:
    """What the reading says fell, and when; None where it is no news or no possible rain."""
    if int(reading.flags) & _NO_NEWS:
        return None
    kind = KINDS_BY_NAME[reading.kind]
    rain_mm = reading.values[kind.measure_index]
    length_s = reading.values[kind.columns.index("interval_s")]
    if not isinstance(rain_mm, float) or not isinstance(length_s, int):
        return None
    if not 0.0 <= rain_mm <= MOST_MM_PER_MIN * max(length_s, MERGED_S) / 60:
        return None
    return reading.observed_at.timestamp(), length_s, rain_mm


def _with(wet: tuple[Wet, ...], interval: Wet) -> tuple[Wet, ...]:
    """The wet intervals of the longest window that ends with this one, itself in if it is wet."""
    at_s, length_s, rain_mm = interval
    start = 0
    while start < len(wet) and wet[start][0] <= at_s - WINDOWS_S[-1]:
        start += 1
    kept = wet[start:]
    if rain_mm == 0.0:
        return kept
    if kept and kept[-1][0] // MERGED_S == at_s // MERGED_S:
        _, last_s, last_mm = kept[-1]
        return (*kept[:-1], (at_s, last_s + length_s, last_mm + rain_mm))
    return (*kept, interval)


def _less_since_s(state: RainfallState, interval: Wet, called: NAR) -> float | None:
    """Since when the windows call for less than the colour held; nobody knows what fell in a gap between reports."""
    at_s, length_s, _ = interval
    if called >= state.nar:
        return None
    gap = at_s - length_s - state.head_s > WINDOWS_S[0]
    return at_s if gap or state.less_since_s is None else state.less_since_s


def _fallen_mm(wet: Iterable[Wet], at_s: float, window_s: int) -> float:
    """Rain within the window that ends at `at_s`; an interval reaching back beyond it counts by its share."""
    start_s = at_s - window_s
    total_mm = 0.0
    for end_s, length_s, rain_mm in wet:
        if end_s > start_s:
            total_mm += rain_mm * min(1.0, (end_s - start_s) / length_s)
    return round(total_mm, 3)


def _called(rule: Rainfall, fallen_mm: tuple[float, ...]) -> NAR:
    """The highest colour that any window's amount reaches."""
    amounts = (rule.in_15_min_mm, rule.in_1_h_mm, rule.in_3_h_mm)
    return NAR(max(sum(mm >= amount for amount in of) for mm, of in zip(fallen_mm, amounts, strict=True)))


def _evidence(rule: Rainfall, fallen_mm: tuple[float, ...], wet: tuple[Wet, ...]) -> dict[str, object]:
    in_15_min, in_1_h, in_3_h = fallen_mm
    return {
        "rain_15_min_mm": in_15_min,
        "rain_1_h_mm": in_1_h,
        "rain_3_h_mm": in_3_h,
        "in_15_min_mm": list(rule.in_15_min_mm),
        "in_1_h_mm": list(rule.in_1_h_mm),
        "in_3_h_mm": list(rule.in_3_h_mm),
        "wet_reports": len(wet),
    }
