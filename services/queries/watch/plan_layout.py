"""Geometry of the city's plan: a map projection to SVG units, symbols kept apart, labels that do not overlap. Pure."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from math import cos, hypot, sin, sqrt

from models.geo import Plane, Point

Spot = tuple[float, float]
"""A place on the plan, SVG units: x to the right, y downwards."""
Ring = tuple[Spot, ...]

WIDTH = 360.0
"""Width of the plan in SVG units: about that of a phone, so that a unit is about a CSS pixel there."""
LEAST_HEIGHT, GREATEST_HEIGHT = 180.0, 300.0
"""A phone of 844 pixels keeps more than half of its screen for what stands below the plan."""
MARGIN = 18.0
APART = 26.0
"""Distance between symbols: a finger hits one of them (WCAG 2.2 asks for 24)."""
LEAST_EXTENT_M = 2_000.0
"""A city with one station, or several in one place, is drawn this large."""
ROUNDS = 80
HOMEWARD_ROUNDS = 50
"""In these rounds symbols are drawn back to their places; the last rounds only keep them apart."""
PULL = 0.04
GOLDEN_ANGLE = 2.399963
FILL = 0.45
"""Part of the plan that symbols may cover. Beyond it they stand closer than APART."""
LETTER = 0.57
"""Mean width of a letter, parts of the font size."""
FONT = 11.0
GRID = 12.0
"""Distance between the points looked at inside an outline."""
MAX_INNER_POINTS = 16
BADGE_STEP = 8.0
"""Distance between the places tried for a badge."""


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle on the plan."""

    left: float
    top: float
    width: float
    height: float

    @classmethod
    def around(cls, at: Spot, width: float, height: float) -> "Box":
        """The box of that size with its middle at a spot."""
        return cls(at[0] - width / 2, at[1] - height / 2, width, height)

    def overlap(self, other: "Box") -> float:
        """The area that two boxes share."""
        across = min(self.left + self.width, other.left + other.width) - max(self.left, other.left)
        down = min(self.top + self.height, other.top + other.height) - max(self.top, other.top)
        return max(0.0, across) * max(0.0, down)


@dataclass(frozen=True, slots=True)
class Frame:
    """The drawn part of the earth: metres of its left and upper edge on a plane, units a metre, and its height."""

    plane: Plane
    left_m: float
    top_m: float
    scale: float
    height: float

    def spot(self, point: Point) -> Spot:
        """A place on the plan, to a tenth of a unit."""
        x, y = self.plane.xy(point)
        return (round((x - self.left_m) * self.scale, 1), round((self.top_m - y) * self.scale, 1))

    def holds(self, box: Box) -> bool:
        """Whether a box lies inside the plan."""
        return box.left >= 0 and box.top >= 0 and box.left + box.width <= WIDTH and box.top + box.height <= self.height


def fit(points: Sequence[Point]) -> Frame:
    """The frame that shows all points with a margin, as large as WIDTH and GREATEST_HEIGHT allow.

    Raises ValueError without points.
    """
    plane = Plane(sum(latitude for latitude, _ in points) / len(points))
    placed = [plane.xy(point) for point in points]
    (left, right), (bottom, top) = ((min(values), max(values)) for values in zip(*placed, strict=True))
    wide, tall = max(right - left, LEAST_EXTENT_M), max(top - bottom, LEAST_EXTENT_M)
    scale = min((WIDTH - 2 * MARGIN) / wide, (GREATEST_HEIGHT - 2 * MARGIN) / tall)
    height = max(LEAST_HEIGHT, tall * scale + 2 * MARGIN)
    return Frame(
        plane, (left + right) / 2 - WIDTH / scale / 2, (bottom + top) / 2 + height / scale / 2, scale, round(height, 1)
    )


@lru_cache(maxsize=16)
def keep_apart(anchors: tuple[Spot, ...], height: float) -> tuple[Spot, ...]:
    """The places of symbols near their anchors, APART from each other where the plan has room for it."""
    if not anchors:
        return ()
    apart = min(APART, sqrt(FILL * WIDTH * height / len(anchors)))
    # A little out of place, each in its own direction: symbols at one place could not be told apart otherwise.
    spots = [(x + cos(n * GOLDEN_ANGLE), y + sin(n * GOLDEN_ANGLE)) for n, (x, y) in enumerate(anchors)]
    for number in range(ROUNDS):
        moves = _pushes(spots, apart)
        pull = PULL if number < HOMEWARD_ROUNDS else 0.0
        spots = [
            _inside((x + dx + pull * (home[0] - x), y + dy + pull * (home[1] - y)), height)
            for (x, y), (dx, dy), home in zip(spots, moves, anchors, strict=True)
        ]
    return tuple((round(x, 1), round(y, 1)) for x, y in spots)


