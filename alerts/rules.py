"""Which judgement looks at a reading, and which at the clock. Pure: the same stories give the same transitions.

Each judgement stands in its own module with the state it keeps; here is only the road to it.
"""

from datetime import datetime
from typing import assert_never

from alerts.judgements import fault, rainfall, silence, speed, stage
from alerts.judgements.fault import FaultState
from alerts.judgements.rainfall import RainfallState
from alerts.judgements.silence import SilenceState
from alerts.judgements.speed import ExtremeSpeedState, SpeedTrendState
from alerts.judgements.stage import StageState
from models.alert import NAR, Transition
from models.reading import Reading
from models.rule import ALONE, Around, ExtremeSpeed, Fault, Judgement, Rainfall, Rule, Silence, SpeedTrend, Stage

State = StageState | RainfallState | SilenceState | FaultState | ExtremeSpeedState | SpeedTrendState


def state_type(judgement: Judgement) -> type[State]:
    """The class that keeps this judgement's state: what stored JSON is read back into."""
    match judgement:
        case Stage():
            return StageState
        case Rainfall():
            return RainfallState
        case Silence():
            return SilenceState
        case Fault():
            return FaultState
        case ExtremeSpeed():
            return ExtremeSpeedState
        case SpeedTrend():
            return SpeedTrendState
    assert_never(judgement)


def fresh(judgement: Judgement) -> State:
    """The state of a subject nobody has looked at yet."""
    return state_type(judgement)()


def judge(rule: Rule, state: State, reading: Reading, around: Around = ALONE) -> tuple[State, Transition | None]:
    """Take one new reading into account: the state after it, and what changed for people, if anything.

    Raises TypeError where the state is another judgement's.
    """
    match rule.judgement, state:
        case Stage() as judgement, StageState():
            return stage.judge(judgement, state, reading, around)
        case Rainfall() as judgement, RainfallState():
            return rainfall.judge(judgement, state, reading)
        case Silence() as judgement, SilenceState():
            return silence.judge(judgement, state, reading)
        case Fault() as judgement, FaultState():
            return fault.judge(judgement, state, reading)
        case ExtremeSpeed() as judgement, ExtremeSpeedState():
            return speed.judge_extreme(judgement, state, reading)
        case SpeedTrend() as judgement, SpeedTrendState():
            return speed.judge_trend(judgement, state, reading)
    raise _mismatch(rule, state)


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
