"""Spatial index of shapes: which shapes pass near a point, and how far along a shape a point lies.

Shapes are projected onto a plane in metres and indexed by a grid over the city.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from math import floor, hypot

from models.geo import Plane, nearest_on_segment
from models.network import Network, Shape

CELL_M = 150.0
SIMPLIFY_M = 2.0
"""A vertex nearer than this to the shape without it is left out: a fraction of a tracker's position error."""
MAX_SKIPPED_VERTICES = 40
"""How many vertices in a row may be left out."""

XY = tuple[float, float]
"""East and north on the plane, metres."""
Cell = tuple[int, int]


class ShapeOnPlane:
    """A shape projected onto a plane and simplified. Distances along it are the shape's own, metres from its start."""

    def __init__(self, shape: Shape, plane: Plane) -> None:
        points = [plane.xy(point) for point in shape.points]
        kept = _kept_vertices(points)
        self.surveyed = shape.surveyed
        self.xs = [points[index][0] for index in kept]
        self.ys = [points[index][1] for index in kept]
        self.distances_m = [shape.along_m[index] for index in kept]

    def nearest(
        self, xy: XY, low_m: float, high_m: float, expected_m: float, along_penalty: float
    ) -> tuple[float, float]:
        """The likeliest place of a point on the shape between two distances: (distance along, offset), metres.

        Least squared offset plus `along_penalty` times the distance along the shape from `expected_m`, which tells the
        passes of a shape that runs twice along one street apart.
        """
        x, y = xy
        xs, ys, distances_m = self.xs, self.ys, self.distances_m
        low_m, high_m = max(low_m, distances_m[0]), min(high_m, distances_m[-1])
        first = min(max(0, bisect_right(distances_m, low_m) - 1), len(distances_m) - 2)
        last = max(first + 1, min(len(distances_m) - 1, bisect_left(distances_m, high_m, first)))
        best_cost, best_m, best_offset2 = 1e30, min(max(low_m, distances_m[0]), distances_m[-1]), 1e9
        for index in range(first, last):
            ax, ay, begin_m = xs[index], ys[index], distances_m[index]
            dx, dy, span_m = xs[index + 1] - ax, ys[index + 1] - ay, distances_m[index + 1] - begin_m
            square = dx * dx + dy * dy
            share = ((x - ax) * dx + (y - ay) * dy) / square if square else 0.0
            share = 0.0 if share < 0.0 else min(share, 1.0)
            at_m = begin_m + share * span_m
            if at_m < low_m or at_m > high_m:
                at_m = low_m if at_m < low_m else high_m
                share = (at_m - begin_m) / span_m if span_m else 0.0
            ox, oy = x - ax - share * dx, y - ay - share * dy
            offset2 = ox * ox + oy * oy
            cost = offset2 + along_penalty * abs(at_m - expected_m)
            if cost < best_cost:
                best_cost, best_m, best_offset2 = cost, at_m, offset2
        return best_m, best_offset2**0.5

    def passes(self, xy: XY, segments: Sequence[int], limit_m: float) -> list[tuple[float, float]]:
        """Each pass of the shape within a limit of a point: (distance along, offset) where it comes nearest, metres.

        `segments`: numbers of the segments to try, rising. Successive segments within the limit are one pass.
        """
        x, y = xy
        found: list[tuple[float, float]] = []
        latest = -2
        for index in segments:
            share, offset_m = nearest_on_segment(
                x, y, self.xs[index], self.ys[index], self.xs[index + 1], self.ys[index + 1]
            )
            if offset_m > limit_m:
                continue
            nearest = (
                self.distances_m[index] + share * (self.distances_m[index + 1] - self.distances_m[index]),
                offset_m,
            )
            if index != latest + 1:
                found.append(nearest)
            elif offset_m < found[-1][1]:
                found[-1] = nearest
            latest = index
        return found


class ShapeIndex:
    """The shapes of a network on one plane, with their segments by the grid cells that they cross."""

    def __init__(self, network: Network) -> None:
        latitudes = [pattern.shape.points[0][0] for pattern in network.patterns]
        self.plane = Plane(sum(latitudes) / len(latitudes) if latitudes else 0.0)
        numbers: dict[int, int] = {}
        self.shapes: list[ShapeOnPlane] = []
        self.shape_numbers: list[int] = []
        """For each pattern the number of its shape; patterns may share one."""
        self.patterns_on: list[list[int]] = []
        """For each shape the indices of its patterns."""
        for pattern in network.patterns:
            number = numbers.setdefault(id(pattern.shape), len(self.shapes))
            if number == len(self.shapes):
                self.shapes.append(ShapeOnPlane(pattern.shape, self.plane))
                self.patterns_on.append([])
            self.shape_numbers.append(number)
            self.patterns_on[number].append(pattern.index)
        cells: dict[Cell, set[tuple[int, int]]] = {}
        for number, shape in enumerate(self.shapes):
            for cell, segment in _crossed_cells(shape):
                cells.setdefault(cell, set()).add((number, segment))
        self._cells = {cell: tuple(segments) for cell, segments in cells.items()}

    def segments_near(self, xy: XY, within_m: float) -> dict[int, list[int]]:
        """Segments, by the number of their shape, that may lie within a distance: all that do, and some more."""
        x, y = xy
        columns = range(floor((x - within_m) / CELL_M), floor((x + within_m) / CELL_M) + 1)
        rows = range(floor((y - within_m) / CELL_M), floor((y + within_m) / CELL_M) + 1)
        found: dict[int, set[int]] = {}
        for column in columns:
            for row in rows:
                for number, segment in self._cells.get((column, row), ()):
                    found.setdefault(number, set()).add(segment)
        return {number: sorted(segments) for number, segments in found.items()}


def _kept_vertices(points: Sequence[XY]) -> list[int]:
    """Indices of the vertices to keep: each stretch as long as its inner vertices lie on its chord."""
    kept, last = [0], len(points) - 1
    begin = 0
    while begin < last:
        end = begin + 1
        while end < last and end - begin < MAX_SKIPPED_VERTICES and _is_straight(points, begin, end + 1):
            end += 1
        kept.append(end)
        begin = end
    return kept


def _is_straight(points: Sequence[XY], begin: int, end: int) -> bool:
    (ax, ay), (bx, by) = points[begin], points[end]
    return all(nearest_on_segment(x, y, ax, ay, bx, by)[1] <= SIMPLIFY_M for x, y in points[begin + 1 : end])


def _crossed_cells(shape: ShapeOnPlane) -> Iterator[tuple[Cell, int]]:
    """The cells that each segment touches, sampled twice a cell."""
    for index in range(len(shape.xs) - 1):
        ax, ay, bx, by = shape.xs[index], shape.ys[index], shape.xs[index + 1], shape.ys[index + 1]
        steps = int(hypot(bx - ax, by - ay) / (CELL_M / 2)) + 1
        for step in range(steps + 1):
            share = step / steps
            yield (floor((ax + share * (bx - ax)) / CELL_M), floor((ay + share * (by - ay)) / CELL_M)), index
