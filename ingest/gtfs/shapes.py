"""Read the shapes of a GTFS feed, and draw straight ones where a trip has none."""

import math
from dataclasses import dataclass
from hashlib import blake2b
from itertools import pairwise

from ingest.gtfs.fields import (
    IntegerCache,
    parse_latitude,
    parse_longitude,
)
from ingest.gtfs.files import FeedFiles
from ingest.gtfs.findings import Findings
from models.geo import Point, cumulative_distances_m
from models.network import Shape, Stop

ShapeRow = tuple[int, int, float, float, str]
"""A row of shapes.txt: sequence, line number, latitude, longitude, given distance."""


@dataclass(frozen=True, slots=True)
class FeedShape:
    """A shape as given in the feed.

    `given_distances`: shape_dist_traveled of its points, in the unit of the feed; empty unless the values increase.
    """

    shape: Shape
    given_distances: tuple[float, ...] = ()


def read_shapes(feed: FeedFiles, findings: Findings, wanted: set[str]) -> dict[str, FeedShape]:
    """The wanted shapes that have at least two points."""
    points: dict[str, list[ShapeRow]] = {name: [] for name in wanted}
    numbers = IntegerCache()
    columns = ("shape_id", "shape_pt_lat", "shape_pt_lon", "shape_pt_sequence")
    for line, (name, latitude, longitude, order, given) in feed.rows(
        "shapes.txt", *columns, "shape_dist_traveled", needed=columns
    ):
        if name not in points:
            continue
        number = numbers[order]
        try:
            point = (number, line, parse_latitude(latitude), parse_longitude(longitude), given)
        except ValueError as error:
            findings.refuse(f"shapes.txt:{line}", f'shape_pt_lat "{latitude}", shape_pt_lon "{longitude}": {error}')
            continue
        if number < 0:
            findings.refuse(f"shapes.txt:{line}", f'shape_pt_sequence "{order}": expected a whole number')
        points[name].append(point)
    lines = {name: _without_repeats(sorted(rows)) for name, rows in points.items()}
    return {name: _feed_shape(name, rows) for name, rows in lines.items() if len(rows) > 1}


def _without_repeats(rows: list[ShapeRow]) -> list[ShapeRow]:
    """The rows without points that repeat the point before."""
    return rows[:1] + [after for before, after in pairwise(rows) if before[2:4] != after[2:4]]


def _feed_shape(name: str, rows: list[ShapeRow]) -> FeedShape:
    line = tuple((latitude, longitude) for _, _, latitude, longitude, _ in rows)
    return FeedShape(
        Shape(name, line, cumulative_distances_m(line)), increasing_distances([given for *_, given in rows])
    )


def increasing_distances(texts: list[str]) -> tuple[float, ...]:
    """shape_dist_traveled as numbers, in any unit; empty unless all are present and they increase."""
    try:
        values = tuple(float(text) for text in texts)
    except ValueError:
        return ()
    rising = all(before <= after for before, after in pairwise(values)) and values[0] < values[-1]
    return values if rising and all(map(math.isfinite, values)) else ()


def straight_shape(stops: list[Stop]) -> Shape:
    """A shape of straight lines between the stops, for trips without one. Its id is a hash of the stop ids."""
    points: tuple[Point, ...] = tuple(stop.point for stop in stops)
    name = blake2b("\n".join(stop.id for stop in stops).encode(), digest_size=8).hexdigest()
    return Shape(f"stops-{name}", points, cumulative_distances_m(points), surveyed=False)
