"""Stream level rule: raised at once by level, rise, rain or an upstream station; eased only by new low levels."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from math import isfinite

from msgspec import Struct, structs

from alerts.forecast.exceedance import exceedance_probability
from alerts.rules.clock_doubt import lies_ahead, may_only_raise
from alerts.rules.steady_run import SteadyRun
from models.alert import NAR, Cause, Change, Transition
from models.kinds import KINDS_BY_NAME
from models.reading import NO_PRESENT_VALUE, Flag, Reading
from models.rule import NO_CONTEXT, UNTRAINED, RuleContext, Stage

_SUSPICIOUS = int(Flag.SITE_RANGE | Flag.SPIKE | Flag.JUMP | Flag.FLAT | Flag.SHIFT)
_NUMBER = (float, int)
_VERDE = NAR.VERDE
_COLOURS = (NAR.AMARILLO, NAR.NARANJA, NAR.ROJO)
_MIN_GAP_S = 900
_SAMPLES_PER_WINDOW = 60
_IMPOSSIBLE = 2.0
"""A probability that is never reached."""
_MAX_MARGIN_SHARE = 0.25
"""The clear margin is at most this share of a threshold, because the water in a street never falls below its floor."""

Since = tuple[float | None, float | None, float | None]
_NOT_LOW: Since = (None, None, None)


class StageState(Struct, frozen=True, gc=False, rename={"confirmed_nar": "proven", "sample_nars": "seen"}):
    """The state of the rule for one stream. Times are seconds since 1970-01-01 UTC.

    `confirmed_nar`: the highest colour confirmed by a second sample, a sure margin, rain or another station.
    `samples`: trusted (time, level in m) pairs of the last rise window. `sample_nars`: the colour that each of the last
    samples calls for by itself. `low_since_s`: per colour, the time since which the level is clearly below its
    threshold and nothing else calls for the colour; None where this does not hold. `ahead_of_level`: the colour was
    raised by rise, forecast, rain or another station, and the level has not reached its threshold yet.
    """

    nar: NAR = NAR.VERDE
    confirmed_nar: NAR = NAR.VERDE
    head_s: float = 0.0
    samples: tuple[tuple[float, float], ...] = ()
    sample_nars: tuple[NAR, ...] = ()
    low_since_s: Since = _NOT_LOW
    ahead_of_level: bool = False


@dataclass(frozen=True, slots=True)
class _Call:
    """A colour that some evidence calls for, the part of it that is confirmed, and the cause."""

    nar: NAR
    confirmed_nar: NAR
    cause: Cause


@dataclass(frozen=True, slots=True)
class _Decision:
    """The times and the evidence of a transition."""

    observed_at: datetime
    decided_at: datetime
    evidence: Mapping[str, object]


def judge(
    rule: Stage, state: StageState, reading: Reading, context: RuleContext = NO_CONTEXT
) -> tuple[StageState, Transition | None]:
    """Judge one reading. A late, repeated or untrusted reading, or one without a value, changes nothing.

    One whose time is in doubt may raise and confirm only, by its level alone. It never becomes the newest reading, so
    that it cannot keep later ones from being judged.
    """
    flags = int(reading.flags)
    if flags & NO_PRESENT_VALUE and not may_only_raise(flags):
        return state, None
    level_m = _level_m(reading)
    at_s = reading.observed_at.timestamp()
    if level_m is None:
        return state, None
    if at_s <= state.head_s:
        if not lies_ahead(state.head_s, reading):
            return state, None
        state = structs.replace(_after_gap(state), head_s=0.0)
    if flags & NO_PRESENT_VALUE:
        return _judge_in_doubt(rule, state, reading, context, level_m)
    if at_s - state.head_s > _MIN_GAP_S and at_s - state.head_s > 3 * rule.period_s:
        state = _after_gap(state)
    trusted = not flags & _SUSPICIOUS
    samples = _add_samples(rule, state.samples, [(at_s, level_m)]) if trusted else state.samples
    risen_m = level_m - samples[0][1] if samples else 0.0
    sample_nar = _sample_nar(rule, context, level_m, risen_m)
    if not (sample_nar or state.nar or context.rain_nar or context.upstream_nar):
        return StageState(head_s=at_s, samples=samples), None
    state = structs.replace(
        state,
        head_s=at_s,
        samples=samples,
        sample_nars=(*state.sample_nars, sample_nar)[1 - 2 * rule.confirm_samples :],
    )
    call = _highest_call(context, _level_call(rule, state, context, level_m, trusted=trusted))
    if trusted:
        state = structs.replace(state, low_since_s=_low_since(rule, state.low_since_s, at_s, level_m, call.nar))
    after, cause = _after_sample(rule, state, call, context, (at_s, level_m), trusted=trusted)
    evidence = _evidence(rule, context, level_m, risen_m) | {"flags": flags}
    return after, _transition(state, after, cause, _Decision(reading.observed_at, reading.received_at, evidence))


def _after_sample(
    rule: Stage,
    state: StageState,
    call: _Call,
    context: RuleContext,
    sample: tuple[float, float],
    *,
    trusted: bool,
) -> tuple[StageState, Cause]:
    """The state after a sample (time in s, level in m) that makes this call, and the cause of a change to it."""
    reached = _reached_nar(rule, sample[1])
    after = _raised(state, call, reached)
    if after.nar == state.nar and _low_for_hold_time(rule, state, sample[0]):
        return _eased(after), Cause.RECESSION
    if trusted and after.ahead_of_level and reached >= after.nar:
        return structs.replace(after, ahead_of_level=False), Cause.LEVEL
    if call.cause is Cause.LEVEL and reached < after.nar:
        return after, _confirming_cause(context)
    return after, call.cause


def _judge_in_doubt(
    rule: Stage, state: StageState, reading: Reading, context: RuleContext, level_m: float
) -> tuple[StageState, Transition | None]:
    """Let a reading raise or confirm a colour by the threshold that its level reaches. Two are needed to confirm."""
    sample_nar = _reached_nar(rule, level_m)
    if not sample_nar:
        return state, None
    sample_nars = (*state.sample_nars, sample_nar)[1 - 2 * rule.confirm_samples :]
    state = structs.replace(state, sample_nars=sample_nars, low_since_s=_NOT_LOW)
    call = _highest_call(context, _level_call(rule, state, context, level_m, trusted=False))
    after = _raised(state, call, sample_nar)
    evidence = _evidence(rule, context, level_m, None) | {"flags": int(reading.flags)}
    return after, _transition(state, after, call.cause, _Decision(reading.observed_at, reading.received_at, evidence))


def skip_steady_run(
    rule: Stage, state: StageState, run: SteadyRun, context: RuleContext = NO_CONTEXT
) -> StageState | None:
    """The state after a steady run whose levels call for no colour, the same as by `judge` one by one.

    None where that is not certain. The rise at any level of the run is at most from the lowest level to the highest.
    """
    if state.nar or context.rain_nar or context.upstream_nar:
        return None
    if not (state.head_s < run.times_s[0] and run.times_s[-1] - state.head_s <= _MIN_GAP_S):
        return None
    highest_m = max(run.values)
    lowest_m = min([*run.values, *(level_m for _, level_m in state.samples)])
    if highest_m + max(1.0, _max_missing_ratio(rule)) * (highest_m - lowest_m) >= rule.thresholds_m[0]:
        return None
    new_samples = zip(run.times_s, run.values, strict=True)
    return StageState(head_s=run.times_s[-1], samples=_add_samples(rule, state.samples, new_samples))


def tick(
    rule: Stage, state: StageState, now: datetime, context: RuleContext = NO_CONTEXT
) -> tuple[StageState, Transition | None]:
    """Let rain and upstream stations raise or confirm a colour while the sensor is silent. Silence never eases."""
    if context.rain_nar == context.upstream_nar == NAR.VERDE and context.rain_15_min_mm is None:
        return state, None
    last = state.sample_nars[-1] if state.sample_nars else NAR.VERDE
    call = _highest_call(context, _Call(last, _confirmed_nar(rule, state.sample_nars, context), Cause.LEVEL))
    level_m = state.samples[-1][1] if state.samples else None
    reached = NAR.VERDE if level_m is None else _reached_nar(rule, level_m)
    after = _raised(state, call, reached)
    cause = _confirming_cause(context) if call.cause is Cause.LEVEL and reached < after.nar else call.cause
    return after, _transition(state, after, cause, _Decision(now, now, _evidence(rule, context, level_m, None)))


def _level_m(reading: Reading) -> float | None:
    """The level, m; None where the reading has no finite value."""
    level_m = reading.values[KINDS_BY_NAME[reading.kind].measure_index]
    return float(level_m) if isinstance(level_m, _NUMBER) and isfinite(level_m) else None


def _reached_nar(rule: Stage, level_m: float) -> NAR:
    """The highest colour whose threshold the level is at or above."""
    return NAR(sum(level_m >= threshold_m for threshold_m in rule.thresholds_m))


def _after_gap(state: StageState) -> StageState:
    """Reset samples, confirmation and low times after a gap, because nothing was measured there. The colour stays."""
    return structs.replace(state, samples=(), sample_nars=(), low_since_s=_NOT_LOW)


def _add_samples(
    rule: Stage, samples: Sequence[tuple[float, float]], new_samples: Iterable[tuple[float, float]]
) -> tuple[tuple[float, float], ...]:
    """The samples with the new ones, from the newest that is one rise window old (or from the oldest there is)."""
    window_s, min_distance_s = rule.rise_window_s - rule.period_s / 2, rule.rise_window_s / _SAMPLES_PER_WINDOW
    kept, start = list(samples), 0
    for sample in new_samples:
        at_s = sample[0]
        while start + 1 < len(kept) and kept[start + 1][0] <= at_s - window_s:
            start += 1
        if len(kept) - start > 1 and at_s - kept[-2][0] < min_distance_s:
            kept[-1] = sample  # the device reports more often than needed: keep the newest of close samples
        else:
            kept.append(sample)
    return tuple(kept[start:])


def _sample_nar(rule: Stage, context: RuleContext, level_m: float, risen_m: float) -> NAR:
    """The colour that one sample calls for: a threshold reached, or likely enough to be reached by the current rise."""
    if risen_m < rule.rise_min_m:
        if level_m < rule.thresholds_m[0]:
            return _VERDE
        return _reached_nar(rule, level_m)
    if level_m + max(1.0, _max_missing_ratio(rule)) * risen_m < rule.thresholds_m[0]:
        return NAR.VERDE  # no threshold is within reach
    probabilities = _probabilities(rule, context, level_m, risen_m)
    likely_enough = [
        probability >= _required_probability(rule, context, (threshold_m - level_m) / risen_m)
        for threshold_m, probability in zip(rule.thresholds_m, probabilities, strict=True)
    ]
    return NAR(sum(likely_enough))


def _required_probability(rule: Stage, context: RuleContext, missing_ratio: float) -> float:
    """The probability required to raise where `missing_ratio` times the rise so far is missing.

    Beyond the straight line the trigger of the exceedance model applies too; beyond the maximum ratio, never.
    """
    if missing_ratio <= 1:
        return rule.raise_chance
    if missing_ratio <= _max_missing_ratio(rule):
        return max(rule.raise_chance, context.exceedance.least_chance)
    return _IMPOSSIBLE


def _max_missing_ratio(rule: Stage) -> float:
    """A threshold is within reach while at most this many times the rise so far is missing."""
    return max(rule.look_ahead_s, rule.period_s) / max(rule.rise_window_s, rule.period_s)


def _probabilities(rule: Stage, context: RuleContext, level_m: float, risen_m: float) -> list[float]:
    """Per colour, the probability that this rise reaches its threshold."""
    return [
        exceedance_probability(context.exceedance, level_m=level_m, risen_m=risen_m, threshold_m=threshold_m)
        for threshold_m in rule.thresholds_m
    ]


def _level_call(rule: Stage, state: StageState, context: RuleContext, level_m: float, *, trusted: bool) -> _Call:
    """The call of the level. One trusted sample confirms a colour if it is `sure_margin_m` above the threshold."""
    nar = state.sample_nars[-1]
    reached = _reached_nar(rule, level_m)
    sure = NAR(sum(level_m >= threshold_m + rule.sure_margin_m for threshold_m in rule.thresholds_m) if trusted else 0)
    rise_cause = Cause.RISE if context.exceedance is UNTRAINED else Cause.FORECAST
    return _Call(
        nar, max(sure, _confirmed_nar(rule, state.sample_nars, context)), Cause.LEVEL if reached >= nar else rise_cause
    )


def _confirmed_nar(rule: Stage, sample_nars: tuple[NAR, ...], context: RuleContext) -> NAR:
    """The colour confirmed by `confirm_samples` of the last samples (two in a row, the median of three), by rain or by
    another station.
    """
    confirmed_nearby = context.rain_nar or context.upstream_nar or (context.rain_15_min_mm or 0.0) >= rule.rain_backs_mm
    if sample_nars and confirmed_nearby:
        return max(sample_nars)
    return sorted(sample_nars)[-rule.confirm_samples] if len(sample_nars) >= rule.confirm_samples else NAR.VERDE


def _highest_call(context: RuleContext, level: _Call) -> _Call:
    """The highest call. An upstream station calls for one colour below its own, and confirms nothing."""
    rain = _Call(context.rain_nar, context.rain_nar, Cause.RAIN)
    upstream = _Call(NAR(max(context.upstream_nar - 1, 0)), NAR.VERDE, Cause.UPSTREAM)
    highest = max((level, rain, upstream), key=lambda call: call.nar)
    return replace(highest, confirmed_nar=max(level.confirmed_nar, rain.confirmed_nar))


def _confirming_cause(context: RuleContext) -> Cause:
    """What confirmed an earlier sample where the level is below the colour's threshold now."""
    return Cause.UPSTREAM if context.upstream_nar and not context.rain_nar else Cause.RAIN


