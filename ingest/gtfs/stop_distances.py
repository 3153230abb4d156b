"""How far along a shape each stop lies: in the order of the trip, on loops and on streets driven both ways too.

The nearest point will not do: a street driven out and back, or a loop that crosses itself, passes a stop twice. So all
stops are placed together: the shape is cut into short pieces, and of all ways to lay the stops on pieces that never go
back, the one with the least sum of squared distances is taken (dynamic programming, as in Viterbi decoding). Where
two passes are equally near, a weak expectation decides: the distances the feed gives, where they make sense, or else
how far the stops lie from each other.
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
"""A longer shape is cut into longer pieces."""
NEIGHBOUR_SEGMENTS = 2
"""Pieces to either side."""
MAX_OFFSET_M = 500.0
"""A stop that lies farther off counts as this far, so that one wrong stop does not misplace the others."""
GIVEN_WEIGHT = 0.1
"""Of a metre along the shape against a metre aside of it, where the feed says how far along the stop lies ..."""
SPACING_WEIGHT = 0.01
"""... and where that is only guessed from the distances between stops."""
MAX_GIVEN_ERROR_M = 100.0
"""Given distances are believed where half of the stops lie nearer than this to where they put them."""


@dataclass(frozen=True, slots=True)
class StopDistances:
    """Where stops lie along a shape, metres, never falling; and how far aside of it, metres."""

    stop_m: tuple[float, ...]
    offset_m: tuple[float, ...]


def place_stops(shape: Shape, stops: Sequence[Point], given_m: Sequence[float] | None = None) -> StopDistances:
    """Lay stops along a shape in their order. `given_m`: where the feed says they lie, metres along it, if it does."""
    plane = Plane(shape.points[0][0])
    line, poles = _on_plane(plane, shape.points), _on_plane(plane, stops)
    pieces = _cut_into_segments(line, np.asarray(shape.along_m))
    along, aside = _offsets(pieces, poles)
    cost = np.minimum(aside, MAX_OFFSET_M) ** 2
    if given_m is not None and _given_is_plausible(line, shape, poles, np.asarray(given_m)):
        expected, weight = np.asarray(given_m), GIVEN_WEIGHT
    else:
        expected, weight = _expected_by_spacing(along, _min_cost_path(cost), poles), SPACING_WEIGHT
    chosen = _nearest_around(_min_cost_path(cost + ((along - expected[:, None]) * weight) ** 2), aside)
    rows = np.arange(len(poles))
    stop_m = np.maximum.accumulate(along[rows, chosen])
    return StopDistances(tuple(stop_m.tolist()), tuple(aside[rows, chosen].tolist()))


def _on_plane(plane: Plane, points: Sequence[Point]) -> Array:
    return np.array([plane.xy(point) for point in points], dtype=np.float64).reshape(len(points), 2)


@dataclass(frozen=True, slots=True)
class _Segments:
    """Short straight pieces: where each begins and ends, along the shape, (k,), and on the plane, (k, 2)."""

    start_m: Array
    end_m: Array
    start: Array
    end: Array


def _cut_into_segments(line: Array, along: Array) -> _Segments:
    along, first = np.unique(along, return_index=True)
    line = line[first]
    if len(along) < 2:  # a shape without length: one piece, a point
        along, line = np.repeat(along, 2), np.repeat(line, 2, axis=0)
    spans = np.diff(along)
    counts = np.maximum(1, np.ceil(spans / max(SEGMENT_M, float(along[-1] - along[0]) / MAX_SEGMENTS))).astype(int)
    into = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    cuts = np.append(np.repeat(along[:-1], counts) + into * np.repeat(spans / counts, counts), along[-1])
    points = np.column_stack([np.interp(cuts, along, line[:, axis]) for axis in (0, 1)])
    return _Segments(cuts[:-1], cuts[1:], points[:-1], points[1:])


def _offsets(pieces: _Segments, poles: Array) -> tuple[Array, Array]:
    """For each stop and piece: how far along the shape its nearest point lies, and how far the stop is from it."""
    way = pieces.end - pieces.start
    length = (way**2).sum(axis=1)
    apart = poles[:, None, :] - pieces.start[None, :, :]
    share = np.clip((apart * way).sum(axis=2) / np.where(length > 0, length, 1.0), 0.0, 1.0)
    aside = np.hypot(*np.moveaxis(apart - share[:, :, None] * way, 2, 0))
    return pieces.start_m + share * (pieces.end_m - pieces.start_m), aside


def _min_cost_path(cost: Array) -> Indices:
    """One column a row, never going back, with the least sum; the earliest of equals."""
    rows, columns = cost.shape
    numbers = np.arange(columns)
    came = np.zeros((rows, columns), dtype=np.int64)
    total = cost[0]
    for row in range(1, rows):
        least = np.minimum.accumulate(total)
        fresh = np.append(True, total[1:] < least[:-1])
        came[row] = np.maximum.accumulate(np.where(fresh, numbers, 0))
        total = cost[row] + least
    chosen = np.empty(rows, dtype=np.int64)
    chosen[-1] = int(np.argmin(total))
    for row in range(rows - 1, 0, -1):
        chosen[row - 1] = came[row, chosen[row]]
    return chosen


def _nearest_around(chosen: Indices, aside: Array) -> Indices:
    """The nearest piece thereabouts: what was expected decides between passes, not by how many metres on one."""
    around = np.clip(chosen[:, None] + np.arange(-NEIGHBOUR_SEGMENTS, NEIGHBOUR_SEGMENTS + 1), 0, aside.shape[1] - 1)
    best = np.argmin(np.take_along_axis(aside, around, axis=1), axis=1)
    return np.asarray(around[np.arange(len(chosen)), best])


def _expected_by_spacing(along: Array, chosen: Indices, poles: Array) -> Array:
    """Where stops would lie between the first and the last if the shape wound evenly between them."""
    reach = np.append(0.0, np.cumsum(np.hypot(*np.diff(poles, axis=0).T)))
    first, last = along[0, chosen[0]], along[-1, chosen[-1]]
    return np.asarray(first + (last - first) * (reach / reach[-1] if reach[-1] > 0 else reach))


def _given_is_plausible(line: Array, shape: Shape, poles: Array, given: Array) -> bool:
    there = np.column_stack([np.interp(given, shape.along_m, line[:, axis]) for axis in (0, 1)])
    return bool(np.median(np.hypot(*(poles - there).T)) < MAX_GIVEN_ERROR_M)
