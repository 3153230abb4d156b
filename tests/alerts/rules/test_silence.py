"""A sensor that says nothing, as stories told by the clock."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.rules.silence import SilenceState, judge, limit_s, tick
from models.alert import NAR, Cause, Change, Transition
from models.reading import Flag, Reading
from models.rule import NO_CONTEXT, RuleContext, Silence

NOON = datetime(2013, 4, 2, 12, tzinfo=UTC)
RULE = Silence(period_s=60)
HIGH_WATER = RuleContext(stage_nar=NAR.AMARILLO)


def heard(minute: float, *, late_min: float = 0, flags: Flag = Flag.NONE) -> Reading:
    at = NOON + timedelta(minutes=minute)
    return Reading("river", "la-plata", "gato-7", at - timedelta(minutes=late_min), at, -1, None, (1.0, None), flags)


def after(minute: float) -> datetime:
    return NOON + timedelta(minutes=minute)


def brief(move: Transition | None) -> tuple[str, str, str] | None:
    return None if move is None else (move.change, move.after.name, move.cause)


@pytest.mark.parametrize(("period_s", "limit"), [(60, 900), (300, 900), (301, 903), (600, 1800)])
def test_silence_is_three_periods_and_never_less_than_a_quarter_of_an_hour(period_s: int, limit: int) -> None:
    assert limit_s(Silence(period_s=period_s)) == limit


def test_a_sensor_falls_silent_and_comes_back() -> None:
    state, _ = judge(RULE, SilenceState(), heard(0))
    assert tick(RULE, state, after(15)) == (state, None)
    state, raised = tick(RULE, state, after(15.1))
    assert brief(raised) == (Change.RAISED, "AMARILLO", Cause.SILENCE)
    assert raised is not None
    assert raised.evidence["heard_at"] == "2013-04-02T12:00:00+00:00"
    assert tick(RULE, state, after(600)) == (state, None)
    state, cleared = judge(RULE, state, heard(601))
    assert brief(cleared) == (Change.CLEARED, "VERDE", Cause.RESUMED)
    assert cleared is not None
    assert cleared.evidence["silent_s"] == 601 * 60
    assert tick(RULE, state, after(602)) == (state, None)


def test_silence_above_high_water_is_rojo() -> None:
    state, _ = judge(RULE, SilenceState(), heard(0))
    _, raised = tick(RULE, state, after(16), HIGH_WATER)
    assert brief(raised) == (Change.RAISED, "ROJO", Cause.SILENCE)


def test_water_that_rises_beside_a_silent_sensor_escalates_and_falling_water_eases_nothing() -> None:
    state, _ = judge(RULE, SilenceState(), heard(0))
    state, _ = tick(RULE, state, after(16))
    state, escalated = tick(RULE, state, after(20), HIGH_WATER)
    assert brief(escalated) == (Change.ESCALATED, "ROJO", Cause.SILENCE)
    assert tick(RULE, state, after(90), NO_CONTEXT) == (state, None)


def test_a_sensor_never_heard_is_waited_for_from_the_first_look_on() -> None:
    state, move = tick(RULE, SilenceState(), after(0))
    assert move is None
    assert tick(RULE, state, after(15))[1] is None
    assert brief(tick(RULE, state, after(16))[1]) == (Change.RAISED, "AMARILLO", Cause.SILENCE)


@pytest.mark.parametrize("flag", [Flag.LATE, Flag.FUTURE, Flag.BACKFILL, Flag.RETAINED])
def test_old_and_impossible_times_do_not_break_the_silence(flag: Flag) -> None:
    state = SilenceState(NAR.ROJO, NOON.timestamp())
    assert judge(RULE, state, heard(30, flags=flag)) == (state, None)


def test_a_bad_value_is_a_sign_of_life_all_the_same() -> None:
    state = SilenceState(NAR.AMARILLO, NOON.timestamp())
    assert brief(judge(RULE, state, heard(30, flags=Flag.SENTINEL))[1]) == (Change.CLEARED, "VERDE", Cause.RESUMED)


steps = st.lists(
    st.tuples(st.integers(0, 40), st.sampled_from(["heard", "late", "tick", "high"])), min_size=1, max_size=40
)


@given(steps)
def test_only_a_reading_clears_and_raises_alternate_with_clears(walked: list[tuple[int, str]]) -> None:
    state, minute, holds = SilenceState(), 0, NAR.VERDE
    for passed, what in walked:
        minute += passed
        match what:
            case "heard":
                state, move = judge(RULE, state, heard(minute))
            case "late":
                state, move = judge(RULE, state, heard(minute, late_min=30, flags=Flag.LATE))
            case _:
                state, move = tick(RULE, state, after(minute), HIGH_WATER if what == "high" else NO_CONTEXT)
        if move is not None:
            assert (move.before, move.after) == (holds, state.nar)
            assert (move.after < move.before) == (what == "heard")
        holds = state.nar
        assert msgspec.json.decode(msgspec.json.encode(state), type=SilenceState) == state
