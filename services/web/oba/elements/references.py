"""References of a OneBusAway answer: each element it refers to, once and complete."""

from collections.abc import Iterable, Sequence

from models.network import Stop, Trip
from services.transit.model.service_alert import ServiceAlert
from services.web.oba.elements import schema as oba
from services.web.oba.elements.index import Index
from services.web.oba.elements.situations import situation_element
from services.web.oba.elements.trip_status import ActiveTrip

WHEELCHAIR = ("UNKNOWN", "ACCESSIBLE", "NOT_ACCESSIBLE")
"""By GTFS wheelchair_boarding."""


def agency_element(index: Index, agency_id: str) -> oba.Agency:
    """An agency of the network, by its id there."""
    one = index.network.agencies[agency_id]
    return oba.Agency(
        id=index.agency_id(agency_id),
        name=one.name,
        url=one.url,
        timezone=one.timezone or index.network.zone.key,
        lang=one.language,
        phone=one.phone,
        email="",
        fare_url="",
        disclaimer="",
        private_service=False,
    )


def route_element(index: Index, route_id: str) -> oba.Route:
    """A route of the network, by its id there."""
    one = index.network.routes[route_id]
    return oba.Route(
        id=index.route_id(route_id),
        agency_id=index.agency_id(one.agency_id),
        short_name=one.short_name,
        long_name=one.long_name,
        null_safe_short_name=one.short_name or one.long_name or one.id,
        description=one.description,
        type=one.route_type,
        url=one.url,
        color=one.color,
        text_color=one.text_color,
    )


def stop_element(index: Index, one: Stop) -> oba.Stop:
    """A stop of the network."""
    routes = [index.route_id(route_id) for route_id in index.routes_by_stop.get(one.id, ())]
    return oba.Stop(
        id=index.stop_id(one.id),
        code=one.code,
        name=one.name,
        lat=one.point[0],
        lon=one.point[1],
        direction=index.departure_direction(one.id),
        location_type=one.location_type,
        parent=index.stop_id(one.parent) if one.parent in index.network.stops else "",
        route_ids=routes,
        static_route_ids=routes,
        wheelchair_boarding=WHEELCHAIR[one.wheelchair if 0 <= one.wheelchair < len(WHEELCHAIR) else 0],
    )


def trip_element(index: Index, one: Trip) -> oba.Trip:
    """A trip of the network."""
    pattern = index.network.patterns[one.pattern]
    return oba.Trip(
        id=index.trip_id(one),
        route_id=index.route_id(pattern.route_id),
        service_id=index.trip_entity_id(one, one.service_id),
        shape_id=index.trip_entity_id(one, pattern.shape.id),
        block_id=index.trip_entity_id(one, one.block_id),
        direction_id="" if pattern.direction_id is None else str(pattern.direction_id),
        trip_headsign=one.headsign,
        trip_short_name=one.short_name,
        route_short_name=index.network.routes[pattern.route_id].short_name,
        time_zone=index.network.zone.key,
        peak_offpeak=0,
    )


class ReferenceCollector:
    """Collects references. A stop adds its routes and its station, a trip its route, a route its agency."""

    def __init__(self, index: Index) -> None:
        self._index = index
        self._agencies: dict[str, None] = {}
        self._routes: dict[str, None] = {}
        self._stops: dict[str, None] = {}
        self._trips: dict[str, Trip] = {}
        self._alerts: dict[str, ServiceAlert] = {}

    def add_agency(self, agency_id: str) -> None:
        """Add an agency, by its id in the network."""
        self._agencies[agency_id] = None

    def add_route(self, route_id: str) -> None:
        """Add a route, by its id in the network."""
        if route_id not in self._routes:
            self._routes[route_id] = None
            self.add_agency(self._index.network.routes[route_id].agency_id)

    def add_stop(self, stop_id: str) -> None:
        """Add a stop, by its id in the network."""
        found = self._index.network.stops.get(stop_id)
        if found is None or stop_id in self._stops:
            return
        self._stops[stop_id] = None
        self.add_stop_references(found)

    def add_stop_references(self, one: Stop) -> None:
        """Add what a stop refers to, where the stop itself is in the answer."""
        self.add_stop(one.parent)
        for route_id in self._index.routes_by_stop.get(one.id, ()):
            self.add_route(route_id)

    def add_trip(self, one: Trip) -> None:
        """Add a trip."""
        self._trips[one.id] = one
        self.add_route(self._index.network.patterns[one.pattern].route_id)

    def add_active_trip(self, active_trip: ActiveTrip, *, trips: bool = True) -> None:
        """Add the trip a bus makes, the stop nearest to the bus, and the next stop."""
        if trips:
            self.add_trip(active_trip.status.journey.trip)
        self.add_stop(active_trip.status.pattern.stop_ids[active_trip.nearest_position])
        self.add_stop(active_trip.status.pattern.stop_ids[active_trip.next_position])

    def add_alerts(self, alerts: Iterable[ServiceAlert]) -> list[str]:
        """Add service alerts; returns the ids of their situations."""
        added = list(alerts)
        self._alerts.update((one.id, one) for one in added)
        return [self._index.situation_id(one.id) for one in added]

    def references(self, stop_times: Sequence[oba.StopTime] = ()) -> oba.References:
        """All that was collected."""
        index = self._index
        return oba.References(
            agencies=[agency_element(index, one) for one in self._agencies],
            routes=[route_element(index, one) for one in self._routes],
            situations=[situation_element(index, one) for one in self._alerts.values()],
            stops=[stop_element(index, index.network.stops[one]) for one in self._stops],
            stop_times=list(stop_times),
            trips=[trip_element(index, one) for one in self._trips.values()],
        )
