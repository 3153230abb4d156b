"""A vehicle's own report of its trip, as evidence for or against a journey. It may be stale, wrong or missing."""

from collections.abc import Mapping
from dataclasses import dataclass

from models.network import Network, Pattern, Trip
from services.transit.model.position_report import PositionReport

TRIP_WEIGHT = 5.0
"""Natural logarithm: a reported trip counts as much as two or three anchors on its shape."""
BLOCK_WEIGHT = 3.0
ROUTE_WEIGHT = 4.0
DIRECTION_WEIGHT = 1.5
"""Directions are reported wrongly more often than routes: drivers forget to turn the sign."""
OUT_OF_SERVICE_WEIGHT = 9.0
"""A bus that says it takes nobody is hardly ever wrong, and never of use to a rider."""


@dataclass(frozen=True, slots=True)
class ReportedTrip:
    """Trip, route, direction and block of one report, resolved against the network.

    `route_ids`: empty where the report names no known route. `unknown_route`: the vehicle reports to serve a route that
    the network does not have.
    """

    trip_id: str
    service_date: str
    start_s: int | None
    route_ids: frozenset[str]
    direction_id: int | None
    block_id: str
    out_of_service: bool
    unknown_route: bool

    def weight_for(self, pattern: Pattern, trip: Trip | None, start_s: int) -> float:
        """How much the report speaks for (positive) or against a journey, natural logarithm."""
        weight = -OUT_OF_SERVICE_WEIGHT if self.out_of_service else 0.0
        if self.route_ids and pattern.route_id not in self.route_ids:
            weight -= ROUTE_WEIGHT
        if self.direction_id is not None and pattern.direction_id not in (None, self.direction_id):
            weight -= DIRECTION_WEIGHT
        if trip is not None:
            if self._names_journey(pattern, trip, start_s):
                weight += TRIP_WEIGHT
            if self.block_id and trip.block_id == self.block_id:
                weight += BLOCK_WEIGHT
        return weight

    def _names_journey(self, pattern: Pattern, trip: Trip, start_s: int) -> bool:
        """Whether the journey itself is reported: by its trip, or by its route and start where no trip is reported."""
        if self.trip_id:
            return trip.id == self.trip_id and (not trip.frequencies or self.start_s in (None, start_s))
        return self.start_s == start_s and pattern.route_id in self.route_ids


class RouteLookup:
    """Routes of a network by every name that a driver, a sign or a feed may use for them."""

    def __init__(self, network: Network) -> None:
        self._network = network
        names: dict[str, set[str]] = {}
        for route in network.routes.values():
            for name in (route.id, route.short_name):
                if name:
                    names.setdefault(_normalized(name), set()).add(route.id)
        self._names: Mapping[str, frozenset[str]] = {name: frozenset(ids) for name, ids in names.items()}

    def resolve(self, report: PositionReport) -> ReportedTrip:
        """The trip that a report names. A trip or route that the network does not have is ignored."""
        trip = self._network.trips.get(report.trip_id) if report.trip_id else None
        if trip is not None:
            route_ids = self._same_routes(self._network.patterns[trip.pattern].route_id)
        else:
            names = (_normalized(name) for name in (report.line, report.sign) if name)
            known = (self._names[name] for name in names if name in self._names)
            route_ids = self._same_routes(report.route_id) or next(known, frozenset())
        return ReportedTrip(
            trip_id=trip.id if trip else "",
            service_date=report.start_date or "",
            start_s=report.start_s,
            route_ids=route_ids,
            direction_id=report.direction_id,
            block_id=report.block_id or "",
            out_of_service=report.in_service is False,
            unknown_route=bool(report.line) and not route_ids and report.in_service is not False,
        )

    def _same_routes(self, route_id: str | None) -> frozenset[str]:
        """The route of an id, and the same route in a city's other feeds; else the routes of that name."""
        route = self._network.routes.get(route_id or "")
        if route is None:
            return self._names.get(_normalized(route_id or ""), frozenset())
        return frozenset((route.id,)) | self._names.get(_normalized(route.short_name), frozenset())


def _normalized(name: str) -> str:
    return name.strip().casefold().lstrip("0")
