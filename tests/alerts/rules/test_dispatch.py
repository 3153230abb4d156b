"""Tests of the dispatch of rules to judgements: every judgement has its own state, which can be stored and decoded."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from alerts.rules import dispatch
from models.kinds import KINDS, KINDS_BY_NAME
from models.reading import Reading
from models.rule import Judgement, Rainfall, Rule, Stage

NOON = datetime(2013, 4, 2, 12, tzinfo=UTC)
ALL_JUDGEMENTS = [(kind.name, judgement) for kind in KINDS for judgement in kind.judgements]


def reading(kind: str, minute: float = 0) -> Reading:
    at = NOON + timedelta(minutes=minute)
    return Reading(kind, "la-plata", "one", at, at, -1, None, (None,) * len(KINDS_BY_NAME[kind].columns))


def rule(kind: str, judgement: Judgement) -> Rule:
    return Rule("one", 1, kind, "one", judgement)


@pytest.mark.parametrize("judgement", [judgement for _, judgement in ALL_JUDGEMENTS])
def test_the_state_of_every_judgement_of_every_kind_is_decoded_as_it_was_encoded(judgement: Judgement) -> None:
    state = dispatch.initial_state(judgement)
    assert state.nar == 0
    assert msgspec.json.decode(msgspec.json.encode(state), type=dispatch.state_type(judgement)) == state


@pytest.mark.parametrize(("kind", "judgement"), ALL_JUDGEMENTS)
def test_a_reading_without_values_and_an_early_tick_cause_no_transition(kind: str, judgement: Judgement) -> None:
    river_rule = rule(kind, judgement)
    state, transition = dispatch.judge(river_rule, dispatch.initial_state(judgement), reading(kind))
    assert transition is None
    assert dispatch.tick(river_rule, state, NOON + timedelta(seconds=1))[1] is None


def test_a_state_of_another_judgement_raises_a_type_error() -> None:
    with pytest.raises(TypeError, match="Stage"):
        dispatch.judge(
            rule("river", Stage(thresholds_m=(1.0, 1.5, 2.0))), dispatch.initial_state(Rainfall()), reading("river")
        )


def test_a_high_level_raises_through_the_dispatch() -> None:
    river_rule = rule("river", Stage(thresholds_m=(1.0, 1.5, 2.0)))
    high = Reading("river", "la-plata", "one", NOON, NOON, -1, None, (1.6, None))
    state, transition = dispatch.judge(river_rule, dispatch.initial_state(river_rule.judgement), high)
    assert transition is not None
    assert transition.after.name == "NARANJA"
    assert dispatch.tick(river_rule, state, NOON + timedelta(days=3)) == (state, None)
