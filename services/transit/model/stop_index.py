"""Spatial index of stops: which stops lie near a point. A grid over the city."""

from math import ceil

from models.geo import Plane, Point, distance_m
from models.network import Network, Stop

CELL_M = 500.0
MAX_RADIUS_M = 5_000.0
"""The largest radius of a search: it bounds the number of cells visited."""


class StopIndex:
    """The stops of one network by cells of a grid. Stations and entrances are left out: no bus stops there."""

    def __init__(self, network: Network) -> None:
        stops = [stop for stop in network.stops.values() if stop.location_type == 0]
        latitudes = [stop.point[0] for stop in stops]
        self._plane = Plane(sum(latitudes) / len(latitudes) if latitudes else 0.0)
        self._box = _bounding_box([self._plane.xy(stop.point) for stop in stops])
        self._cells: dict[tuple[int, int], list[Stop]] = {}
        for stop in stops:
            self._cells.setdefault(self._cell(stop.point), []).append(stop)

    def stops_within(self, point: Point, radius_m: float) -> list[tuple[float, Stop]]:
        """Stops within a radius: (distance in metres, stop), the nearest first. `radius_m`: up to MAX_RADIUS_M."""
        # Away from the middle of the city a degree is a little wider or narrower than on the plane.
        reach = ceil(min(radius_m, MAX_RADIUS_M) * 1.02 / CELL_M)
        column, row = self._cell(point)
        found = [
            (distance, stop)
            for x in range(column - reach, column + reach + 1)
            for y in range(row - reach, row + reach + 1)
            for stop in self._cells.get((x, y), ())
            if (distance := distance_m(point, stop.point)) <= radius_m
        ]
        return sorted(found, key=lambda pair: (pair[0], pair[1].id))

    def covers(self, point: Point, margin_m: float) -> bool:
        """Whether a point lies in the bounding box of all stops, widened by `margin_m` on all sides."""
        if self._box is None:
            return False
        x, y = self._plane.xy(point)
        west, south, east, north = self._box
        return west - margin_m <= x <= east + margin_m and south - margin_m <= y <= north + margin_m

    def _cell(self, point: Point) -> tuple[int, int]:
        x, y = self._plane.xy(point)
        return int(x // CELL_M), int(y // CELL_M)


def _bounding_box(points: list[tuple[float, float]]) -> tuple[float, float, float, float] | None:
    """West, south, east and north of all points; None without points."""
    if not points:
        return None
    xs, ys = [x for x, _ in points], [y for _, y in points]
    return min(xs), min(ys), max(xs), max(ys)
