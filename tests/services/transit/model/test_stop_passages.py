"""Stop passages and link traversals from successive positions."""

import msgspec

from services.transit.model.stop_passages import (
    StopPassage,
    add_traversal,
    advance_progress,
    link_traversal,
    start_progress,
)
from tests.transit_city import LOOP, MONDAY, OUT, network

CITY = network()
PATTERN = CITY.patterns[OUT]
JOURNEY = CITY.journey("10-0600", MONDAY)
assert JOURNEY is not None
START = JOURNEY.start_at


def follow(*reports: tuple[float, float]) -> list[tuple[int, int]]:
    """Stops passed between positions, as (position in the pattern, seconds after the start).

    `reports`: (seconds after the start, metres along the shape).
    """
    assert JOURNEY is not None
    progress, passed = start_progress(JOURNEY.key, PATTERN, START + reports[0][0], reports[0][1]), []
    for after_s, distance_m in reports[1:]:
        progress, passages = advance_progress(progress, PATTERN, START + after_s, distance_m)
        passed += [(passage.position, round(passage.at - START)) for passage in passages]
    return passed


def test_a_stop_is_passed_where_the_line_between_two_positions_crosses_it() -> None:
    assert follow((0, 300), (40, 500)) == [(1, 20)]


def test_a_bus_leaves_its_first_stop_when_it_is_well_away_from_it() -> None:
    assert follow((0, 0), (30, 10), (90, 90)) == [(0, 45)]


def test_stops_behind_the_first_report_are_not_passed() -> None:
    assert [position for position, _ in follow((0, 900), (60, 1300))] == [3]


def test_between_positions_far_apart_in_time_nothing_is_interpolated() -> None:
    assert follow((0, 300), (600, 500), (640, 900)) == [(2, 630)]


def test_a_position_further_back_moves_nothing() -> None:
    assert [position for position, _ in follow((0, 300), (40, 500), (50, 350), (90, 900))] == [1, 2]


def test_a_link_traversal_has_travel_time_and_earliness() -> None:
    assert JOURNEY is not None
    traversal = link_traversal(JOURNEY, PATTERN, "bus", StopPassage(1, START + 60), StopPassage(2, START + 160), 0.1)
    assert traversal is not None
    assert (
        traversal.link_id,
        traversal.travel_time_s,
        traversal.scheduled_s,
        traversal.early_s,
        traversal.slowness,
    ) == (
        "T2>T3",
        100.0,
        75.0,
        15.0,
        0.1,
    )
    assert link_traversal(JOURNEY, PATTERN, "bus", StopPassage(1, START), StopPassage(3, START + 160), 0.0) is None
    assert link_traversal(JOURNEY, PATTERN, "bus", StopPassage(1, START), StopPassage(2, START), 0.0) is None


def test_where_only_a_headway_is_promised_no_bus_is_early() -> None:
    journey = CITY.journey("20", MONDAY, 6 * 3600 + 600)
    assert journey is not None
    traversal = link_traversal(
        journey, CITY.patterns[LOOP], "bus", StopPassage(1, START), StopPassage(2, START + 100), 0.0
    )
    assert traversal is not None
    assert traversal.early_s == 0.0


def test_slowness_grows_with_excess_travel_time_and_fades() -> None:
    assert JOURNEY is not None
    progress = start_progress(JOURNEY.key, PATTERN, START, 0.0)
    slow = add_traversal(add_traversal(progress, 80.0, 120.0), 80.0, 120.0)
    assert 0.1 < slow.slowness < 0.5
    assert add_traversal(add_traversal(slow, 80.0, 80.0), 80.0, 80.0).slowness < slow.slowness


def test_stored_progress_keeps_its_field_names() -> None:
    stored = msgspec.json.decode(msgspec.json.encode(start_progress(("10", "20260302", 0), PATTERN, START, 0.0)))
    assert list(stored) == ["key", "at", "distance_m", "next", "last", "expected_s", "over_s", "paces"]
