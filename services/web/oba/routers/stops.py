"""OneBusAway endpoints of stops and lines: places, search, shapes, and stops of a line."""

from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Annotated

from fastapi import APIRouter, Query

from models.geo import Point
from models.network import Network, Pattern, Route, Shape, Stop
from services.transit.model.stop_search import normalized_words, search_stops
from services.transit.serving import departure_board
from services.web.oba.elements import references
from services.web.oba.elements import schema as oba
from services.web.oba.elements.index import Index
from services.web.oba.elements.polyline import encode
from services.web.oba.requests import (
    MOST_COUNT,
    Area,
    Count,
    CurrentRequest,
    Id,
    NoSuchResource,
    ObaRequest,
    SearchArea,
    Text,
    element_limit,
)
from services.web.oba.responses import oba_endpoint

DEFAULT_SEARCH_COUNT = 20

router = APIRouter()

SearchText = Annotated[str, Query(alias="input", max_length=100, description="Words of a name, or a code")]


@oba_endpoint(router, "/stops-for-location.json")
def stops_for_location(
    request: CurrentRequest, area: SearchArea, query: Text = None, count: Count = None
) -> oba.Answer[oba.Listing[oba.Stop]]:
    """The stops around a place, the nearest first; with `query`, those of that code or name."""
    limit = element_limit(count)
    found = [
        stop
        for _, stop in request.index.stops_within(area.box, area.centre, area.radius_m)
        if _stop_matches(stop, query)
    ]
    return _stop_listing(
        request, found[:limit], exceeded=len(found) > limit, outside=not request.index.covers(area.box)
    )


@oba_endpoint(router, "/routes-for-location.json")
def routes_for_location(
    request: CurrentRequest, area: SearchArea, query: Text = None, count: Count = None
) -> oba.Answer[oba.Listing[oba.Route]]:
    """The lines that call at stops around a place, those of the nearest stop first; with `query`, of that name."""
    limit = element_limit(count)
    found = [route for route in _routes_in(request.index, area) if _route_matches(route, query)]
    return _route_listing(
        request, found[:limit], exceeded=len(found) > limit, outside=not request.index.covers(area.box)
    )


@oba_endpoint(router, "/search/stop.json")
def search_stop(request: CurrentRequest, words: SearchText, count: Count = None) -> oba.Answer[oba.Listing[oba.Stop]]:
    """Stops by the code on the pole or by their corner, the best match first."""
    limit = min(count or DEFAULT_SEARCH_COUNT, MOST_COUNT)
    found = search_stops(request.index.network, words)
    return _stop_listing(request, found[:limit], exceeded=len(found) > limit, outside=False)


@oba_endpoint(router, "/search/route.json")
def search_route(request: CurrentRequest, words: SearchText, count: Count = None) -> oba.Answer[oba.Listing[oba.Route]]:
    """Lines by their number or by words of their name."""
    limit = min(count or DEFAULT_SEARCH_COUNT, MOST_COUNT)
    found = [
        line.route
        for line in departure_board.lines(request.snapshot, request.now_s)
        if _route_matches(line.route, words)
    ]
    return _route_listing(request, found[:limit], exceeded=len(found) > limit, outside=False)


@oba_endpoint(router, "/stop/{stop_id:path}.json")
def stop(request: CurrentRequest, stop_id: Id) -> oba.Answer[oba.Entry[oba.Stop]]:
    """One stop."""
    found = require_stop(request, stop_id)
    request.collector.add_stop_references(found)
    return request.entry_answer(references.stop_element(request.index, found))


@oba_endpoint(router, "/route/{route_id:path}.json")
def route(request: CurrentRequest, route_id: Id) -> oba.Answer[oba.Entry[oba.Route]]:
    """One line."""
    found = require_route(request, route_id)
    request.collector.add_agency(found.agency_id)
    return request.entry_answer(references.route_element(request.index, found.id))


@oba_endpoint(router, "/shape/{shape_id:path}.json")
def shape(request: CurrentRequest, shape_id: Id) -> oba.Answer[oba.Entry[oba.Path]]:
    """A shape."""
    found = request.index.find_shape(shape_id)
    if found is None:
        raise NoSuchResource
    return request.entry_answer(polyline_element(found.points))


@oba_endpoint(router, "/stops-for-route/{route_id:path}.json")
def stops_for_route(
    request: CurrentRequest,
    route_id: Id,
    polylines: Annotated[bool, Query(alias="includePolylines", description="With the ways")] = True,
) -> oba.Answer[oba.Entry[oba.StopsForRoute]]:
    """The stops of a line by direction, in the order buses reach them, and its shapes."""
    found = require_route(request, route_id)
    network = request.index.network
    patterns = [network.patterns[index] for index in network.patterns_by_route.get(found.id, ())]
    request.collector.add_route(found.id)
    for stop_id in merge_stop_order(pattern.stop_ids for pattern in patterns):
        request.collector.add_stop(stop_id)
    return request.entry_answer(_stops_for_route(request.index, found, patterns, polylines=polylines))


def require_stop(request: ObaRequest, stop_id: str) -> Stop:
    """The stop with this id. Raises NoSuchResource."""
    found = request.index.find_stop(stop_id)
    if found is None:
        raise NoSuchResource
    return found


