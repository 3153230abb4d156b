"""Discrete-event simulation of buses: late departures, delays, bunching, layovers, detours around floods, breakdowns.

Each bus is a generator that yields the time of its next event. Between two events it moves along a `Leg`, so that its
position is known at any time. A log receives what really happens, for measuring predictions made from the trackers.
Passengers at a stop increase with the time since the last bus of their line, so that a late bus gets later and the
next one catches up.
"""

from collections import deque
from collections.abc import Generator, Iterable
from datetime import datetime, timedelta
from heapq import heappop, heappush
from math import inf
from random import Random

from models.geo import Point, cumulative_distances_m, distance_m, point_at_distance
from models.network import DAY_S, Journey, Network, Pattern
from simulators.buses.bus import CAPACITY, Bus, BusActivity, EventLog, Leg, MissedReason, MissedStops, StopVisit
from simulators.buses.street_speeds import (
    CONGESTION_BY_HOUR,
    StreetConditions,
    StreetLink,
    StreetSpeeds,
    grid_path,
    parallel_detour,
    runs_along,
)
from simulators.buses.vehicle_blocks import VehicleBlock, block_agency, fleet_sizes, vehicle_blocks
from simulators.lines.bus_lines import DEPOTS
from simulators.lines.street_plan import AXIS_DEG, CENTRE, corner_point, to_latlon

DAY_START_S = 4 * 3600
"""The blocks of a service day are assigned at four in the morning."""
SIGNALS_PER_LINK, SHORTEST_SIGNAL_S, LONGEST_SIGNAL_S = 0.45, 4.0, 42.0
"""How often a bus meets a red light between two stops of the core, and for how long."""
DEADHEAD_MS, DETOUR_MS = 8.0, 4.5
DEPOT_MARGIN_S = 5 * 60
MIN_LAYOVER_S = 120.0
MEAN_LATE_START_S, VERY_LATE_SHARE, VERY_LATE_S = 45.0, 0.05, (120.0, 480.0)
HEADWAY_DEVIATION = 0.25
"""Standard deviation of frequency-based departures, as a share of the headway."""
NOT_RUN_SHARE, BREAKDOWN_SHARE = 0.012, 0.004
BREAKDOWN_S = 40 * 60.0
DETOUR_OFFSET_M = 290.0
SAME_PLACE_M = 1.0
ARRIVALS_PER_MIN = 0.085
"""Passengers who arrive at a stop of one line per minute of the peak, in the core; assumed."""
MAX_GAP_S, USUAL_GAP_S = 45 * 60.0, 15 * 60.0
DOOR_TIME_S, BOARD_S, ALIGHT_S, MAX_DWELL_S = 4.0, 2.6, 1.2, 150.0
HOLDING_MIN_S = 150
"""A bus that is early by this much at a timepoint may wait there."""
BusProcess = Generator[float, None, float]
"""Yields the time of its next event, and returns the time of its end, Unix seconds."""


