"""Simulated service days of three lines: every prediction ends, no predicted bus is a ghost, and most predictions hold.

Trackers fail, return with late batches, send messages twice and out of order, get the names of others, are replaced.
Buses break down, skip journeys and make detours around water. `make proof` runs every line of the city.
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
from tests.simulation.service_day import TICK_S, Day, Key, PublishedPrediction

DAWN = datetime(2013, 4, 3, 7, 0, tzinfo=UTC)
"""Four in the morning, local time, of a working day: no bus is on its way yet."""
HOURS = 24
LINES = ("307", "Oeste", "Este")
FAULT_RATES = FaultRates(dead=0.05, replaced=0.05, swapped=0.1)
"""More than the usual 2 %, so that some of twenty buses have a fault."""
MAX_GHOST_S = 600.0
MAX_AFTER_P90_S = 3_600.0
MAX_AFTER_P90_UNASSIGNED_S = 1_200.0
MAX_WAIT_S = 5_400.0
MIN_HORIZON_S, MAX_HORIZON_S = 60.0, 1_800.0
MIN_ON_TIME_SHARE = 0.90
"""Least share of the arrivals predicted within half an hour that came within half an hour."""
MAX_MAE_S = 120.0
COVERAGE = (0.65, 0.90)


class Score(NamedTuple):
    """Error of one prediction of a vehicle at one stop. `horizon_s`: time until the actual arrival."""

    horizon_s: float
    error_s: float
    inside: bool


pytestmark = [pytest.mark.seeds(1, proof=(2, 3)), pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def day(seed: int) -> Day:
    """The day of three lines."""
    return followed_day(schematic_network(LINES), seed)


def followed_day(lines: Network, seed: int) -> Day:
    """A whole day of these lines."""
    day = Day(lines, seed, FAULT_RATES, DAWN, HOURS)
    try:
        day.run()
    except Exception as error:
        error.add_note(f"seed {seed}")
        raise
    return day


def test_predictions_end_no_bus_is_a_ghost_and_most_predictions_hold(day: Day, seed: int) -> None:
    assert_most_predictions_hold(day, seed)


def test_journeys_without_a_bus_are_withdrawn(day: Day, seed: int) -> None:
    assert_left_out_journeys_are_withdrawn(day, seed)


@pytest.mark.proof
@pytest.mark.seeds(1)
@pytest.mark.timeout(3600)
def test_the_same_holds_for_every_line_of_the_city(seed: int) -> None:
    day = followed_day(schematic_network(), seed)
    assert_most_predictions_hold(day, seed)
    assert_left_out_journeys_are_withdrawn(day, seed)


def assert_most_predictions_hold(day: Day, seed: int) -> None:
    """Assert that predictions end, that no predicted bus is a ghost, and that most predictions hold."""
    assert day.reports > 20_000
    lingering = [one for one in durations(day) if one[0] > one[1]]
    assert not lingering, f"seed {seed}: predicted long after its end: {lingering[:5]}"
    ghosts = [one for one in ghost_durations(day) if one[0] > MAX_GHOST_S]
    assert not ghosts, f"seed {seed}: ghosts: {ghosts[:5]}"
    assert not journeys_at_the_end(day), (
        f"seed {seed}: still predicted when all buses are home: {journeys_at_the_end(day)[:5]}"
    )
    all_scores = list(scores(day))
    seen = [one for one in all_scores if one.horizon_s <= MAX_HORIZON_S]
    assert len(seen) > MIN_ON_TIME_SHARE * len(all_scores), (
        f"seed {seed}: {len(all_scores) - len(seen)} came much later than predicted"
    )
    mae_s, covered = mean(abs(one.error_s) for one in seen), mean(one.inside for one in seen)
    print(
        f"\nseed {seed}: {day.reports:,} reports, {len(seen):,} predictions, MAE {mae_s:.0f} s, P10-P90 {covered:.1%}"
    )
    print(f"  {len(all_scores) - len(seen):,} came later than within half an hour")
    for least, most in ((0, 180), (180, 360), (360, 600), (600, 900), (900, 1800)):
        some = [one for one in seen if least <= one.horizon_s < most]
        errors = [abs(one.error_s) for one in some]
        print(f"  {least // 60:2d}-{most // 60:2d} min: {mean(errors):4.0f} s, {mean(one.inside for one in some):.1%}")
    assert mae_s < MAX_MAE_S, f"seed {seed}"
    assert COVERAGE[0] < covered < COVERAGE[1], f"seed {seed}"


def durations(day: Day) -> Iterator[tuple[float, float, str]]:
    """For each journey published without a break, with one vehicle or none: seconds since the P90 of its last stop as
    first published, the bound of them, and its name.
    """
    first: dict[tuple[Key, str], PublishedPrediction] = {}
    last: dict[tuple[Key, str], float] = {}
    for one in day.published:
        key_and_vehicle = (one.key, one.vehicle.vehicle if one.vehicle else "")
        if one.at - last.get(key_and_vehicle, 0.0) > TICK_S:
            first[key_and_vehicle] = one
        last[key_and_vehicle] = one.at
        yield (
            one.at - first[key_and_vehicle].trip.p90[-1],
            MAX_AFTER_P90_S if key_and_vehicle[1] else MAX_AFTER_P90_UNASSIGNED_S,
            f"{key_and_vehicle}",
        )


def ghost_durations(day: Day) -> Iterator[tuple[float, str]]:
    """For each vehicle: how long, seconds, its next stop was predicted without a break though its bus does not come.

    A tracker stuck where its bus waited to leave is left out: it looks like a bus that waits to leave.
    """
    comes: dict[tuple[str, str], list[tuple[float, float]]] = defaultdict(list)
    for bus, visits in day.truth.visits_by_bus.items():
        for one in visits:
            stop_id = day.network.patterns[one.journey.trip.pattern].stop_ids[one.position]
            comes[bus, stop_id].append((one.arrived_at, one.departed_at))
    since: dict[str, float] = {}
    latest: dict[str, float] = {}
    for published in day.published:
        if published.trips_ahead or published.vehicle is None or published.stuck:
            continue
        vehicle = published.vehicle.vehicle
        stop_id = day.network.patterns[published.trip.pattern].stop_ids[published.trip.first_position]
        times = comes[published.bus, stop_id]
        if any(left_at >= published.at - TICK_S and at <= published.at + MAX_WAIT_S for at, left_at in times):
            since.pop(vehicle, None)
            continue
        if published.at - latest.get(vehicle, 0.0) > TICK_S:
            since.pop(vehicle, None)
        latest[vehicle] = published.at
        begun = since.setdefault(vehicle, published.at)
        yield (
            published.at - begun,
            f"{vehicle} {published.key} {published.vehicle.matched_position.phase} at {published.at:.0f}",
        )


def journeys_at_the_end(day: Day) -> list[str]:
    """Journeys predicted for a vehicle at the end of the day, when no bus is on its way."""
    ended = max(one.at for one in day.published)
    return [f"{one.key}" for one in day.published if one.at == ended and one.vehicle is not None]


def scores(day: Day) -> Iterator[Score]:
    """Score every prediction of a vehicle, each minute, one to thirty minutes ahead, if its bus came to the stop."""
    arrivals: dict[tuple[str, str, str], list[float]] = defaultdict(list)
    for bus, visits in day.truth.visits_by_bus.items():
        for one in visits:
            pattern = day.network.patterns[one.journey.trip.pattern]
            insort(arrivals[bus, pattern.route_id, pattern.stop_ids[one.position]], one.arrived_at)
    for published in day.published:
        if published.trips_ahead or published.trip.basis not in (Basis.LIVE, Basis.RECENT):
            continue
        pattern = day.network.patterns[published.trip.pattern]
        for index, p50 in enumerate(published.trip.p50):
            stop_id = pattern.stop_ids[published.trip.first_position + index]
            if not MIN_HORIZON_S < p50 - published.at < MAX_HORIZON_S:
                continue
            times = arrivals[published.bus, pattern.route_id, stop_id]
            next_arrival = bisect_left(times, published.at)
            if next_arrival < len(times) and times[next_arrival] <= published.at + MAX_WAIT_S:
                came_at = times[next_arrival]
                inside = published.trip.p10[index] <= came_at <= published.trip.p90[index]
                yield Score(came_at - published.at, came_at - p50, inside)


def assert_left_out_journeys_are_withdrawn(day: Day, seed: int) -> None:
    """Assert that no journey left out is predicted without a vehicle ten minutes after its start."""
    published_late = []
    for one in day.published:
        missed = day.truth.missed_by_journey.get(one.key, [])
        if (
            one.vehicle is not None
            or one.key in day.truth.visits_by_journey
            or not any(gone.first == 0 for gone in missed)
        ):
            continue
        if one.at > max(missed[0].known_at, missed[0].journey.start_at) + MAX_GHOST_S + TICK_S:
            published_late.append((one.key, one.trip.basis))
    left_out = {
        key for key, gone in day.truth.missed_by_journey.items() if any(one.reason == "not_run" for one in gone)
    }
    assert left_out, f"seed {seed}: no journey was left out"
    assert not published_late, f"seed {seed}: {published_late[:5]}"


def test_the_day_had_everything_that_goes_wrong(day: Day, seed: int) -> None:
    reasons = {gone.reason for missed in day.truth.missed_by_journey.values() for gone in missed}
    assert {"not_run", "detour"} <= reasons, f"seed {seed}"
    phases = {one.vehicle.matched_position.phase for one in day.published if one.vehicle is not None}
    assert {Phase.IN_PROGRESS, Phase.LAYOVER} <= phases, f"seed {seed}"
    assert {one.trip.basis for one in day.published} >= {Basis.RECENT, Basis.SCHEDULE, Basis.NOT_REPORTING}
    service_days = {one.key[1] for one in day.published}
    assert f"{date(2013, 4, 3):%Y%m%d}" in service_days
