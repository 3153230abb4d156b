"""The level of a stream, as stories of one gauge: minutes and metres in, what changed for people out."""

import random
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.rules.stage import StageState, judge, tick
from models.alert import NAR, Cause, Change, Transition
from models.reading import Flag, Reading
from models.rule import NO_CONTEXT, ExceedanceModel, RuleContext, Stage

NOON = datetime(2013, 4, 2, 12, tzinfo=UTC)
RULE = Stage(thresholds_m=(0.6, 0.8, 1.0), period_s=300)
DEAF = Flag.LATE, Flag.FUTURE, Flag.BACKFILL, Flag.RETAINED, Flag.SENTINEL, Flag.SENSOR_RANGE, Flag.DROPOUT


def at(minute: float) -> datetime:
    return NOON + timedelta(minutes=minute)


def seen(minute: float, level_m: float | None, flags: Flag = Flag.NONE) -> Reading:
    return Reading("river", "la-plata", "gato-1", at(minute), at(minute), -1, None, (level_m, None), flags)


def told(
    *readings: Reading, rule: Stage = RULE, context: RuleContext = NO_CONTEXT, state: StageState | None = None
) -> tuple[StageState, list[Transition]]:
    now, moves = state or StageState(), []
    for reading in readings:
        now, move = judge(rule, now, reading, context)
        if move is not None:
            moves.append(move)
    return now, moves


def brief(moves: list[Transition]) -> list[tuple[str, str, float]]:
    return [(move.change, move.after.name, (move.observed_at - NOON).total_seconds() / 60) for move in moves]


def every_5_min(*levels_m: float | None, first: float = 0) -> list[Reading]:
    return [seen(first + 5 * place, level_m) for place, level_m in enumerate(levels_m)]


def test_a_flood_goes_up_at_once_and_comes_down_step_by_step_after_the_hold() -> None:
    rise = every_5_min(0.30, 0.30, 0.30, 0.50, 0.75, 0.95, 1.10, 1.12)
    fall = every_5_min(1.05, 0.95, 0.85, 0.78, 0.69, 0.64, *[0.49] * 12, first=40)
    state, moves = told(*rise, *fall)
    assert brief(moves) == [
        ("raised", "AMARILLO", 15),  # risen 0.20 with 0.10 missing; 0.30 are too many yet for naranja
        ("escalated", "ROJO", 20),
        ("confirmed", "ROJO", 25),
        ("eased", "NARANJA", 80),  # below 0.90 since 12:50
        ("eased", "AMARILLO", 90),  # below 0.70 since 13:00
        ("cleared", "VERDE", 100),  # below 0.50 since 13:10
    ]
    assert state.nar is NAR.VERDE


def test_slow_water_is_raised_by_its_level_unconfirmed_first_and_confirmed_by_the_second_sample() -> None:
    _, moves = told(*every_5_min(0.595, 0.597, 0.599, 0.601, 0.603))
    assert [(move.change, move.cause, move.confirmed) for move in moves] == [
        (Change.RAISED, Cause.LEVEL, False),
        (Change.CONFIRMED, Cause.LEVEL, True),
    ]


def test_the_median_of_three_confirms_too() -> None:
    _, moves = told(*every_5_min(0.599, 0.599, 0.601, 0.599, 0.601))
    assert brief(moves) == [("raised", "AMARILLO", 10), ("confirmed", "AMARILLO", 20)]


def test_far_above_a_threshold_one_trusted_sample_is_enough() -> None:
    _, moves = told(seen(0, 1.25))
    assert [(move.after, move.confirmed) for move in moves] == [(NAR.ROJO, True)]


def test_a_sudden_rise_is_told_at_once_as_unconfirmed_and_confirmed_by_the_next_sample() -> None:
    _, moves = told(seen(0, 0.527), seen(5, 1.23, Flag.JUMP), seen(10, 1.24))
    assert [(move.change, move.after, move.confirmed) for move in moves] == [
        (Change.RAISED, NAR.ROJO, False),
        (Change.CONFIRMED, NAR.ROJO, True),
    ]


