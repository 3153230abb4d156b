"""A synthetic city: a grid of streets, lines with one bend, and buses that run their trips with a constant delay."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise
from random import Random
from zoneinfo import ZoneInfo

from models.geo import METRES_PER_DEGREE, Plane, cumulative_distances_m, point_at_distance
from models.network import (
    Agency,
    Journey,
    Network,
    Pattern,
    Route,
    Service,
    Shape,
    Stop,
    Timing,
    Trip,
    service_day_start,
)

ZONE = ZoneInfo("America/Argentina/Buenos_Aires")
STREETS = 40
BLOCK_M = 500.0
SPEED_MS = 5.5
LINES = 120
MIN_BLOCKS = 10
NOISE_M = 8.0
GOLDEN = 0.618034
"""The golden ratio: its multiples spread evenly over 0 to 1, so that lines do not all start at once."""
CENTRE = (-34.92, -57.95)
_PLANE = Plane(CENTRE[0])
_EVERY_DAY = (True,) * 7

Corner = tuple[int, int]


def city(day: date, since_s: int, until_s: int, buses: int, seed: int = 1) -> Network:
    """LINES lines in both directions, with `buses` on the road at any time between two seconds of a service day."""
    random = Random(seed)  # noqa: S311 - the same city each time is the point
    ways = [way for _ in range(LINES) for way in _both_directions(_corners(random))]
    patterns = tuple(_pattern(index, corners) for index, corners in enumerate(ways))
    headway_s = sum(pattern.length_m for pattern in patterns) / SPEED_MS / buses
    trips = {trip.id: trip for one in patterns for trip in _trips(one, since_s, until_s, headway_s)}
    used = sorted({corner for way in ways for corner in way})
    return Network(
        version="grid",
        zone=ZONE,
        agencies={"grid": Agency("grid", "Grid", "https://example.org", ZONE.key, "es")},
        stops={_name(one): Stop(_name(one), f"P{number}", _name(one), _place(one)) for number, one in enumerate(used)},
        routes={name: Route(name, "grid", name) for name in sorted({one.route_id for one in patterns})},
        patterns=patterns,
        trips=trips,
        services={"daily": Service("daily", _EVERY_DAY, day - timedelta(days=1), day + timedelta(days=1))},
    )


@dataclass(frozen=True, slots=True)
class Bus:
    """A vehicle on one journey after another along its line, `late_s` behind each."""

    name: str
    journeys: tuple[Journey, ...]
    pattern: Pattern
    late_s: float

    def position(self, at: float, random: Random) -> dict[str, object]:
        """The position report of its tracker at an instant, Unix seconds."""
        journey = max((one for one in self.journeys if one.start_at + self.late_s <= at), key=_start, default=None)
        journey = journey or self.journeys[0]
        distance_m = min(max(0.0, (at - journey.start_at - self.late_s) * SPEED_MS), self.pattern.length_m)
        lat, lon = point_at_distance(self.pattern.shape.points, self.pattern.shape.along_m, distance_m)
        return {
            "observed_at": round(at, 3),
            "lat": lat + random.gauss(0, NOISE_M) / METRES_PER_DEGREE,
            "lon": lon + random.gauss(0, NOISE_M) / METRES_PER_DEGREE,
            "speed_ms": SPEED_MS,
            "route_id": self.pattern.route_id,
            "direction_id": self.pattern.direction_id,
        }


def fleet(network: Network, day: date, at: float, buses: int, seed: int = 2) -> list[Bus]:
    """`buses` buses, each on a trip that is under way at an instant, and on a later trip of its line."""
    random = Random(seed)  # noqa: S311
    zero = service_day_start(day, network.zone)
    running = [
        trip
        for trips in network.trips_by_pattern
        for trip in trips
        if -1.0 * trip.duration_s <= zero + trip.start_s - at <= 0
    ]
    chosen = random.sample(running, buses)
    return [
        Bus(
            f"bus-{number}",
            tuple(_journeys(network, trip, day, zero)),
            network.patterns[trip.pattern],
            random.uniform(0, 240),
        )
        for number, trip in enumerate(chosen)
    ]


def _journeys(network: Network, first: Trip, day: date, zero: float) -> Iterator[Journey]:
    along = network.trips_by_pattern[first.pattern]
    yield Journey(first, day, first.start_s, zero + first.start_s)
    for trip in along:
        if trip.start_s >= first.start_s + first.duration_s + 300:
            yield Journey(trip, day, trip.start_s, zero + trip.start_s)
            return


def _start(journey: Journey) -> float:
    return journey.start_at


def _corners(random: Random) -> list[Corner]:
    """Corners along one street, then along a crossing street."""
    while True:
        (ax, ay), (bx, by) = ((random.randrange(STREETS), random.randrange(STREETS)) for _ in range(2))
        if abs(ax - bx) + abs(ay - by) >= MIN_BLOCKS:
            return [*((x, ay) for x in _between(ax, bx)), *((bx, y) for y in _between(ay, by)[1:])]


def _between(a: int, b: int) -> list[int]:
    return list(range(a, b + 1)) if a <= b else list(range(a, b - 1, -1))


def _both_directions(corners: list[Corner]) -> tuple[list[Corner], list[Corner]]:
    return corners, corners[::-1]


def _pattern(index: int, corners: list[Corner]) -> Pattern:
    points = tuple(_place(corner) for corner in corners)
    shape = Shape(f"shape-{index}", points, cumulative_distances_m(points))
    links = tuple(f"{_name(here)}>{_name(there)}" for here, there in pairwise(corners))
    stops = tuple(map(_name, corners))
    return Pattern(index, f"line-{index // 2}", index % 2, stops, shape.along_m, shape, links)


def _trips(pattern: Pattern, since_s: int, until_s: int, headway_s: float) -> Iterator[Trip]:
    times = tuple(round((metres - pattern.stop_m[0]) / SPEED_MS) for metres in pattern.stop_m)
    phase_s = headway_s * (pattern.index * GOLDEN % 1.0)
    timing, start_s, number = Timing(times, times), since_s - times[-1] + phase_s, 0
    while start_s < until_s:
        yield Trip(f"{pattern.route_id}-{pattern.index % 2}-{number}", pattern.index, "daily", round(start_s), timing)
        start_s, number = start_s + headway_s, number + 1


def _place(corner: Corner) -> tuple[float, float]:
    lat, lon = _PLANE.point(BLOCK_M * (corner[0] - STREETS / 2), BLOCK_M * (corner[1] - STREETS / 2))
    return CENTRE[0] + lat, CENTRE[1] + lon


def _name(corner: Corner) -> str:
    return f"{corner[0]}-{corner[1]}"