class BusOperations:
    """All buses of a network, from the service day of `start` on. Equal arguments give equal days."""

    def __init__(
        self, network: Network, seed: int, start: datetime, conditions: StreetConditions, log: EventLog
    ) -> None:
        self.network = network
        self.now = start.timestamp() - DAY_S
        self._seed = seed
        self._log = log
        self._streets = StreetSpeeds(network, seed, CENTRE, conditions)
        self._depots = {agency: to_latlon(corner_point(words)) for agency, words in DEPOTS.items()}
        self._left_at: dict[tuple[str, str], float] = {}
        self._events: list[tuple[float, int, BusProcess]] = []
        self._count = 0
        day = (start.astimezone(network.zone) - timedelta(seconds=DAY_START_S)).date()
        self._day = day
        week = [vehicle_blocks(network, day + timedelta(days=ahead)) for ahead in range(7)]
        self.fleet = {bus.vehicle: bus for bus in self._buses_at_depots(fleet_sizes(network, week))}
        self._idle = {agency: deque(b for b in self.fleet.values() if b.agency == agency) for agency in DEPOTS}
        self.advance(start.timestamp())

    def advance(self, until: float) -> None:
        """Simulate all events up to a time, Unix seconds."""
        while self.network.service_day(self._day)[0] + DAY_START_S <= until:
            self._start_blocks(vehicle_blocks(self.network, self._day))
            self._day += timedelta(days=1)
        while self._events and self._events[0][0] <= until:
            self.now, _, process = heappop(self._events)
            self._resume(process)
        self.now = until

    def _resume(self, process: BusProcess) -> None:
        try:
            self._schedule(next(process), process)
        except StopIteration:
            return

    def _schedule(self, at: float, process: BusProcess) -> None:
        self._count += 1
        heappush(self._events, (at, self._count, process))

    def _buses_at_depots(self, sizes: dict[str, int]) -> Iterable[Bus]:
        for agency, size in sizes.items():
            for number in range(101, 101 + size):
                bus = Bus(f"{agency}-{number}", agency, Random(f"{self._seed}/{agency}/{number}"))
                bus.stay(-inf, inf, BusActivity.AT_BASE, self._depots[agency])
                yield bus

    # ---------------------------------------------------------------- a day's work

    def _start_blocks(self, blocks: list[VehicleBlock]) -> None:
        for block in blocks:
            depot = self._depots[block_agency(self.network, block)]
            out_s = cumulative_distances_m(self._path_from_depot(depot, block.journeys[0]))[-1] / DEADHEAD_MS
            self._schedule(
                block.starts_at - out_s - DEPOT_MARGIN_S,
                self._run_block(block, block.starts_at - out_s - DEPOT_MARGIN_S),
            )

    def _run_block(self, block: VehicleBlock, at: float) -> BusProcess:
        """A bus leaves its depot, makes the journeys of a block, and comes back."""
        agency = block_agency(self.network, block)
        if not self._idle[agency]:
            for journey in block.journeys:
                self._log_missed("", journey, 0, "no_vehicle", at)
            return at
        bus = self._idle[agency].popleft()
        bus.block_id, bus.passengers = block.block_id, 0
        depot = where = self._depots[agency]
        remaining = deque(self._operated_journeys(bus, block, at))
        while remaining:
            journey = remaining.popleft()
            begins = self._stop_point(journey, 0)
            if where == depot:
                at = yield from self._deadhead(bus, at, self._path_from_depot(depot, journey), journey)
            elif distance_m(where, begins) > SAME_PLACE_M:
                at = yield from self._deadhead(bus, at, (where, begins), journey)
            at = yield from self._run_journey(bus, at, journey)
            where = bus.legs[-1].point_at(at)
            while bus.legs[-1].activity is BusActivity.BROKEN and remaining:
                self._log_missed(bus.vehicle, remaining.popleft(), 0, "broke_down", at)
        if where != depot:
            at = yield from self._deadhead(bus, at, self._path_to_depot(where, bus.legs[-1].journey, depot), None)
        bus.stay(at, inf, BusActivity.AT_BASE, depot)
        bus.block_id = ""
        self._idle[agency].append(bus)
        return at

    def _operated_journeys(self, bus: Bus, block: VehicleBlock, at: float) -> list[Journey]:
        """The journeys of the block that are operated. With one journey the return journey is also cancelled."""
        remaining: list[Journey] = []
        cancelled = 0
        for journey in block.journeys:
            if not cancelled and bus.random.random() < NOT_RUN_SHARE:
                cancelled = 2
            if cancelled:
                cancelled -= 1
                self._log_missed("", journey, 0, "not_run", at)
            else:
                remaining.append(journey)
        return remaining

    def _log_missed(self, vehicle: str, journey: Journey, first: int, reason: MissedReason, at: float) -> None:
        self._log(MissedStops(vehicle, journey, first, len(self._pattern(journey).stop_ids) - 1, reason, at))

    def _path_from_depot(self, depot: Point, journey: Journey) -> tuple[Point, ...]:
        """The path from the depot to the start of a journey, across its street: a deadheading bus avoids the line."""
        points = self._pattern(journey).shape.points
        along = runs_along(points[0], points[1], AXIS_DEG)
        return grid_path(depot, self._stop_point(journey, 0), AXIS_DEG, across_first=not along)

    def _path_to_depot(self, where: Point, journey: Journey | None, depot: Point) -> tuple[Point, ...]:
        """The path back to the depot, across the street of the journey before."""
        points = self._pattern(journey).shape.points if journey else (where, depot)
        return grid_path(where, depot, AXIS_DEG, across_first=runs_along(points[-2], points[-1], AXIS_DEG))

    def _deadhead(self, bus: Bus, at: float, points: tuple[Point, ...], journey: Journey | None) -> BusProcess:
        """Drive without passengers."""
        along = cumulative_distances_m(points)
        ends = at + max(along[-1] / DEADHEAD_MS, 1.0)
        at = bus.add_leg(Leg(at, ends, BusActivity.DEADHEAD, (points, along), 0.0, along[-1], journey))
        yield at
        return at

    # ---------------------------------------------------------------- one journey

    def _run_journey(self, bus: Bus, at: float, journey: Journey) -> BusProcess:
        """Lay over, depart, and drive from stop to stop to the end, or as far as possible."""
        pattern = self._pattern(journey)
        links = self._streets.links[pattern.index]
        last = len(links)
        breaks_down = bus.random.randrange(1, last) if bus.random.random() < BREAKDOWN_SHARE else None
        arrived_at, where = at, self._stop_point(journey, 0)
        at = bus.stay(at, self._departure_at(bus, at, journey), BusActivity.LAYOVER, where, journey)
        yield at
        self._exchange_passengers(bus, pattern, 0, at, last)
        self._log(StopVisit(bus.vehicle, journey, 0, arrived_at, at, stopped=True))
        position = 0
        while position < last:
            if position == breaks_down:
                self._log_missed(bus.vehicle, journey, position + 1, "broke_down", at)
                at = bus.stay(at, at + BREAKDOWN_S, BusActivity.BROKEN, self._stop_point(journey, position), journey)
                yield at
                return at
            if not self._streets.is_passable(links[position]):
                position, at = yield from self._drive_around_flood(bus, at, journey, position)
            else:
                at = yield from self._drive(bus, at, journey, position, links[position])
                position += 1
            if position <= last and bus.legs[-1].activity is not BusActivity.DEADHEAD:
                at = yield from self._serve_stop(bus, at, journey, position, last)
        return at

    def _departure_at(self, bus: Bus, at: float, journey: Journey) -> float:
        """The departure from a terminal reached at `at`: rarely early, often a little late."""
        late_s = bus.random.expovariate(1 / MEAN_LATE_START_S)
        if journey.frequency_based:
            span = next(one for one in journey.trip.frequencies if one.start_s <= journey.start_s < one.end_s)
            late_s += bus.random.gauss(0.0, HEADWAY_DEVIATION * span.headway_s)
        elif bus.random.random() < VERY_LATE_SHARE:
            late_s += bus.random.uniform(*VERY_LATE_S)
        return max(journey.start_at + late_s, at + MIN_LAYOVER_S)

    def _drive(self, bus: Bus, at: float, journey: Journey, position: int, link: StreetLink) -> BusProcess:
        """Drive from a stop to the next, possibly with a stop at a red light_m."""
        pattern = self._pattern(journey)
        line = (pattern.shape.points, pattern.shape.along_m)
        from_m, to_m = pattern.stop_m[position], pattern.stop_m[position + 1]
        speed = self._streets.speed_ms(link, at, _local_hour(journey, at)) * bus.random.lognormvariate(0.0, 0.08)
        if link.core and bus.random.random() < SIGNALS_PER_LINK:
            light_m = from_m + 0.7 * (to_m - from_m)
            at = bus.add_leg(
                Leg(
                    at,
                    at + (light_m - from_m) / speed,
                    BusActivity.IN_PROGRESS,
                    line,
                    from_m,
                    light_m,
                    journey,
                    position,
                )
            )
            red_s = bus.random.uniform(SHORTEST_SIGNAL_S, LONGEST_SIGNAL_S)
            at = bus.add_leg(Leg(at, at + red_s, BusActivity.IN_PROGRESS, line, light_m, light_m, journey, position))
            from_m = light_m
        at = bus.add_leg(
            Leg(at, at + (to_m - from_m) / speed, BusActivity.IN_PROGRESS, line, from_m, to_m, journey, position)
        )
        yield at
        return at

    def _serve_stop(self, bus: Bus, at: float, journey: Journey, position: int, last: int) -> BusProcess:
        """Stop if passengers want to get on or off and there is room; wait at a timepoint if early."""
        pattern = self._pattern(journey)
        dwell_s = self._exchange_passengers(bus, pattern, position, at, last)
        leaves_at = at + dwell_s
        timing = journey.trip.timing
        early_s = journey.departure_at(position) - leaves_at
        if not journey.frequency_based and timing.timepoint[position] and position < last and early_s > HOLDING_MIN_S:
            leaves_at += bus.random.uniform(0.0, early_s - HOLDING_MIN_S / 2)
        if leaves_at > at:
            where = pattern.stop_m[position]
            line = (pattern.shape.points, pattern.shape.along_m)
            bus.add_leg(Leg(at, leaves_at, BusActivity.IN_PROGRESS, line, where, where, journey, position))
            yield leaves_at
        self._log(StopVisit(bus.vehicle, journey, position, at, leaves_at, stopped=leaves_at > at))
        return leaves_at

    def _exchange_passengers(self, bus: Bus, pattern: Pattern, position: int, at: float, last: int) -> float:
        """Let passengers off and on at a stop. Returns the dwell time, s. A full bus does not stop."""
        key = (pattern.stop_ids[position], pattern.route_id)
        headway_s = min(at - self._left_at.get(key, at - USUAL_GAP_S), MAX_GAP_S)
        off = sum(bus.random.random() < 2 / (last - position + 2) for _ in range(bus.passengers)) if position else 0
        off = bus.passengers if position == last else off
        if bus.passengers >= CAPACITY and not off:
            return 0.0
        self._left_at[key] = at
        hour = (at - self.network.service_day(self._day)[0]) / 3600 % 24
        core = self._streets.links[pattern.index][min(position, last - 1)].core
        mean = (
            ARRIVALS_PER_MIN
            * headway_s
            / 60
            * max(CONGESTION_BY_HOUR[int(hour)], 0.1)
            * (1.0 if core else 0.6)
            * (position < last)
        )
        wanting = _poisson(mean, bus.random)
        on = min(wanting, CAPACITY - bus.passengers + off)
        bus.passengers += on - off
        return min(DOOR_TIME_S + BOARD_S * on + ALIGHT_S * off, MAX_DWELL_S) if on or off else 0.0

    def _drive_around_flood(
        self, bus: Bus, at: float, journey: Journey, position: int
    ) -> Generator[float, None, tuple[int, float]]:
        """Drive around the flood to the next reachable stop; if there is none, deadhead to the end of the line."""
        pattern = self._pattern(journey)
        links = self._streets.links[pattern.index]
        dry = (there for there in range(position + 2, len(links)) if self._streets.is_passable(links[there]))
        there = next(dry, None)
        if there is None:
            self._log_missed(bus.vehicle, journey, position + 1, "flooded", at)
            end = self._stop_point(journey, len(links))
            path = grid_path(self._stop_point(journey, position), end, AXIS_DEG, across_first=True)
            at = yield from self._deadhead(bus, at, path, journey)
            return len(links) + 1, at
        self._log(MissedStops(bus.vehicle, journey, position + 1, there - 1, "detour", at))
        aside_m = DETOUR_OFFSET_M if bus.random.random() < 0.5 else -DETOUR_OFFSET_M
        points = parallel_detour(self._stop_point(journey, position), self._stop_point(journey, there), aside_m)
        along = cumulative_distances_m(points)
        ends = at + along[-1] / DETOUR_MS
        at = bus.add_leg(Leg(at, ends, BusActivity.OFF_ROUTE, (points, along), 0.0, along[-1], journey, position))
        yield at
        return there, at

    def _pattern(self, journey: Journey) -> Pattern:
        return self.network.patterns[journey.trip.pattern]

    def _stop_point(self, journey: Journey, position: int) -> Point:
        """The point of a stop on the shape of a journey."""
        pattern = self._pattern(journey)
        return point_at_distance(pattern.shape.points, pattern.shape.along_m, pattern.stop_m[position])


def _local_hour(journey: Journey, at: float) -> float:
    """The local time of day, hours."""
    return (at - journey.start_at + journey.start_s) / 3600 % 24


def _poisson(mean: float, random: Random) -> int:
    """A Poisson random number: how many exponential intervals fit into `mean`."""
    count, left = 0, mean
    while (left := left - random.expovariate(1.0)) > 0:
        count += 1
    return count
