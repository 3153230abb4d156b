"""Tests of the rainfall rule: reports of one gauge in, transitions out."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.rules.rainfall import WINDOWS_S, RainfallState, judge, rain_15_min_mm
from models.alert import NAR, Cause, Change, Transition
from models.reading import Flag, Reading
from models.rule import Rainfall

NOON = datetime(2013, 4, 2, 12, tzinfo=UTC)
RULE = Rainfall()


def report(minute: float, rain_mm: float, *, over_s: int = 60, flags: Flag = Flag.NONE) -> Reading:
    at = NOON + timedelta(minutes=minute)
    return Reading("rain", "la-plata", "casco", at, at, -1, None, (rain_mm, over_s, None), flags)


def judge_all(*reports: Reading, rule: Rainfall = RULE) -> tuple[RainfallState, list[Transition]]:
    state, transitions = RainfallState(), []
    for reading in reports:
        state, transition = judge(rule, state, reading)
        if transition is not None:
            transitions.append(transition)
    return state, transitions


def summary(transitions: list[Transition]) -> list[tuple[str, str, float]]:
    return [
        (transition.change, transition.after.name, (transition.observed_at - NOON).total_seconds() / 60)
        for transition in transitions
    ]


def test_a_cloudburst_raises_at_once_and_eases_after_the_hold() -> None:
    storm = [report(minute, 1.0) for minute in range(1, 26)]
    dry = [report(minute, 0.0) for minute in range(26, 90)]
    _, transitions = judge_all(*storm, *dry)
    # 10 mm at minute 10; never 18 in 15 minutes. Below 10 mm from minute 31 on (14 - 5 = 9), held for 30 minutes.
    assert summary(transitions) == [("raised", "AMARILLO", 10), ("cleared", "VERDE", 61)]
    assert [transition.cause for transition in transitions] == [Cause.RAIN, Cause.RECESSION]


def test_the_storm_of_april_2013_reaches_rojo_by_the_hour_s_rain() -> None:
    _, transitions = judge_all(*(report(minute, 1.67) for minute in range(1, 181)))  # 302 mm in three hours, evenly
    assert [transition.after for transition in transitions] == [NAR.AMARILLO, NAR.NARANJA, NAR.ROJO]
    assert [transition.change for transition in transitions] == [Change.RAISED, Change.ESCALATED, Change.ESCALATED]
    assert transitions[-1].observed_at <= NOON + timedelta(minutes=15)
    assert transitions[-1].evidence["rain_15_min_mm"] == pytest.approx(25.05)


def test_steady_rain_is_caught_by_the_longer_windows() -> None:
    _, by_hour = judge_all(*(report(15 * row, 7.6, over_s=900) for row in range(1, 5)))
    assert summary(by_hour) == [("raised", "AMARILLO", 60)]
    _, by_three_hours = judge_all(*(report(15 * row, 4.2, over_s=900) for row in range(1, 13)))
    assert summary(by_three_hours) == [("raised", "AMARILLO", 180)]


def test_an_hourly_report_counts_in_proportion_in_the_15_minute_window() -> None:
    state, transitions = judge_all(report(60, 28.0, over_s=3600))
    assert transitions == []
    assert rain_15_min_mm(state) == pytest.approx(7.0)


def test_one_report_alone_raises_but_is_not_confirmed() -> None:
    _, transitions = judge_all(report(1, 12.0), report(2, 7.0))
    assert [(transition.after, transition.confirmed) for transition in transitions] == [
        (NAR.AMARILLO, False),
        (NAR.NARANJA, True),
    ]


def test_the_hold_time_starts_again_when_it_rains_again() -> None:
    burst = [report(1, 5.0), report(2, 6.0)]
    again = [report(40, 11.0)]
    dry = [report(minute, 0.0) for minute in range(3, 100) if minute != 40]
    _, transitions = judge_all(*sorted([*burst, *again, *dry], key=lambda reading: reading.observed_at))
    assert summary(transitions) == [("raised", "AMARILLO", 2), ("cleared", "VERDE", 85)]


def test_a_gap_in_the_reports_is_not_a_dry_spell() -> None:
    wet = [report(1, 5.0), report(2, 6.0), report(3, 0.0)]
    back = [report(minute, 0.0) for minute in range(300, 340)]
    _, transitions = judge_all(*wet, *back)
    assert summary(transitions) == [("raised", "AMARILLO", 2), ("cleared", "VERDE", 330)]


@pytest.mark.parametrize(
    "ignored",
    [
        report(5, 50.0, flags=Flag.LATE),
        report(5, 50.0, flags=Flag.FUTURE),
        report(5, 50.0, flags=Flag.BACKFILL),
        report(5, 50.0, flags=Flag.RETAINED),
        report(5, -9999.0, flags=Flag.SENTINEL),
        report(5, 150.0),  # more than ever fell within a minute
        report(1, 50.0),  # the same report again, saying something else
        report(0, 50.0),
    ],
)
def test_ignored_and_impossible_reports_change_nothing(ignored: Reading) -> None:
    state, _ = judge_all(report(1, 1.0))
    assert judge(RULE, state, ignored) == (state, None)


reports = st.lists(st.tuples(st.integers(0, 3000), st.sampled_from([0.0, 0.2, 1.0, 6.0, 20.0])), max_size=60)


def in_order(fallen: list[tuple[int, float]]) -> list[Reading]:
    """One report a minute at most, each of the time since the one before, up to ten minutes."""
    minutes = sorted(dict(fallen).items())
    return (
        [
            report(minute, mm, over_s=60 * min(minute - before, 10) or 60)
            for (before, _), (minute, mm) in zip([(minutes[0][0] - 1, 0.0), *minutes], minutes, strict=False)
        ]
        if minutes
        else []
    )


@given(reports)
def test_raises_and_clears_alternate_and_each_transition_starts_where_the_last_ended(
    fallen: list[tuple[int, float]],
) -> None:
    state, transitions = judge_all(*in_order(fallen))
    before = NAR.VERDE
    for transition in transitions:
        assert transition.before == before != transition.after
        before = transition.after
    assert state.nar == before


@given(reports)
def test_a_second_copy_of_every_report_changes_nothing(fallen: list[tuple[int, float]]) -> None:
    once = in_order(fallen)
    assert judge_all(*(copy for reading in once for copy in (reading, reading))) == judge_all(*once)


@given(reports)
def test_the_state_is_bounded_and_is_decoded_as_it_was_encoded(fallen: list[tuple[int, float]]) -> None:
    state, _ = judge_all(*in_order(fallen))
    assert all(end_s > state.head_s - WINDOWS_S[-1] for end_s, _, _ in state.wet)
    assert msgspec.json.decode(msgspec.json.encode(state), type=RainfallState) == state


def test_reports_every_second_are_merged_by_the_minute() -> None:
    state, _ = judge_all(*(report(second / 60, 0.01, over_s=1) for second in range(1, 4 * 3600)))
    assert len(state.wet) <= 181
    assert rain_15_min_mm(state) == pytest.approx(9.0, abs=0.6)


def test_a_report_in_doubt_raises_and_does_not_become_the_newest() -> None:
    before, _ = judge_all(report(0, 0.0))
    state, raised = judge(RULE, before, report(120, 26.0, flags=Flag.CLOCK_DOUBT))
    assert raised is not None
    assert (raised.after, state.head_s) == (NAR.ROJO, before.head_s)
    dry = report(300, 0.0, flags=Flag.CLOCK_DOUBT)
    assert judge(RULE, state, dry) == (state, None)


def test_a_gauge_without_a_clock_is_judged_after_ours_came_back_from_the_future() -> None:
    ahead, _ = judge_all(report(600, 3.0, flags=Flag.SERVER_TIME))
    state, raised = judge(RULE, ahead, report(5, 26.0, flags=Flag.SERVER_TIME))
    assert raised is not None
    assert rain_15_min_mm(state) == 26.0
    assert judge(RULE, ahead, report(5, 26.0)) == (ahead, None)