def test_two_doubted_samples_in_a_row_confirm_each_other() -> None:
    _, moves = told(seen(0, 0.3), seen(5, 0.7, Flag.JUMP), seen(10, 1.1, Flag.JUMP))
    assert [(move.after, move.confirmed) for move in moves] == [(NAR.ROJO, False), (NAR.ROJO, True)]


@pytest.mark.parametrize(
    "context",
    [RuleContext(rain_15_min_mm=6.0), RuleContext(rain_nar=NAR.AMARILLO), RuleContext(upstream_nar=NAR.AMARILLO)],
)
def test_rain_or_another_station_backs_a_lone_sample(context: RuleContext) -> None:
    _, moves = told(seen(0, 0.3), seen(5, 0.62, Flag.JUMP), context=context)
    assert moves[-1].after >= NAR.AMARILLO
    assert moves[-1].confirmed


def test_rain_that_falls_after_a_lone_sample_backs_it_at_the_next_tick() -> None:
    state, moves = told(seen(0, 0.3), seen(5, 0.62, Flag.JUMP))
    assert not moves[-1].confirmed
    state, move = tick(RULE, state, at(7), RuleContext(rain_15_min_mm=8.0))
    assert move is not None
    assert (move.change, move.confirmed) == (Change.CONFIRMED, True)


@pytest.mark.parametrize("flag", DEAF)
def test_what_is_no_news_or_no_measurement_changes_nothing(flag: Flag) -> None:
    state, _ = told(*every_5_min(0.3, 0.3, 0.3))
    assert judge(RULE, state, seen(15, 2.0, flag)) == (state, None)


@pytest.mark.parametrize("value", [None, float("nan"), float("inf")])
def test_a_reading_without_a_number_changes_nothing(value: float | None) -> None:
    state, _ = told(*every_5_min(0.3, 0.3, 0.3))
    assert judge(RULE, state, seen(15, value)) == (state, None)


def test_a_doubted_fall_does_not_ease() -> None:
    high, _ = told(*every_5_min(1.1, 1.1, 1.1))
    state, moves = told(*[seen(15 + 5 * step, 0.1, Flag.SHIFT) for step in range(40)], state=high)
    assert moves == []
    assert state.nar is NAR.ROJO


def test_the_hold_starts_again_after_a_gap_because_nobody_saw_what_happened() -> None:
    high, _ = told(*every_5_min(0.7, 0.7))
    _, moves = told(seen(10, 0.4), seen(60, 0.4), seen(65, 0.4), seen(90, 0.4), state=high)
    assert [move.change for move in moves] == []


def test_a_street_that_is_dry_again_is_clear_although_water_cannot_fall_below_its_floor() -> None:
    street = Stage(thresholds_m=(0.1, 0.2, 0.3), period_s=300)
    state, moves = told(*every_5_min(0.0, 0.0, 0.12, 0.13, *[0.0] * 12), rule=street)
    assert state.nar is NAR.VERDE
    assert moves[-1].change is Change.CLEARED


def test_no_rise_is_taken_across_a_gap() -> None:
    _, moves = told(seen(0, 0.2), seen(120, 0.55))
    assert moves == []


def test_a_rise_is_the_same_rise_whatever_the_period() -> None:
    # 0.04 m a minute from 0.30 m: a straight line of 15 minutes passes 0.6 m half way
    for period_min in (1, 5, 15):
        rule = Stage(thresholds_m=(0.6, 0.8, 1.0), period_s=period_min * 60)
        flat = [seen(minute, 0.30) for minute in range(0, 31, period_min)]
        rise = [seen(30 + minute, 0.30 + 0.02 * minute) for minute in range(period_min, 16, period_min)]
        _, moves = told(*flat, *rise, rule=rule)
        assert moves[0].change is Change.RAISED
        assert 30 < (moves[0].observed_at - NOON).total_seconds() / 60 <= 45