def _pushes(spots: Sequence[Spot], apart: float) -> list[Spot]:
    """How far each symbol moves away from those that are too near; only neighbouring cells of a grid are compared."""
    cells: dict[tuple[int, int], list[int]] = {}
    for number, (x, y) in enumerate(spots):
        cells.setdefault((int(x // apart), int(y // apart)), []).append(number)
    moves = [(0.0, 0.0)] * len(spots)
    for number, (x, y) in enumerate(spots):
        column, row = int(x // apart), int(y // apart)
        near = (cells.get((column + i, row + j), ()) for i in (-1, 0, 1) for j in (-1, 0, 1))
        for other in (one for several in near for one in several if one != number):
            dx, dy = x - spots[other][0], y - spots[other][1]
            if not (away := hypot(dx, dy)):
                dx, dy, away = cos(number * GOLDEN_ANGLE), sin(number * GOLDEN_ANGLE), 1.0
            if away < apart:
                share = (apart - away) / away / 2
                moves[number] = (moves[number][0] + dx * share, moves[number][1] + dy * share)
    return moves


def _inside(spot: Spot, height: float) -> Spot:
    edge = APART / 2
    return (min(max(spot[0], edge), WIDTH - edge), min(max(spot[1], edge), height - edge))


@lru_cache(maxsize=256)
def inner_points(rings: tuple[Ring, ...], height: float) -> tuple[Spot, ...]:
    """Points inside outlines and on the plan, those farthest from every edge first."""
    found = []
    for ring in rings:
        columns = [GRID * n for n in range(1, int(WIDTH / GRID))]
        rows = [GRID * n for n in range(1, int(height / GRID))]
        spots = [(x, y) for x in columns for y in rows if _contains(ring, (x, y))]
        found += [(min(_edge_distance(ring, spot), *_frame_distances(spot, height)), spot) for spot in spots]
    return tuple(spot for _, spot in sorted(found, reverse=True)[:MAX_INNER_POINTS])


def _frame_distances(spot: Spot, height: float) -> tuple[float, float]:
    return min(spot[0], WIDTH - spot[0]), min(spot[1], height - spot[1])


def _contains(ring: Ring, spot: Spot) -> bool:
    x, y = spot
    crossed = [
        x < (x2 - x1) * (y - y1) / (y2 - y1) + x1 for (x1, y1), (x2, y2) in pairwise(ring) if (y1 > y) != (y2 > y)
    ]
    return sum(crossed) % 2 == 1


def _edge_distance(ring: Ring, spot: Spot) -> float:
    return min(_segment_distance(spot, one, other) for one, other in pairwise(ring))


def _segment_distance(spot: Spot, one: Spot, other: Spot) -> float:
    dx, dy = other[0] - one[0], other[1] - one[1]
    length = dx * dx + dy * dy
    share = 0.0 if not length else ((spot[0] - one[0]) * dx + (spot[1] - one[1]) * dy) / length
    share = min(1.0, max(0.0, share))
    return hypot(spot[0] - one[0] - share * dx, spot[1] - one[1] - share * dy)


@dataclass(frozen=True, slots=True)
class Label:
    """A text on the plan. `x`, `y`: the middle of its base line."""

    text: str
    x: float
    y: float


def label_box(text: str, middle: Spot) -> Box:
    """The room that a text takes."""
    return Box.around(middle, len(text) * LETTER * FONT + 2, FONT + 2)


def beside(at: Spot, text: str) -> Iterator[Spot]:
    """Where a symbol's label may stand: to the right, the left, below, above, and the same with a shift."""
    x, y = at
    aside, half = APART / 2 + len(text) * LETTER * FONT / 2 + 2, APART / 2 + FONT / 2 + 1
    yield from ((x + aside, y), (x - aside, y), (x, y + half), (x, y - half))
    yield from ((x + aside, y + 9), (x - aside, y + 9), (x + aside, y - 9), (x - aside, y - 9))


def place_label(text: str, middles: Iterable[Spot], taken: list[Box], holds: Callable[[Box], bool]) -> Label | None:
    """The label at the first place where it covers nothing, which is then taken; None where there is none."""
    for middle in middles:
        box = label_box(text, middle)
        if holds(box) and not any(box.overlap(other) for other in taken):
            taken.append(box)
            return Label(text, round(middle[0], 1), round(middle[1] + FONT * 0.35, 1))
    return None


def place_badge(near: Spot, size: Spot, taken: list[Box], frame: Frame) -> Spot:
    """The place of a badge that must be shown: the nearest where it covers nothing, else where it covers least."""
    spots = [(x, y) for x in _steps(size[0], WIDTH) for y in _steps(size[1], frame.height)]
    least, best = float("inf"), near
    for spot in sorted(spots, key=lambda spot: (hypot(spot[0] - near[0], spot[1] - near[1]), spot)):
        box = Box.around(spot, *size)
        covered = sum(box.overlap(other) for other in taken)
        if covered < least:
            least, best = covered, spot
        if not covered:
            break
    taken.append(Box.around(best, *size))
    return best


def _steps(size: float, length: float) -> list[float]:
    """Places for the middle of something of that size along an edge of the plan."""
    count = max(0, int((length - size) / BADGE_STEP))
    return [round(size / 2 + BADGE_STEP * n, 1) for n in range(count + 1)]


def path_of(spots: Sequence[Spot], *, closed: bool = False) -> str:
    """The SVG path of a line or an outline."""
    points = " ".join(f"{x:g} {y:g}" for x, y in spots)
    return f"M{points}{'Z' if closed else ''}"
