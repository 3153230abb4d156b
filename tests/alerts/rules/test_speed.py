"""Tests of the speed rules: vehicles far over the limit, and a growing share of vehicles over it."""

from datetime import UTC, datetime, time, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.rules.speed import (
    MAX_DAYS,
    MAX_FAST_VEHICLES,
    ExtremeSpeedState,
    SpeedTrendState,
    judge_extreme,
    judge_trend,
    limit_kmh_at,
    tick_extreme,
    tick_trend,
)
from models.alert import NAR, Cause, Change, Transition
from models.place import LimitWindow, Street
from models.reading import Flag, Reading
from models.rule import ExtremeSpeed, RuleContext, SpeedTrend

NOON = datetime(2013, 4, 2, 15, tzinfo=UTC)  # a Tuesday; noon in La Plata
AVENUE = Street(id="av-7", name="Avenida 7", limit_kmh=60.0)
SCHOOL = Street(
    id="calle-12",
    name="Calle 12",
    limit_kmh=40.0,
    windows=(LimitWindow(days=(1, 2, 3, 4, 5), start=time(12), end=time(13), limit_kmh=20.0),),
)
RULE = ExtremeSpeed(street=AVENUE)


def passed(minute: float, speed_kmh: float, *, flags: Flag = Flag.NONE) -> Reading:
    at = NOON + timedelta(minutes=minute)
    return Reading("radar", "la-plata", "av-7", at, at, -1, None, (speed_kmh, "car", 1, None, None), flags)


def counted(day: float, counts: tuple[int, ...]) -> Reading:
    at = NOON + timedelta(days=day)
    return Reading("radar", "la-plata", "av-7", at, at, -1, None, (None, None, None, 3600, counts))


def extreme(*readings: Reading, rule: ExtremeSpeed = RULE) -> tuple[ExtremeSpeedState, list[Transition]]:
    state, transitions = ExtremeSpeedState(), []
    for reading in readings:
        state, transition = judge_extreme(rule, state, reading)
        if transition is not None:
            transitions.append(transition)
    return state, transitions


def test_a_vehicle_far_over_the_limit_raises_at_once_and_alone_is_unconfirmed() -> None:
    state, transitions = extreme(passed(0, 99.0), passed(1, 101.0))
    assert [(transition.after, transition.cause, transition.confirmed) for transition in transitions] == [
        (NAR.AMARILLO, Cause.SPEED, False)
    ]
    assert transitions[0].evidence["fastest_over_kmh"] == 41.0
    state, escalated = judge_extreme(RULE, state, passed(2, 141.0))
    assert escalated is not None
    assert (escalated.after, escalated.change, escalated.confirmed) == (NAR.ROJO, Change.ESCALATED, True)


def test_several_within_the_window_call_for_the_next_colour() -> None:
    _, transitions = extreme(*(passed(minute, 101.0) for minute in range(3)))
    assert [transition.after for transition in transitions] == [NAR.AMARILLO, NAR.NARANJA]
    _, apart = extreme(*(passed(20 * turn, 101.0) for turn in range(3)))
    assert [transition.after for transition in apart] == [NAR.AMARILLO]


def test_it_clears_when_the_fast_vehicles_have_left_the_window() -> None:
    state, _ = extreme(passed(0, 141.0), passed(5, 101.0))
    assert tick_extreme(RULE, state, NOON + timedelta(minutes=14)) == (state, None)
    state, eased = tick_extreme(RULE, state, NOON + timedelta(minutes=16))
    assert eased is not None
    assert (eased.before, eased.after, eased.change) == (NAR.ROJO, NAR.AMARILLO, Change.EASED)
    state, cleared = tick_extreme(RULE, state, NOON + timedelta(minutes=21))
    assert cleared is not None
    assert (cleared.change, state) == (Change.CLEARED, ExtremeSpeedState())


def test_the_limit_is_that_of_the_street_at_that_hour_in_the_city_s_time() -> None:
    rule = ExtremeSpeed(street=SCHOOL)
    assert [limit_kmh_at(rule, NOON + timedelta(hours=hours)) for hours in (-1, 0, 1)] == [40.0, 20.0, 40.0]
    assert limit_kmh_at(rule, NOON + timedelta(days=4)) == 40.0  # Saturday
    assert limit_kmh_at(ExtremeSpeed(), NOON) == 40.0
    _, transitions = extreme(passed(0, 61.0), rule=rule)
    assert [transition.evidence["limit_kmh"] for transition in transitions] == [20.0]


def test_counted_vehicles_have_at_least_their_bin_s_lower_edge() -> None:
    counts = (0,) * 19 + (5, 1)  # five from 95, one from 100 km/h
    _, transitions = extreme(counted(0, counts))
    assert [(transition.after, transition.evidence["vehicles"]) for transition in transitions] == [(NAR.AMARILLO, 1)]


@pytest.mark.parametrize("flag", [Flag.LATE, Flag.FUTURE, Flag.BACKFILL, Flag.RETAINED, Flag.SENSOR_RANGE])
def test_old_and_impossible_speeds_change_nothing(flag: Flag) -> None:
    assert judge_extreme(RULE, ExtremeSpeedState(), passed(0, 300.0, flags=flag)) == (ExtremeSpeedState(), None)
    assert judge_trend(SpeedTrend(), SpeedTrendState(), passed(0, 99.0, flags=flag)) == (SpeedTrendState(), None)