def test_an_hourly_gauge_looks_one_hour_back() -> None:
    rule = Stage(thresholds_m=(0.6, 0.8, 1.0), period_s=3600)
    _, moves = told(seen(0, 0.30), seen(60, 0.46), rule=rule)
    assert brief(moves) == [("raised", "AMARILLO", 60)]


def test_a_gauge_of_every_second_keeps_a_bounded_window() -> None:
    rule = Stage(thresholds_m=(0.6, 0.8, 1.0), period_s=1)
    state, _ = told(*[seen(second / 60, 0.3) for second in range(3000)], rule=rule)
    assert len(state.samples) <= 70
    assert state.samples[-1][0] - state.samples[0][0] == pytest.approx(900, abs=30)


def test_noise_at_the_threshold_does_not_flap() -> None:
    chance = random.Random(7)
    _, moves = told(*every_5_min(*(0.6 + chance.gauss(0, 0.02) for _ in range(500))))
    assert len(moves) <= 3


def test_rain_alone_raises_and_an_upstream_station_warns_the_operator_one_colour_lower() -> None:
    quiet, _ = told(*every_5_min(0.3, 0.3))
    _, by_rain = tick(RULE, quiet, at(12), RuleContext(rain_nar=NAR.NARANJA))
    _, by_upstream = tick(RULE, quiet, at(12), RuleContext(upstream_nar=NAR.ROJO))
    assert by_rain is not None
    assert (by_rain.after, by_rain.cause, by_rain.confirmed) == (NAR.NARANJA, Cause.RAIN, True)
    assert by_upstream is not None
    assert (by_upstream.after, by_upstream.cause, by_upstream.confirmed) == (NAR.NARANJA, Cause.UPSTREAM, False)


def test_low_water_does_not_ease_while_rain_calls_for_the_colour() -> None:
    wet = RuleContext(rain_nar=NAR.NARANJA)
    state, _ = told(*every_5_min(0.3, 0.3), context=wet)
    state, moves = told(*every_5_min(*[0.3] * 20, first=10), context=wet, state=state)
    assert moves == []
    _, moves = told(*every_5_min(*[0.3] * 20, first=110), state=state)
    assert [move.after for move in moves] == [NAR.AMARILLO, NAR.VERDE]


def test_a_stream_that_never_went_on_is_raised_later_than_one_that_always_did() -> None:
    gentle = ExceedanceModel(weights=(0.0, -1.0, 1.0), peaks_m=(0.45,) * 20)
    violent = ExceedanceModel(weights=(0.0, -1.0, 1.0), peaks_m=(0.9,) * 20)
    rise = every_5_min(0.30, 0.30, 0.30, 0.40, 0.45)
    assert told(*rise, context=RuleContext(exceedance=gentle))[1] == []
    _, moves = told(*rise, context=RuleContext(exceedance=violent))
    assert moves[0].cause is Cause.FORECAST
    assert moves[0].evidence["raise_chance"] == RULE.raise_chance


def test_beyond_the_straight_line_it_takes_the_chance_that_the_stream_has_earned() -> None:
    rise = every_5_min(0.30, 0.30, 0.30, 0.44)  # risen 0.14, missing 0.16: chance 0.74 by these peaks
    bold = ExceedanceModel(weights=(0.0, -1.0, 1.0), peaks_m=(0.9,) * 2)
    burnt = ExceedanceModel(weights=(0.0, -1.0, 1.0), peaks_m=(0.9,) * 2, least_chance=0.9)
    assert [move.after for move in told(*rise, context=RuleContext(exceedance=bold))[1]] == [NAR.AMARILLO]
    assert told(*rise, context=RuleContext(exceedance=burnt))[1] == []


def test_the_evidence_says_what_a_move_rests_on() -> None:
    _, moves = told(*every_5_min(0.30, 0.30, 0.55), context=RuleContext(rain_15_min_mm=3.0))
    evidence = moves[0].evidence
    assert evidence["level_m"] == 0.55
    assert evidence["thresholds_m"] == [0.6, 0.8, 1.0]
    assert evidence["risen_m"] == 0.25
    assert evidence["rain_15_min_mm"] == 3.0
    assert msgspec.json.decode(msgspec.json.encode(evidence)) == evidence


