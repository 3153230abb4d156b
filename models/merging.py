"""One network out of several feeds of a city, whose ids may clash: a rider sees one city, whoever runs the buses."""

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
    """Feeds of one city go by one clock."""


def merge_networks(networks: Sequence[Network]) -> Network:
    """The networks as one, in the order given. Raises ZonesDiffer.

    The first feed keeps all its ids. A later one keeps those that mean nothing else yet; one that does gets the feed's
    name before it (`feed:id`). Two stops of one id within 30 m of each other are one stop, two agencies of one id and
    name are one agency. Links need nothing of this: their identity is their stops and way.
    """
    return reduce(_merge_pair, networks)


def _merge_pair(here: Network, there: Network) -> Network:
    if here.zone.key != there.zone.key:
        raise TimeZonesDiffer(f"{there.feed} goes by {there.zone.key}, and the others by {here.zone.key}")
    other = _without_clashes(there, here)
    patterns = tuple(replace(one, index=one.index + len(here.patterns)) for one in other.patterns)
    trips = {name: replace(one, pattern=one.pattern + len(here.patterns)) for name, one in other.trips.items()}
    return Network(
        version=f"{here.version}+{there.version}",
        zone=here.zone,
        agencies={**other.agencies, **here.agencies},
        stops={**other.stops, **here.stops},
        routes={**here.routes, **other.routes},
        patterns=here.patterns + patterns,
        trips={**here.trips, **trips},
        services={**here.services, **other.services},
    )


def _without_clashes(network: Network, taken: Network) -> Network:
    """A network without a clash, but for stops and agencies that are the same."""
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


def _rename_all(values: Mapping[str, Value], names: Renamer) -> dict[str, Value]:
    return {names(name): replace(value, id=names(name)) for name, value in values.items()}  # type: ignore[type-var]


def _renamer(feed: str, clashes: Container[str]) -> Renamer:
    return lambda name: f"{feed}:{name}" if name in clashes else name


def _clashes(
    ours: Mapping[str, Value], taken: Mapping[str, Value], same: Callable[[Value, Value], bool]
) -> frozenset[str]:
    return frozenset(name for name, one in ours.items() if name in taken and not same(one, taken[name]))


def _same_stop(here: Stop, there: Stop) -> bool:
    return distance_m(here.point, there.point) <= SAME_STOP_M


def _same_agency(here: Agency, there: Agency) -> bool:
    return here.name == there.name
