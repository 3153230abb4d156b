"""A sheet of paper for a stop: its code, its lines, and a QR code that leads to its board."""

from functools import partial
from urllib.parse import urlsplit

import segno
from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse
from markupsafe import Markup

from models.network import Stop
from services.runtime.settings import LOOPBACK_HOSTS
from services.transit.rider.rider_search import find_stop
from services.transit.rider.stop_arrivals import destinations_at, routes_by_line_name
from services.web.access import PUBLIC
from services.web.context import context_of
from services.web.pages.transit.finding import StopCode, nothing_found
from services.web.pages.transit.phrases import LONGEST_LINE, LONGEST_PLACE, truncated
from services.web.pages.transit.rendering import (
    MOST_LIST_BYTES,
    CurrentRider,
    RiderRequest,
    RiderRoute,
    first_that_fits,
    small_page,
)
from services.web.pages.transit.stops import heading_values, stop_address

router = APIRouter(route_class=RiderRoute, default_response_class=HTMLResponse, include_in_schema=False)

MOST_LINES = (40, 24, 16, 8)
"""Lines on a sheet: the most that fit are shown, and the others are counted."""
MOST_DESTINATIONS = 3
QUIET_MODULES = 4
"""The white border that ISO/IEC 18004 asks for."""


@router.get("/p/{code}/hoja", dependencies=[PUBLIC])
def sheet(request: Request, rider: CurrentRider, code: StopCode) -> Response:
    """The sheet of a stop, to be printed and put up."""
    stop = find_stop(rider.snapshot.network, code)
    if stop is None:
        return nothing_found(rider, code)
    address = _public_address(request, stop)
    values = heading_values(stop) | {
        "address": address,
        "shown_address": address.partition("//")[2],
        "qr": _qr_code(address),
        "only_here": (urlsplit(address).hostname or "") in LOOPBACK_HOSTS,
    }
    return first_that_fits(
        (
            partial(small_page, rider, "sheet.html", values | _lines(rider, stop, most), style="sheet.css")
            for most in MOST_LINES
        ),
        MOST_LIST_BYTES,
    )


def _public_address(request: Request, stop: Stop) -> str:
    """The whole URL of a stop's page: at the public URL of the settings, else at the name that was asked."""
    origin = context_of(request).settings.public_url or f"{request.url.scheme}://{request.headers['host']}"
    return origin.rstrip("/") + stop_address(stop)


def _qr_code(address: str) -> Markup:
    """An SVG element: black on white also on a dark screen, medium error correction, since paper gets dirty."""
    code = segno.make(address, error="m", micro=False)
    svg = code.svg_inline(border=QUIET_MODULES, omitsize=True, dark="#000", light="#fff")
    return Markup(svg)  # noqa: S704 - of numbers only: the address is in the modules


def _lines(rider: RiderRequest, stop: Stop, most: int) -> dict[str, object]:
    network = rider.snapshot.network
    names = list(routes_by_line_name(network, stop.id))
    rows = [
        (
            truncated(name, LONGEST_LINE),
            ", ".join(
                truncated(place, LONGEST_PLACE) for place in destinations_at(network, stop.id, name)[:MOST_DESTINATIONS]
            ),
        )
        for name in names[:most]
    ]
    return {"lines": rows, "also": len(names) - len(rows)}