# What holds whatever the water does

LEVELS = st.lists(
    st.one_of(st.none(), st.floats(-1, 3, allow_nan=False), st.sampled_from([0.49, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0])),
    min_size=1,
    max_size=60,
)
FLAGS = st.sampled_from([Flag.NONE, Flag.NONE, Flag.NONE, Flag.JUMP, Flag.FLAT, Flag.SHIFT, Flag.DROPOUT])
STEPS = st.sampled_from([1, 5, 5, 5, 15, 40])


@st.composite
def floods(draw: st.DrawFn) -> list[Reading]:
    """Any water at all, told in order."""
    minute, readings = 0.0, []
    for level_m in draw(LEVELS):
        minute += draw(STEPS)
        readings.append(seen(minute, level_m, draw(FLAGS)))
    return readings


@given(floods())
def test_raises_and_clears_alternate_and_every_move_follows_on_the_last(readings: list[Reading]) -> None:
    _, moves = told(*readings)
    ends = [move.change for move in moves if move.change in {Change.RAISED, Change.CLEARED}]
    assert ends == [Change.RAISED, Change.CLEARED] * (len(ends) // 2) + [Change.RAISED] * (len(ends) % 2)
    held = NAR.VERDE
    for move in moves:
        assert move.before is held
        held = move.after


@given(floods())
def test_it_goes_down_one_colour_at_a_time(readings: list[Reading]) -> None:
    _, moves = told(*readings)
    assert all(move.before - move.after <= 1 for move in moves)


@given(floods(), st.randoms(use_true_random=False))
def test_duplicates_and_late_readings_never_change_anything(readings: list[Reading], dice: random.Random) -> None:
    noisy: list[Reading] = []
    for place, reading in enumerate(readings):
        noisy.append(reading)
        noisy += dice.sample(readings[: place + 1], k=min(2, place + 1))
    heads = [r for r in readings if r.values[0] is not None and not r.flags & Flag.DROPOUT]
    assert told(*heads) == told(*[r for r in noisy if r in heads])


@given(floods())
def test_the_same_readings_give_the_same_moves_also_through_a_restart_at_each(readings: list[Reading]) -> None:
    once = told(*readings)
    state, moves = StageState(), []
    for reading in readings:
        state = msgspec.json.decode(msgspec.json.encode(state), type=StageState)
        state, move = judge(RULE, state, reading)
        moves += [move] if move else []
    assert (state, moves) == once


@given(floods(), st.integers(1, 100_000))
def test_silence_never_eases(readings: list[Reading], minutes: int) -> None:
    state, _ = told(*readings)
    after, move = tick(RULE, state, readings[-1].observed_at + timedelta(minutes=minutes))
    assert (after, move) == (state, None)


@given(st.lists(st.floats(0.001, 0.3), min_size=2, max_size=40))
def test_while_the_water_rises_the_colour_never_falls_and_is_never_below_the_level(rises_m: list[float]) -> None:
    level_m, state = 0.2, StageState()
    for step, rise_m in enumerate(rises_m):
        level_m += rise_m
        held = state.nar
        state, _ = judge(RULE, state, seen(5 * step, level_m))
        assert state.nar >= max(held, sum(level_m >= threshold_m for threshold_m in RULE.thresholds_m))


@given(floods())
def test_a_confirmed_move_is_backed_by_more_than_one_sample_or_a_sure_margin(readings: list[Reading]) -> None:
    state = StageState()
    for reading in readings:
        state, move = judge(RULE, state, reading)
        if move is not None and move.confirmed and move.after > move.before:
            level_m = move.evidence["level_m"]
            assert isinstance(level_m, float)
            sure = level_m >= RULE.thresholds_m[move.after - 1] + RULE.sure_margin_m
            assert sure or sum(colour >= move.after for colour in state.sample_nars) >= RULE.confirm_samples
