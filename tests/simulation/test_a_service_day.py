"""A seeded service day of three lines, followed by the pure chain: nothing stays told for ever, nothing is a ghost.

Trackers die, come back in late batches, say things twice and out of order, bear each other's names, are replaced; buses
break down, skip journeys, go round water. `make proof` runs every line of the city.
"""

from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, date, datetime
from statistics import mean
from typing import NamedTuple

import pytest

from models.network import Network
from services.transit.model.prediction import Basis, Phase
from simulators.buses.trackers import FaultRates
from simulators.lines import schematic_network
from tests.simulation.service_day import TICK_S, Day, Key, Told

DAWN = datetime(2013, 4, 3, 7, 0, tzinfo=UTC)
"""Four in the morning, local time, of a working day: no bus is out yet."""
HOURS = 24
SOME = ("307", "Oeste", "Este")
ODDS = FaultRates(dead=0.05, replaced=0.05, swapped=0.1)
"""More than the usual 2 %: of twenty buses some are to be struck."""
GHOST_S = 600.0
LINGER_S = 3_600.0
SCHEDULED_LINGER_S = 1_200.0
COMES_S = 5_400.0
LEAST_S, MOST_S = 60.0, 1_800.0
SOON_SHARE = 0.90
"""Of what was told to come within half an hour, at least so much did."""
MOST_MAE_S = 120.0
COVERED = (0.65, 0.90)


class Hit(NamedTuple):
    """An estimate of a vehicle, at one stop, and what came of it."""

    ahead_s: float
    error_s: float
    inside: bool


