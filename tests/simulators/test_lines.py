"""The schematic lines: computed corners, complete trips, and blocks that a bus can make."""

from collections import Counter
from datetime import date, timedelta
from itertools import pairwise

import pytest

from models.geo import distance_m, point_at_distance
from models.network import Network
from simulators.lines import schematic_network
from simulators.lines.bus_lines import LINES
from simulators.lines.street_plan import corner_point, corners_between, to_latlon
from simulators.lines.timetable import MAX_LAYOVER_S, MIN_LAYOVER_S


@pytest.fixture(scope="module")
def lines() -> Network:
    return schematic_network()


@pytest.mark.parametrize(
    ("words", "latitude", "longitude"),
    [
        ("13 y 52", -34.92140, -57.95450),
        ("7 y 50", -34.91488, -57.94941),
        ("7 y 44", -34.91043, -57.95483),
        ("31 y 72", -34.95379, -57.95417),
        ("122 y 32", -34.88901, -57.95483),
    ],
)
def test_corners_lie_where_the_founding_plan_puts_them(words: str, latitude: float, longitude: float) -> None:
    assert to_latlon(corner_point(words)) == pytest.approx((latitude, longitude), abs=6e-6)


def test_a_street_stops_at_each_second_corner_in_the_order_it_is_driven() -> None:
    there = [one.name for one in corners_between(corner_point("7 y 44"), corner_point("7 y 52"))]
    assert there == ["7 y 44", "7 y 46", "7 y 48", "7 y 50", "7 y 52"]
    assert [one.name for one in corners_between(corner_point("7 y 52"), corner_point("7 y 44"))] == there[::-1]
    diagonal = [one.name for one in corners_between(corner_point("1 y 44"), corner_point("7 y 51"))]
    assert diagonal == ["Diag. 80 y 1", "Diag. 80 y 3", "Diag. 80 y 5", "Diag. 80 y 7"]
    with pytest.raises(ValueError, match="no street joins"):
        corners_between(corner_point("1 y 44"), corner_point("13 y 60"))


def test_every_line_of_the_city_runs_both_ways_along_its_streets(lines: Network) -> None:
    assert {route.short_name for route in lines.routes.values()} == {
        *("307", "214", "202", "273", "275", "506", "508", "518", "520", "561", "Norte", "Sur", "Este", "Oeste")
    }
    for route_id in lines.routes:
        directions = Counter(lines.patterns[index].direction_id for index in lines.patterns_by_route[route_id])
        assert directions[0] == directions[1] > 0, route_id
    for pattern in lines.patterns:
        assert pattern.stop_m[0] == 0
        assert pattern.stop_m[-1] == pytest.approx(pattern.shape.length_m, abs=0.5)
        assert all(100 < there - here < 520 for here, there in pairwise(pattern.stop_m)), pattern.shape.id
        for stop_id, at_m in zip(pattern.stop_ids, pattern.stop_m, strict=True):
            road = point_at_distance(pattern.shape.points, pattern.shape.along_m, at_m)
            assert distance_m(road, lines.stops[stop_id].point) < 12, (pattern.shape.id, stop_id)


def test_each_direction_has_its_own_pole_and_shared_trunks_share_them(lines: Network) -> None:
    at_7_y_50 = {stop.id for stop in lines.stops.values() if stop.name == "7 y 50"}
    assert "LP1912" in at_7_y_50
    assert len(at_7_y_50) == 2
    stopping = {lines.patterns[index].route_id for index, _ in lines.calls_by_stop["LP1912"]}
    assert {"307", "214", "202", "273", "oeste"} <= stopping
    assert len({stop.code for stop in lines.stops.values()}) == len(lines.stops)
    assert {stop.code[:2] for stop in lines.stops.values()} == {"LP", "BE", "EN"}


def test_some_lines_alone_have_the_same_stops_and_trips(lines: Network) -> None:
    some = schematic_network(["307", "Oeste"])
    assert set(some.routes) == {"307", "oeste"}
    assert some.stops.items() <= lines.stops.items()
    for trip in some.trips.values():
        twin = lines.trips[trip.id]
        assert (twin.start_s, twin.timing, twin.block_id) == (trip.start_s, trip.timing, trip.block_id)
        assert some.patterns[trip.pattern].stop_ids == lines.patterns[twin.pattern].stop_ids
    with pytest.raises(KeyError):
        schematic_network(["9999"])


def test_trips_take_whole_minutes_between_timepoints_and_never_go_back(lines: Network) -> None:
    for trip in lines.trips.values():
        times = trip.timing.arrivals_s
        assert times[0] == 0
        assert len(times) == len(lines.patterns[trip.pattern].stop_ids) == len(trip.timing.timepoint)
        assert all(here < there for here, there in pairwise(times)), trip.id
        assert all(at_s % 60 == 0 for at_s, exact in zip(times, trip.timing.timepoint, strict=True) if exact)
        assert trip.timing.timepoint[0]
        assert trip.timing.timepoint[-1]


def test_a_bus_can_work_its_block(lines: Network) -> None:
    for block_id, trips in lines.trips_by_block.items():
        for before, after in pairwise(trips):
            rest_s = after.start_s - before.start_s - before.duration_s
            assert MIN_LAYOVER_S <= rest_s <= MAX_LAYOVER_S, block_id
            left, begun = lines.patterns[before.pattern].stop_ids[-1], lines.patterns[after.pattern].stop_ids[0]
            assert distance_m(lines.stops[left].point, lines.stops[begun].point) < 100, block_id
            assert lines.patterns[before.pattern].route_id == lines.patterns[after.pattern].route_id


def test_evenings_are_long_nights_are_longer_and_one_line_promises_no_minutes(lines: Network) -> None:
    for line in LINES:
        (trips, *_) = [lines.trips_by_pattern[index] for index in lines.patterns_by_route[line.name.lower()]]
        worked = [trip for trip in trips if trip.service_id == "habil"]
        if line.by_headway:
            assert all(one.frequencies and not any(span.exact for span in one.frequencies) for one in worked)
            continue
        starts_h = [trip.start_s / 3600 for trip in worked]
        late = [(there - here) * 60 for here, there in pairwise(starts_h) if 21.5 <= here < 23]
        assert all(gap_min >= 40 for gap_min in late), line.name
        assert max(starts_h) > 24 or not line.branches[0].night


def test_holidays_are_served_as_sundays(lines: Network) -> None:
    def running(day: date) -> set[str]:
        return {service.id for service in lines.services.values() if service.runs_on(day)}

    assert running(date(2013, 4, 2)) == {"domingo"}
    assert running(date(2013, 4, 3)) == {"habil"}
    for back in range(400):
        assert len(running(date(2026, 12, 31) - timedelta(days=back))) == 1