def require_route(request: ObaRequest, route_id: str) -> Route:
    """The line with this id. Raises NoSuchResource."""
    found = request.index.find_route(route_id)
    if found is None:
        raise NoSuchResource
    return request.index.network.routes[found]


def polyline_element(points: Iterable[Point]) -> oba.Path:
    """Points as a polyline."""
    polyline = tuple(points)
    return oba.Path(length=len(polyline), levels="", points=encode(polyline))


def merge_stop_order(lists: Iterable[tuple[str, ...]]) -> list[str]:
    """All stops of several patterns, each once: those of the longest pattern, the others after the stop they follow."""
    order: list[str] = []
    for stop_ids in sorted(lists, key=len, reverse=True):
        at = 0
        for stop_id in stop_ids:
            if stop_id in order:
                at = order.index(stop_id) + 1
            else:
                order.insert(at, stop_id)
                at += 1
    return order


def distinct_polylines(shapes: Iterable[Shape]) -> Iterator[oba.Path]:
    """The shapes as polylines, each segment once: segments drawn for an earlier shape are left out."""
    drawn: set[tuple[Point, Point]] = set()
    for shape in shapes:
        stretch: list[Point] = []
        for start, end in pairwise(shape.points):
            if (start, end) in drawn:
                if stretch:
                    yield polyline_element(stretch)
                stretch = []
                continue
            drawn.add((start, end))
            stretch = [*stretch, end] if stretch else [start, end]
        if stretch:
            yield polyline_element(stretch)


def _stops_for_route(index: Index, route: Route, patterns: list[Pattern], *, polylines: bool) -> oba.StopsForRoute:
    directions: dict[str, list[Pattern]] = {}
    for pattern in patterns:
        directions.setdefault(str(pattern.direction_id or 0), []).append(pattern)
    groups = [_stop_group(index, name, directions[name], polylines=polylines) for name in sorted(directions)]
    stop_ids = [index.stop_id(one) for one in merge_stop_order(pattern.stop_ids for pattern in patterns)]
    lines = list(distinct_polylines(_distinct_shapes(patterns))) if polylines else []
    whole = oba.StopGrouping(
        type="direction",
        ordered=True,
        stop_groups=groups,
        id="direction",
        name=oba.Name(name=route.long_name, names=[route.long_name], type="route"),
        polylines=lines,
        stop_ids=stop_ids,
    )
    return oba.StopsForRoute(
        route_id=index.route_id(route.id), stop_ids=stop_ids, stop_groupings=[whole], polylines=lines
    )


def _stop_group(index: Index, direction: str, patterns: list[Pattern], *, polylines: bool) -> oba.StopGroup:
    name = _headsign(index.network, patterns)
    return oba.StopGroup(
        id=direction,
        name=oba.Name(name=name, names=[name], type="destination"),
        polylines=list(distinct_polylines(_distinct_shapes(patterns))) if polylines else [],
        stop_ids=[index.stop_id(one) for one in merge_stop_order(pattern.stop_ids for pattern in patterns)],
        sub_groups=[],
    )


def _headsign(network: Network, patterns: list[Pattern]) -> str:
    """The most frequent headsign, else the last stop."""
    signs = [trip.headsign for pattern in patterns for trip in network.trips_by_pattern[pattern.index] if trip.headsign]
    return max(sorted(set(signs)), key=signs.count) if signs else network.stops[patterns[0].stop_ids[-1]].name


def _distinct_shapes(patterns: list[Pattern]) -> list[Shape]:
    """Each shape once, the longest first."""
    return sorted({one.shape.id: one.shape for one in patterns}.values(), key=lambda one: -one.length_m)


def _routes_in(index: Index, area: Area) -> list[Route]:
    found: dict[str, None] = {}
    for _, stop in index.stops_within(area.box, area.centre, area.radius_m):
        found.update(dict.fromkeys(index.routes_by_stop.get(stop.id, ())))
    return [index.network.routes[route_id] for route_id in found]


def _stop_matches(stop: Stop, query: str | None) -> bool:
    """Whether a stop has that code, or a name with all those words."""
    if not query or not query.strip():
        return True
    text, query_words = query.strip().casefold(), normalized_words(query)
    return text in (stop.code.casefold(), stop.id.casefold()) or (
        bool(query_words) and set(query_words) <= set(normalized_words(stop.name))
    )


def _route_matches(route: Route, query: str | None) -> bool:
    """Whether a line has that number, or a name with all those words."""
    if not query or not query.strip():
        return True
    query_words = normalized_words(query)
    return query.strip().casefold() == route.short_name.casefold() or (
        bool(query_words)
        and set(query_words) <= {*normalized_words(route.short_name), *normalized_words(route.long_name)}
    )


def _stop_listing(
    request: ObaRequest, found: list[Stop], *, exceeded: bool, outside: bool
) -> oba.Answer[oba.Listing[oba.Stop]]:
    for one in found:
        request.collector.add_stop_references(one)
    elements = [references.stop_element(request.index, one) for one in found]
    return request.list_answer(elements, limit_exceeded=exceeded, out_of_range=outside)


def _route_listing(
    request: ObaRequest, found: list[Route], *, exceeded: bool, outside: bool
) -> oba.Answer[oba.Listing[oba.Route]]:
    for one in found:
        request.collector.add_agency(one.agency_id)
    elements = [references.route_element(request.index, one.id) for one in found]
    return request.list_answer(elements, limit_exceeded=exceeded, out_of_range=outside)
