"""Distances of stops along a shape, in the order of the trip, also on loops and on streets driven in both directions.

The nearest point is not enough: a shape that goes out and back on one street, or crosses itself, passes a stop twice.
All stops are therefore placed together. The shape is cut into short segments. Of all assignments of stops to segments
that never go back, the one with the least sum of squared distances is taken (dynamic programming, as in Viterbi
decoding). If two passes are equally near, a weak expectation decides: the distances given in the feed, if they are
plausible, or else the distances between the stops.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.geo import Plane, Point
from models.network import Shape

Array = NDArray[np.float64]
Indices = NDArray[np.int64]

SEGMENT_M = 20.0
MAX_SEGMENTS = 4000
"""A longer shape is cut into longer segments."""
NEIGHBOUR_SEGMENTS = 2
"""How many segments on each side are searched for the nearest one."""
MAX_OFFSET_M = 500.0
"""Limit of the distance that counts for a stop, so that one wrong stop does not misplace the others."""
GIVEN_WEIGHT = 0.1
"""Weight of one metre along the shape against one metre beside it, if the feed gives the distance of the stop."""
SPACING_WEIGHT = 0.01
"""The same weight, if the expected distance is only computed from the spacing of the stops."""
MAX_GIVEN_ERROR_M = 100.0
"""Given distances are plausible if half of the stops lie nearer than this to the points at those distances."""


@dataclass(frozen=True, slots=True)
class StopDistances:
    """Distance of each stop along a shape, metres, never decreasing; and its distance from the shape, metres."""

    stop_m: tuple[float, ...]
    offset_m: tuple[float, ...]


def place_stops(shape: Shape, stops: Sequence[Point], given_m: Sequence[float] | None = None) -> StopDistances:
    """Place stops along a shape in their order.

    given_m: the distances of the stops along the shape that the feed gives, metres; None if it gives none.
    """
    plane = Plane(shape.points[0][0])
    line, stop_points = _on_plane(plane, shape.points), _on_plane(plane, stops)
    segments = _cut_into_segments(line, np.asarray(shape.along_m))
    along, offset = _offsets(segments, stop_points)
    cost = np.minimum(offset, MAX_OFFSET_M) ** 2
    if given_m is not None and _given_is_plausible(line, shape, stop_points, np.asarray(given_m)):
        expected, weight = np.asarray(given_m), GIVEN_WEIGHT
    else:
        expected, weight = _expected_by_spacing(along, _min_cost_path(cost), stop_points), SPACING_WEIGHT
    chosen = _nearest_around(_min_cost_path(cost + ((along - expected[:, None]) * weight) ** 2), offset)
    rows = np.arange(len(stop_points))
    stop_m = np.maximum.accumulate(along[rows, chosen])
    return StopDistances(tuple(stop_m.tolist()), tuple(offset[rows, chosen].tolist()))


def _on_plane(plane: Plane, points: Sequence[Point]) -> Array:
    return np.array([plane.xy(point) for point in points], dtype=np.float64).reshape(len(points), 2)


@dataclass(frozen=True, slots=True)
class _Segments:
    """Short straight segments: start and end of each along the shape, (k,), metres, and on the plane, (k, 2)."""

    start_m: Array
    end_m: Array
    start: Array
    end: Array


def _cut_into_segments(line: Array, along: Array) -> _Segments:
    along, first = np.unique(along, return_index=True)
    line = line[first]
    if len(along) < 2:  # a shape without length: one segment, a point
        along, line = np.repeat(along, 2), np.repeat(line, 2, axis=0)
    spans = np.diff(along)
    counts = np.maximum(1, np.ceil(spans / max(SEGMENT_M, float(along[-1] - along[0]) / MAX_SEGMENTS))).astype(int)
    into = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    cuts = np.append(np.repeat(along[:-1], counts) + into * np.repeat(spans / counts, counts), along[-1])
    points = np.column_stack([np.interp(cuts, along, line[:, axis]) for axis in (0, 1)])
    return _Segments(cuts[:-1], cuts[1:], points[:-1], points[1:])


def _offsets(segments: _Segments, stop_points: Array) -> tuple[Array, Array]:
    """For each stop and segment: distance of the nearest point along the shape, and of the stop from that point."""
    direction = segments.end - segments.start
    length = (direction**2).sum(axis=1)
    apart = stop_points[:, None, :] - segments.start[None, :, :]
    share = np.clip((apart * direction).sum(axis=2) / np.where(length > 0, length, 1.0), 0.0, 1.0)
    offset = np.hypot(*np.moveaxis(apart - share[:, :, None] * direction, 2, 0))
    return segments.start_m + share * (segments.end_m - segments.start_m), offset


def _min_cost_path(cost: Array) -> Indices:
    """One column per row, never going back, with the least sum of costs; the earliest among equals."""
    rows, columns = cost.shape
    numbers = np.arange(columns)
    previous = np.zeros((rows, columns), dtype=np.int64)
    total = cost[0]
    for row in range(1, rows):
        least = np.minimum.accumulate(total)
        is_new_least = np.append(True, total[1:] < least[:-1])
        previous[row] = np.maximum.accumulate(np.where(is_new_least, numbers, 0))
        total = cost[row] + least
    chosen = np.empty(rows, dtype=np.int64)
    chosen[-1] = int(np.argmin(total))
    for row in range(rows - 1, 0, -1):
        chosen[row - 1] = previous[row, chosen[row]]
    return chosen


def _nearest_around(chosen: Indices, offset: Array) -> Indices:
    """The nearest segment around the chosen one. The expectation decides between passes, not the place on a pass."""
    around = np.clip(chosen[:, None] + np.arange(-NEIGHBOUR_SEGMENTS, NEIGHBOUR_SEGMENTS + 1), 0, offset.shape[1] - 1)
    best = np.argmin(np.take_along_axis(offset, around, axis=1), axis=1)
    return np.asarray(around[np.arange(len(chosen)), best])


def _expected_by_spacing(along: Array, chosen: Indices, stop_points: Array) -> Array:
    """Expected distances of the stops between the first and the last, proportional to the spacing of the stops."""
    reach = np.append(0.0, np.cumsum(np.hypot(*np.diff(stop_points, axis=0).T)))
    first, last = along[0, chosen[0]], along[-1, chosen[-1]]
    return np.asarray(first + (last - first) * (reach / reach[-1] if reach[-1] > 0 else reach))


def _given_is_plausible(line: Array, shape: Shape, stop_points: Array, given: Array) -> bool:
    expected_points = np.column_stack([np.interp(given, shape.along_m, line[:, axis]) for axis in (0, 1)])
    return bool(np.median(np.hypot(*(stop_points - expected_points).T)) < MAX_GIVEN_ERROR_M)
