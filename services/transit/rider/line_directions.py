"""One line in one direction: its stops in order, all branches merged, and the buses that report now. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from models.network import Network, Pattern, Route, Stop
from services.transit.rider.stop_arrivals import line_name
from services.transit.serving import departure_board
from services.transit.serving.departure_board import TrackedVehicle
from services.transit.serving.snapshot import TransitSnapshot

MOST_DESTINATIONS = 3
Call = tuple[str, int]
"""A stop id, and how many times the pattern called there before: a loop ends where it began."""


@dataclass(frozen=True, slots=True)
class LineDirection:
    """The patterns of a line that share a direction.

    `direction_id`: as in GTFS, None where the feed gives none. `destinations`: those of most trips first.
    """

    line: str
    direction_id: int | None
    patterns: tuple[Pattern, ...]
    destinations: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DirectionStop:
    """A stop of a direction. `only_to`: the destinations that are reached from here, where not all are.

    `buses`: the vehicles that report and whose next stop this is.
    """

    stop: Stop
    only_to: tuple[str, ...] = ()
    buses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class BusesNow:
    """The vehicles of a direction. `at`: by their next call. `silent`: those not heard for some minutes."""

    at: Mapping[Call, tuple[str, ...]] = field(default_factory=dict)
    reporting: int = 0
    silent: int = 0


def routes_named(network: Network, name: str) -> list[Route]:
    """The routes of a line by its public name, whatever its case. Several routes may share a name."""
    wanted = name.strip().casefold()
    return [route for route in network.routes.values() if line_name(route).casefold() == wanted]


def directions(network: Network, name: str) -> list[LineDirection]:
    """The directions of a line in which buses run, in the order of their ids; empty where there is no such line."""
    routes = routes_named(network, name)
    by_direction: dict[int | None, list[Pattern]] = {}
    for route in routes:
        for index in network.patterns_by_route.get(route.id, ()):
            if network.trips_by_pattern[index]:
                pattern = network.patterns[index]
                by_direction.setdefault(pattern.direction_id, []).append(pattern)
    ordered = sorted(by_direction, key=lambda direction: (direction is None, direction or 0))
    return [_direction(network, line_name(routes[0]), one, by_direction[one]) for one in ordered]


def direction_stops(network: Network, direction: LineDirection, buses: BusesNow) -> list[DirectionStop]:
    """The stops of a direction in order, the stops of each branch together."""
    calls: list[Call] = []
    served: dict[Call, set[str]] = {}
    for pattern in direction.patterns:
        own = _calls(pattern)
        calls = _merged(calls, own)
        for call in own:
            served.setdefault(call, set()).add(destination(network, pattern))
    return [
        DirectionStop(
            network.stops[call[0]],
            () if len(served[call]) == len(direction.destinations) else tuple(sorted(served[call])),
            buses.at.get(call, ()),
        )
        for call in calls
    ]


def buses_now(snapshot: TransitSnapshot, direction: LineDirection, now: float) -> BusesNow:
    """The vehicles that make a journey of the direction now."""
    indices = {pattern.index for pattern in direction.patterns}
    route_ids = {pattern.route_id for pattern in direction.patterns}
    tracked = [
        one
        for one in departure_board.vehicles(snapshot, now)
        if one.route is not None and one.route.id in route_ids and one.journey and one.journey.trip.pattern in indices
    ]
    heard = [one for one in tracked if not one.silent]
    at: dict[Call, tuple[str, ...]] = {}
    for one in heard:
        call = _next_call(snapshot.network, one)
        if call is not None:
            at[call] = (*at.get(call, ()), one.prediction.vehicle)
    return BusesNow(at, len(heard), len(tracked) - len(heard))


def destination(network: Network, pattern: Pattern) -> str:
    """Where a pattern goes: the headsign of its trips, else its last stop."""
    trips = network.trips_by_pattern[pattern.index]
    return (trips[0].headsign if trips else "") or network.stops[pattern.stop_ids[-1]].name


def _direction(network: Network, line: str, direction_id: int | None, patterns: Sequence[Pattern]) -> LineDirection:
    """The pattern of most trips first: it decides the order of the stops."""
    ordered = sorted(patterns, key=lambda one: (-len(network.trips_by_pattern[one.index]), one.index))
    destinations = dict.fromkeys(destination(network, pattern) for pattern in ordered)
    return LineDirection(line, direction_id, tuple(ordered), tuple(destinations))


def _calls(pattern: Pattern) -> list[Call]:
    seen: dict[str, int] = {}
    calls = []
    for stop_id in pattern.stop_ids:
        calls.append((stop_id, seen.get(stop_id, 0)))
        seen[stop_id] = seen.get(stop_id, 0) + 1
    return calls


def _merged(calls: list[Call], own: Iterable[Call]) -> list[Call]:
    """Calls with those of another branch put in: before the next call that both have, or at their end."""
    merged, waiting, at = list(calls), list[Call](), 0
    for call in own:
        if call not in merged:
            waiting.append(call)
            continue
        where = merged.index(call)
        if where >= at:
            merged[where:where] = waiting
            at, waiting = where + len(waiting) + 1, []
    merged[at:at] = waiting
    return merged


def _next_call(network: Network, tracked: TrackedVehicle) -> Call | None:
    journey, trips = tracked.journey, tracked.prediction.trips
    if journey is None or not trips or (trips[0].trip_id, trips[0].start_s) != (journey.trip.id, journey.start_s):
        return None
    calls = _calls(network.patterns[journey.trip.pattern])
    return calls[trips[0].first_position] if trips[0].first_position < len(calls) else None
