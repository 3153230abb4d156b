"""Simulated buses keep to their line, lay over, fall behind, bunch and make detours, and the log has all of it."""

from collections import Counter, defaultdict
from datetime import UTC, date, datetime
from itertools import pairwise
from statistics import mean, median

import pytest

from models.geo import Point, distance_m, point_at_distance
from models.network import Network
from simulators.buses.bus import BusActivity, MissedStops, StopVisit
from simulators.buses.ground_truth import COLUMNS, ground_truth_rows
from simulators.buses.operations import BusOperations
from simulators.buses.street_speeds import StreetConditions
from simulators.buses.vehicle_blocks import vehicle_blocks
from simulators.lines import schematic_network
from simulators.lines.street_plan import corner_point, to_latlon

DAWN = datetime(2013, 4, 3, 7, 0, tzinfo=UTC)
"""Four in the morning, local time, of a working day."""
MIDNIGHT = datetime(2013, 4, 4, 6, 30, tzinfo=UTC)
SOME = ("307", "273", "Oeste")

Event = StopVisit | MissedStops


@pytest.fixture(scope="module")
def lines() -> Network:
    return schematic_network(SOME)


def day(lines: Network, seed: int = 1, conditions: StreetConditions | None = None) -> list[Event]:
    """All that happens from dawn to the last bus."""
    told: list[Event] = []
    buses = BusOperations(lines, seed, DAWN, conditions or StreetConditions(), told.append)
    buses.advance(MIDNIGHT.timestamp())
    return told


@pytest.fixture(scope="module")
def told(lines: Network) -> list[Event]:
    return day(lines)


def passings(told: list[Event]) -> dict[tuple[str, str, int], list[StopVisit]]:
    """By journey, in the order of its stops."""
    found: dict[tuple[str, str, int], list[StopVisit]] = defaultdict(list)
    for one in told:
        if isinstance(one, StopVisit):
            found[one.journey.key].append(one)
    return found


def test_every_stop_of_every_planned_journey_is_either_passed_or_known_to_be_missed(
    lines: Network, told: list[Event]
) -> None:
    accounted: Counter[tuple[tuple[str, str, int], int]] = Counter()
    for one in told:
        positions = [one.position] if isinstance(one, StopVisit) else range(one.first, one.last + 1)
        accounted.update((one.journey.key, position) for position in positions)
    planned = [journey for block in vehicle_blocks(lines, date(2013, 4, 3)) for journey in block.journeys]
    assert len(planned) > 400
    for journey in planned:
        for position in range(len(lines.patterns[journey.trip.pattern].stop_ids)):
            assert accounted.pop((journey.key, position)) == 1, (journey.key, position)
    assert not accounted


def test_a_bus_goes_from_stop_to_stop_in_order_and_makes_one_journey_at_a_time(told: list[Event]) -> None:
    for made in passings(told).values():
        assert [one.position for one in made] == sorted({one.position for one in made})
        assert all(here.departed_at < there.arrived_at for here, there in pairwise(made))
        assert len({one.vehicle for one in made}) == 1
    working: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for made in passings(told).values():
        working[made[0].vehicle].append((made[0].arrived_at, made[-1].departed_at))
    for spans in working.values():
        assert all(here[1] <= there[0] for here, there in pairwise(sorted(spans)))


def test_a_bus_can_be_asked_where_it_is_at_any_instant(lines: Network) -> None:
    told: list[Event] = []
    buses = BusOperations(lines, 1, datetime(2013, 4, 3, 12, 0, tzinfo=UTC), StreetConditions(), told.append)
    at = buses.now
    seen: Counter[BusActivity] = Counter()
    for _ in range(120):
        at += 30
        buses.advance(at + 60)
        for bus in buses.fleet.values():
            leg, before = bus.leg_at(at), bus.leg_at(at - 1)
            seen[leg.activity] += 1
            assert leg.starts_at <= at <= leg.ends_at
            assert distance_m(leg.point_at(at), before.point_at(at - 1)) < 20, bus.vehicle
            if leg.activity is BusActivity.IN_PROGRESS:
                assert leg.journey is not None
    assert set(seen) >= {BusActivity.IN_PROGRESS, BusActivity.LAYOVER, BusActivity.DEADHEAD, BusActivity.AT_BASE}


