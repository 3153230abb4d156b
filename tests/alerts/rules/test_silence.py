"""Tests of the silence rule: ticks and readings in, transitions out."""

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
HIGH_STAGE = RuleContext(stage_nar=NAR.AMARILLO)


def reading_at(minute: float, *, late_min: float = 0, flags: Flag = Flag.NONE) -> Reading:
    at = NOON + timedelta(minutes=minute)
    return Reading("river", "la-plata", "gato-7", at - timedelta(minutes=late_min), at, -1, None, (1.0, None), flags)


def after(minute: float) -> datetime:
    return NOON + timedelta(minutes=minute)


def summary(transition: Transition | None) -> tuple[str, str, str] | None:
    return None if transition is None else (transition.change, transition.after.name, transition.cause)


@pytest.mark.parametrize(("period_s", "limit"), [(60, 900), (300, 900), (301, 903), (600, 1800)])
def test_silence_is_three_periods_and_never_less_than_a_quarter_of_an_hour(period_s: int, limit: int) -> None:
    assert limit_s(Silence(period_s=period_s)) == limit


def test_a_sensor_falls_silent_and_comes_back() -> None:
    state, _ = judge(RULE, SilenceState(), reading_at(0))
    assert tick(RULE, state, after(15)) == (state, None)
    state, raised = tick(RULE, state, after(15.1))
    assert summary(raised) == (Change.RAISED, "AMARILLO", Cause.SILENCE)
    assert raised is not None
    assert raised.evidence["heard_at"] == "2013-04-02T12:00:00+00:00"
    assert tick(RULE, state, after(600)) == (state, None)
    state, cleared = judge(RULE, state, reading_at(601))
    assert summary(cleared) == (Change.CLEARED, "VERDE", Cause.RESUMED)
    assert cleared is not None
    assert cleared.evidence["silent_s"] == 601 * 60
    assert tick(RULE, state, after(602)) == (state, None)


def test_silence_while_the_level_is_high_is_rojo() -> None:
    state, _ = judge(RULE, SilenceState(), reading_at(0))
    _, raised = tick(RULE, state, after(16), HIGH_STAGE)
    assert summary(raised) == (Change.RAISED, "ROJO", Cause.SILENCE)


def test_a_level_that_rises_during_silence_escalates_and_a_falling_level_does_not_ease() -> None:
    state, _ = judge(RULE, SilenceState(), reading_at(0))
    state, _ = tick(RULE, state, after(16))
    state, escalated = tick(RULE, state, after(20), HIGH_STAGE)
    assert summary(escalated) == (Change.ESCALATED, "ROJO", Cause.SILENCE)
    assert tick(RULE, state, after(90), NO_CONTEXT) == (state, None)


def test_the_silence_of_a_sensor_without_readings_counts_from_the_first_tick() -> None:
    state, transition = tick(RULE, SilenceState(), after(0))
    assert transition is None
    assert tick(RULE, state, after(15))[1] is None
    assert summary(tick(RULE, state, after(16))[1]) == (Change.RAISED, "AMARILLO", Cause.SILENCE)


@pytest.mark.parametrize("flag", [Flag.LATE, Flag.FUTURE, Flag.BACKFILL, Flag.RETAINED])
def test_old_and_future_readings_do_not_end_the_silence(flag: Flag) -> None:
    state = SilenceState(NAR.ROJO, NOON.timestamp())
    assert judge(RULE, state, reading_at(30, flags=flag)) == (state, None)


def test_a_bad_value_ends_the_silence_too() -> None:
    state = SilenceState(NAR.AMARILLO, NOON.timestamp())
    assert summary(judge(RULE, state, reading_at(30, flags=Flag.SENTINEL))[1]) == (
        Change.CLEARED,
        "VERDE",
        Cause.RESUMED,
    )


steps = st.lists(
    st.tuples(st.integers(0, 40), st.sampled_from(["heard", "late", "tick", "high"])), min_size=1, max_size=40
)


@given(steps)
def test_only_a_reading_clears_and_raises_alternate_with_clears(steps_taken: list[tuple[int, str]]) -> None:
    state, minute, holds = SilenceState(), 0, NAR.VERDE
    for passed, what in steps_taken:
        minute += passed
        match what:
            case "heard":
                state, transition = judge(RULE, state, reading_at(minute))
            case "late":
                state, transition = judge(RULE, state, reading_at(minute, late_min=30, flags=Flag.LATE))
            case _:
                state, transition = tick(RULE, state, after(minute), HIGH_STAGE if what == "high" else NO_CONTEXT)
        if transition is not None:
            assert (transition.before, transition.after) == (holds, state.nar)
            assert (transition.after < transition.before) == (what == "heard")
        holds = state.nar
        assert msgspec.json.decode(msgspec.json.encode(state), type=SilenceState) == state


def test_silence_counts_only_while_the_clock_is_trusted() -> None:
    state, _ = judge(RULE, SilenceState(), reading_at(0))
    trusted = RuleContext(clock_trusted_since_s=after(120).timestamp())
    assert tick(RULE, state, after(120), trusted) == (state, None)
    assert tick(RULE, state, after(135), trusted) == (state, None)
    _, raised = tick(RULE, state, after(136), trusted)
    assert raised is not None
    assert raised.evidence["silent_s"] == 16 * 60


def test_a_sensor_heard_at_a_time_that_has_not_come_counts_as_heard_now() -> None:
    state, _ = judge(RULE, SilenceState(), reading_at(120))
    state, _ = tick(RULE, state, after(0))
    assert state == SilenceState(heard_s=after(0).timestamp())
    assert tick(RULE, state, after(16))[1] is not None


def test_a_reading_in_doubt_shows_that_a_sensor_sends_and_ends_no_silence() -> None:
    state, _ = judge(RULE, SilenceState(), reading_at(0))
    doubtful = reading_at(14, late_min=-120, flags=Flag.CLOCK_DOUBT)
    heard, _ = judge(RULE, state, doubtful)
    assert heard.heard_s == after(14).timestamp()
    silent, _ = tick(RULE, state, after(16))
    assert judge(RULE, silent, doubtful) == (silent, None)
