"""Index of a timetable by OneBusAway ids and by place. Built once for each network."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import cos, radians
from typing import TypeVar

from models.geo import METRES_PER_DEGREE, Point, distance_m
from models.network import Journey, Network, Shape, Stop, Trip
from services.web.oba.elements.headings import compass_point, departure_displacement

Value = TypeVar("Value")

DEFAULT_AGENCY_ID = "1"
"""The id of an agency without one, which GTFS allows."""


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle on the map, degrees; the edges belong to it."""

    south: float
    west: float
    north: float
    east: float

    @property
    def centre(self) -> Point:
        """The centre."""
        return ((self.south + self.north) / 2, (self.west + self.east) / 2)

    def contains(self, point: Point) -> bool:
        """Whether a point lies in it."""
        return self.south <= point[0] <= self.north and self.west <= point[1] <= self.east

    def intersects(self, other: "Box") -> bool:
        """Whether they share a point."""
        return (
            self.south <= other.north
            and other.south <= self.north
            and self.west <= other.east
            and other.west <= self.east
        )


def box_around(point: Point, radius_m: float) -> Box:
    """The smallest box that contains a circle."""
    half_height = radius_m / METRES_PER_DEGREE
    half_width = half_height / max(cos(radians(point[0])), 0.01)
    return Box(point[0] - half_height, point[1] - half_width, point[0] + half_height, point[1] + half_width)


