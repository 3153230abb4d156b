"""Which lines on the ground pass near a point, and how far along one of them a point lies: a grid over the city."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from math import floor, hypot

from models.geo import Plane
from models.network import Network, Shape

CELL_M = 150.0
SIMPLIFY_M = 2.0
"""A vertex nearer than this to the line without it is left out: a fraction of what a tracker's position errs."""
MAX_SKIPPED_VERTICES = 40
"""How many vertices in a row may be left out."""

XY = tuple[float, float]
Cell = tuple[int, int]


class ShapeOnPlane:
    """A shape on a plane, with the vertices that matter. Distances are the shape's own, metres from its beginning."""

    def __init__(self, shape: Shape, plane: Plane) -> None:
        points = [plane.xy(point) for point in shape.points]
        kept = _kept_vertices(points)
        self.surveyed = shape.surveyed
        self.xs = [points[index][0] for index in kept]
        self.ys = [points[index][1] for index in kept]
        self.distances_m = [shape.along_m[index] for index in kept]

    def nearest(self, here: XY, low: float, high: float, expected: float, slack: float) -> tuple[float, float]:
        """The likeliest place on the track between two distances along it: (distance along, offset), metres.

        Likeliest: least offset squared plus `slack` times how far along it lies from `expected`, which tells the
        passes of a line that runs twice along one street apart.
        """
        x, y = here
        xs, ys, along = self.xs, self.ys, self.distances_m
        low, high = max(low, along[0]), min(high, along[-1])
        first = min(max(0, bisect_right(along, low) - 1), len(along) - 2)
        last = max(first + 1, min(len(along) - 1, bisect_left(along, high, first)))
        best, best_along, best_offset = 1e30, min(max(low, along[0]), along[-1]), 1e9
        for index in range(first, last):
            ax, ay, begin = xs[index], ys[index], along[index]
            dx, dy, span = xs[index + 1] - ax, ys[index + 1] - ay, along[index + 1] - begin
            square = dx * dx + dy * dy
            share = ((x - ax) * dx + (y - ay) * dy) / square if square else 0.0
            share = 0.0 if share < 0.0 else min(share, 1.0)
            at = begin + share * span
            if at < low or at > high:
                at = low if at < low else high
                share = (at - begin) / span if span else 0.0
            ox, oy = x - ax - share * dx, y - ay - share * dy
            offset2 = ox * ox + oy * oy
            cost = offset2 + slack * abs(at - expected)
            if cost < best:
                best, best_along, best_offset = cost, at, offset2
        return best_along, best_offset**0.5

    def passes(self, here: XY, segments: Sequence[int], limit_m: float) -> list[tuple[float, float]]:
        """Each time some of its segments come within a limit of a point: (distance along, offset), the least of each.

        `segments`: by their numbers, rising; those that follow each other within the limit are one passing.
        """
        x, y = here
        found: list[tuple[float, float]] = []
        latest = -2
        for index in segments:
            share, offset = _nearest_on_segment(
                x, y, self.xs[index], self.ys[index], self.xs[index + 1], self.ys[index + 1]
            )
            if offset > limit_m:
                continue
            place = (self.distances_m[index] + share * (self.distances_m[index + 1] - self.distances_m[index]), offset)
            if index != latest + 1:
                found.append(place)
            elif offset < found[-1][1]:
                found[-1] = place
            latest = index
        return found


class ShapeIndex:
    """Every track of a network by the cells it crosses."""

    def __init__(self, network: Network) -> None:
        latitudes = [pattern.shape.points[0][0] for pattern in network.patterns]
        self.plane = Plane(sum(latitudes) / len(latitudes) if latitudes else 0.0)
        numbers: dict[int, int] = {}
        self.shapes: list[ShapeOnPlane] = []
        self.shape_numbers: list[int] = []
        """For each pattern the number of its track; patterns share the track of a shape they share."""
        self.patterns_on: list[list[int]] = []
        for pattern in network.patterns:
            number = numbers.setdefault(id(pattern.shape), len(self.shapes))
            if number == len(self.shapes):
                self.shapes.append(ShapeOnPlane(pattern.shape, self.plane))
                self.patterns_on.append([])
            self.shape_numbers.append(number)
            self.patterns_on[number].append(pattern.index)
        cells: dict[Cell, set[tuple[int, int]]] = {}
        for number, track in enumerate(self.shapes):
            for cell, segment in _crossed_cells(track):
                cells.setdefault(cell, set()).add((number, segment))
        self._cells = {cell: tuple(crossing) for cell, crossing in cells.items()}

    def segments_near(self, here: XY, within_m: float) -> dict[int, list[int]]:
        """The tracks that may pass within a distance, each with the segments that may: all that do, and some more."""
        x, y = here
        columns = range(floor((x - within_m) / CELL_M), floor((x + within_m) / CELL_M) + 1)
        rows = range(floor((y - within_m) / CELL_M), floor((y + within_m) / CELL_M) + 1)
        found: dict[int, set[int]] = {}
        for column in columns:
            for row in rows:
                for number, segment in self._cells.get((column, row), ()):
                    found.setdefault(number, set()).add(segment)
        return {number: sorted(segments) for number, segments in found.items()}


def _nearest_on_segment(x: float, y: float, ax: float, ay: float, bx: float, by: float) -> tuple[float, float]:
    dx, dy = bx - ax, by - ay
    square = dx * dx + dy * dy
    share = min(1.0, max(0.0, ((x - ax) * dx + (y - ay) * dy) / square)) if square else 0.0
    return share, hypot(x - ax - share * dx, y - ay - share * dy)


def _kept_vertices(points: Sequence[XY]) -> list[int]:
    """Indices of the vertices to keep: each stretch as long as its inner vertices lie on its chord."""
    kept, last = [0], len(points) - 1
    at = 0
    while at < last:
        end = at + 1
        while end < last and end - at < MAX_SKIPPED_VERTICES and _is_straight(points, at, end + 1):
            end += 1
        kept.append(end)
        at = end
    return kept


def _is_straight(points: Sequence[XY], begin: int, end: int) -> bool:
    (ax, ay), (bx, by) = points[begin], points[end]
    return all(_nearest_on_segment(x, y, ax, ay, bx, by)[1] <= SIMPLIFY_M for x, y in points[begin + 1 : end])


def _crossed_cells(track: ShapeOnPlane) -> Iterator[tuple[Cell, int]]:
    """The cells each segment touches, sampled twice a cell."""
    for index in range(len(track.xs) - 1):
        ax, ay, bx, by = track.xs[index], track.ys[index], track.xs[index + 1], track.ys[index + 1]
        steps = int(hypot(bx - ax, by - ay) / (CELL_M / 2)) + 1
        for step in range(steps + 1):
            share = step / steps
            yield (floor((ax + share * (bx - ax)) / CELL_M), floor((ay + share * (by - ay)) / CELL_M)), index
