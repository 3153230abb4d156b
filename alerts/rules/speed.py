"""Speeds on a street: a vehicle far over the limit right now, and a share over it that grows from week to week."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from math import sqrt
from zoneinfo import ZoneInfo

from alerts.rules.colour_change import colour_change
from models.alert import NAR, Cause, Transition
from models.kinds import KINDS_BY_NAME
from models.reading import UNTRUSTED, Flag, Reading
from models.rule import ExtremeSpeed, SpeedTrend
from models.speeds import BIN_WIDTH_KMH

MOST_REMEMBERED = 32
MOST_DAYS = 35
EASED_AT = 0.5
"""A colour of the trend is held while this share of its growth is still there."""

_NO_NEWS = int(Flag.LATE | Flag.FUTURE | Flag.BACKFILL | Flag.RETAINED | UNTRUSTED)

Vehicles = tuple[float, int]
"""A speed, km/h, and how many vehicles had at least that."""
Fast = tuple[float, float, int]
"""When, seconds since 1970-01-01 UTC; how far over the limit, km/h; how many vehicles."""
Day = tuple[int, int, int]
"""A local day, as `date.toordinal`; the vehicles of it, and those over the limit."""


@dataclass(frozen=True, slots=True)
class ExtremeSpeedState:
    """The vehicles within the window that were fast enough for a colour, newest last."""

    nar: NAR = NAR.VERDE
    fast: tuple[Fast, ...] = ()


def judge_extreme(
    rule: ExtremeSpeed, state: ExtremeSpeedState, reading: Reading
) -> tuple[ExtremeSpeedState, Transition | None]:
    """Raise at once for what one vehicle, or several together, call for."""
    if int(reading.flags) & _NO_NEWS:
        return state, None
    limit_kmh = limit_kmh_at(rule, reading.observed_at)
    at_s = reading.observed_at.timestamp()
    found = [
        (at_s, speed_kmh - limit_kmh, count)
        for speed_kmh, count in _vehicles(reading)
        if speed_kmh - limit_kmh >= rule.over_limit_kmh[0]
    ]
    if not found:
        return state, None
    fast = _recent(rule, (*state.fast, *found), at_s)
    called = _called(rule, fast)
    after = ExtremeSpeedState(max(called, state.nar), fast)
    if after.nar == state.nar:
        return after, None
    evidence = _evidence(rule, fast) | {"limit_kmh": limit_kmh}
    return after, colour_change(
        state.nar,
        after.nar,
        Cause.SPEED,
        reading.observed_at,
        reading.received_at,
        evidence,
        confirmed=sum(count for _, _, count in fast) > 1,
    )


def tick_extreme(
    rule: ExtremeSpeed, state: ExtremeSpeedState, now: datetime
) -> tuple[ExtremeSpeedState, Transition | None]:
    """The danger is over when a window has passed without it; a silent radar has its own alert."""
    if not state.fast:
        return state, None
    fast = _recent(rule, state.fast, now.timestamp())
    nar = min(state.nar, _called(rule, fast))
    after = ExtremeSpeedState(nar, fast)
    if nar == state.nar:
        return after, None
    return after, colour_change(state.nar, nar, Cause.RECESSION, now, now, _evidence(rule, fast))


@dataclass(frozen=True, slots=True)
class SpeedTrendState:
    """`days`: whole days with traffic, oldest first. `today`: the local day being counted, None before any vehicle."""

    nar: NAR = NAR.VERDE
    days: tuple[Day, ...] = ()
    today: Day | None = None


def judge_trend(
    rule: SpeedTrend, state: SpeedTrendState, reading: Reading
) -> tuple[SpeedTrendState, Transition | None]:
    """Count the reading's vehicles; the first of a new day judges the days before it."""
    if int(reading.flags) & _NO_NEWS:
        return state, None
    limit_kmh = limit_kmh_at(rule, reading.observed_at)
    vehicles = over = 0
    for speed_kmh, count in _vehicles(reading):
        vehicles += count
        over += count if speed_kmh > limit_kmh else 0
    if not vehicles:
        return state, None
    day = _local(rule.zone, reading.observed_at).toordinal()
    if state.today is not None and day < state.today[0]:
        return state, None
    state, transition = _day_over(rule, state, day, reading.observed_at, reading.received_at)
    _, before, before_over = state.today or (day, 0, 0)
    return replace(state, today=(day, before + vehicles, before_over + over)), transition


def tick_trend(rule: SpeedTrend, state: SpeedTrendState, now: datetime) -> tuple[SpeedTrendState, Transition | None]:
    """A day without a vehicle after it ends all the same."""
    return _day_over(rule, state, _local(rule.zone, now).toordinal(), now, now)


