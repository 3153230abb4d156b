"""Pages by which riders find their stop: the search, and a line with its directions."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Path, Query, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from models.network import Stop
from services.transit.model.stop_search import MAX_QUERY_CHARS, public_code
from services.transit.rider import line_directions, rider_search
from services.transit.rider.line_directions import LineDirection
from services.transit.rider.rider_search import Found, NearStop
from services.transit.rider.stop_arrivals import destinations_at, routes_by_line_name
from services.transit.rider.text_answers import example_query
from services.web.access import PUBLIC
from services.web.pages.transit import line_page
from services.web.pages.transit.phrases import LONGEST_LINE, truncated
from services.web.pages.transit.rendering import (
    MOST_LIST_BYTES,
    CurrentRider,
    RiderRequest,
    RiderRoute,
    first_that_fits,
    small_page,
)
from services.web.pages.transit.stops import LONGEST_NAME, MOST_PLACES, line_query, stop_address

router = APIRouter(route_class=RiderRoute, default_response_class=HTMLResponse, include_in_schema=False)

NO_NUL = r"^[^\x00]*$"
MOST_STOPS_A_PAGE = (90, 60, 50, 44, 40, 36, 30, 20, 10)
"""Stops on one page of a direction: the most that fit are shown, and a link leads to the others."""

SearchText = Annotated[str, Query(alias="q", max_length=MAX_QUERY_CHARS, pattern=NO_NUL)]
StopCode = Annotated[str, Path(max_length=64, pattern=NO_NUL)]
LineNamePath = Annotated[str, Path(max_length=64, pattern=NO_NUL)]
DirectionPath = Annotated[str, Path(max_length=8, pattern=NO_NUL)]
FromStop = Annotated[int, Query(alias="desde", ge=0, le=10_000)]


@dataclass(frozen=True, slots=True)
class StopRow:
    """A stop in the search results. `distance`: from the place asked for; empty where it was found by its name."""

    address: str
    code: str
    name: str
    lines: str
    places: str
    distance: str = ""


@router.get("/p", dependencies=[PUBLIC])
def redirect_to_search() -> Response:
    """The search page's URL as people type it."""
    return RedirectResponse("/p/", HTTPStatus.MOVED_PERMANENTLY)


@router.get("/p/", dependencies=[PUBLIC])
def find_stop(rider: CurrentRider, q: SearchText = "") -> Response:
    """Search for a stop, a line, a corner or a landmark. What is meant exactly is redirected to."""
    return search_answer(rider, q) if q.strip() else _search_page(rider, "", Found())


@router.get("/linea/{name}", dependencies=[PUBLIC])
def line_of_name(rider: CurrentRider, name: LineNamePath) -> Response:
    """The directions of a line, with the buses on each; its only direction where it has one."""
    found = line_directions.directions(rider.snapshot.network, name)
    if not found:
        return nothing_found(rider, name)
    if len(found) == 1:
        return _direction_page(rider, found, found[0], 0)
    return small_page(rider, "line.html", line_page.line_values(rider, found))


@router.get("/linea/{name}/{direction}", dependencies=[PUBLIC])
def direction_of_line(
    rider: CurrentRider, name: LineNamePath, direction: DirectionPath, desde: FromStop = 0
) -> Response:
    """The stops of one direction of a line, with the buses now."""
    found = line_directions.directions(rider.snapshot.network, name)
    chosen = next((one for one in found if line_page.direction_key(one) == direction), None)
    if chosen is None:
        return nothing_found(rider, name)
    return _direction_page(rider, found, chosen, desde)


def search_answer(rider: RiderRequest, text: str, status_if_none: int = HTTPStatus.OK) -> Response:
    """The answer to a search, whether it was typed into the form or as an address."""
    found = rider_search.search(rider.snapshot, text)
    if found.stop is not None and not found.line:
        return RedirectResponse(stop_address(found.stop) + line_query(rider, found.at_line), HTTPStatus.SEE_OTHER)
    if found.line and found.stop is None:
        return RedirectResponse(line_page.line_address(found.line) + rider.query, HTTPStatus.SEE_OTHER)
    return _search_page(rider, text.strip(), found, status_if_none if found.is_empty else HTTPStatus.OK)


def nothing_found(rider: RiderRequest, asked: str) -> HTMLResponse:
    """The search page that says so, where no stop has the code of an address."""
    return _search_page(rider, asked, Found(), HTTPStatus.NOT_FOUND)


def _direction_page(rider: RiderRequest, found: list[LineDirection], chosen: LineDirection, first: int) -> HTMLResponse:
    values = line_page.direction_values(rider, found, chosen)
    return first_that_fits(
        (
            partial(small_page, rider, "direction.html", values | line_page.stops_from(values, first, most))
            for most in MOST_STOPS_A_PAGE
        ),
        MOST_LIST_BYTES,
    )


def _search_page(rider: RiderRequest, asked: str, found: Found, status: int = HTTPStatus.OK) -> HTMLResponse:
    return first_that_fits(
        partial(small_page, rider, "search.html", _search_values(rider, asked, found, most), status=status)
        for most in (20, 12, 8, 4)
    )


def _search_values(rider: RiderRequest, asked: str, found: Found, most: int) -> dict[str, object]:
    network, line = rider.snapshot.network, found.at_line
    stops = [*([found.stop] if found.stop else []), *found.stops][:most]
    return {
        "asked": asked,
        "nothing": found.is_empty,
        "lines": [_line_row(rider, name) for name in ([found.line] if found.line else found.towards)],
        "stops": [stop_row(rider, stop, line) for stop in stops],
        "also": len(found.stops) + bool(found.stop) - len(stops),
        "landmarks": [
            (truncated(one.name, LONGEST_NAME), [near_row(rider, near, line) for near in one.stops[:most]])
            for one in found.landmarks
        ],
        "example": example_query(network).partition(" ")[0],
        "longest": MAX_QUERY_CHARS,
        "ready": bool(network.stops),
    }


def stop_row(rider: RiderRequest, stop: Stop, line: str = "", distance: str = "") -> StopRow:
    """A stop with its lines and destinations; its address leads to one line where one is given."""
    network = rider.snapshot.network
    lines = ", ".join(routes_by_line_name(network, stop.id))
    places = ", ".join(destinations_at(network, stop.id, line or None)[:MOST_PLACES])
    address = stop_address(stop) + line_query(rider, line)
    return StopRow(
        address,
        public_code(stop),
        truncated(stop.name, LONGEST_NAME),
        truncated(lines, LONGEST_NAME),
        truncated(places, LONGEST_NAME),
        distance,
    )


def near_row(rider: RiderRequest, near: NearStop, line: str = "") -> StopRow:
    """A stop with its distance, to ten metres."""
    metres = rider.words.number(round(near.distance_m, -1))
    return stop_row(rider, near.stop, line, rider.words("rider.metres", n=metres))


def _line_row(rider: RiderRequest, name: str) -> tuple[str, str, str]:
    """Address, name and destinations of a line."""
    found: Iterable[LineDirection] = line_directions.directions(rider.snapshot.network, name)
    places = ", ".join(dict.fromkeys(place for one in found for place in one.destinations))
    address = line_page.line_address(name) + rider.query
    return address, truncated(name, LONGEST_LINE), truncated(places, LONGEST_NAME)
