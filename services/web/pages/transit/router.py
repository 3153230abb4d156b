"""The riders' addresses: a stop by code or corner, its board, its text, its sign, and the bus that did not come."""

from functools import partial
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Form, Path, Query, Request, Response
from fastapi.responses import HTMLResponse, PlainTextResponse, RedirectResponse

from models.network import Stop
from services.queries.transit import rider_reports
from services.runtime.problem import NotFound
from services.transit.model.stop_search import MAX_QUERY_CHARS, find_by_code, search_stops
from services.transit.rider import text_answers
from services.transit.serving.snapshot_cache import NotReadYet
from services.web.access import PUBLIC, ForeignForm, is_same_origin
from services.web.context import DatabaseSnapshot, Now, Transaction, context_of
from services.web.http.etags import CACHE_BRIEFLY
from services.web.pages.transit import accuracy_page, missed, stops
from services.web.pages.transit.rendering import Ride, Rider, RiderRoute, fitting, small_page

router = APIRouter(route_class=RiderRoute, default_response_class=HTMLResponse, include_in_schema=False)

NO_NUL = r"^[^\x00]*$"
LEAST_REFRESH_S, MOST_REFRESH_S = 10, 300
"""Between them an old television may load its sign again."""
DETAILS = ((3, True), (3, False), (2, False), (1, False))
"""Buses a line, and whether each line's accuracy stands beside them: the fullest page that fits is shown."""
FEWEST_LINES = 1

Code = Annotated[str, Path(max_length=64, pattern=NO_NUL)]
Asked = Annotated[str, Query(alias="q", max_length=MAX_QUERY_CHARS, pattern=NO_NUL)]
LineName = Annotated[str, Query(alias="linea", max_length=64, pattern=NO_NUL)]
LineNames = Annotated[str, Query(alias="lineas", max_length=200, pattern=NO_NUL)]
Days = Annotated[int | None, Query(alias="dias", ge=0, le=31)]
Refresh = Annotated[int, Query(alias="refresco", ge=LEAST_REFRESH_S, le=MOST_REFRESH_S)]


class NoSuchJourney(NotFound):
    """Ese viaje no figura en el horario de esta parada. / The timetable of this stop has no such journey."""


@router.get("/p", dependencies=[PUBLIC])
def short() -> Response:
    """The search's address as people type it."""
    return RedirectResponse("/p/", HTTPStatus.MOVED_PERMANENTLY)


@router.get("/p/", dependencies=[PUBLIC])
def find(ride: Rider, q: Asked = "") -> Response:
    """Stops by code or corner. A code typed whole leads to its stop at once, with a line behind it to that line."""
    network, asked = ride.view.network, q.strip()
    exact, line = find_by_code(network, asked), ""
    if exact is None:
        code, _, line = asked.partition(" ")
        exact = find_by_code(network, code) if stops.is_line(network, line) else None
    if exact is not None:
        return RedirectResponse(stops.address(exact) + stops.query(ride, line.strip()), HTTPStatus.SEE_OTHER)
    return _search_page(ride, asked, search_stops(network, asked) if asked else [])


@router.get("/p/{code}.txt", dependencies=[PUBLIC], response_class=PlainTextResponse)
def text(request: Request, now: Now, code: Code, linea: LineName = "") -> Response:
    """A stop in one text message."""
    try:
        view = context_of(request).snapshot_cache.view()
    except NotReadYet:
        return _message(text_answers.answer(None, "", now.timestamp()), HTTPStatus.SERVICE_UNAVAILABLE)
    stop = find_by_code(view.network, code)
    if stop is None:
        return _message(text_answers.unknown(view, code), HTTPStatus.NOT_FOUND)
    return _message(text_answers.about(view, stop, now.timestamp(), linea or None))


@router.get("/p/{code}", dependencies=[PUBLIC])
def stop(ride: Rider, code: Code, linea: LineName = "") -> HTMLResponse:
    """A stop's board, or one line of it."""
    found = find_by_code(ride.view.network, code)
    if found is None:
        return _search_page(ride, code, [], HTTPStatus.NOT_FOUND)
    board = stops.seen(ride, found, linea.strip())
    pages = [partial(_board_page, ride, board, most, told) for most, told in DETAILS]
    fewer = range(len(board.lines) - 1, FEWEST_LINES - 1, -1)
    return fitting([*pages, *(partial(_board_page, ride, board, 1, False, most) for most in fewer)])


