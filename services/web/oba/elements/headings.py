"""Direction of travel along a shape, in degrees and as a compass point."""

from collections.abc import Iterable
from math import atan2, cos, degrees, hypot, radians

from models.geo import point_at_distance
from models.network import Pattern, Shape

LOOKAHEAD_M = 30.0
LEAST_AGREEMENT = 0.9
"""Directions agree if the mean of their unit vectors is at least this long."""
COMPASS = ("E", "NE", "N", "NW", "W", "SW", "S", "SE")

Displacement = tuple[float, float]
"""East and north, in the same unit."""


def displacement(shape: Shape, distance_m: float) -> Displacement:
    """From a distance along a shape to LOOKAHEAD_M further; (0, 0) where the shape is a single point."""
    start = min(distance_m, shape.length_m - LOOKAHEAD_M)
    begin, end = (point_at_distance(shape.points, shape.along_m, at) for at in (start, start + LOOKAHEAD_M))
    return ((end[1] - begin[1]) * cos(radians(begin[0])), end[0] - begin[0])


def orientation_deg(shape: Shape, distance_m: float) -> float:
    """Degrees counterclockwise from east, 0 to 360."""
    east, north = displacement(shape, distance_m)
    return degrees(atan2(north, east)) % 360


def compass_point(displacements: Iterable[Displacement]) -> str:
    """E, NE, N ... for displacements that agree; empty where they do not agree or there are none."""
    unit_vectors = [(east / length, north / length) for east, north in displacements if (length := hypot(east, north))]
    east, north = sum(vector[0] for vector in unit_vectors), sum(vector[1] for vector in unit_vectors)
    if not unit_vectors or hypot(east, north) < LEAST_AGREEMENT * len(unit_vectors):
        return ""
    return COMPASS[round(degrees(atan2(north, east)) / 45) % 8]


def departure_displacement(pattern: Pattern, position: int) -> Displacement:
    """The displacement of a bus that leaves a stop; (0, 0) at the last stop."""
    if position + 1 == len(pattern.stop_ids):
        return (0.0, 0.0)
    return displacement(pattern.shape, pattern.stop_m[position])
