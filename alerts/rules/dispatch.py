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
from alerts.rules.steady_run import CalmRun
from models.alert import NAR, Transition
from models.reading import Reading
from models.rule import ALONE, Around, ExtremeSpeed, Fault, Judgement, Rainfall, Rule, Silence, SpeedTrend, Stage

State = StageState | RainfallState | SilenceState | FaultState | ExtremeSpeedState | SpeedTrendState


Judge = Callable[..., tuple[State, Transition | None]]
"""Takes a state and one new reading: the state after it, and what changed for people, if anything."""


PassOver = Callable[..., State | None]
"""Takes a state and a calm run: the state after it where nothing changes for people, None where each must be judged."""


class _Sort(NamedTuple):
    """What belongs to a sort of judgement: the state it keeps, what judges, whether that looks at the surroundings."""

    state: type[State]
    judge: Judge
    pass_over: PassOver | None = None
    looks_around: bool = False


_SORTS: dict[type[Judgement], _Sort] = {}


def _sort(judgement: Judgement) -> _Sort:
    """Looked up for every rule of every batch, so it is matched once."""
    known = _SORTS.get(type(judgement))
    if known is None:
        known = _SORTS[type(judgement)] = _sort_of(judgement)
    return known


def _sort_of(judgement: Judgement) -> _Sort:
    match judgement:
        case Stage():
            return _Sort(StageState, stage.judge, stage.pass_over, looks_around=True)
        case Rainfall():
            return _Sort(RainfallState, rainfall.judge)
        case Silence():
            return _Sort(SilenceState, silence.judge, silence.pass_over)
        case Fault():
            return _Sort(FaultState, fault.judge, fault.pass_over)
        case ExtremeSpeed():
            return _Sort(ExtremeSpeedState, speed.judge_extreme)
        case SpeedTrend():
            return _Sort(SpeedTrendState, speed.judge_trend)
    assert_never(judgement)


def state_type(judgement: Judgement) -> type[State]:
    """The class that keeps this judgement's state: what stored JSON is read back into."""
    return _sort(judgement).state


def fresh(judgement: Judgement) -> State:
    """The state of a subject nobody has looked at yet."""
    return state_type(judgement)()


def judge(rule: Rule, state: State, reading: Reading, around: Around = ALONE) -> tuple[State, Transition | None]:
    """Take one new reading into account. Raises TypeError where the state is another judgement's."""
    return judge_by(rule, state, around)(state, reading)


def judge_by(rule: Rule, state: State, around: Around = ALONE) -> Judge:
    """What judges a run of readings by this rule, from this state on. Raises TypeError where the state is another's."""
    sort = _sort(rule.judgement)
    if type(state) is not sort.state:
        raise _mismatch(rule, state)
    if sort.looks_around:
        return partial(sort.judge, rule.judgement, around=around)
    return partial(sort.judge, rule.judgement)


def pass_over(rule: Rule, state: State, run: CalmRun, around: Around = ALONE) -> State | None:
    """The state after a calm run that changes nothing for people; None where each reading must be judged."""
    sort = _sort(rule.judgement)
    if sort.pass_over is None or type(state) is not sort.state:
        return None
    return sort.pass_over(rule.judgement, state, run, *((around,) if sort.looks_around else ()))


def tick(rule: Rule, state: State, now: datetime, around: Around = ALONE) -> tuple[State, Transition | None]:
    """Take the passing of time into account, where no reading came. Raises TypeError like `judge`."""
    match rule.judgement, state:
        case Stage() as judgement, StageState():
            return stage.tick(judgement, state, now, around)
        case Silence() as judgement, SilenceState():
            return silence.tick(judgement, state, now, around)
        case ExtremeSpeed() as judgement, ExtremeSpeedState():
            return speed.tick_extreme(judgement, state, now)
        case SpeedTrend() as judgement, SpeedTrendState():
            return speed.tick_trend(judgement, state, now)
        case (Rainfall(), RainfallState()) | (Fault(), FaultState()):
            return state, None  # only reports ease rain, and only readings mend a sensor
    raise _mismatch(rule, state)


def proven(state: State) -> NAR:
    """The colour that more than one lone value speaks for: what an area may be coloured by."""
    return state.proven if isinstance(state, StageState) else state.nar


def rain_15_min_mm(state: State) -> float:
    """The last 15 minutes' rain, mm, that a rain gauge's state holds; none where the state is another judgement's."""
    return rainfall.rain_15_min_mm(state) if isinstance(state, RainfallState) else 0.0


def _mismatch(rule: Rule, state: State) -> TypeError:
    return TypeError(f"rule {rule.id} judges by {type(rule.judgement).__name__}, not with a {type(state).__name__}")
