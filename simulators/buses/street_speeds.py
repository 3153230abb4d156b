"""Speeds of simulated streets by place, hour, congestion, rain and flooding.

All values are assumed, and deliberately differ from the timetable: a timetable has three speeds per day, while each
street here has its own. Congestion is smooth noise over area and time, equal for all lines that pass.
"""

from dataclasses import dataclass
from functools import lru_cache
from math import cos, exp, floor, hypot, radians, sin
from random import Random

from models.geo import Plane, Point, distance_m
from models.network import Network, Pattern

CORE_MS, OUTSKIRTS_MS = 7.6, 10.4
"""Free-flow speeds of a bus, in the founding square and outside."""
CORE_RADIUS_M = 2_600.0
CONGESTION_BY_HOUR = (
    0.0,
    0.0,
    0.0,
    0.0,
    0.0,
    0.1,
    0.3,
    0.9,
    1.0,
    0.7,
    0.5,
    0.6,
    0.9,
    0.9,
    0.6,
    0.5,
    0.7,
    0.9,
    1.0,
    0.8,
    0.5,
    0.3,
    0.2,
    0.1,
)
"""Congestion of the streets at each full hour, local time; the peak is 1."""
CELL_DEGREES = 0.012
CONGESTION_NOISE = ((3 * 3600.0, 0.07), (3600.0, 0.10), (900.0, 0.10))
"""Congestion noise: for each period, s, the standard deviation of the logarithm of speed."""
FLOOD_RADIUS_M = 500.0
MIN_SPEED_MS = 1.2


@dataclass(slots=True)
class StreetConditions:
    """Weather on the streets: flooded places, and rain of the last minute. Updated as time passes."""

    flooded: tuple[Point, ...] = ()
    rain_mm: float = 0.0


@dataclass(frozen=True, slots=True)
class StreetLink:
    """The properties of the way from one stop to the next that determine its speed."""

    length_m: float
    middle: Point
    free_flow_ms: float
    peak_loss: float
    """Share of the speed that the street loses at the peak, 0 to 1."""
    core: bool
    cell: str


class StreetSpeeds:
    """The street speeds of a network. The same seed gives the same streets and the same congestion."""

    def __init__(self, network: Network, seed: int, centre: Point, conditions: StreetConditions) -> None:
        self.conditions = conditions
        self._seed = seed
        self._noise = lru_cache(maxsize=50_000)(self._draw_noise)
        self.links = [self._links(network, pattern, centre) for pattern in network.patterns]

    def _links(self, network: Network, pattern: Pattern, centre: Point) -> tuple[StreetLink, ...]:
        stops = [network.stops[stop_id] for stop_id in pattern.stop_ids]
        made = []
        for position in range(len(stops) - 1):
            here, there = stops[position], stops[position + 1]
            street = Random(f"{self._seed}/street/{here.name.partition(' y ')[0]}")
            middle = ((here.point[0] + there.point[0]) / 2, (here.point[1] + there.point[1]) / 2)
            core = distance_m(middle, centre) < CORE_RADIUS_M
            free_ms = (CORE_MS if core else OUTSKIRTS_MS) * street.uniform(0.85, 1.15)
            strength = street.uniform(0.25, 0.5) * (1.0 if core else 0.6)
            cell = f"{floor(middle[0] / CELL_DEGREES)},{floor(middle[1] / CELL_DEGREES)}"
            length_m = pattern.stop_m[position + 1] - pattern.stop_m[position]
            made.append(StreetLink(length_m, middle, free_ms, strength, core, cell))
        return tuple(made)

    def is_passable(self, link: StreetLink) -> bool:
        """Whether the link is not flooded."""
        return all(distance_m(link.middle, place) > FLOOD_RADIUS_M for place in self.conditions.flooded)

    def speed_ms(self, link: StreetLink, at: float, hour: float) -> float:
        """The speed on a link at a time. at: Unix seconds. hour: the same time as local hour of the day."""
        this = int(hour) % 24
        congestion = CONGESTION_BY_HOUR[this] + (CONGESTION_BY_HOUR[(this + 1) % 24] - CONGESTION_BY_HOUR[this]) * (
            hour % 1.0
        )
        rain_factor = 1 - min(0.4, 0.3 * self.conditions.rain_mm)
        return max(
            MIN_SPEED_MS,
            link.free_flow_ms
            * (1 - link.peak_loss * congestion)
            * rain_factor
            * exp(self._log_speed_noise(link.cell, at)),
        )

    def _log_speed_noise(self, cell: str, at: float) -> float:
        total = 0.0
        for period_s, deviation in CONGESTION_NOISE:
            turn, share = divmod(at / period_s, 1.0)
            here, there = self._noise(cell, period_s, int(turn)), self._noise(cell, period_s, int(turn) + 1)
            total += deviation * (here + (there - here) * share)
        return total

    def _draw_noise(self, cell: str, period_s: float, turn: int) -> float:
        return Random(f"{self._seed}/{cell}/{period_s}/{turn}").gauss(0.0, 1.0)


def parallel_detour(here: Point, there: Point, aside_m: float) -> tuple[Point, ...]:
    """A detour on a parallel street: its four corners. aside_m: distance to the right; negative for the left."""
    plane = Plane(here[0])
    (ax, ay), (bx, by) = plane.xy(here), plane.xy(there)
    length = max(hypot(bx - ax, by - ay), 1.0)
    right = ((by - ay) / length * aside_m, (ax - bx) / length * aside_m)
    return (here, plane.point(ax + right[0], ay + right[1]), plane.point(bx + right[0], by + right[1]), there)


def grid_path(here: Point, there: Point, axis_deg: float, *, across_first: bool) -> tuple[Point, ...]:
    """A path from one place to another along the street grid: first along streets in `axis_deg`, or first across."""
    plane, axis = Plane(here[0]), radians(axis_deg + 90 * across_first)
    (ax, ay), (bx, by) = plane.xy(here), plane.xy(there)
    far = (bx - ax) * sin(axis) + (by - ay) * cos(axis)
    return (here, plane.point(ax + far * sin(axis), ay + far * cos(axis)), there)


def runs_along(here: Point, there: Point, axis_deg: float) -> bool:
    """Whether the way from one place to another runs along `axis_deg`, and not across it."""
    plane, axis = Plane(here[0]), radians(axis_deg)
    (ax, ay), (bx, by) = plane.xy(here), plane.xy(there)
    along = abs((bx - ax) * sin(axis) + (by - ay) * cos(axis))
    return along > hypot(bx - ax, by - ay) / 2**0.5