def limit_kmh_at(rule: ExtremeSpeed | SpeedTrend, at: datetime) -> float:
    """The limit in force on the rule's street at that moment, km/h."""
    return rule.limit_kmh if rule.street is None else rule.street.limit_kmh_at(_local(rule.zone, at))


def _local(zone: str, at: datetime) -> datetime:
    return at.astimezone(_zone(zone))


@cache
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


def _vehicles(reading: Reading) -> Iterator[Vehicles]:
    """One vehicle, or the bins of a count; a binned vehicle has at least the lower edge of its bin."""
    columns = KINDS_BY_NAME[reading.kind].columns
    speed_kmh = reading.values[columns.index("speed_kmh")]
    if isinstance(speed_kmh, float):
        yield speed_kmh, 1
    counts = reading.values[columns.index("counts")]
    if isinstance(counts, tuple):
        yield from ((place * float(BIN_WIDTH_KMH), count) for place, count in enumerate(counts) if count)


def _recent(rule: ExtremeSpeed, fast: tuple[Fast, ...], at_s: float) -> tuple[Fast, ...]:
    return tuple(one for one in fast if one[0] > at_s - rule.window_s)[-MOST_REMEMBERED:]


def _called(rule: ExtremeSpeed, fast: tuple[Fast, ...]) -> NAR:
    """The colour of the fastest; several of a colour call for the next."""
    nar = NAR.VERDE
    for colour, over_kmh in zip((NAR.AMARILLO, NAR.NARANJA, NAR.ROJO), rule.over_limit_kmh, strict=True):
        vehicles = sum(count for _, over, count in fast if over >= over_kmh)
        if vehicles:
            nar = NAR(min(colour + (vehicles >= rule.several), NAR.ROJO))
    return nar


def _evidence(rule: ExtremeSpeed, fast: tuple[Fast, ...]) -> dict[str, object]:
    return {
        "over_limit_kmh": list(rule.over_limit_kmh),
        "several": rule.several,
        "window_s": rule.window_s,
        "fastest_over_kmh": round(max((over for _, over, _ in fast), default=0.0), 1),
        "vehicles": sum(count for _, _, count in fast),
    }


def _day_over(
    rule: SpeedTrend, state: SpeedTrendState, day: int, observed_at: datetime, decided_at: datetime
) -> tuple[SpeedTrendState, Transition | None]:
    """If `day` is a new one: the day that ended among the whole ones, and what they say now."""
    if state.today is None or day <= state.today[0]:
        return state, None
    span = min(rule.recent_days + rule.before_days, MOST_DAYS)
    days = tuple(one for one in (*state.days, state.today) if one[0] >= day - span)
    nar, evidence = _trend(rule, state.nar, days, day - rule.recent_days)
    after = SpeedTrendState(nar, days)
    if nar == state.nar:
        return after, None
    return after, colour_change(state.nar, nar, Cause.TREND, observed_at, decided_at, evidence)


def _trend(rule: SpeedTrend, held: NAR, days: tuple[Day, ...], since: int) -> tuple[NAR, dict[str, object]]:
    """The colour of the growth between the days before `since` and those from it on; as held where too few passed.

    Source of the test: two proportions with a pooled variance. Vehicles in a queue are not independent and make it
    too sure, which is why the growth itself must reach a colour too.
    """
    recent, recent_over = _sums(day for day in days if day[0] >= since)
    before, before_over = _sums(day for day in days if day[0] < since)
    if min(recent, before) < rule.least_vehicles:
        return held, {}
    grew = recent_over / recent - before_over / before
    pooled = (recent_over + before_over) / (recent + before)
    deviation = sqrt(pooled * (1 - pooled) * (1 / recent + 1 / before))
    z_score = grew / deviation if deviation else 0.0
    reached = NAR(sum(grew >= points for points in rule.grew_points)) if z_score >= rule.z_score else NAR.VERDE
    still = NAR(sum(grew >= points * EASED_AT for points in rule.grew_points))
    evidence: dict[str, object] = {
        "share_recent": round(recent_over / recent, 4),
        "share_before": round(before_over / before, 4),
        "vehicles_recent": recent,
        "vehicles_before": before,
        "z_score": round(z_score, 1),
        "grew_points": list(rule.grew_points),
    }
    return max(reached, min(held, still)), evidence


def _sums(days: Iterator[Day]) -> tuple[int, int]:
    """Vehicles, and those over the limit."""
    vehicles = over = 0
    for _, passed, faster in days:
        vehicles += passed
        over += faster
    return vehicles, over
