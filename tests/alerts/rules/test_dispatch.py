"""The road from a rule to its judgement: every judgement has a state that survives storage, and only its own."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from alerts.rules import dispatch
from models.kinds import KINDS, KINDS_BY_NAME
from models.reading import Reading
from models.rule import Judgement, Rainfall, Rule, Stage

NOON = datetime(2013, 4, 2, 12, tzinfo=UTC)
EVERY = [(kind.name, judgement) for kind in KINDS for judgement in kind.judgements]


def reading(kind: str, minute: float = 0) -> Reading:
    at = NOON + timedelta(minutes=minute)
    return Reading(kind, "la-plata", "one", at, at, -1, None, (None,) * len(KINDS_BY_NAME[kind].columns))


def rule(kind: str, judgement: Judgement) -> Rule:
    return Rule("one", 1, kind, "one", judgement)


@pytest.mark.parametrize("judgement", [judgement for _, judgement in EVERY])
def test_every_judgement_of_every_kind_has_a_state_that_survives_storage(judgement: Judgement) -> None:
    state = dispatch.initial_state(judgement)
    assert state.nar == 0
    assert msgspec.json.decode(msgspec.json.encode(state), type=dispatch.state_type(judgement)) == state


@pytest.mark.parametrize(("kind", "judgement"), EVERY)
def test_a_reading_without_values_and_an_early_tick_move_nobody(kind: str, judgement: Judgement) -> None:
    one = rule(kind, judgement)
    state, move = dispatch.judge(one, dispatch.initial_state(judgement), reading(kind))
    assert move is None
    assert dispatch.tick(one, state, NOON + timedelta(seconds=1))[1] is None


def test_a_state_of_another_judgement_is_refused() -> None:
    with pytest.raises(TypeError, match="Stage"):
        dispatch.judge(
            rule("river", Stage(thresholds_m=(1.0, 1.5, 2.0))), dispatch.initial_state(Rainfall()), reading("river")
        )


def test_a_river_is_raised_along_the_whole_road() -> None:
    one = rule("river", Stage(thresholds_m=(1.0, 1.5, 2.0)))
    high = Reading("river", "la-plata", "one", NOON, NOON, -1, None, (1.6, None))
    state, move = dispatch.judge(one, dispatch.initial_state(one.judgement), high)
    assert move is not None
    assert move.after.name == "NARANJA"
    assert dispatch.tick(one, state, NOON + timedelta(days=3)) == (state, None)