def test_the_log_agrees_with_where_the_bus_was(lines: Network) -> None:
    told: list[Event] = []
    buses = BusOperations(lines, 1, datetime(2013, 4, 3, 12, 0, tzinfo=UTC), StreetConditions(), told.append)
    told.clear()
    checked = 0
    for minute in range(60):
        buses.advance(buses.now + 60)
        for one in told:
            pattern = lines.patterns[one.journey.trip.pattern]
            if isinstance(one, StopVisit) and one.position and minute:
                where = buses.fleet[one.vehicle].leg_at(one.arrived_at).point_at(one.arrived_at)
                stop = point_at_distance(pattern.shape.points, pattern.shape.along_m, pattern.stop_m[one.position])
                assert distance_m(where, stop) < 1.0
                checked += 1
        told.clear()
    assert checked > 300


def test_peaks_are_slower_than_the_plan_and_headways_uneven(lines: Network, told: list[Event]) -> None:
    late_s: dict[bool, list[float]] = defaultdict(list)
    at_7_y_50: list[float] = []
    for made in passings(told).values():
        end = made[-1]
        pattern = lines.patterns[end.journey.trip.pattern]
        if not end.journey.frequency_based and end.position == len(pattern.stop_ids) - 1:
            late_s[18 * 3600 <= end.journey.start_s < 20 * 3600].append(
                end.arrived_at - end.journey.arrival_at(end.position)
            )
        at_7_y_50 += [
            one.arrived_at for one in made if pattern.route_id == "307" and pattern.stop_ids[one.position] == "LP1912"
        ]
    assert -120 < median(late_s[False]) < 420
    assert max(late_s[True]) > 480
    gaps_s = [there - here for here, there in pairwise(sorted(at_7_y_50))]
    assert min(gaps_s) < 120, "no two buses in a row: nothing bunches"
    assert max(gaps_s) > 2.5 * mean(gaps_s)


def test_the_same_seed_gives_the_same_day_and_another_seed_another(lines: Network, told: list[Event]) -> None:
    assert day(lines) == told
    assert day(lines, seed=2) != told


def test_water_turns_buses_aside_and_they_miss_the_stops_in_it(lines: Network) -> None:
    place: Point = to_latlon(corner_point("7 y 520"))
    end: Point = to_latlon(corner_point("7 y 514"))
    aside = [one for one in day(lines, conditions=StreetConditions(flooded=(place,))) if isinstance(one, MissedStops)]
    detours = [one for one in aside if one.reason == "detour"]
    assert detours
    for one in detours:
        pattern = lines.patterns[one.journey.trip.pattern]
        for position in range(one.first, one.last + 1):
            assert distance_m(lines.stops[pattern.stop_ids[position]].point, place) < 900
    turned = [one for one in day(lines, conditions=StreetConditions(flooded=(end,))) if isinstance(one, MissedStops)]
    assert any(one.reason == "flooded" for one in turned)


def test_rain_slows_everyone(lines: Network, told: list[Event]) -> None:
    def duration_s(events: list[Event]) -> float:
        return mean(made[-1].arrived_at - made[0].departed_at for made in passings(events).values() if len(made) > 30)

    assert duration_s(day(lines, conditions=StreetConditions(rain_mm=1.5))) > 1.2 * duration_s(told)


def test_the_truth_can_be_written_down(lines: Network, told: list[Event]) -> None:
    events = Counter(str(row[-1]) for one in told for row in ground_truth_rows(lines, one))
    assert events["served"] > events["passed"] > 0
    assert events["not_run"] > 0
    assert all(len(row) == len(COLUMNS) for row in ground_truth_rows(lines, told[0]))