class Index:
    """OneBusAway ids, `AGENCY_ID`, and lookups by id or by place.

    A stop bears the agency of the first line that calls there. A request may name it with any agency of the network:
    which line is first may change with the timetable, and the stops that riders saved must still be found.
    """

    def __init__(self, network: Network) -> None:
        self.network = network
        self._by_latitude = sorted(network.stops.values(), key=lambda stop: stop.point[0])
        self._latitudes = [stop.point[0] for stop in self._by_latitude]
        self._directions: dict[str, str] = {}

    # --- ids in answers

    def agency_id(self, agency_id: str) -> str:
        """An agency's id."""
        return agency_id or DEFAULT_AGENCY_ID

    def route_id(self, route_id: str) -> str:
        """A route's id."""
        return f"{self.agency_id(self.network.routes[route_id].agency_id)}_{route_id}"

    def stop_id(self, stop_id: str) -> str:
        """A stop's id."""
        return self._stop_ids[stop_id]

    def trip_id(self, trip: Trip) -> str:
        """A trip's id."""
        return self.trip_entity_id(trip, trip.id)

    def trip_entity_id(self, trip: Trip, name: str) -> str:
        """The id of a trip's service, block or shape; empty where the trip has none."""
        return self._prefixes[trip.pattern] + name if name else ""

    def vehicle_id(self, vehicle: str, trip: Trip | None) -> str:
        """A vehicle's id: with the agency of its trip, else the default agency."""
        return self.trip_entity_id(trip, vehicle) if trip is not None else f"{self.default_agency}_{vehicle}"

    def situation_id(self, alert_id: str) -> str:
        """The id of a service alert: with the default agency, whichever agencies it concerns."""
        return f"{self.default_agency}_{alert_id}"

    def agency_of_stop(self, stop_id: str) -> str:
        """The agency in the id of a stop."""
        routes = self.routes_by_stop.get(stop_id)
        if not routes:
            return self.default_agency
        return self.agency_id(self.network.routes[routes[0]].agency_id)

    @cached_property
    def _prefixes(self) -> tuple[str, ...]:
        """By pattern, the prefix of the ids of its trips."""
        routes = self.network.routes
        return tuple(f"{self.agency_id(routes[one.route_id].agency_id)}_" for one in self.network.patterns)

    @cached_property
    def _stop_ids(self) -> Mapping[str, str]:
        return {stop_id: f"{self.agency_of_stop(stop_id)}_{stop_id}" for stop_id in self.network.stops}

    @cached_property
    def default_agency(self) -> str:
        """The agency in the ids of what belongs to no agency."""
        return self.agency_id(next(iter(self.network.agencies), ""))

    # --- ids in requests

    def find_agency(self, oba_id: str) -> str | None:
        """The agency with this id."""
        return next((agency_id for agency_id in self.network.agencies if self.agency_id(agency_id) == oba_id), None)

    def find_stop(self, oba_id: str) -> Stop | None:
        """The stop with this id."""
        return self._find(oba_id, self.network.stops)

    def find_trip(self, oba_id: str) -> Trip | None:
        """The trip with this id."""
        return self._find(oba_id, self.network.trips)

    def find_route(self, oba_id: str) -> str | None:
        """The id within the network of the route with this id."""
        found = self._find(oba_id, self.network.routes)
        return found.id if found is not None else None

    def find_shape(self, oba_id: str) -> Shape | None:
        """The shape with this id."""
        return self._find(oba_id, self._shapes)

    def bare_ids(self, oba_id: str) -> Iterator[str]:
        """What the id may be without its agency. There may be several, since agency ids may contain underscores."""
        for agency_id in self.network.agencies:
            prefix = f"{self.agency_id(agency_id)}_"
            if oba_id.startswith(prefix):
                yield oba_id.removeprefix(prefix)

    def _find(self, oba_id: str, by_id: Mapping[str, Value]) -> Value | None:
        return next((by_id[bare_id] for bare_id in self.bare_ids(oba_id) if bare_id in by_id), None)

    @cached_property
    def _shapes(self) -> Mapping[str, Shape]:
        return {pattern.shape.id: pattern.shape for pattern in self.network.patterns}

    # --- days and blocks

    def service_date_ms(self, journey: Journey) -> int:
        """The zero of a journey's times, Unix milliseconds: midnight, except on the day of a clock change."""
        return round(self.network.service_day(journey.service_date)[0] * 1000)

    def block_sequence(self, journey: Journey) -> int:
        """The index of the trip within its block on that day, from 0; 0 without a block."""
        trips = self._block_trips(journey)
        return trips.index(journey.trip.id) if journey.trip.id in trips else 0

    def block_neighbours(self, journey: Journey) -> tuple[Trip | None, Trip | None]:
        """The trips of its block before and after it on that day."""
        trips = self._block_trips(journey)
        if journey.trip.id not in trips:
            return None, None
        at = trips.index(journey.trip.id)
        known = self.network.trips
        return (known[trips[at - 1]] if at else None, known[trips[at + 1]] if at + 1 < len(trips) else None)

    def _block_trips(self, journey: Journey) -> list[str]:
        if not journey.trip.block_id:
            return []
        _, running = self.network.service_day(journey.service_date)
        trips = self.network.trips_by_block.get(journey.trip.block_id, ())
        return [trip.id for trip in trips if trip.service_id in running]

    # --- places

    @cached_property
    def routes_by_stop(self) -> Mapping[str, tuple[str, ...]]:
        """By stop, the routes that call there; by station, those of its stops."""
        found: dict[str, dict[str, None]] = {}
        for pattern in self.network.patterns:
            for stop_id in pattern.stop_ids:
                for place in filter(None, (stop_id, self.network.stops[stop_id].parent)):
                    found.setdefault(place, {})[pattern.route_id] = None
        return {stop_id: tuple(routes) for stop_id, routes in found.items()}

    @cached_property
    def stops_by_agency(self) -> Mapping[str, tuple[Stop, ...]]:
        """By agency id, the stops that bear it, in the order of the network."""
        found: dict[str, list[Stop]] = {self.agency_id(one): [] for one in self.network.agencies}
        for stop in self.network.stops.values():
            found.setdefault(self.agency_of_stop(stop.id), []).append(stop)
        return {agency_id: tuple(stops) for agency_id, stops in found.items()}

    @cached_property
    def coverage_by_agency(self) -> Mapping[str, Box]:
        """By agency id, the box of the stops of its lines; agencies without stops are left out."""
        points: dict[str, list[Point]] = {}
        for pattern in self.network.patterns:
            agency_id = self.agency_id(self.network.routes[pattern.route_id].agency_id)
            points.setdefault(agency_id, []).extend(self.network.stops[one].point for one in pattern.stop_ids)
        return {agency_id: _bounding_box(found) for agency_id, found in points.items()}

    def covers(self, box: Box) -> bool:
        """Whether any agency has stops in a box, by their bounding boxes."""
        return any(box.intersects(covered) for covered in self.coverage_by_agency.values())

    def stops_within(self, box: Box, centre: Point, radius_m: float | None = None) -> list[tuple[float, Stop]]:
        """Stops in a box, or in a circle within it, with their distance from `centre`, metres, the nearest first.

        Only stops where buses stop: no entrances, no stations.
        """
        first, end = bisect_left(self._latitudes, box.south), bisect_right(self._latitudes, box.north)
        found = [
            (distance_m(centre, stop.point), stop)
            for stop in self._by_latitude[first:end]
            if box.west <= stop.point[1] <= box.east and stop.location_type == 0
        ]
        within = [pair for pair in found if radius_m is None or pair[0] <= radius_m]
        return sorted(within, key=lambda pair: (pair[0], pair[1].id))

    def departure_direction(self, stop_id: str) -> str:
        """The direction in which buses leave a stop: N, NE, ... NW; empty where none leaves or the lines disagree."""
        direction = self._directions.get(stop_id)
        if direction is None:
            calls = self.network.calls_by_stop.get(stop_id, ())
            direction = compass_point(
                departure_displacement(self.network.patterns[pattern], position) for pattern, position in calls
            )
            self._directions[stop_id] = direction
        return direction


def _bounding_box(points: Sequence[Point]) -> Box:
    latitudes, longitudes = [point[0] for point in points], [point[1] for point in points]
    return Box(min(latitudes), min(longitudes), max(latitudes), max(longitudes))
