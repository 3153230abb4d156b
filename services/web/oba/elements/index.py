"""A timetable by the names and places a OneBusAway client asks for. Built once for each network."""

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
"""The id of an agency that GTFS allows to have none."""


@dataclass(frozen=True, slots=True)
class Box:
    """A part of the map, degrees; both ends belong to it."""

    south: float
    west: float
    north: float
    east: float

    @property
    def centre(self) -> Point:
        """Its middle."""
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
    """The box that holds a circle."""
    high = radius_m / METRES_PER_DEGREE
    wide = high / max(cos(radians(point[0])), 0.01)
    return Box(point[0] - high, point[1] - wide, point[0] + high, point[1] + wide)


class Index:
    """Ids as OneBusAway writes them, `AGENCY_ID`, and what is looked up by them or by place.

    A stop has the agency of the first line that calls there. Asked for, any agency of the network will do before the
    id: which line calls first may change with the timetable, and a rider's saved stop should not.
    """

    def __init__(self, network: Network) -> None:
        self.network = network
        self._by_latitude = sorted(network.stops.values(), key=lambda stop: stop.point[0])
        self._latitudes = [stop.point[0] for stop in self._by_latitude]
        self._directions: dict[str, str] = {}

    # --- ids as they go out

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
        """The id of what belongs to a trip: its service, block or shape; empty where the trip has none."""
        return self._prefixes[trip.pattern] + name if name else ""

    def vehicle_id(self, vehicle: str, trip: Trip | None) -> str:
        """A vehicle's id: its trip's agency stands before it, else the first."""
        return self.trip_entity_id(trip, vehicle) if trip is not None else f"{self.default_agency}_{vehicle}"

    def situation_id(self, alert_id: str) -> str:
        """A service alert's id: the city gives them, whichever agencies they concern."""
        return f"{self.default_agency}_{alert_id}"

    def agency_of_stop(self, stop_id: str) -> str:
        """The agency whose name a stop bears."""
        routes = self.routes_by_stop.get(stop_id)
        if not routes:
            return self.default_agency
        return self.agency_id(self.network.routes[routes[0]].agency_id)

    @cached_property
    def _prefixes(self) -> tuple[str, ...]:
        """By pattern, what stands before the ids of its trips."""
        routes = self.network.routes
        return tuple(f"{self.agency_id(routes[one.route_id].agency_id)}_" for one in self.network.patterns)

    @cached_property
    def _stop_ids(self) -> Mapping[str, str]:
        return {stop_id: f"{self.agency_of_stop(stop_id)}_{stop_id}" for stop_id in self.network.stops}

    @cached_property
    def default_agency(self) -> str:
        """The agency of what belongs to none."""
        return self.agency_id(next(iter(self.network.agencies), ""))

    # --- ids as they come in

    def find_agency(self, asked: str) -> str | None:
        """The agency asked for."""
        return next((one for one in self.network.agencies if self.agency_id(one) == asked), None)

    def find_stop(self, asked: str) -> Stop | None:
        """The stop asked for."""
        return self._find(asked, self.network.stops)

    def find_trip(self, asked: str) -> Trip | None:
        """The trip asked for."""
        return self._find(asked, self.network.trips)

    def find_route(self, asked: str) -> str | None:
        """The id, within the network, of the route asked for."""
        found = self._find(asked, self.network.routes)
        return found.id if found is not None else None

    def find_shape(self, asked: str) -> Shape | None:
        """The shape asked for."""
        return self._find(asked, self._shapes)

    def bare_ids(self, asked: str) -> Iterator[str]:
        """What an id may mean without its agency: agencies' ids may hold underscores too."""
        for agency_id in self.network.agencies:
            prefix = f"{self.agency_id(agency_id)}_"
            if asked.startswith(prefix):
                yield asked.removeprefix(prefix)

    def _find(self, asked: str, among: Mapping[str, Value]) -> Value | None:
        return next((among[name] for name in self.bare_ids(asked) if name in among), None)

    @cached_property
    def _shapes(self) -> Mapping[str, Shape]:
        return {pattern.shape.id: pattern.shape for pattern in self.network.patterns}

    # --- days and blocks

    def service_date_ms(self, journey: Journey) -> int:
        """The zero of a journey's times: midnight of its service date, but on the day of a clock change, ms."""
        return round(self.network.service_day(journey.service_date)[0] * 1000)

    def block_sequence(self, journey: Journey) -> int:
        """Which of its block's trips of that day it is, from 0; 0 without a block."""
        trips = self._block_trips(journey)
        return trips.index(journey.trip.id) if journey.trip.id in trips else 0

    def block_neighbours(self, journey: Journey) -> tuple[Trip | None, Trip | None]:
        """The trips of its block before and after it that day."""
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

    # --- what stands where

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
        """By agency, as its id goes out, the stops that bear its name, in the network's order."""
        found: dict[str, list[Stop]] = {self.agency_id(one): [] for one in self.network.agencies}
        for stop in self.network.stops.values():
            found.setdefault(self.agency_of_stop(stop.id), []).append(stop)
        return {agency_id: tuple(stops) for agency_id, stops in found.items()}

    @cached_property
    def coverage_by_agency(self) -> Mapping[str, Box]:
        """By agency, as its id goes out, where the stops of its lines lie; agencies without stops are left out."""
        points: dict[str, list[Point]] = {}
        for pattern in self.network.patterns:
            agency_id = self.agency_id(self.network.routes[pattern.route_id].agency_id)
            points.setdefault(agency_id, []).extend(self.network.stops[one].point for one in pattern.stop_ids)
        return {agency_id: _bounding_box(found) for agency_id, found in points.items()}

    def covers(self, box: Box) -> bool:
        """Whether any agency runs in a part of the map."""
        return any(box.intersects(covered) for covered in self.coverage_by_agency.values())

    def stops_within(self, box: Box, centre: Point, radius_m: float | None = None) -> list[tuple[float, Stop]]:
        """Stops in a box, or in a circle that it holds, with their distance from `centre`, m, the nearest first.

        Only where buses stop: no entrances, no stations.
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
        """Whither buses leave a stop: N, NE, ... NW; empty where nothing leaves or the lines disagree."""
        known = self._directions.get(stop_id)
        if known is None:
            calls = self.network.calls_by_stop.get(stop_id, ())
            known = compass_point(
                departure_displacement(self.network.patterns[pattern], position) for pattern, position in calls
            )
            self._directions[stop_id] = known
        return known


def _bounding_box(points: Sequence[Point]) -> Box:
    latitudes, longitudes = [point[0] for point in points], [point[1] for point in points]
    return Box(min(latitudes), min(longitudes), max(latitudes), max(longitudes))
