"""Which judgement looks at a reading, and which at the clock. Pure: the same stories give the same transitions.

Each judgement stands in its own module with the state it keeps; here is only the road to it.
"""

from datetime import datetime

from alerts.judgements.stage import StageState
from alerts.judgements.stage import judge as judge_stage
from alerts.judgements.stage import tick as tick_stage
from models.alert import Transition
from models.reading import Reading
from models.rule import ALONE, Around, Judgement, Rule, Stage

State = StageState


def state_type(judgement: Judgement) -> type[State]:
    """The class that keeps this judgement's state: what stored JSON is read back into."""
    match judgement:
        case Stage():
            return StageState
        case _:
            raise NotImplementedError(type(judgement).__name__)


def fresh(judgement: Judgement) -> State:
    """The state of a subject nobody has looked at yet."""
    return state_type(judgement)()


def judge(rule: Rule, state: State, reading: Reading, around: Around = ALONE) -> tuple[State, Transition | None]:
    """Take one new reading into account: the state after it, and what changed for people, if anything."""
    match rule.judgement, state:
        case Stage() as stage, StageState():
            return judge_stage(stage, state, reading, around)
        case _:
            raise NotImplementedError(type(rule.judgement).__name__)


def tick(rule: Rule, state: State, now: datetime, around: Around = ALONE) -> tuple[State, Transition | None]:
    """Take the passing of time into account, where no reading came."""
    match rule.judgement, state:
        case Stage() as stage, StageState():
            return tick_stage(stage, state, now, around)
        case _:
            raise NotImplementedError(type(rule.judgement).__name__)
