"""Until when a bus that gets nowhere is told."""

import pytest
from msgspec.structs import replace

from services.transit.model.prediction import MatchedPosition, Phase
from services.transit.travel_times.stalled_vehicles import (
    UNMOVED_VALID_S,
    WAITING_VALID_S,
    is_expired,
    is_parked,
    is_stalled,
)
from tests.transit_city import LOOP, MONDAY, OUT, at, network

CITY = network()
LINE = CITY.patterns[OUT]
JOURNEY = CITY.journey("10-0600", MONDAY)
assert JOURNEY is not None
START = JOURNEY.start_at


def place(
    after_s: float, along_m: float, paused_s: float, phase: Phase = Phase.IN_PROGRESS, probability: float = 1.0
) -> MatchedPosition:
    claim = ("10-0600", "20260302", 21_600, OUT)
    return MatchedPosition(phase, START + after_s, -34.92, -57.95, *claim, along_m, probability, no_progress_s=paused_s)


@pytest.mark.parametrize(
    ("after_s", "along_m", "paused_s", "gone"),
    [
        (400, 500, 470, False),
        (400, 500, 490, True),
        (-100, 100, 600, False),  # ahead of its plan by four minutes
        (-1_200, 1_500, 600, True),  # by twenty-five: it makes another journey
        (600, 0, 1_800, False),  # at its first stop
        (1_300, 0, 1_800, True),
        (900, 2_000, 600, False),  # at its last one, where it is done
    ],
)
def test_who_gets_nowhere_for_long_is_given_up_but_for_a_reason(
    after_s: float, along_m: float, paused_s: float, gone: bool
) -> None:
    assert JOURNEY is not None
    where = place(after_s, along_m, paused_s)
    assert is_stalled(JOURNEY, LINE, where, where.at) is gone


def test_where_only_a_headway_is_promised_nobody_is_ahead_of_a_plan() -> None:
    loop = CITY.journey("20", MONDAY, 21_600)
    assert loop is not None
    where = MatchedPosition(
        Phase.IN_PROGRESS, loop.start_at, -34.92, -57.95, *loop.key, LOOP, 600.0, 1.0, no_progress_s=600.0
    )
    assert is_stalled(loop, CITY.patterns[LOOP], where, where.at)


def test_who_stands_long_at_a_first_stop_waits_for_nothing_unless_it_is_known_for_what() -> None:
    assert is_parked(CITY, LINE, place(-600, 0, 490, Phase.LAYOVER, 0.5))
    assert not is_parked(CITY, LINE, place(-600, 0, 490, Phase.LAYOVER, 0.9))
    assert not is_parked(CITY, LINE, place(-600, 0, 470, Phase.LAYOVER, 0.5))
    assert not is_parked(CITY, LINE, place(400, 500, 490, probability=0.5))


def test_who_stands_long_some_streets_from_its_terminal_may_have_broken_down() -> None:
    waiting, done = place(-600, 0, 250, Phase.LAYOVER, 0.9), place(500, 2_000, 250, Phase.LAYOVER, 0.9)
    assert not is_parked(CITY, LINE, replace(waiting, latitude=at(0, 100)[0]))
    assert is_parked(CITY, LINE, replace(waiting, latitude=at(0, 300)[0]))
    assert not is_parked(CITY, LINE, replace(waiting, latitude=at(0, 300)[0], probability=0.99))
    assert is_parked(CITY, LINE, done)
    assert not is_parked(CITY, LINE, replace(done, latitude=at(1_200, 800)[0], longitude=at(1_200, 800)[1]))


def test_standing_and_then_silence_count_together() -> None:
    moving, standing = place(0, 500, 0), place(0, 500, 400)
    assert not is_expired(moving, moving.at + UNMOVED_VALID_S)
    assert is_expired(moving, moving.at + UNMOVED_VALID_S + 1)
    assert not is_expired(standing, standing.at + UNMOVED_VALID_S - 400)
    assert is_expired(standing, standing.at + UNMOVED_VALID_S - 399)


def test_who_waits_for_its_time_may_wait_long_but_must_be_heard() -> None:
    for waiting in (place(-900, 0, 1_800, Phase.LAYOVER), place(-100, 100, 600)):
        assert not is_expired(waiting, waiting.at + WAITING_VALID_S)
        assert is_expired(waiting, waiting.at + WAITING_VALID_S + 1)