def _low_since(rule: Stage, since: Since, at_s: float, level_m: float, called: NAR) -> Since:
    """Per colour, the time since which the level is the clear margin below its threshold and nothing calls for it."""
    low = [
        level_m < threshold_m - min(rule.clear_margin_m, _MAX_MARGIN_SHARE * abs(threshold_m)) and called < colour
        for threshold_m, colour in zip(rule.thresholds_m, _COLOURS, strict=True)
    ]
    first, second, third = (
        (at_s if before is None else before) if is_low else None for before, is_low in zip(since, low, strict=True)
    )
    return first, second, third


def _raised(state: StageState, call: _Call, reached: NAR) -> StageState:
    """Raise at once to the call's colour, confirmed or not. A confirmed colour stays confirmed while it is held.

    reached: the colour whose threshold the level has reached.
    """
    nar = max(state.nar, call.nar)
    since = state.low_since_s if nar == state.nar else _NOT_LOW
    return structs.replace(
        state,
        nar=nar,
        confirmed_nar=min(nar, max(state.confirmed_nar, call.confirmed_nar)),
        low_since_s=since,
        ahead_of_level=state.ahead_of_level if nar == state.nar else reached < nar,
    )


def _low_for_hold_time(rule: Stage, state: StageState, at_s: float) -> bool:
    since_s = state.low_since_s[state.nar - 1] if state.nar else None
    return since_s is not None and at_s - since_s >= rule.clear_hold_s


