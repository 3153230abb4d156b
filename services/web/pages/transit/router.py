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
from services.web.pages.transit import accuracy_page, missed_bus, stops
from services.web.pages.transit.rendering import CurrentRider, RiderRequest, RiderRoute, first_that_fits, small_page

router = APIRouter(route_class=RiderRoute, default_response_class=HTMLResponse, include_in_schema=False)

NO_NUL = r"^[^\x00]*$"
LEAST_REFRESH_S, MOST_REFRESH_S = 10, 300
"""Between them an old television may load its sign again."""
DETAIL_LEVELS = ((3, True), (3, False), (2, False), (1, False))
"""Buses a line, and whether each line's accuracy stands beside them: the fullest page that fits is shown."""
LEAST_LINES = 1

StopCode = Annotated[str, Path(max_length=64, pattern=NO_NUL)]
SearchText = Annotated[str, Query(alias="q", max_length=MAX_QUERY_CHARS, pattern=NO_NUL)]
LineName = Annotated[str, Query(alias="linea", max_length=64, pattern=NO_NUL)]
LineNames = Annotated[str, Query(alias="lineas", max_length=200, pattern=NO_NUL)]
Days = Annotated[int | None, Query(alias="dias", ge=0, le=31)]
Refresh = Annotated[int, Query(alias="refresco", ge=LEAST_REFRESH_S, le=MOST_REFRESH_S)]


class NoSuchJourney(NotFound):
    """Ese viaje no figura en el horario de esta parada. / The timetable of this stop has no such journey."""


@router.get("/p", dependencies=[PUBLIC])
def redirect_to_search() -> Response:
    """The search's address as people type it."""
    return RedirectResponse("/p/", HTTPStatus.MOVED_PERMANENTLY)


@router.get("/p/", dependencies=[PUBLIC])
def find_stop(ride: CurrentRider, q: SearchText = "") -> Response:
    """Stops by code or corner. A code typed whole leads to its stop at once, with a line behind it to that line."""
    network, asked = ride.snapshot.network, q.strip()
    exact, line = find_by_code(network, asked), ""
    if exact is None:
        code, _, line = asked.partition(" ")
        exact = find_by_code(network, code) if stops.is_line(network, line) else None
    if exact is not None:
        return RedirectResponse(stops.stop_address(exact) + stops.line_query(ride, line.strip()), HTTPStatus.SEE_OTHER)
    return _search_page(ride, asked, search_stops(network, asked) if asked else [])


@router.get("/p/{code}.txt", dependencies=[PUBLIC], response_class=PlainTextResponse)
def stop_text(request: Request, now: Now, code: StopCode, linea: LineName = "") -> Response:
    """A stop in one text message."""
    try:
        snapshot = context_of(request).snapshot_cache.snapshot()
    except NotReadYet:
        return _plain_text(text_answers.answer(None, "", now.timestamp()), HTTPStatus.SERVICE_UNAVAILABLE)
    stop = find_by_code(snapshot.network, code)
    if stop is None:
        return _plain_text(text_answers.unknown_stop_answer(snapshot, code), HTTPStatus.NOT_FOUND)
    return _plain_text(text_answers.stop_answer(snapshot, stop, now.timestamp(), linea or None))


@router.get("/p/{code}", dependencies=[PUBLIC])
def stop_page(ride: CurrentRider, code: StopCode, linea: LineName = "") -> HTMLResponse:
    """A stop's board, or one line of it."""
    found = find_by_code(ride.snapshot.network, code)
    if found is None:
        return _search_page(ride, code, [], HTTPStatus.NOT_FOUND)
    board = stops.stop_board(ride, found, linea.strip())
    pages = [partial(_board_page, ride, board, most, told) for most, told in DETAIL_LEVELS]
    fewer = range(len(board.lines) - 1, LEAST_LINES - 1, -1)
    return first_that_fits([*pages, *(partial(_board_page, ride, board, 1, False, most) for most in fewer)])


