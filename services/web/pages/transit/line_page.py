"""Template values of a line's pages: its directions, and the stops of one direction with the buses now."""

from typing import Any
from urllib.parse import quote

from services.transit.model.stop_search import public_code
from services.transit.rider import line_directions
from services.transit.rider.line_directions import BusesNow, DirectionStop, LineDirection
from services.transit.serving.snapshot import Health
from services.web.pages.language import Words
from services.web.pages.transit.phrases import LONGEST_LINE, LONGEST_PLACE, truncated
from services.web.pages.transit.rendering import RiderRequest
from services.web.pages.transit.stops import line_query, notices_of

MOST_DESTINATIONS = 4
WITHOUT_DIRECTION = "otro"
"""The last part of the URL of patterns to which the feed gives no direction."""


def line_address(line: str) -> str:
    """The URL of a line's page."""
    return f"/linea/{quote(line, safe='')}"


def direction_key(direction: LineDirection) -> str:
    """The last part of the URL of a direction: as in GTFS."""
    return WITHOUT_DIRECTION if direction.direction_id is None else str(direction.direction_id)


def line_values(rider: RiderRequest, found: list[LineDirection]) -> dict[str, object]:
    """The directions of a line, each with its buses."""
    rows = [
        (f"{line_address(one.line)}/{direction_key(one)}{rider.query}", _towards(one), _buses_text(rider, one, buses))
        for one in found
        for buses in (_buses(rider, one),)
    ]
    return _heading(rider, found[0]) | {"directions": rows}


def direction_values(rider: RiderRequest, found: list[LineDirection], chosen: LineDirection) -> dict[str, Any]:
    """One direction: a sentence on its buses, all its stops, and the other directions of the line."""
    buses = _buses(rider, chosen)
    stops = line_directions.direction_stops(rider.snapshot.network, chosen, buses)
    return _heading(rider, chosen) | {
        "towards": _towards(chosen),
        "buses": _buses_text(rider, chosen, buses),
        "stops": [_stop_row(rider.words, one) for one in stops],
        "of_line": line_query(rider, chosen.line),
        "others": [
            (f"{line_address(one.line)}/{direction_key(one)}{rider.query}", _towards(one))
            for one in found
            if one is not chosen
        ],
    }


def stops_from(values: dict[str, Any], first: int, most: int) -> dict[str, object]:
    """At most so many of the stops from a position on, and the position where the others begin, if there are any."""
    stops = values["stops"]
    following = first + most if first + most < len(stops) else None
    return {"stops": stops[first : first + most], "following": following, "remaining": len(stops) - first - most}


def _heading(rider: RiderRequest, direction: LineDirection) -> dict[str, object]:
    routes = line_directions.routes_named(rider.snapshot.network, direction.line)
    return {
        "line": truncated(direction.line, LONGEST_LINE),
        "here": line_address(direction.line),
        "blind": rider.snapshot.stale,
        "notices": notices_of(rider, [route.id for route in routes]),
    }


def _towards(direction: LineDirection) -> str:
    return ", ".join(truncated(place, LONGEST_PLACE) for place in direction.destinations[:MOST_DESTINATIONS])


def _buses(rider: RiderRequest, direction: LineDirection) -> BusesNow:
    return line_directions.buses_now(rider.snapshot, direction, rider.now.timestamp())


def _buses_text(rider: RiderRequest, direction: LineDirection, buses: BusesNow) -> str:
    """How many buses report; why there are none; and how many fell silent."""
    words = rider.words
    silent = words("line.silent", n=buses.silent) if buses.silent else ""
    if buses.reporting:
        said = words("line.buses_one") if buses.reporting == 1 else words("line.buses", n=buses.reporting)
    else:
        said = words("line.no_data" if _is_silent(rider, direction) else "line.no_buses")
    return f"{said} {silent}".strip()


def _is_silent(rider: RiderRequest, direction: LineDirection) -> bool:
    """Whether buses of the direction should be on the road, and none of their company's is heard."""
    snapshot, now = rider.snapshot, rider.now.timestamp()
    routes = {pattern.route_id for pattern in direction.patterns}
    agencies = {snapshot.network.routes[route_id].agency_id for route_id in routes}
    if any(snapshot.health(now, agency_id) is Health.LIVE for agency_id in agencies):
        return False
    return any(True for one in direction.patterns for _ in snapshot.network.journeys_between(one.index, now, now))


def _stop_row(words: Words, one: DirectionStop) -> tuple[str, str, str, str]:
    """Code, name, the destinations that not all buses have, and the buses whose next stop it is."""
    only = words("line.only_to", places=", ".join(truncated(place, LONGEST_PLACE) for place in one.only_to))
    buses = words("line.bus_here") if len(one.buses) == 1 else words("line.buses_here", n=len(one.buses))
    return (
        public_code(one.stop),
        truncated(one.stop.name, LONGEST_PLACE),
        only if one.only_to else "",
        buses if one.buses else "",
    )