def _eased(state: StageState) -> StageState:
    """One colour down."""
    nar = NAR(state.nar - 1)
    return structs.replace(state, nar=nar, confirmed_nar=min(state.confirmed_nar, nar), ahead_of_level=False)


def _transition(before: StageState, after: StageState, cause: Cause, decision: _Decision) -> Transition | None:
    """The transition between two states; None where colour and confirmation stay the same."""
    change = _change(before, after)
    if change is None:
        return None
    return Transition(
        before=before.nar,
        after=after.nar,
        change=change,
        cause=cause,
        observed_at=decision.observed_at,
        decided_at=decision.decided_at,
        confirmed=after.confirmed_nar >= after.nar,
        evidence={**decision.evidence, "proven": int(after.confirmed_nar)},
    )


def _change(before: StageState, after: StageState) -> Change | None:
    if after.nar > before.nar:
        return Change.ESCALATED if before.nar else Change.RAISED
    if after.nar < before.nar:
        return Change.EASED if after.nar else Change.CLEARED
    if before.ahead_of_level and not after.ahead_of_level:
        return Change.OBSERVED
    return Change.CONFIRMED if before.confirmed_nar < before.nar == after.confirmed_nar else None


def _evidence(rule: Stage, context: RuleContext, level_m: float | None, risen_m: float | None) -> dict[str, object]:
    """Values and limits at the time of the decision, in JSON types."""
    evidence: dict[str, object] = {"level_m": level_m, "thresholds_m": list(rule.thresholds_m)}
    if risen_m is not None:
        evidence |= {"risen_m": round(risen_m, 4), "rise_window_s": rule.rise_window_s}
    if level_m is not None and risen_m is not None and risen_m >= rule.rise_min_m:
        evidence |= {
            "chances": [round(probability, 3) for probability in _probabilities(rule, context, level_m, risen_m)],
            "raise_chance": rule.raise_chance,
            "least_chance": context.exceedance.least_chance,
        }
    if context.rain_nar or context.rain_15_min_mm is not None:
        evidence |= {"rain": int(context.rain_nar), "rain_15_min_mm": context.rain_15_min_mm}
    if context.rain_limit is not None:
        evidence["rain_limit"] = asdict(context.rain_limit)
    if context.upstream_nar:
        evidence["upstream"] = int(context.upstream_nar)
    return evidence
