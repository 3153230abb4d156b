"""Which judgement looks at a reading, and which at the clock. Pure: the same stories give the same transitions.

Each judgement stands in its own module with the state it keeps; here is only the road to it.
"""

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
    Rule,
    RuleContext,
    Silence,
    SpeedTrend,
    Stage,
)

State = StageState | RainfallState | SilenceState | FaultState | ExtremeSpeedState | SpeedTrendState


Judge = Callable[..., tuple[State, Transition | None]]
"""Takes a state and one new reading: the state after it, and what changed for people, if anything."""


SkipSteadyRun = Callable[..., State | None]
"""Takes a state and a calm run: the state after it where nothing changes for people, None where each must be judged."""


class _Handlers(NamedTuple):
    """What belongs to a sort of judgement: the state it keeps, what judges, whether that looks at the surroundings."""

    state_type: type[State]
    judge: Judge
    skip_steady_run: SkipSteadyRun | None = None
    needs_context: bool = False


_HANDLERS: dict[type[Judgement], _Handlers] = {}


def _handlers(judgement: Judgement) -> _Handlers:
    """Looked up for every rule of every batch, so it is matched once."""
    known = _HANDLERS.get(type(judgement))
    if known is None:
        known = _HANDLERS[type(judgement)] = _handlers_for(judgement)
    return known


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
    """The class that keeps this judgement's state: what stored JSON is read back into."""
    return _handlers(judgement).state_type


def initial_state(judgement: Judgement) -> State:
    """The state of a subject nobody has looked at yet."""
    return state_type(judgement)()


def judge(
    rule: Rule, state: State, reading: Reading, context: RuleContext = NO_CONTEXT
) -> tuple[State, Transition | None]:
    """Take one new reading into account. Raises TypeError where the state is another judgement's."""
    return judge_for(rule, state, context)(state, reading)


def judge_for(rule: Rule, state: State, context: RuleContext = NO_CONTEXT) -> Judge:
    """What judges a run of readings by this rule, from this state on. Raises TypeError where the state is another's."""
    sort = _handlers(rule.judgement)
    if type(state) is not sort.state_type:
        raise _mismatch(rule, state)
    if sort.needs_context:
        return partial(sort.judge, rule.judgement, context=context)
    return partial(sort.judge, rule.judgement)


def skip_steady_run(rule: Rule, state: State, run: SteadyRun, context: RuleContext = NO_CONTEXT) -> State | None:
    """The state after a calm run that changes nothing for people; None where each reading must be judged."""
    sort = _handlers(rule.judgement)
    if sort.skip_steady_run is None or type(state) is not sort.state_type:
        return None
    return sort.skip_steady_run(rule.judgement, state, run, *((context,) if sort.needs_context else ()))


def tick(rule: Rule, state: State, now: datetime, context: RuleContext = NO_CONTEXT) -> tuple[State, Transition | None]:
    """Take the passing of time into account, where no reading came. Raises TypeError like `judge`."""
    match rule.judgement, state:
        case Stage() as judgement, StageState():
            return stage.tick(judgement, state, now, context)
        case Silence() as judgement, SilenceState():
            return silence.tick(judgement, state, now, context)
        case ExtremeSpeed() as judgement, ExtremeSpeedState():
            return speed.tick_extreme(judgement, state, now)
        case SpeedTrend() as judgement, SpeedTrendState():
            return speed.tick_trend(judgement, state, now)
        case (Rainfall(), RainfallState()) | (Fault(), FaultState()):
            return state, None  # only reports ease rain, and only readings mend a sensor
    raise _mismatch(rule, state)


def confirmed_nar(state: State) -> NAR:
    """The colour that more than one lone value speaks for: what an area may be coloured by."""
    return state.confirmed_nar if isinstance(state, StageState) else state.nar


def rain_15_min_mm(state: State) -> float:
    """The last 15 minutes' rain, mm, that a rain gauge's state holds; none where the state is another judgement's."""
    return rainfall.rain_15_min_mm(state) if isinstance(state, RainfallState) else 0.0


def _mismatch(rule: Rule, state: State) -> TypeError:
    return TypeError(f"rule {rule.id} judges by {type(rule.judgement).__name__}, not with a {type(state).__name__}")
