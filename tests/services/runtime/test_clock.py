"""Simulated and real clocks, and the periodic timer."""

from datetime import UTC, datetime, timedelta
from time import sleep

import pytest

from services.runtime.clock import LEAST_STEP_S, ClockSteps, FasterClock, PeriodicTimer, parse_clock, wall_clock
from services.runtime.settings import SettingsError
from tests.waiting import LIMIT_S

START = datetime(2013, 4, 2, 18, 30, tzinfo=UTC)


def test_a_faster_clock_runs_from_its_start_at_its_factor() -> None:
    real = wall_clock() - timedelta(seconds=10)
    now = FasterClock(START, 60, real)()
    assert timedelta(minutes=10) <= now - START <= 60 * (wall_clock() - real)


def test_several_processes_share_one_simulated_time() -> None:
    clock = parse_clock("2013-04-02T15:30:00-03:00@60")
    assert clock.simulated == START
    other = parse_clock(str(clock))
    assert other == clock
    assert abs(other() - clock()) < timedelta(seconds=30)


@pytest.mark.parametrize(
    "setting",
    ["", "soon", "2013-04-02@fast", "2013-04-02T15:30:00-03:00@0", "2013-04-02T15:30:00-03:00@4000", "@", "1@2@3"],
)
def test_a_wrong_clock_is_explained(setting: str) -> None:
    with pytest.raises(SettingsError, match="VIGIA_CLOCK"):
        parse_clock(setting)


def test_the_real_time_has_its_zone() -> None:
    assert wall_clock().tzinfo is UTC


def test_a_task_is_due_at_once_and_then_once_a_period() -> None:
    timer = PeriodicTimer(3_600)
    assert (timer.due(), timer.due()) == (True, False)
    timer.postpone(0.0)
    assert (timer.due(), timer.due()) == (True, False)


def test_a_timer_knows_how_long_it_is_overdue_and_can_be_postponed() -> None:
    timer = PeriodicTimer(0.01)
    assert timer.overdue_s > 1e9
    assert timer.due()
    sleep(0.1)
    assert 0.08 < timer.overdue_s < LIMIT_S
    timer.postpone(60)
    assert not timer.due()


def test_a_step_of_the_clock_is_told_once_and_whatever_elapses_is_none() -> None:
    moment = {"elapsed": 5.0, "error": 0.0}
    steps = ClockSteps(
        lambda: START + timedelta(seconds=moment["elapsed"] + moment["error"]), lambda: moment["elapsed"]
    )
    moment["elapsed"] += 86_400
    assert steps.step_s() == 0.0
    for error, step in ((7200.0, 7200.0), (7200.0, 0.0), (7203.0, 0.0), (7200 + LEAST_STEP_S, LEAST_STEP_S)):
        moment["error"] = error
        assert steps.step_s() == pytest.approx(step)
    moment["error"] = 0.0
    assert steps.step_s() == pytest.approx(-7205.0)


def test_the_real_clock_is_watched_and_a_simulated_one_is_moved_on_purpose() -> None:
    assert ClockSteps.of(wall_clock).step_s() == 0.0
    moment = [START]
    steps = ClockSteps.of(lambda: moment[0])
    moment[0] += timedelta(days=1)
    assert steps.step_s() == 0.0