pytestmark = [pytest.mark.seeds(1, 2, 3), pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def day(seed: int) -> Day:
    """The day of three lines."""
    return followed(schematic_network(SOME), seed)


def followed(lines: Network, seed: int) -> Day:
    """A whole day of these lines."""
    day = Day(lines, seed, ODDS, DAWN, HOURS)
    try:
        day.run()
    except Exception as error:
        error.add_note(f"seed {seed}")
        raise
    return day


def test_what_is_told_ends_no_bus_is_a_ghost_and_most_comes_true(day: Day, seed: int) -> None:
    assert_most_comes_true(day, seed)


def test_journeys_that_no_bus_makes_are_taken_back(day: Day, seed: int) -> None:
    assert_taken_back(day, seed)


@pytest.mark.proof
@pytest.mark.seeds(1)
@pytest.mark.timeout(3600)
def test_the_same_holds_for_every_line_of_the_city(seed: int) -> None:
    day = followed(schematic_network(), seed)
    assert_most_comes_true(day, seed)
    assert_taken_back(day, seed)


def assert_most_comes_true(day: Day, seed: int) -> None:
    """What is told ends, no bus is a ghost, and most arrivals come as told."""
    assert day.reports > 20_000
    lingering = [one for one in lasting(day) if one[0] > one[1]]
    assert not lingering, f"seed {seed}: told long after it was to be over: {lingering[:5]}"
    ghosts = [one for one in absences(day) if one[0] > GHOST_S]
    assert not ghosts, f"seed {seed}: ghosts: {ghosts[:5]}"
    assert not left_over(day), f"seed {seed}: still told when all buses are home: {left_over(day)[:5]}"
    all_hits = list(hits(day))
    seen = [one for one in all_hits if one.ahead_s <= MOST_S]
    assert len(seen) > SOON_SHARE * len(all_hits), f"seed {seed}: {len(all_hits) - len(seen)} came much later than told"
    mae_s, covered = mean(abs(one.error_s) for one in seen), mean(one.inside for one in seen)
    print(f"\nseed {seed}: {day.reports:,} reports, {len(seen):,} estimates, MAE {mae_s:.0f} s, P10-P90 {covered:.1%}")
    print(f"  {len(all_hits) - len(seen):,} came later than in half an hour")
    for least, most in ((0, 180), (180, 360), (360, 600), (600, 900), (900, 1800)):
        some = [one for one in seen if least <= one.ahead_s < most]
        errors = [abs(one.error_s) for one in some]
        print(f"  {least // 60:2d}-{most // 60:2d} min: {mean(errors):4.0f} s, {mean(one.inside for one in some):.1%}")
    assert mae_s < MOST_MAE_S, f"seed {seed}"
    assert COVERED[0] < covered < COVERED[1], f"seed {seed}"


def lasting(day: Day) -> Iterator[tuple[float, float, str]]:
    """For each journey told on end, by a vehicle or without one: how long after its first P90, s, and the bound."""
    first: dict[tuple[Key, str], Told] = {}
    last: dict[tuple[Key, str], float] = {}
    for one in day.told:
        whose = (one.key, one.outlook.vehicle if one.outlook else "")
        if one.at - last.get(whose, 0.0) > TICK_S:
            first[whose] = one
        last[whose] = one.at
        yield one.at - first[whose].coming.p90[-1], LINGER_S if whose[1] else SCHEDULED_LINGER_S, f"{whose}"


def absences(day: Day) -> Iterator[tuple[float, str]]:
    """For how long on end each vehicle was told to come to a stop next that its bus does not come to.

    A tracker stuck where its bus waited to leave looks like a bus that waits to leave: nobody can tell.
    """
    comes: dict[tuple[str, str], list[tuple[float, float]]] = defaultdict(list)
    for bus, passings in day.truth.passings.items():
        for one in passings:
            stop_id = day.network.patterns[one.journey.trip.pattern].stop_ids[one.position]
            comes[bus, stop_id].append((one.arrived_at, one.departed_at))
    since: dict[str, float] = {}
    latest: dict[str, float] = {}
    for told in day.told:
        if told.turn or told.outlook is None or told.stuck:
            continue
        vehicle = told.outlook.vehicle
        stop_id = day.network.patterns[told.coming.pattern].stop_ids[told.coming.first_position]
        times = comes[told.bus, stop_id]
        if any(left_at >= told.at - TICK_S and at <= told.at + COMES_S for at, left_at in times):
            since.pop(vehicle, None)
            continue
        if told.at - latest.get(vehicle, 0.0) > TICK_S:
            since.pop(vehicle, None)
        latest[vehicle] = told.at
        begun = since.setdefault(vehicle, told.at)
        yield told.at - begun, f"{vehicle} {told.key} {told.outlook.matched_position.phase} at {told.at:.0f}"


def left_over(day: Day) -> list[str]:
    """What vehicles are told to do at the end of the day, when no bus is out."""
    ended = max(one.at for one in day.told)
    return [f"{one.key}" for one in day.told if one.at == ended and one.outlook is not None]


def hits(day: Day) -> Iterator[Hit]:
    """Each minute, every estimate of a vehicle from one to thirty minutes ahead that its bus came to fulfil."""
    arrivals: dict[tuple[str, str, str], list[float]] = defaultdict(list)
    for bus, passings in day.truth.passings.items():
        for one in passings:
            pattern = day.network.patterns[one.journey.trip.pattern]
            insort(arrivals[bus, pattern.route_id, pattern.stop_ids[one.position]], one.arrived_at)
    for told in day.told:
        if told.turn or told.coming.basis not in (Basis.LIVE, Basis.RECENT):
            continue
        pattern = day.network.patterns[told.coming.pattern]
        for index, p50 in enumerate(told.coming.p50):
            stop_id = pattern.stop_ids[told.coming.first_position + index]
            if not LEAST_S < p50 - told.at < MOST_S:
                continue
            times = arrivals[told.bus, pattern.route_id, stop_id]
            coming = bisect_left(times, told.at)
            if coming < len(times) and times[coming] <= told.at + COMES_S:
                came_at = times[coming]
                inside = told.coming.p10[index] <= came_at <= told.coming.p90[index]
                yield Hit(came_at - told.at, came_at - p50, inside)


def assert_taken_back(day: Day, seed: int) -> None:
    """Of the journeys left out, none is told ten minutes after it was to begin, but by a bus that does come."""
    told_late = []
    for one in day.told:
        missed = day.truth.missed.get(one.key, [])
        if one.outlook is not None or one.key in day.truth.made or not any(gone.first == 0 for gone in missed):
            continue
        if one.at > max(missed[0].known_at, missed[0].journey.start_at) + GHOST_S + TICK_S:
            told_late.append((one.key, one.coming.basis))
    left_out = {key for key, gone in day.truth.missed.items() if any(one.reason == "not_run" for one in gone)}
    assert left_out, f"seed {seed}: every journey was made"
    assert not told_late, f"seed {seed}: {told_late[:5]}"


def test_the_day_had_everything_that_goes_wrong(day: Day, seed: int) -> None:
    reasons = {gone.reason for missed in day.truth.missed.values() for gone in missed}
    assert {"not_run", "detour"} <= reasons, f"seed {seed}"
    phases = {one.outlook.matched_position.phase for one in day.told if one.outlook is not None}
    assert {Phase.IN_PROGRESS, Phase.LAYOVER} <= phases, f"seed {seed}"
    assert {one.coming.basis for one in day.told} >= {Basis.RECENT, Basis.SCHEDULE, Basis.NOT_REPORTING}
    service_days = {one.key[1] for one in day.told}
    assert f"{date(2013, 4, 3):%Y%m%d}" in service_days