@router.get("/p/{code}/no-paso", dependencies=[PUBLIC])
def missed_page(ride: CurrentRider, code: StopCode, linea: LineName = "", gracias: str = "") -> HTMLResponse:
    """Which of the last journeys, of one line where it is named, did not come?"""
    found = find_by_code(ride.snapshot.network, code)
    if found is None:
        return _search_page(ride, code, [], HTTPStatus.NOT_FOUND)
    thanks = bool(gracias)
    journeys = [] if thanks else missed_bus.recent_journeys(ride, found, linea.strip())
    return small_page(ride, "missed.html", stops.heading_values(found) | {"journeys": journeys, "thanks": thanks})


@router.post("/p/{code}/no-paso", dependencies=[PUBLIC])
def report_missed(
    request: Request,
    ride: CurrentRider,
    transaction: Transaction,
    code: StopCode,
    viaje: Annotated[str, Form(max_length=300, pattern=NO_NUL)],
) -> Response:
    """Count that it did not come. From this site's own form only, and so many from one address."""
    if not is_same_origin(request):
        raise ForeignForm
    found = find_by_code(ride.snapshot.network, code)
    report = missed_bus.missed_report(ride, found, viaje) if found else None
    if found is None or report is None:
        raise NoSuchJourney
    missed_bus.count_report(request)
    rider_reports.store_report(transaction, report)
    also = f"&idioma={ride.requested_language}" if ride.requested_language else ""
    return RedirectResponse(f"{stops.stop_address(found)}/no-paso?gracias=1{also}", HTTPStatus.SEE_OTHER)


@router.get("/cartel/{code}", dependencies=[PUBLIC])
def sign_page(ride: CurrentRider, code: StopCode, lineas: LineNames = "", refresco: Refresh = 30) -> HTMLResponse:
    """A stop's board for an old television: large, by time, loading itself again."""
    found = find_by_code(ride.snapshot.network, code)
    if found is None:
        return _search_page(ride, code, [], HTTPStatus.NOT_FOUND)
    shown = stops.sign_values(ride, found, [name.strip() for name in lineas.split(",") if name.strip()])
    return small_page(
        ride, "sign.html", stops.heading_values(found) | shown | {"refresh_s": refresco}, style="sign.css"
    )


@router.get("/precision", dependencies=[PUBLIC])
def accuracy(ride: CurrentRider, connection: DatabaseSnapshot, linea: LineName = "", dias: Days = None) -> HTMLResponse:
    """How good the estimates were over the last whole days, by line, or one line's by horizon."""
    return small_page(ride, "precision.html", accuracy_page.page_values(ride, connection, linea.strip(), dias))


@router.get("/sms", dependencies=[PUBLIC], response_class=PlainTextResponse)
def sms(request: Request, now: Now, texto: str = "") -> Response:
    """A rider's text message answered, for a gateway that fetches plain text: whatever it says there is an answer."""
    try:
        snapshot = context_of(request).snapshot_cache.snapshot()
    except NotReadYet:
        snapshot = None
    return PlainTextResponse(text_answers.answer(snapshot, texto, now.timestamp()))


def _search_page(ride: RiderRequest, asked: str, found: list[Stop], status: int = HTTPStatus.OK) -> HTMLResponse:
    listed = [stops.found_stop(ride, one) for one in found]
    values = {
        "asked": asked,
        "found": listed,
        "example": text_answers.example_query(ride.snapshot.network).partition(" ")[0],
        "longest": MAX_QUERY_CHARS,
        "ready": bool(ride.snapshot.network.stops),
    }
    return small_page(ride, "search.html", values, status=status)


def _board_page(
    ride: RiderRequest, board: stops.StopBoard, most: int, told: bool, most_lines: int | None = None
) -> HTMLResponse:
    return small_page(ride, "stop.html", stops.board_values(ride, board, most, told=told, most_lines=most_lines))


def _plain_text(text: str, status: int = HTTPStatus.OK) -> Response:
    kept = {"Cache-Control": CACHE_BRIEFLY} if status == HTTPStatus.OK else {}
    return PlainTextResponse(text, status, headers=kept)
