"""Tests of steady runs: skipping a run gives the same state as judging each of its readings."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from alerts.rules import dispatch
from alerts.rules.dispatch import State
from alerts.rules.steady_run import steady_run
from models.alert import NAR
from models.reading import Flag, Reading
from models.rule import NO_CONTEXT, Fault, Judgement, Rule, RuleContext, Silence, Stage

NOON = datetime(2026, 4, 2, 12, tzinfo=UTC)
STAGE = Stage(thresholds_m=(0.6, 0.8, 1.0), period_s=60)
JUDGEMENTS = (STAGE, Silence(period_s=60), Fault())


def reading(at_s: float, level_m: float | None, flags: Flag = Flag.NONE) -> Reading:
    at = NOON + timedelta(seconds=at_s)
    return Reading("river", "m", "d", at, at + timedelta(seconds=2), -1, None, (level_m, None), flags)


@st.composite
def gauge_readings(draw: st.DrawFn) -> tuple[list[Reading], list[Reading]]:
    """Earlier readings of a gauge and a run after them: mostly quiet, with some rises, flags and gaps."""
    at_s, level_m, readings = 0.0, draw(st.floats(0.1, 0.7)), []
    for _ in range(draw(st.integers(8, 40))):
        at_s += draw(st.sampled_from([60.0] * 8 + [2.0, 0.0, 1200.0]))
        level_m += draw(st.sampled_from([0.0] * 6 + [0.004, -0.004, 0.03, -0.05, 0.2]))
        flags = draw(st.sampled_from([Flag.NONE] * 30 + [Flag.JUMP, Flag.LATE, Flag.SENTINEL]))
        readings.append(reading(at_s, draw(st.sampled_from([level_m] * 40 + [None])), flags))
    split = draw(st.integers(4, len(readings) - 4))
    return readings[:split], readings[split:]


def rule_of(judgement: Judgement) -> Rule:
    return Rule("r", 1, "river", "d", judgement)


def judge_one_by_one(rule: Rule, state: State, run: list[Reading], context: RuleContext) -> tuple[State, int]:
    transitions = 0
    for one in run:
        state, transition = dispatch.judge(rule, state, one, context)
        transitions += transition is not None
    return state, transitions


@given(gauge_readings(), st.sampled_from(JUDGEMENTS), st.sampled_from([NO_CONTEXT, RuleContext(rain_nar=NAR.AMARILLO)]))
def test_a_skipped_run_gives_the_same_state_and_no_transition(
    readings: tuple[list[Reading], list[Reading]], judgement: Judgement, context: RuleContext
) -> None:
    rule, (before, run) = rule_of(judgement), readings
    state, _ = judge_one_by_one(rule, dispatch.initial_state(judgement), before, context)
    steady = steady_run(run)
    after = None if steady is None else dispatch.skip_steady_run(rule, state, steady, context)
    if after is not None:
        assert (after, 0) == judge_one_by_one(rule, state, run, context)


@given(st.lists(st.sampled_from([0.4, 0.401, 0.404, 0.398]), min_size=4, max_size=30), st.sampled_from([1.0, 60.0]))
def test_a_quiet_run_is_skipped(levels_m: list[float], period_s: float) -> None:
    run = [reading(period_s * index, level_m) for index, level_m in enumerate(levels_m)]
    steady = steady_run(run[1:])
    assert steady is not None
    for judgement in JUDGEMENTS:
        rule = rule_of(judgement)
        state, _ = judge_one_by_one(rule, dispatch.initial_state(judgement), run[:1], NO_CONTEXT)
        if run[-1].observed_at - run[0].observed_at <= timedelta(minutes=15):
            assert dispatch.skip_steady_run(rule, state, steady) is not None


def test_a_run_that_may_cause_a_transition_is_judged_reading_by_reading() -> None:
    rule, quiet = rule_of(STAGE), [reading(60.0 * minute, 0.4) for minute in range(5)]
    state, _ = judge_one_by_one(rule, dispatch.initial_state(STAGE), quiet, NO_CONTEXT)
    later = [60.0 * minute for minute in range(5, 10)]
    steady = steady_run([reading(at_s, 0.4) for at_s in later])
    assert steady is not None
    assert dispatch.skip_steady_run(rule, state, steady) is not None
    assert dispatch.skip_steady_run(rule, state, steady, RuleContext(upstream_nar=NAR.NARANJA)) is None
    rising = steady_run([reading(at_s, 0.4 + index / 20) for index, at_s in enumerate(later)])
    assert rising is not None
    assert dispatch.skip_steady_run(rule, state, rising) is None
    assert steady_run([*quiet, reading(400.0, 0.4, Flag.JUMP)]) is None
    assert steady_run([*quiet, reading(400.0, None)]) is None
    assert steady_run([*quiet, quiet[0]]) is None
    assert steady_run([*quiet, reading(400.0, float("inf"))]) is None
