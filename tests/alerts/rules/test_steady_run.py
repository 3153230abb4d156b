"""A calm run passed over leaves a judgement exactly as if each of its readings had been judged."""

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
def stories(draw: st.DrawFn) -> tuple[list[Reading], list[Reading]]:
    """What a gauge said before, and a run of it: quiet water mostly, now and then a rise, a doubt or a pause."""
    at_s, level_m, said = 0.0, draw(st.floats(0.1, 0.7)), []
    for _ in range(draw(st.integers(8, 40))):
        at_s += draw(st.sampled_from([60.0] * 8 + [2.0, 0.0, 1200.0]))
        level_m += draw(st.sampled_from([0.0] * 6 + [0.004, -0.004, 0.03, -0.05, 0.2]))
        flags = draw(st.sampled_from([Flag.NONE] * 30 + [Flag.JUMP, Flag.LATE, Flag.SENTINEL]))
        said.append(reading(at_s, draw(st.sampled_from([level_m] * 40 + [None])), flags))
    split = draw(st.integers(4, len(said) - 4))
    return said[:split], said[split:]


def rule_of(judgement: Judgement) -> Rule:
    return Rule("r", 1, "river", "d", judgement)


def one_by_one(rule: Rule, state: State, run: list[Reading], context: RuleContext) -> tuple[State, int]:
    moves = 0
    for one in run:
        state, move = dispatch.judge(rule, state, one, context)
        moves += move is not None
    return state, moves


@given(stories(), st.sampled_from(JUDGEMENTS), st.sampled_from([NO_CONTEXT, RuleContext(rain_nar=NAR.AMARILLO)]))
def test_what_is_passed_over_would_have_changed_nothing_for_people(
    said: tuple[list[Reading], list[Reading]], judgement: Judgement, context: RuleContext
) -> None:
    rule, (before, run) = rule_of(judgement), said
    state, _ = one_by_one(rule, dispatch.initial_state(judgement), before, context)
    calm = steady_run(run)
    after = None if calm is None else dispatch.skip_steady_run(rule, state, calm, context)
    if after is not None:
        assert (after, 0) == one_by_one(rule, state, run, context)


@given(st.lists(st.sampled_from([0.4, 0.401, 0.404, 0.398]), min_size=4, max_size=30), st.sampled_from([1.0, 60.0]))
def test_quiet_water_is_passed_over(levels_m: list[float], period_s: float) -> None:
    run = [reading(period_s * place, level_m) for place, level_m in enumerate(levels_m)]
    calm = steady_run(run[1:])
    assert calm is not None
    for judgement in JUDGEMENTS:
        rule = rule_of(judgement)
        state, _ = one_by_one(rule, dispatch.initial_state(judgement), run[:1], NO_CONTEXT)
        if run[-1].observed_at - run[0].observed_at <= timedelta(minutes=15):
            assert dispatch.skip_steady_run(rule, state, calm) is not None


def test_what_may_concern_people_is_judged_reading_by_reading() -> None:
    rule, quiet = rule_of(STAGE), [reading(60.0 * minute, 0.4) for minute in range(5)]
    state, _ = one_by_one(rule, dispatch.initial_state(STAGE), quiet, NO_CONTEXT)
    later = [60.0 * minute for minute in range(5, 10)]
    calm = steady_run([reading(at_s, 0.4) for at_s in later])
    assert calm is not None
    assert dispatch.skip_steady_run(rule, state, calm) is not None
    assert dispatch.skip_steady_run(rule, state, calm, RuleContext(upstream_nar=NAR.NARANJA)) is None
    rising = steady_run([reading(at_s, 0.4 + place / 20) for place, at_s in enumerate(later)])
    assert rising is not None
    assert dispatch.skip_steady_run(rule, state, rising) is None
    assert steady_run([*quiet, reading(400.0, 0.4, Flag.JUMP)]) is None
    assert steady_run([*quiet, reading(400.0, None)]) is None
    assert steady_run([*quiet, quiet[0]]) is None
    assert steady_run([*quiet, reading(400.0, float("inf"))]) is None
