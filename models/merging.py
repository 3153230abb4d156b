"""Merging of the GTFS feeds of one city into one network, though their ids may clash. Riders see one city."""

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import replace
from functools import reduce
from typing import TypeVar

from models.geo import distance_m
from models.links import SAME_STOP_M
from models.network import Agency, Network, Stop

Value = TypeVar("Value")
Renamer = Callable[[str], str]


class TimeZonesDiffer(ValueError):
    """The feeds of one city must share one time zone."""


def merge_networks(networks: Sequence[Network]) -> Network:
    """The networks as one, in the order given. Raises TimeZonesDiffer.

    The first feed keeps all its ids. A later feed keeps an id unless an earlier one uses it for something else; then
    the feed's name is put before it (`feed:id`). Two stops of one id within 30 m of each other are one stop, two
    agencies of one id and name are one agency. Link ids need no change: they follow from stops and path.
    """
    return reduce(_merge_pair, networks)


def _merge_pair(first: Network, second: Network) -> Network:
    if first.zone.key != second.zone.key:
        raise TimeZonesDiffer(f"time zone of {second.feed} is {second.zone.key}, that of the others {first.zone.key}")
    other = _without_clashes(second, first)
    offset = len(first.patterns)
    patterns = tuple(replace(pattern, index=pattern.index + offset) for pattern in other.patterns)
    trips = {trip_id: replace(trip, pattern=trip.pattern + offset) for trip_id, trip in other.trips.items()}
    return Network(
        version=f"{first.version}+{second.version}",
        zone=first.zone,
        agencies={**other.agencies, **first.agencies},
        stops={**other.stops, **first.stops},
        routes={**first.routes, **other.routes},
        patterns=first.patterns + patterns,
        trips={**first.trips, **trips},
        services={**first.services, **other.services},
        published=first.published + other.published,
    )


def _without_clashes(network: Network, taken: Network) -> Network:
    """The network with its clashing ids renamed; stops and agencies that are the same keep theirs."""
    agency = _renamer(network.feed, _clashes(network.agencies, taken.agencies, _same_agency))
    stop = _renamer(network.feed, _clashes(network.stops, taken.stops, _same_stop))
    route = _renamer(network.feed, taken.routes)
    service = _renamer(network.feed, taken.services)
    trip = _renamer(network.feed, taken.trips)
    block = _renamer(network.feed, taken.trips_by_block)
    shape = _renamer(network.feed, {pattern.shape.id for pattern in taken.patterns if pattern.shape.surveyed})
    shapes = {pattern.shape.id: replace(pattern.shape, id=shape(pattern.shape.id)) for pattern in network.patterns}
    return replace(
        network,
        agencies=_rename_all(network.agencies, agency),
        stops={stop(s.id): replace(s, id=stop(s.id), parent=stop(s.parent)) for s in network.stops.values()},
        routes={
            route(r.id): replace(r, id=route(r.id), agency_id=agency(r.agency_id)) for r in network.routes.values()
        },
        patterns=tuple(
            replace(
                p,
                route_id=route(p.route_id),
                stop_ids=tuple(map(stop, p.stop_ids)),
                shape=shapes[p.shape.id],
            )
            for p in network.patterns
        ),
        trips={
            trip(t.id): replace(t, id=trip(t.id), service_id=service(t.service_id), block_id=block(t.block_id))
            for t in network.trips.values()
        },
        services=_rename_all(network.services, service),
    )


def _rename_all(values: Mapping[str, Value], rename: Renamer) -> dict[str, Value]:
    return {rename(key): replace(value, id=rename(key)) for key, value in values.items()}  # type: ignore[type-var]


def _renamer(feed: str, clashes: Container[str]) -> Renamer:
    return lambda key: f"{feed}:{key}" if key in clashes else key


def _clashes(
    values: Mapping[str, Value], taken: Mapping[str, Value], same: Callable[[Value, Value], bool]
) -> frozenset[str]:
    return frozenset(key for key, value in values.items() if key in taken and not same(value, taken[key]))


def _same_stop(stop: Stop, other: Stop) -> bool:
    return distance_m(stop.point, other.point) <= SAME_STOP_M


def _same_agency(agency: Agency, other: Agency) -> bool:
    return agency.name == other.name
