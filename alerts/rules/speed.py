"""Speed rules of a street: single vehicles far over the limit, and a growing share of vehicles over the limit."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, time
from functools import cache
from math import sqrt
from zoneinfo import ZoneInfo

from alerts.rules.clock_doubt import lies_ahead, may_only_raise
from alerts.rules.colour_change import colour_change
from models.alert import NAR, Cause, Transition
from models.kinds import KINDS_BY_NAME
from models.reading import MAX_AHEAD_S, NO_PRESENT_VALUE, Reading
from models.rule import NO_CONTEXT, ExtremeSpeed, RuleContext, SpeedTrend
from models.speeds import BIN_WIDTH_KMH

MAX_FAST_VEHICLES = 32
MAX_DAYS = 35
TRUSTED_FOR_S = 900.0
EASE_RATIO = 0.5
"""A colour of the trend is held while at least this share of its growth remains."""


SpeedCount = tuple[float, int]
"""A speed, km/h, and the number of vehicles with at least that speed."""
FastVehicles = tuple[float, float, int]
"""Time, seconds since 1970-01-01 UTC; speed over the limit, km/h; number of vehicles."""
DayCount = tuple[int, int, int]
"""A local day, as `date.toordinal`; its number of vehicles, and the number over the limit."""


@dataclass(frozen=True, slots=True)
class ExtremeSpeedState:
    """`fast`: the vehicles in the window that were fast enough for a colour, newest last."""

    nar: NAR = NAR.VERDE
    fast: tuple[FastVehicles, ...] = ()


def judge_extreme(
    rule: ExtremeSpeed, state: ExtremeSpeedState, reading: Reading
) -> tuple[ExtremeSpeedState, Transition | None]:
    """Raise at once to the colour that one vehicle, or several together, reach."""
    if int(reading.flags) & NO_PRESENT_VALUE and not may_only_raise(int(reading.flags)):
        return state, None
    limit_kmh = limit_kmh_at(rule, reading.observed_at)
    at_s = reading.observed_at.timestamp()
    fast_now = [
        (at_s, speed_kmh - limit_kmh, count)
        for speed_kmh, count in _speed_counts(reading)
        if speed_kmh - limit_kmh >= rule.over_limit_kmh[0]
    ]
    if not fast_now:
        return state, None
    fast = _in_window(rule, (*state.fast, *fast_now), at_s)
    called = _called_nar(rule, fast)
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
    rule: ExtremeSpeed, state: ExtremeSpeedState, now: datetime, context: RuleContext = NO_CONTEXT
) -> tuple[ExtremeSpeedState, Transition | None]:
    """Ease when the fast vehicles have left the window. A silent radar has its own alert.

    Wait until the clock can be trusted for as long as the window.
    """
    if not state.fast or now.timestamp() - context.clock_trusted_since_s < rule.window_s:
        return state, None
    fast = _in_window(rule, state.fast, now.timestamp())
    nar = min(state.nar, _called_nar(rule, fast))
    after = ExtremeSpeedState(nar, fast)
    if nar == state.nar:
        return after, None
    return after, colour_change(state.nar, nar, Cause.RECESSION, now, now, _evidence(rule, fast))


@dataclass(frozen=True, slots=True)
class SpeedTrendState:
    """`days`: complete days with traffic, oldest first. `today`: the local day in progress, None before any vehicle."""

    nar: NAR = NAR.VERDE
    days: tuple[DayCount, ...] = ()
    today: DayCount | None = None


def judge_trend(
    rule: SpeedTrend, state: SpeedTrendState, reading: Reading
) -> tuple[SpeedTrendState, Transition | None]:
    """Count the reading's vehicles. The first reading of a new day judges the complete days before it."""
    if int(reading.flags) & NO_PRESENT_VALUE:
        return state, None
    limit_kmh = limit_kmh_at(rule, reading.observed_at)
    vehicles = over = 0
    for speed_kmh, count in _speed_counts(reading):
        vehicles += count
        over += count if speed_kmh > limit_kmh else 0
    if not vehicles:
        return state, None
    day = _local(rule.zone, reading.observed_at).toordinal()
    if state.today is not None and day < state.today[0]:
        if not lies_ahead(_day_begins_s(rule.zone, state.today[0]), reading):
            return state, None
        state = replace(state, today=None)
    state, transition = _end_day(rule, state, day, reading.observed_at, reading.received_at)
    _, before, before_over = state.today or (day, 0, 0)
    return replace(state, today=(day, before + vehicles, before_over + over)), transition


def tick_trend(
    rule: SpeedTrend, state: SpeedTrendState, now: datetime, context: RuleContext = NO_CONTEXT
) -> tuple[SpeedTrendState, Transition | None]:
    """End the day also where no vehicle follows it, by a clock that can be trusted for long enough."""
    if now.timestamp() - context.clock_trusted_since_s < TRUSTED_FOR_S:
        return state, None
    return _end_day(rule, state, _local(rule.zone, now).toordinal(), now, now)


