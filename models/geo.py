"""Distances on the earth, and distances along a line of points. Coordinates are WGS 84 degrees, latitude first."""

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


def distance_m(a: Point, b: Point) -> float:
    """Great-circle distance. Source: Sinnott, "Virtues of the Haversine", Sky & Telescope 68 (1984), p. 159."""
    (lat_a, lon_a), (lat_b, lon_b) = a, b
    lat_part = sin(radians(lat_b - lat_a) / 2) ** 2
    lon_part = cos(radians(lat_a)) * cos(radians(lat_b)) * sin(radians(lon_b - lon_a) / 2) ** 2
    return 2 * EARTH_RADIUS_M * asin(min(1.0, sqrt(lat_part + lon_part)))


@dataclass(frozen=True, slots=True)
class Plane:
    """A flat projection around a latitude, in metres: within a city its distances are right to a thousandth."""

    latitude: float

    def xy(self, point: Point) -> tuple[float, float]:
        """East and north, metres from (0, 0) degrees."""
        return (point[1] * METRES_PER_DEGREE * cos(radians(self.latitude)), point[0] * METRES_PER_DEGREE)

    def point(self, x: float, y: float) -> Point:
        """Latitude and longitude of a place on the plane: the inverse of `xy`."""
        return (y / METRES_PER_DEGREE, x / (METRES_PER_DEGREE * cos(radians(self.latitude))))


def cumulative_distances_m(points: Sequence[Point]) -> tuple[float, ...]:
    """Distance of each point of a line from its beginning, metres: same length as `points`, rising from 0."""
    total, distances = 0.0, [0.0]
    for begin, end in pairwise(points):
        total += distance_m(begin, end)
        distances.append(total)
    return tuple(distances)


def point_at_distance(points: Sequence[Point], distances_m: Sequence[float], distance: float) -> Point:
    """The point of a line at a distance from its beginning, metres; beyond an end, that end.

    `distances_m`: those of its points (see `cumulative_distances_m`).
    """
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
    """The place of the segment from a to b that is nearest to a point on a plane.

    Returns its share of the segment (0 to 1) from a, and its distance from the point, metres.
    """
    dx, dy = bx - ax, by - ay
    length2 = dx * dx + dy * dy
    share = min(1.0, max(0.0, ((x - ax) * dx + (y - ay) * dy) / length2)) if length2 else 0.0
    return share, hypot(x - ax - share * dx, y - ay - share * dy)
