"""The stops near a rider: by the position of the telephone, on the rider's press only, or chosen from a list.

The position comes in the body of a form, rounded to about 100 m, so that it stands in no address, no log and no cache.
It is used for this one answer and forgotten.
"""

from functools import partial
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import HTMLResponse

from models.network import Route
from services.transit.model.stop_index import MAX_RADIUS_M
from services.transit.rider.rider_search import stops_near
from services.transit.rider.stop_arrivals import line_name
from services.transit.serving.departure_board import natural_order
from services.web.access import PUBLIC
from services.web.pages.static_files import FILES
from services.web.pages.transit.finding import near_row
from services.web.pages.transit.line_page import line_address
from services.web.pages.transit.phrases import LONGEST_LINE, LONGEST_PLACE, truncated
from services.web.pages.transit.rendering import CurrentRider, RiderRequest, RiderRoute, first_that_fits, small_page
from services.web.same_origin import require_same_origin

router = APIRouter(route_class=RiderRoute, default_response_class=HTMLResponse, include_in_schema=False)

POSITION_DECIMALS = 3
"""Of a degree: about 100 m, a block. Enough to find a stop, too little to find a door."""
NEAR_M = 800.0
"""Ten minutes on foot, for most people."""
MOST_NEAR = 10
MOST_LISTED = (80, 40, 20, 8)
"""Lines and landmarks in the list: the most that fit; the others are found by the search."""
SCRIPT = FILES["near.js"][0].decode()

FormLatitude = Annotated[float, Form(alias="lat", ge=-90, le=90)]
FormLongitude = Annotated[float, Form(alias="lon", ge=-180, le=180)]


@router.get("/cerca", dependencies=[PUBLIC])
def choose_place(rider: CurrentRider) -> HTMLResponse:
    """A button for the position of the telephone where the browser has one, and lines and landmarks to choose from."""
    return _near_page(rider, {"asked": False}, script=SCRIPT)


@router.post("/cerca", dependencies=[PUBLIC])
def stops_near_position(request: Request, rider: CurrentRider, lat: FormLatitude, lon: FormLongitude) -> Response:
    """The stops near a position: within NEAR_M, else the nearest one. Nothing of the position is stored or logged."""
    require_same_origin(request)
    point = (round(lat, POSITION_DECIMALS), round(lon, POSITION_DECIMALS))
    near = stops_near(rider.snapshot, point, NEAR_M, MOST_NEAR)
    stops = near or stops_near(rider.snapshot, point, MAX_RADIUS_M, 1)
    answer = _near_page(rider, {"asked": True, "near": bool(near), "stops": [near_row(rider, one) for one in stops]})
    answer.headers["Cache-Control"] = "no-store"
    return answer


def _near_page(rider: RiderRequest, values: dict[str, object], script: str = "") -> HTMLResponse:
    common = {"radius_m": rider.words.number(NEAR_M), "farthest_km": rider.words.number(MAX_RADIUS_M / 1000)}
    return first_that_fits(
        partial(small_page, rider, "near.html", common | values | _choices(rider, most), script=script)
        for most in MOST_LISTED
    )


def _choices(rider: RiderRequest, most: int) -> dict[str, object]:
    """At most so many landmarks and lines, each with its address."""
    routes: list[Route] = sorted(rider.snapshot.network.routes.values(), key=natural_order)
    names = list(dict.fromkeys(map(line_name, routes)))[:most]
    landmarks = [one.name for one in rider.snapshot.landmarks][:most]
    return {
        "lines": [(truncated(name, LONGEST_LINE), line_address(name) + rider.query) for name in names],
        "landmarks": [(truncated(name, LONGEST_PLACE), _search_address(rider, name)) for name in landmarks],
    }


def _search_address(rider: RiderRequest, name: str) -> str:
    language = {"idioma": rider.requested_language} if rider.requested_language else {}
    return f"/p/?{urlencode({'q': name} | language)}"