def limit_kmh_at(rule: ExtremeSpeed | SpeedTrend, at: datetime) -> float:
    """The limit in force on the rule's street at that moment, km/h."""
    return rule.limit_kmh if rule.street is None else rule.street.limit_kmh_at(_local(rule.zone, at))


def _local(zone: str, at: datetime) -> datetime:
    return at.astimezone(_zone(zone))


def _day_begins_s(zone: str, day: int) -> float:
    return datetime.combine(date.fromordinal(day), time(), _zone(zone)).timestamp()


@cache
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


def _speed_counts(reading: Reading) -> Iterator[SpeedCount]:
    """The reading's vehicles: a single one, or those of the bins, with the lower edge of the bin as their speed."""
    columns = KINDS_BY_NAME[reading.kind].columns
    speed_kmh = reading.values[columns.index("speed_kmh")]
    if isinstance(speed_kmh, float):
        yield speed_kmh, 1
    counts = reading.values[columns.index("counts")]
    if isinstance(counts, tuple):
        yield from ((place * float(BIN_WIDTH_KMH), count) for place, count in enumerate(counts) if count)


def _in_window(rule: ExtremeSpeed, fast: tuple[FastVehicles, ...], at_s: float) -> tuple[FastVehicles, ...]:
    """The vehicles of the window, without those of a time that has not come."""
    return tuple(vehicles for vehicles in fast if at_s - rule.window_s < vehicles[0] <= at_s + MAX_AHEAD_S)[
        -MAX_FAST_VEHICLES:
    ]


def _called_nar(rule: ExtremeSpeed, fast: tuple[FastVehicles, ...]) -> NAR:
    """The colour of the fastest vehicle. `several` vehicles that reach a colour call for the next one."""
    nar = NAR.VERDE
    for colour, over_kmh in zip((NAR.AMARILLO, NAR.NARANJA, NAR.ROJO), rule.over_limit_kmh, strict=True):
        vehicles = sum(count for _, over, count in fast if over >= over_kmh)
        if vehicles:
            nar = NAR(min(colour + (vehicles >= rule.several), NAR.ROJO))
    return nar


def _evidence(rule: ExtremeSpeed, fast: tuple[FastVehicles, ...]) -> dict[str, object]:
    return {
        "over_limit_kmh": list(rule.over_limit_kmh),
        "several": rule.several,
        "window_s": rule.window_s,
        "fastest_over_kmh": round(max((over for _, over, _ in fast), default=0.0), 1),
        "vehicles": sum(count for _, _, count in fast),
    }


def _end_day(
    rule: SpeedTrend, state: SpeedTrendState, day: int, observed_at: datetime, decided_at: datetime
) -> tuple[SpeedTrendState, Transition | None]:
    """If `day` is a new day: add the ended day to the complete ones and judge them."""
    if state.today is None or day <= state.today[0]:
        return state, None
    span = min(rule.recent_days + rule.before_days, MAX_DAYS)
    days = tuple(count for count in (*state.days, state.today) if count[0] >= day - span)
    nar, evidence = _trend_nar(rule, state.nar, days, day - rule.recent_days)
    after = SpeedTrendState(nar, days)
    if nar == state.nar:
        return after, None
    return after, colour_change(state.nar, nar, Cause.TREND, observed_at, decided_at, evidence)


def _trend_nar(rule: SpeedTrend, held: NAR, days: tuple[DayCount, ...], since: int) -> tuple[NAR, dict[str, object]]:
    """The colour of the growth of the share from the days before `since` to the days from then on, with the evidence.

    With too few vehicles the colour stays `held`. The test compares two proportions with a pooled variance. Vehicles in
    a queue are not independent, which makes the test too sure, so the growth itself must reach a threshold too.
    """
    recent, recent_over = _sums(day for day in days if day[0] >= since)
    before, before_over = _sums(day for day in days if day[0] < since)
    if min(recent, before) < rule.least_vehicles:
        return held, {}
    growth = recent_over / recent - before_over / before
    pooled_share = (recent_over + before_over) / (recent + before)
    deviation = sqrt(pooled_share * (1 - pooled_share) * (1 / recent + 1 / before))
    z_score = growth / deviation if deviation else 0.0
    reached = NAR(sum(growth >= points for points in rule.grew_points)) if z_score >= rule.z_score else NAR.VERDE
    remaining = NAR(sum(growth >= points * EASE_RATIO for points in rule.grew_points))
    evidence: dict[str, object] = {
        "share_recent": round(recent_over / recent, 4),
        "share_before": round(before_over / before, 4),
        "vehicles_recent": recent,
        "vehicles_before": before,
        "z_score": round(z_score, 1),
        "grew_points": list(rule.grew_points),
    }
    return max(reached, min(held, remaining)), evidence


def _sums(days: Iterator[DayCount]) -> tuple[int, int]:
    """The total number of vehicles, and of those over the limit."""
    vehicles = over = 0
    for _, day_vehicles, day_over in days:
        vehicles += day_vehicles
        over += day_over
    return vehicles, over
