"""How long predictions for a stalled or silent vehicle stay published."""

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


def matched_position(
    after_s: float, along_m: float, paused_s: float, phase: Phase = Phase.IN_PROGRESS, probability: float = 1.0
) -> MatchedPosition:
    claim = ("10-0600", "20260302", 21_600, OUT)
    return MatchedPosition(phase, START + after_s, -34.92, -57.95, *claim, along_m, probability, no_progress_s=paused_s)


@pytest.mark.parametrize(
    ("after_s", "along_m", "paused_s", "stalled"),
    [
        (400, 500, 470, False),
        (400, 500, 490, True),
        (-100, 100, 600, False),  # ahead of its plan by four minutes
        (-1_200, 1_500, 600, True),  # by twenty-five minutes: it makes another journey
        (600, 0, 1_800, False),  # at its first stop
        (1_300, 0, 1_800, True),
        (900, 2_000, 600, False),  # at its last one, where its trip ends
    ],
)
def test_a_bus_without_progress_is_stalled_unless_it_waits_for_its_time(
    after_s: float, along_m: float, paused_s: float, stalled: bool
) -> None:
    assert JOURNEY is not None
    matched = matched_position(after_s, along_m, paused_s)
    assert is_stalled(JOURNEY, LINE, matched, matched.at) is stalled


def test_where_only_a_headway_is_promised_no_bus_waits_for_its_time() -> None:
    loop = CITY.journey("20", MONDAY, 21_600)
    assert loop is not None
    matched = MatchedPosition(
        Phase.IN_PROGRESS, loop.start_at, -34.92, -57.95, *loop.key, LOOP, 600.0, 1.0, no_progress_s=600.0
    )
    assert is_stalled(loop, CITY.patterns[LOOP], matched, matched.at)


def test_a_bus_long_at_its_first_stop_is_parked_unless_its_next_trip_is_probable() -> None:
    assert is_parked(CITY, LINE, matched_position(-600, 0, 490, Phase.LAYOVER, 0.5))
    assert not is_parked(CITY, LINE, matched_position(-600, 0, 490, Phase.LAYOVER, 0.9))
    assert not is_parked(CITY, LINE, matched_position(-600, 0, 470, Phase.LAYOVER, 0.5))
    assert not is_parked(CITY, LINE, matched_position(400, 500, 490, probability=0.5))


def test_a_bus_long_away_from_its_terminal_is_parked_unless_it_reports_its_trip() -> None:
    waiting, done = (
        matched_position(-600, 0, 250, Phase.LAYOVER, 0.9),
        matched_position(500, 2_000, 250, Phase.LAYOVER, 0.9),
    )
    assert not is_parked(CITY, LINE, replace(waiting, latitude=at(0, 100)[0]))
    assert is_parked(CITY, LINE, replace(waiting, latitude=at(0, 300)[0]))
    assert not is_parked(CITY, LINE, replace(waiting, latitude=at(0, 300)[0], probability=0.99))
    assert is_parked(CITY, LINE, done)
    assert not is_parked(CITY, LINE, replace(done, latitude=at(1_200, 800)[0], longitude=at(1_200, 800)[1]))


def test_time_without_progress_and_silence_add_up() -> None:
    moving, standing = matched_position(0, 500, 0), matched_position(0, 500, 400)
    assert not is_expired(moving, moving.at + UNMOVED_VALID_S)
    assert is_expired(moving, moving.at + UNMOVED_VALID_S + 1)
    assert not is_expired(standing, standing.at + UNMOVED_VALID_S - 400)
    assert is_expired(standing, standing.at + UNMOVED_VALID_S - 399)


def test_a_bus_may_wait_long_for_its_time_but_must_report() -> None:
    for waiting in (matched_position(-900, 0, 1_800, Phase.LAYOVER), matched_position(-100, 100, 600)):
        assert not is_expired(waiting, waiting.at + WAITING_VALID_S)
        assert is_expired(waiting, waiting.at + WAITING_VALID_S + 1)