@router.get("/p/{code}/no-paso", dependencies=[PUBLIC])
def ask_missed(ride: Rider, code: Code, linea: LineName = "", gracias: str = "") -> HTMLResponse:
    """Which of the last journeys, of one line where it is named, did not come?"""
    found = find_by_code(ride.view.network, code)
    if found is None:
        return _search_page(ride, code, [], HTTPStatus.NOT_FOUND)
    thanks = bool(gracias)
    journeys = [] if thanks else missed.journeys(ride, found, linea.strip())
    return small_page(ride, "missed.html", stops.heading(found) | {"journeys": journeys, "thanks": thanks})


@router.post("/p/{code}/no-paso", dependencies=[PUBLIC])
def take_missed(
    request: Request,
    ride: Rider,
    transaction: Transaction,
    code: Code,
    viaje: Annotated[str, Form(max_length=300, pattern=NO_NUL)],
) -> Response:
    """Count that it did not come. From this site's own form only, and so many from one address."""
    if not is_same_origin(request):
        raise ForeignForm
    found = find_by_code(ride.view.network, code)
    report = missed.report(ride, found, viaje) if found else None
    if found is None or report is None:
        raise NoSuchJourney
    missed.allow(request)
    rider_reports.keep(transaction, report)
    also = f"&idioma={ride.asked}" if ride.asked else ""
    return RedirectResponse(f"{stops.address(found)}/no-paso?gracias=1{also}", HTTPStatus.SEE_OTHER)


@router.get("/cartel/{code}", dependencies=[PUBLIC])
def sign(ride: Rider, code: Code, lineas: LineNames = "", refresco: Refresh = 30) -> HTMLResponse:
    """A stop's board for an old television: large, by time, loading itself again."""
    found = find_by_code(ride.view.network, code)
    if found is None:
        return _search_page(ride, code, [], HTTPStatus.NOT_FOUND)
    shown = stops.sign(ride, found, [name.strip() for name in lineas.split(",") if name.strip()])
    return small_page(ride, "sign.html", stops.heading(found) | shown | {"refresh_s": refresco}, style="sign.css")


@router.get("/precision", dependencies=[PUBLIC])
def precision(ride: Rider, snapshot: DatabaseSnapshot, linea: LineName = "", dias: Days = None) -> HTMLResponse:
    """How good the estimates were over the last whole days, by line, or one line's by horizon."""
    return small_page(ride, "precision.html", accuracy_page.values(ride, snapshot, linea.strip(), dias))


@router.get("/sms", dependencies=[PUBLIC], response_class=PlainTextResponse)
def sms(request: Request, now: Now, texto: str = "") -> Response:
    """A rider's text message answered, for a gateway that fetches plain text: whatever it says there is an answer."""
    try:
        view = context_of(request).snapshot_cache.view()
    except NotReadYet:
        view = None
    return PlainTextResponse(text_answers.answer(view, texto, now.timestamp()))


def _search_page(ride: Ride, asked: str, found: list[Stop], status: int = HTTPStatus.OK) -> HTMLResponse:
    listed = [stops.listed(ride, one) for one in found]
    values = {
        "asked": asked,
        "found": listed,
        "example": text_answers.example(ride.view.network).partition(" ")[0],
        "longest": MAX_QUERY_CHARS,
        "ready": bool(ride.view.network.stops),
    }
    return small_page(ride, "search.html", values, status=status)


def _board_page(ride: Ride, board: stops.Board, most: int, told: bool, most_lines: int | None = None) -> HTMLResponse:
    return small_page(ride, "stop.html", stops.values(ride, board, most, told=told, most_lines=most_lines))


def _message(text: str, status: int = HTTPStatus.OK) -> Response:
    kept = {"Cache-Control": CACHE_BRIEFLY} if status == HTTPStatus.OK else {}
    return PlainTextResponse(text, status, headers=kept)
