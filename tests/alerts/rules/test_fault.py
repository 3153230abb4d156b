"""Tests of the fault rule: flags of readings in, transitions out."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.rules.fault import FaultState, judge
from models.alert import NAR, Cause, Change, Transition
from models.reading import Flag, Reading
from models.rule import Fault

NOON = datetime(2013, 4, 2, 12, tzinfo=UTC)
RULE = Fault()
OK, BAD = Flag.NONE, Flag.SENTINEL


def judge_flags(*flags: Flag) -> tuple[FaultState, list[tuple[int, Transition]]]:
    """The final state and the transitions of a sensor whose readings have these flags, with the reading's index."""
    state, transitions = FaultState(), []
    for index, flag in enumerate(flags):
        at = NOON + timedelta(minutes=index)
        state, transition = judge(RULE, state, Reading("river", "lp", "gato", at, at, -1, None, (-9999.0, None), flag))
        if transition is not None:
            transitions.append((index, transition))
    return state, transitions


def summary(transitions: list[tuple[int, Transition]]) -> list[tuple[int, str]]:
    return [(index, transition.change.value) for index, transition in transitions]


def test_one_bad_reading_is_nothing_and_two_in_a_row_are_a_fault() -> None:
    assert judge_flags(OK, BAD, OK, BAD, OK)[1] == []
    _, transitions = judge_flags(OK, BAD, BAD, BAD)
    assert summary(transitions) == [(2, "raised")]
    fault = transitions[0][1]
    assert (fault.after, fault.cause, fault.change) == (NAR.AMARILLO, Cause.FAULT, Change.RAISED)
    assert fault.evidence == {"value": -9999.0, "unit": "m", "flags": ["SENTINEL"], "in_a_row": 2, "clear_after": 6}


def test_a_fault_ends_after_six_good_readings_in_a_row() -> None:
    assert summary(judge_flags(BAD, BAD, *[OK] * 5, BAD, *[OK] * 6, OK)[1]) == [(1, "raised"), (13, "cleared")]


@pytest.mark.parametrize("flag", [Flag.SENTINEL, Flag.SENSOR_RANGE, Flag.DROPOUT, Flag.FUTURE, Flag.CLOCK_SKEW])
def test_flags_that_count_against_the_sensor(flag: Flag) -> None:
    assert summary(judge_flags(flag, flag)[1]) == [(1, "raised")]


@pytest.mark.parametrize("flag", [Flag.JUMP, Flag.FLAT, Flag.SITE_RANGE, Flag.SHIFT, Flag.SERVER_TIME])
def test_flags_that_a_flood_or_a_constant_level_may_cause_do_not_count(flag: Flag) -> None:
    assert judge_flags(flag, flag, flag)[1] == []


@pytest.mark.parametrize("flag", [Flag.LATE, Flag.BACKFILL, Flag.RETAINED])
def test_old_readings_are_ignored(flag: Flag) -> None:
    assert judge_flags(BAD, BAD | flag, BAD | flag)[1] == []
    assert summary(judge_flags(BAD, BAD, *[flag] * 20)[1]) == [(1, "raised")]


@given(st.lists(st.sampled_from([OK, BAD, Flag.JUMP, Flag.DROPOUT, Flag.LATE]), max_size=60))
def test_raises_and_clears_alternate_whatever_comes(flags: list[Flag]) -> None:
    state, transitions = judge_flags(*flags)
    changes = [transition.change for _, transition in transitions]
    assert changes == [Change.RAISED, Change.CLEARED] * (len(changes) // 2) + [Change.RAISED] * (len(changes) % 2)
    assert msgspec.json.decode(msgspec.json.encode(state), type=FaultState) == state


def test_a_reading_in_doubt_is_no_fault_of_the_sensor_and_no_sign_of_health() -> None:
    assert judge_flags(*[Flag.CLOCK_DOUBT] * 10) == (FaultState(), [])
    state, transitions = judge_flags(BAD, BAD, *[Flag.CLOCK_DOUBT] * 10)
    assert (state.nar, len(transitions)) == (NAR.AMARILLO, 1)
