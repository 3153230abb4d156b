"""The level of a stream: raised at once by level, rise, rain or an upstream station, eased only by fresh low water."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from math import isfinite

from msgspec import Struct, structs

from alerts.forecast.exceedance import exceedance_probability
from alerts.rules.steady_run import SteadyRun
from models.alert import NAR, Cause, Change, Transition
from models.kinds import KINDS_BY_NAME
from models.reading import UNTRUSTED, Flag, Reading
from models.rule import NO_CONTEXT, UNTRAINED, RuleContext, Stage

_NO_NEWS = int(Flag.LATE | Flag.FUTURE | Flag.BACKFILL | Flag.RETAINED | UNTRUSTED)
_IN_DOUBT = int(Flag.SITE_RANGE | Flag.SPIKE | Flag.JUMP | Flag.FLAT | Flag.SHIFT)
_NUMBER = (float, int)
_VERDE = NAR.VERDE
_COLOURS = (NAR.AMARILLO, NAR.NARANJA, NAR.ROJO)
_LEAST_GAP_S = 900
_SAMPLES_PER_WINDOW = 60
_NEVER = 2.0
_MOST_MARGIN = 0.25
"""The share of a threshold that the clear margin may take: the water in a street never falls below its floor."""

Since = tuple[float | None, float | None, float | None]
_NOT_LOW: Since = (None, None, None)


class StageState(Struct, frozen=True, gc=False, rename={"confirmed_nar": "proven", "sample_nars": "seen"}):
    """What the rule remembers of one stream. Times are seconds since 1970-01-01 UTC.

    `confirmed_nar`: the highest colour confirmed by a second sample, a sure margin, rain or another station.
    `samples`: trusted (time, level in m) pairs of the last rise window. `sample_nars`: the colour that each of the last
    samples calls for by itself. `low_since_s`: per colour, the time since which the level is clearly below its
    threshold and nothing else calls for the colour; None where this does not hold.
    """

    nar: NAR = NAR.VERDE
    confirmed_nar: NAR = NAR.VERDE
    head_s: float = 0.0
    samples: tuple[tuple[float, float], ...] = ()
    sample_nars: tuple[NAR, ...] = ()
    low_since_s: Since = _NOT_LOW


@dataclass(frozen=True, slots=True)
class _Call:
    """The colour that something calls for, how much of it is backed, and why."""

    nar: NAR
    confirmed_nar: NAR
    cause: Cause


@dataclass(frozen=True, slots=True)
class _Moment:
    """When a move happens, and what it rests on."""

    observed_at: datetime
    decided_at: datetime
    evidence: Mapping[str, object]


def judge(
    rule: Stage, state: StageState, reading: Reading, context: RuleContext = NO_CONTEXT
) -> tuple[StageState, Transition | None]:
    """Take one reading into account. What is no news, or no measurement, changes nothing at all."""
    flags = int(reading.flags)
    level_m = _level_m(reading, flags)
    at_s = reading.observed_at.timestamp()
    if level_m is None or at_s <= state.head_s:
        return state, None
    if at_s - state.head_s > _LEAST_GAP_S and at_s - state.head_s > 3 * rule.period_s:
        state = _after_gap(state)
    trusted = not flags & _IN_DOUBT
    samples = _window(rule, state.samples, [(at_s, level_m)]) if trusted else state.samples
    risen_m = level_m - samples[0][1] if samples else 0.0
    by_water = _by_water(rule, context, level_m, risen_m)
    if not (by_water or state.nar or context.rain_nar or context.upstream_nar):
        return StageState(head_s=at_s, samples=samples), None
    state = structs.replace(
        state, head_s=at_s, samples=samples, sample_nars=(*state.sample_nars, by_water)[1 - 2 * rule.confirm_samples :]
    )
    call = _strongest(context, _called_by_water(rule, state, context, level_m, trusted=trusted))
    if trusted:
        state = structs.replace(state, low_since_s=_low_since(rule, state.low_since_s, at_s, level_m, call.nar))
    after = _raised(state, call)
    cause = call.cause
    if after.nar == state.nar and _low_for_the_hold(rule, state, at_s):
        after, cause = _eased(after), Cause.RECESSION
    evidence = _evidence(rule, context, level_m, risen_m) | {"flags": flags}
    return after, _transition(state, after, cause, _Moment(reading.observed_at, reading.received_at, evidence))


def skip_steady_run(
    rule: Stage, state: StageState, run: SteadyRun, context: RuleContext = NO_CONTEXT
) -> StageState | None:
    """The state after levels none of which calls for anything: as by `judge` one by one. None where that is not plain.

    The rise that any of them is in is at most from the lowest to the highest.
    """
    if state.nar or context.rain_nar or context.upstream_nar:
        return None
    if not (state.head_s < run.times_s[0] and run.times_s[-1] - state.head_s <= _LEAST_GAP_S):
        return None
    highest_m = max(run.values)
    lowest_m = min([*run.values, *(level_m for _, level_m in state.samples)])
    if highest_m + max(1.0, _farthest(rule)) * (highest_m - lowest_m) >= rule.thresholds_m[0]:
        return None
    fresh = zip(run.times_s, run.values, strict=True)
    return StageState(head_s=run.times_s[-1], samples=_window(rule, state.samples, fresh))


def tick(
    rule: Stage, state: StageState, now: datetime, context: RuleContext = NO_CONTEXT
) -> tuple[StageState, Transition | None]:
    """Let rain and upstream stations raise, or back, while the sensor itself says nothing. Silence never eases."""
    if context.rain_nar == context.upstream_nar == NAR.VERDE and context.rain_15_min_mm is None:
        return state, None
    last = state.sample_nars[-1] if state.sample_nars else NAR.VERDE
    call = _strongest(context, _Call(last, _backed(rule, state.sample_nars, context), Cause.LEVEL))
    after = _raised(state, call)
    level_m = state.samples[-1][1] if state.samples else None
    return after, _transition(state, after, call.cause, _Moment(now, now, _evidence(rule, context, level_m, None)))


def _level_m(reading: Reading, flags: int) -> float | None:
    """The level, or None where the reading is no news or no measurement."""
    if flags & _NO_NEWS:
        return None
    level_m = reading.values[KINDS_BY_NAME[reading.kind].measure_index]
    return float(level_m) if isinstance(level_m, _NUMBER) and isfinite(level_m) else None


def _after_gap(state: StageState) -> StageState:
    """Forget rise, backing and low water across a gap: nobody saw what happened there. The colour stays."""
    return structs.replace(state, samples=(), sample_nars=(), low_since_s=_NOT_LOW)


def _window(
    rule: Stage, samples: Sequence[tuple[float, float]], fresh: Iterable[tuple[float, float]]
) -> tuple[tuple[float, float], ...]:
    """The samples with the fresh ones, from the youngest that is one rise window old (or the oldest there is)."""
    reach_s, apart_s = rule.rise_window_s - rule.period_s / 2, rule.rise_window_s / _SAMPLES_PER_WINDOW
    kept, start = list(samples), 0
    for sample in fresh:
        at_s = sample[0]
        while start + 1 < len(kept) and kept[start + 1][0] <= at_s - reach_s:
            start += 1
        if len(kept) - start > 1 and at_s - kept[-2][0] < apart_s:
            kept[-1] = sample  # a device faster than the window needs: the youngest stands for its neighbours
        else:
            kept.append(sample)
    return tuple(kept[start:])


def _by_water(rule: Stage, context: RuleContext, level_m: float, risen_m: float) -> NAR:
    """The colour this one sample calls for: reached, or likely to be reached by the rise it is in."""
    if risen_m < rule.rise_min_m:
        if level_m < rule.thresholds_m[0]:
            return _VERDE
        return NAR(sum(level_m >= threshold_m for threshold_m in rule.thresholds_m))
    if level_m + max(1.0, _farthest(rule)) * risen_m < rule.thresholds_m[0]:
        return NAR.VERDE  # none of them is within reach
    chances = _chances(rule, context, level_m, risen_m)
    likely_enough = [
        likely >= _enough(rule, context, (threshold_m - level_m) / risen_m)
        for threshold_m, likely in zip(rule.thresholds_m, chances, strict=True)
    ]
    return NAR(sum(likely_enough))


def _enough(rule: Stage, context: RuleContext, far: float) -> float:
    """The chance it takes where `far` times what was risen is missing: more the farther ahead, and never too far."""
    if far <= 1:
        return rule.raise_chance
    if far <= _farthest(rule):
        return max(rule.raise_chance, context.exceedance.least_chance)
    return _NEVER


def _farthest(rule: Stage) -> float:
    """How many times the rise so far may still be missing for a threshold to count as within reach."""
    return max(rule.look_ahead_s, rule.period_s) / max(rule.rise_window_s, rule.period_s)


def _chances(rule: Stage, context: RuleContext, level_m: float, risen_m: float) -> list[float]:
    """Per colour, the probability that this rise reaches it."""
    return [
        exceedance_probability(context.exceedance, level_m=level_m, risen_m=risen_m, threshold_m=threshold_m)
        for threshold_m in rule.thresholds_m
    ]


def _called_by_water(rule: Stage, state: StageState, context: RuleContext, level_m: float, *, trusted: bool) -> _Call:
    """What the water calls for, with how much of it is backed: far above a threshold one trusted sample is enough."""
    nar = state.sample_nars[-1]
    reached = sum(level_m >= threshold_m for threshold_m in rule.thresholds_m)
    sure = NAR(sum(level_m >= threshold_m + rule.sure_margin_m for threshold_m in rule.thresholds_m) if trusted else 0)
    likely = Cause.RISE if context.exceedance is UNTRAINED else Cause.FORECAST
    return _Call(nar, max(sure, _backed(rule, state.sample_nars, context)), Cause.LEVEL if reached >= nar else likely)


def _backed(rule: Stage, seen: tuple[NAR, ...], context: RuleContext) -> NAR:
    """What so many of the last samples agree on (two in a row, the median of three), or what rain or others back."""
    beside = context.rain_nar or context.upstream_nar or (context.rain_15_min_mm or 0.0) >= rule.rain_backs_mm
    if seen and beside:
        return max(seen)
    return sorted(seen)[-rule.confirm_samples] if len(seen) >= rule.confirm_samples else NAR.VERDE


def _strongest(context: RuleContext, water: _Call) -> _Call:
    """The highest call; an upstream station warns the operator of one colour below its own and proves nothing."""
    rain = _Call(context.rain_nar, context.rain_nar, Cause.RAIN)
    upstream = _Call(NAR(max(context.upstream_nar - 1, 0)), NAR.VERDE, Cause.UPSTREAM)
    first = max((water, rain, upstream), key=lambda call: call.nar)
    return replace(first, confirmed_nar=max(water.confirmed_nar, rain.confirmed_nar))


def _low_since(rule: Stage, since: Since, at_s: float, level_m: float, called: NAR) -> Since:
    """Per colour, since when the level lies the clear margin below it while nothing calls for it; None where not."""
    low = [
        level_m < threshold_m - min(rule.clear_margin_m, _MOST_MARGIN * abs(threshold_m)) and called < colour
        for threshold_m, colour in zip(rule.thresholds_m, _COLOURS, strict=True)
    ]
    first, second, third = (
        (at_s if before is None else before) if is_low else None for before, is_low in zip(since, low, strict=True)
    )
    return first, second, third


def _raised(state: StageState, call: _Call) -> StageState:
    """Up at once to what is called for, backed yet or not; what was backed stays so while the colour stands."""
    nar = max(state.nar, call.nar)
    since = state.low_since_s if nar == state.nar else _NOT_LOW
    return structs.replace(
        state, nar=nar, confirmed_nar=min(nar, max(state.confirmed_nar, call.confirmed_nar)), low_since_s=since
    )


def _low_for_the_hold(rule: Stage, state: StageState, at_s: float) -> bool:
    since_s = state.low_since_s[state.nar - 1] if state.nar else None
    return since_s is not None and at_s - since_s >= rule.clear_hold_s


def _eased(state: StageState) -> StageState:
    """One colour down."""
    nar = NAR(state.nar - 1)
    return structs.replace(state, nar=nar, confirmed_nar=min(state.confirmed_nar, nar))


def _transition(before: StageState, after: StageState, cause: Cause, moment: _Moment) -> Transition | None:
    """What changed for people, if anything did."""
    change = _change(before, after)
    if change is None:
        return None
    return Transition(
        before=before.nar,
        after=after.nar,
        change=change,
        cause=cause,
        observed_at=moment.observed_at,
        decided_at=moment.decided_at,
        confirmed=after.confirmed_nar >= after.nar,
        evidence={**moment.evidence, "proven": int(after.confirmed_nar)},
    )


def _change(before: StageState, after: StageState) -> Change | None:
    if after.nar > before.nar:
        return Change.ESCALATED if before.nar else Change.RAISED
    if after.nar < before.nar:
        return Change.EASED if after.nar else Change.CLEARED
    return Change.CONFIRMED if before.confirmed_nar < before.nar == after.confirmed_nar else None


def _evidence(rule: Stage, context: RuleContext, level_m: float | None, risen_m: float | None) -> dict[str, object]:
    """Values and limits as they stood, in plain JSON types."""
    found: dict[str, object] = {"level_m": level_m, "thresholds_m": list(rule.thresholds_m)}
    if risen_m is not None:
        found |= {"risen_m": round(risen_m, 4), "rise_window_s": rule.rise_window_s}
    if level_m is not None and risen_m is not None and risen_m >= rule.rise_min_m:
        found |= {
            "chances": [round(likely, 3) for likely in _chances(rule, context, level_m, risen_m)],
            "raise_chance": rule.raise_chance,
            "least_chance": context.exceedance.least_chance,
        }
    if context.rain_nar or context.rain_15_min_mm is not None:
        found |= {"rain": int(context.rain_nar), "rain_15_min_mm": context.rain_15_min_mm}
    if context.upstream_nar:
        found["upstream"] = int(context.upstream_nar)
    return found
