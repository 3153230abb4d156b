"""A sensor in doubt, as stories of its readings."""

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


def story(*flags: Flag) -> tuple[FaultState, list[tuple[int, Transition]]]:
    """The moves of a sensor whose readings bear these flags, by the reading's place."""
    state, moves = FaultState(), []
    for place, flag in enumerate(flags):
        at = NOON + timedelta(minutes=place)
        state, move = judge(RULE, state, Reading("river", "lp", "gato", at, at, -1, None, (-9999.0, None), flag))
        if move is not None:
            moves.append((place, move))
    return state, moves


def brief(moves: list[tuple[int, Transition]]) -> list[tuple[int, str]]:
    return [(place, move.change.value) for place, move in moves]


def test_one_bad_reading_is_nothing_and_two_in_a_row_are_a_fault() -> None:
    assert story(OK, BAD, OK, BAD, OK)[1] == []
    _, moves = story(OK, BAD, BAD, BAD)
    assert brief(moves) == [(2, "raised")]
    fault = moves[0][1]
    assert (fault.after, fault.cause, fault.change) == (NAR.AMARILLO, Cause.FAULT, Change.RAISED)
    assert fault.evidence == {"value": -9999.0, "unit": "m", "flags": ["SENTINEL"], "in_a_row": 2, "clear_after": 6}


def test_a_fault_ends_after_six_good_readings_in_a_row() -> None:
    assert brief(story(BAD, BAD, *[OK] * 5, BAD, *[OK] * 6, OK)[1]) == [(1, "raised"), (13, "cleared")]


@pytest.mark.parametrize("flag", [Flag.SENTINEL, Flag.SENSOR_RANGE, Flag.DROPOUT, Flag.FUTURE, Flag.CLOCK_SKEW])
def test_what_speaks_against_the_sensor(flag: Flag) -> None:
    assert brief(story(flag, flag)[1]) == [(1, "raised")]


@pytest.mark.parametrize("flag", [Flag.JUMP, Flag.FLAT, Flag.SITE_RANGE, Flag.SHIFT, Flag.SERVER_TIME])
def test_what_a_flood_or_a_calm_may_look_like_does_not(flag: Flag) -> None:
    assert story(flag, flag, flag)[1] == []


@pytest.mark.parametrize("flag", [Flag.LATE, Flag.BACKFILL, Flag.RETAINED])
def test_old_readings_neither_accuse_nor_excuse(flag: Flag) -> None:
    assert story(BAD, BAD | flag, BAD | flag)[1] == []
    assert brief(story(BAD, BAD, *[flag] * 20)[1]) == [(1, "raised")]


@given(st.lists(st.sampled_from([OK, BAD, Flag.JUMP, Flag.DROPOUT, Flag.LATE]), max_size=60))
def test_raises_and_clears_alternate_whatever_comes(flags: list[Flag]) -> None:
    state, moves = story(*flags)
    changes = [move.change for _, move in moves]
    assert changes == [Change.RAISED, Change.CLEARED] * (len(changes) // 2) + [Change.RAISED] * (len(changes) % 2)
    assert msgspec.json.decode(msgspec.json.encode(state), type=FaultState) == state
