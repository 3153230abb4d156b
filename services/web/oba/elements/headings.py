"""Which way the road runs."""

from collections.abc import Iterable
from math import atan2, cos, degrees, hypot, radians

from models.geo import point_at_distance
from models.network import Pattern, Shape

LOOKAHEAD_M = 30.0
LEAST_AGREEMENT = 0.9
"""How long the mean of unit vectors must be for them to be said to agree."""
COMPASS = ("E", "NE", "N", "NW", "W", "SW", "S", "SE")

Displacement = tuple[float, float]
"""East and north, in the same unit."""


def displacement(shape: Shape, distance_m: float) -> Displacement:
    """The way along a shape from a place, or to its end; (0, 0) where the shape is only a point."""
    start = min(distance_m, shape.length_m - LOOKAHEAD_M)
    here, there = (point_at_distance(shape.points, shape.along_m, at) for at in (start, start + LOOKAHEAD_M))
    return ((there[1] - here[1]) * cos(radians(here[0])), there[0] - here[0])


def orientation_deg(shape: Shape, distance_m: float) -> float:
    """Degrees counterclockwise from east, 0 to 360."""
    east, north = displacement(shape, distance_m)
    return degrees(atan2(north, east)) % 360


def compass_point(steps: Iterable[Displacement]) -> str:
    """E, NE, N ... for the way that steps agree on; empty where they do not, or there are none."""
    moving = [(east / length, north / length) for east, north in steps if (length := hypot(east, north))]
    east, north = sum(one[0] for one in moving), sum(one[1] for one in moving)
    if not moving or hypot(east, north) < LEAST_AGREEMENT * len(moving):
        return ""
    return COMPASS[round(degrees(atan2(north, east)) / 45) % 8]


def departure_displacement(pattern: Pattern, position: int) -> Displacement:
    """The way a bus leaves a stop; (0, 0) at the last one."""
    if position + 1 == len(pattern.stop_ids):
        return (0.0, 0.0)
    return displacement(pattern.shape, pattern.stop_m[position])