@given(st.lists(st.tuples(st.integers(0, 300), st.floats(0, 250)), max_size=80))
def test_the_state_is_bounded_and_is_decoded_as_it_was_encoded(vehicles: list[tuple[int, float]]) -> None:
    state, transitions = extreme(*(passed(minute, speed) for minute, speed in sorted(vehicles)))
    assert len(state.fast) <= MAX_FAST_VEHICLES
    assert [transition.after for transition in transitions] == sorted(transition.after for transition in transitions)
    assert msgspec.json.decode(msgspec.json.encode(state), type=ExtremeSpeedState) == state


def week(slow: int, fast: int) -> tuple[int, ...]:
    """A day's count on an avenue of 60 km/h: some at 50 to 55, some at 65 to 70."""
    return (*[0] * 10, slow, 0, 0, fast)


TREND = SpeedTrend(street=AVENUE)


def trend(*days: tuple[int, ...], start: int = 0) -> tuple[SpeedTrendState, list[tuple[int, Transition]]]:
    state, transitions = SpeedTrendState(), []
    for day, counts in enumerate(days, start):
        state, transition = judge_trend(TREND, state, counted(day, counts))
        if transition is not None:
            transitions.append((day, transition))
    return state, transitions


def test_a_growing_share_raises_at_the_end_of_a_day_and_clears_when_it_is_over() -> None:
    before, worse = [week(900, 100)] * 28, [week(820, 180)] * 8
    _, transitions = trend(*before, *worse, *[week(900, 100)] * 15)
    (raised_on, raised), (cleared_on, cleared) = transitions
    assert (raised.after, raised.cause, raised.change) == (NAR.AMARILLO, Cause.TREND, Change.RAISED)
    assert 28 < raised_on <= 35
    assert float(str(raised.evidence["share_recent"])) - float(str(raised.evidence["share_before"])) >= 0.05
    assert cleared.change is Change.CLEARED
    assert cleared_on > 36


def test_a_share_that_was_always_high_is_no_trend() -> None:
    assert trend(*[week(500, 500)] * 40)[1] == []


def test_too_few_vehicles_give_no_trend() -> None:
    assert trend(*[week(9, 1)] * 28, *[week(1, 9)] * 8)[1] == []


def test_a_day_ends_by_the_clock_without_vehicles() -> None:
    state, transitions = trend(*[week(900, 100)] * 28, *[week(600, 400)] * 2)
    assert transitions == []
    state, raised = tick_trend(TREND, state, NOON + timedelta(days=30))
    assert raised is not None
    assert raised.after is NAR.AMARILLO  # 1,300 of 7,000 against 10 in a hundred
    assert tick_trend(TREND, state, NOON + timedelta(days=30, hours=1)) == (state, None)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2000), st.integers(0, 2000)), max_size=60))
def test_at_most_five_weeks_are_stored(counted_days: list[tuple[int, int, int]]) -> None:
    state, day = SpeedTrendState(), 0
    for passed_days, slow, fast in counted_days:
        day += passed_days
        state, _ = judge_trend(TREND, state, counted(day, week(slow, fast)))
    assert len(state.days) <= MAX_DAYS
    assert msgspec.json.decode(msgspec.json.encode(state), type=SpeedTrendState) == state


def test_vehicles_leave_the_window_only_by_a_trusted_clock() -> None:
    state, _ = extreme(passed(0, 101.0))
    two_hours_on = NOON + timedelta(hours=2)
    just_trusted = RuleContext(clock_trusted_since_s=two_hours_on.timestamp())
    assert tick_extreme(RULE, state, two_hours_on, just_trusted) == (state, None)
    _, eased = tick_extreme(RULE, state, two_hours_on + timedelta(minutes=15), just_trusted)
    assert eased is not None
    days = SpeedTrendState(today=(NOON.toordinal(), 5, 1))
    tomorrow = NOON + timedelta(days=1)
    just_trusted = RuleContext(clock_trusted_since_s=tomorrow.timestamp())
    assert tick_trend(SpeedTrend(), days, tomorrow, just_trusted) == (days, None)
    assert tick_trend(SpeedTrend(), days, tomorrow)[0].days == (days.today,)


def test_a_vehicle_of_a_time_that_has_not_come_holds_no_colour() -> None:
    state, _ = extreme(passed(600, 101.0, flags=Flag.SERVER_TIME))
    _, eased = tick_extreme(RULE, state, NOON)
    assert eased is not None


def test_a_vehicle_in_doubt_raises() -> None:
    _, raised = extreme(passed(120, 141.0, flags=Flag.CLOCK_DOUBT))
    assert [transition.after for transition in raised] == [NAR.ROJO]


def test_a_radar_without_a_clock_counts_on_after_ours_came_back_from_the_future() -> None:
    ahead, _ = judge_trend(SpeedTrend(), SpeedTrendState(), passed(60 * 24 * 30, 50.0, flags=Flag.SERVER_TIME))
    state, _ = judge_trend(SpeedTrend(), ahead, passed(0, 50.0, flags=Flag.SERVER_TIME))
    assert state.today is not None
    assert state.today[1] == 1
    assert state.today != ahead.today
    assert judge_trend(SpeedTrend(), ahead, passed(0, 50.0)) == (ahead, None)
