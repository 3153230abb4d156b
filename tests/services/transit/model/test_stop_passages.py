"""From positions to the stops passed."""

from services.transit.model.stop_passages import (
    StopPassage,
    add_traversal,
    advance_progress,
    link_traversal,
    start_progress,
)
from tests.transit_city import LOOP, MONDAY, OUT, network

CITY = network()
LINE = CITY.patterns[OUT]
JOURNEY = CITY.journey("10-0600", MONDAY)
assert JOURNEY is not None
START = JOURNEY.start_at


def follow(*positions: tuple[float, float]) -> list[tuple[int, int]]:
    """Stops crossed between positions (seconds after the start, metres along), with their seconds."""
    assert JOURNEY is not None
    track, crossed = start_progress(JOURNEY.key, LINE, START + positions[0][0], positions[0][1]), []
    for after_s, along_m in positions[1:]:
        track, crossings = advance_progress(track, LINE, START + after_s, along_m)
        crossed += [(one.position, round(one.at - START)) for one in crossings]
    return crossed


def test_a_stop_is_passed_where_the_line_between_two_positions_crosses_it() -> None:
    assert follow((0, 300), (40, 500)) == [(1, 20)]


def test_a_bus_leaves_its_first_stop_when_it_is_well_away_from_it() -> None:
    assert follow((0, 0), (30, 10), (90, 90)) == [(0, 45)]


def test_what_was_passed_before_a_bus_was_first_seen_is_not_made_up() -> None:
    assert [position for position, _ in follow((0, 900), (60, 1300))] == [3]


def test_between_positions_far_apart_in_time_nothing_is_interpolated() -> None:
    assert follow((0, 300), (600, 500), (640, 900)) == [(2, 630)]


def test_a_position_further_back_moves_nothing() -> None:
    assert [position for position, _ in follow((0, 300), (40, 500), (50, 350), (90, 900))] == [1, 2]


def test_a_link_knows_what_it_took_and_how_early_the_bus_was() -> None:
    assert JOURNEY is not None
    one = link_traversal(JOURNEY, LINE, "bus", StopPassage(1, START + 60), StopPassage(2, START + 160), 0.1)
    assert one is not None
    assert (one.link_id, one.travel_time_s, one.scheduled_s, one.early_s, one.slowness) == (
        "T2>T3",
        100.0,
        75.0,
        15.0,
        0.1,
    )
    assert link_traversal(JOURNEY, LINE, "bus", StopPassage(1, START), StopPassage(3, START + 160), 0.0) is None
    assert link_traversal(JOURNEY, LINE, "bus", StopPassage(1, START), StopPassage(2, START), 0.0) is None


def test_where_only_a_headway_is_promised_nobody_is_early() -> None:
    journey = CITY.journey("20", MONDAY, 6 * 3600 + 600)
    assert journey is not None
    one = link_traversal(journey, CITY.patterns[LOOP], "bus", StopPassage(1, START), StopPassage(2, START + 100), 0.0)
    assert one is not None
    assert one.early_s == 0.0


def test_a_slow_bus_is_known_as_slow_and_forgiven_in_time() -> None:
    assert JOURNEY is not None
    track = start_progress(JOURNEY.key, LINE, START, 0.0)
    slow = add_traversal(add_traversal(track, 80.0, 120.0), 80.0, 120.0)
    assert 0.1 < slow.slowness < 0.5
    assert add_traversal(add_traversal(slow, 80.0, 80.0), 80.0, 80.0).slowness < slow.slowness
