"""Dispatch of readings and ticks to the judgement of a rule. Pure: the same input gives the same transitions."""

from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import NamedTuple, assert_never

from alerts.rules import fault, rainfall, silence, speed, stage
from alerts.rules.fault import FaultState
from alerts.rules.rainfall import RainfallState
from alerts.rules.silence import SilenceState
from alerts.rules.speed import ExtremeSpeedState, SpeedTrendState
from alerts.rules.stage import StageState
from alerts.rules.steady_run import SteadyRun
from models.alert import NAR, Transition
from models.reading import Reading
from models.rule import (
    NO_CONTEXT,
    ExtremeSpeed,
    Fault,
    Judgement,
    Rainfall,
    RainLimit,
    Rule,
    RuleContext,
    Silence,
    SpeedTrend,
    Stage,
)

State = StageState | RainfallState | SilenceState | FaultState | ExtremeSpeedState | SpeedTrendState


Judge = Callable[..., tuple[State, Transition | None]]
"""Takes a state and one new reading; returns the new state and the transition, if there is one."""


SkipSteadyRun = Callable[..., State | None]
"""Takes a state and a steady run; returns the new state, or None where each reading must be judged."""


class _Handlers(NamedTuple):
    """What belongs to a judgement type: its state type, its functions, and whether they need the rule context."""

    state_type: type[State]
    judge: Judge
    skip_steady_run: SkipSteadyRun | None = None
    needs_context: bool = False


_HANDLERS: dict[type[Judgement], _Handlers] = {}


def _handlers(judgement: Judgement) -> _Handlers:
    """The handlers of a judgement. Cached by type, because every rule of every batch needs them."""
    handlers = _HANDLERS.get(type(judgement))
    if handlers is None:
        handlers = _HANDLERS[type(judgement)] = _handlers_for(judgement)
    return handlers


def _handlers_for(judgement: Judgement) -> _Handlers:
    match judgement:
        case Stage():
            return _Handlers(StageState, stage.judge, stage.skip_steady_run, needs_context=True)
        case Rainfall():
            return _Handlers(RainfallState, rainfall.judge)
        case Silence():
            return _Handlers(SilenceState, silence.judge, silence.skip_steady_run)
        case Fault():
            return _Handlers(FaultState, fault.judge, fault.skip_steady_run)
        case ExtremeSpeed():
            return _Handlers(ExtremeSpeedState, speed.judge_extreme)
        case SpeedTrend():
            return _Handlers(SpeedTrendState, speed.judge_trend)
    assert_never(judgement)


def state_type(judgement: Judgement) -> type[State]:
    """The state type of a judgement, into which stored JSON is decoded."""
    return _handlers(judgement).state_type


def initial_state(judgement: Judgement) -> State:
    """The state of a subject before its first reading."""
    return state_type(judgement)()


def judge(
    rule: Rule, state: State, reading: Reading, context: RuleContext = NO_CONTEXT
) -> tuple[State, Transition | None]:
    """Judge one new reading. Raises TypeError where the state belongs to another judgement type."""
    return judge_for(rule, state, context)(state, reading)


def judge_for(rule: Rule, state: State, context: RuleContext = NO_CONTEXT) -> Judge:
    """The function that judges readings by this rule. Raises TypeError where the state is of another judgement type."""
    handlers = _handlers(rule.judgement)
    if type(state) is not handlers.state_type:
        raise _mismatch(rule, state)
    if handlers.needs_context:
        return partial(handlers.judge, rule.judgement, context=context)
    return partial(handlers.judge, rule.judgement)


def skip_steady_run(rule: Rule, state: State, run: SteadyRun, context: RuleContext = NO_CONTEXT) -> State | None:
    """The state after a steady run that causes no transition; None where each reading must be judged."""
    handlers = _handlers(rule.judgement)
    if handlers.skip_steady_run is None or type(state) is not handlers.state_type:
        return None
    return handlers.skip_steady_run(rule.judgement, state, run, *((context,) if handlers.needs_context else ()))


def tick(rule: Rule, state: State, now: datetime, context: RuleContext = NO_CONTEXT) -> tuple[State, Transition | None]:
    """Apply the passage of time without a reading. Raises TypeError like `judge`."""
    match rule.judgement, state:
        case Stage() as judgement, StageState():
            return stage.tick(judgement, state, now, context)
        case Silence() as judgement, SilenceState():
            return silence.tick(judgement, state, now, context)
        case ExtremeSpeed() as judgement, ExtremeSpeedState():
            return speed.tick_extreme(judgement, state, now, context)
        case SpeedTrend() as judgement, SpeedTrendState():
            return speed.tick_trend(judgement, state, now, context)
        case (Rainfall(), RainfallState()) | (Fault(), FaultState()):
            return state, None  # only new readings ease rain or end a fault
    raise _mismatch(rule, state)


def confirmed_nar(state: State) -> NAR:
    """The colour that more than a single value supports. Only this colour counts for an area."""
    return state.confirmed_nar if isinstance(state, StageState) else state.nar


def rain_15_min_mm(state: State) -> float:
    """The last 15 minutes' rain in a rain gauge's state, mm; 0 for states of other judgements."""
    return rainfall.rain_15_min_mm(state) if isinstance(state, RainfallState) else 0.0


def reached_rain_limit(rule: Rule, state: State) -> RainLimit | None:
    """The limit of its colour that a rain gauge reaches; None where it only holds it, and for other judgements."""
    match rule.judgement, state:
        case Rainfall() as judgement, RainfallState():
            return rainfall.reached_limit(judgement, state)
    return None


def _mismatch(rule: Rule, state: State) -> TypeError:
    return TypeError(f"rule {rule.id} judges by {type(rule.judgement).__name__}, not with a {type(state).__name__}")
