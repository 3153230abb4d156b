"""Distances on the ground, and how far along a line a point lies. Coordinates are WGS 84 degrees, latitude first."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import asin, cos, hypot, radians, sin, sqrt

EARTH_RADIUS_M = 6_371_008.8
"""Mean radius, IUGG."""
METRES_PER_DEGREE = radians(EARTH_RADIUS_M)

Point = tuple[float, float]
"""Latitude, longitude."""


def distance_m(here: Point, there: Point) -> float:
    """Great-circle distance. Source: Sinnott, "Virtues of the Haversine", Sky & Telescope 68 (1984), p. 159."""
    (lat_a, lon_a), (lat_b, lon_b) = here, there
    a = sin(radians(lat_b - lat_a) / 2) ** 2
    b = cos(radians(lat_a)) * cos(radians(lat_b)) * sin(radians(lon_b - lon_a) / 2) ** 2
    return 2 * EARTH_RADIUS_M * asin(min(1.0, sqrt(a + b)))


@dataclass(frozen=True, slots=True)
class Plane:
    """A flat map around a latitude, in metres: within a city its distances are right to a thousandth."""

    latitude: float

    def xy(self, point: Point) -> tuple[float, float]:
        """East and north, metres from (0, 0) degrees."""
        return (point[1] * METRES_PER_DEGREE * cos(radians(self.latitude)), point[0] * METRES_PER_DEGREE)

    def point(self, x: float, y: float) -> Point:
        """The way back from metres to degrees."""
        return (y / METRES_PER_DEGREE, x / (METRES_PER_DEGREE * cos(radians(self.latitude))))


def cumulative_distances_m(points: Sequence[Point]) -> tuple[float, ...]:
    """How far from its beginning each point of a line lies, metres: same length as `points`, rising from 0."""
    total, distances = 0.0, [0.0]
    for here, there in pairwise(points):
        total += distance_m(here, there)
        distances.append(total)
    return tuple(distances)


def point_at_distance(points: Sequence[Point], distances_m: Sequence[float], distance: float) -> Point:
    """Where on the line one stands `distance` metres from its beginning; beyond an end, that end."""
    if distance <= distances_m[0]:
        return points[0]
    if distance >= distances_m[-1]:
        return points[-1]
    after = bisect_right(distances_m, distance)
    span = distances_m[after] - distances_m[after - 1]
    share = (distance - distances_m[after - 1]) / span if span else 0.0
    (lat_a, lon_a), (lat_b, lon_b) = points[after - 1], points[after]
    return (lat_a + share * (lat_b - lat_a), lon_a + share * (lon_b - lon_a))


def nearest_on_segment(x: float, y: float, ax: float, ay: float, bx: float, by: float) -> tuple[float, float]:
    """How a point on a plane lies to the segment from a to b.

    Returns the share of the segment (0 to 1) nearest to it, and the distance from there, metres.
    """
    dx, dy = bx - ax, by - ay
    length = dx * dx + dy * dy
    share = min(1.0, max(0.0, ((x - ax) * dx + (y - ay) * dy) / length)) if length else 0.0
    return share, hypot(x - ax - share * dx, y - ay - share * dy)
