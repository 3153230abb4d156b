"""Routes of riders' pages: a stop's board, its text message, its sign, and missed buses."""

from functools import partial
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import HTMLResponse, PlainTextResponse, RedirectResponse

from services.queries.transit import rider_reports
from services.runtime.problem import NotFound
from services.transit.model.stop_search import find_by_code
from services.transit.rider import text_answers
from services.transit.rider.rider_search import find_stop
from services.transit.serving.snapshot_cache import NotReadYet
from services.web.access import PUBLIC
from services.web.context import DatabaseSnapshot, Now, Transaction, context_of
from services.web.http.etags import CACHE_BRIEFLY
from services.web.pages.transit import accuracy_page, finding, missed_bus, near_page, sheet, stops
from services.web.pages.transit.finding import NO_NUL, StopCode, nothing_found, search_answer
from services.web.pages.transit.rendering import CurrentRider, RiderRequest, RiderRoute, first_that_fits, small_page
from services.web.same_origin import require_same_origin

router = APIRouter(route_class=RiderRoute, default_response_class=HTMLResponse, include_in_schema=False)
router.include_router(finding.router)
router.include_router(near_page.router)
router.include_router(sheet.router)

LEAST_REFRESH_S, MOST_REFRESH_S = 10, 300
"""The limits within which a sign may reload itself."""
DETAIL_LEVELS = ((3, True), (3, False), (2, False), (1, False))
"""Buses per line, and whether the accuracy of each line is shown: the fullest page that fits is used."""
LEAST_LINES = 1

LineName = Annotated[str, Query(alias="linea", max_length=64, pattern=NO_NUL)]
LineNames = Annotated[str, Query(alias="lineas", max_length=200, pattern=NO_NUL)]
Days = Annotated[int | None, Query(alias="dias", ge=0, le=31)]
Refresh = Annotated[int, Query(alias="refresco", ge=LEAST_REFRESH_S, le=MOST_REFRESH_S)]


class NoSuchJourney(NotFound):
    """Ese viaje no figura en el horario de esta parada. / The timetable of this stop has no such journey."""


@router.get("/p/{code}.txt", dependencies=[PUBLIC], response_class=PlainTextResponse)
def stop_text(request: Request, now: Now, code: StopCode, linea: LineName = "") -> Response:
    """A stop in one text message."""
    try:
        snapshot = context_of(request).snapshot_cache.snapshot()
    except NotReadYet:
        return _plain_text(text_answers.answer(None, "", now.timestamp()), HTTPStatus.SERVICE_UNAVAILABLE)
    stop = find_stop(snapshot.network, code)
    if stop is None:
        return _plain_text(text_answers.unknown_stop_answer(snapshot, code), HTTPStatus.NOT_FOUND)
    return _plain_text(text_answers.stop_answer(snapshot, stop, now.timestamp(), linea or None))


@router.get("/p/{code}", dependencies=[PUBLIC])
def stop_page(rider: CurrentRider, code: StopCode, linea: LineName = "") -> Response:
    """A stop's board, or one line of it. What is no code is answered as the search answers it."""
    stop = find_by_code(rider.snapshot.network, code)
    if stop is None:
        return search_answer(rider, code, HTTPStatus.NOT_FOUND)
    board = stops.stop_board(rider, stop, linea.strip())
    pages = [partial(_board_page, rider, board, most, with_accuracy) for most, with_accuracy in DETAIL_LEVELS]
    fewer = range(len(board.lines) - 1, LEAST_LINES - 1, -1)
    return first_that_fits([*pages, *(partial(_board_page, rider, board, 1, False, most) for most in fewer)])


@router.get("/p/{code}/no-paso", dependencies=[PUBLIC])
def missed_page(rider: CurrentRider, code: StopCode, linea: LineName = "", gracias: str = "") -> HTMLResponse:
    """Which of the last journeys, of all lines or of one, did not come?"""
    found = find_stop(rider.snapshot.network, code)
    if found is None:
        return nothing_found(rider, code)
    thanks = bool(gracias)
    journeys = [] if thanks else missed_bus.recent_journeys(rider, found, linea.strip())
    return small_page(rider, "missed.html", stops.heading_values(found) | {"journeys": journeys, "thanks": thanks})


@router.post("/p/{code}/no-paso", dependencies=[PUBLIC])
def report_missed(
    request: Request,
    rider: CurrentRider,
    transaction: Transaction,
    code: StopCode,
    viaje: Annotated[str, Form(max_length=300, pattern=NO_NUL)],
) -> Response:
    """Count that it did not come. Only from this site's form, and only so many from one address."""
    require_same_origin(request)
    found = find_stop(rider.snapshot.network, code)
    report = missed_bus.missed_report(rider, found, viaje) if found else None
    if found is None or report is None:
        raise NoSuchJourney
    missed_bus.count_report(request)
    rider_reports.store_report(transaction, report)
    also = f"&idioma={rider.requested_language}" if rider.requested_language else ""
    return RedirectResponse(f"{stops.stop_address(found)}/no-paso?gracias=1{also}", HTTPStatus.SEE_OTHER)


@router.get("/cartel/{code}", dependencies=[PUBLIC])
def sign_page(rider: CurrentRider, code: StopCode, lineas: LineNames = "", refresco: Refresh = 30) -> HTMLResponse:
    """A stop's board for an old television: large, ordered by time, reloading itself."""
    found = find_stop(rider.snapshot.network, code)
    if found is None:
        return nothing_found(rider, code)
    shown = stops.sign_values(rider, found, [name.strip() for name in lineas.split(",") if name.strip()])
    page = small_page(rider, "sign.html", stops.heading_values(found) | shown, style="sign.css")
    page.headers["Refresh"] = str(refresco)
    return page


@router.get("/precision", dependencies=[PUBLIC])
def accuracy(
    rider: CurrentRider, connection: DatabaseSnapshot, linea: LineName = "", dias: Days = None
) -> HTMLResponse:
    """Accuracy of predictions over the last whole days, by line, or of one line by horizon."""
    return small_page(rider, "precision.html", accuracy_page.page_values(rider, connection, linea.strip(), dias))


@router.get("/sms", dependencies=[PUBLIC], response_class=PlainTextResponse)
def sms(request: Request, now: Now, texto: str = "") -> Response:
    """Answer a rider's text message, for a gateway that fetches plain text. Any text gets an answer."""
    try:
        snapshot = context_of(request).snapshot_cache.snapshot()
    except NotReadYet:
        snapshot = None
    return PlainTextResponse(text_answers.answer(snapshot, texto, now.timestamp()))


def _board_page(
    rider: RiderRequest, board: stops.StopBoard, most: int, with_accuracy: bool, most_lines: int | None = None
) -> HTMLResponse:
    return small_page(
        rider, "stop.html", stops.board_values(rider, board, most, with_accuracy=with_accuracy, most_lines=most_lines)
    )


def _plain_text(text: str, status: int = HTTPStatus.OK) -> Response:
    headers = {"Cache-Control": CACHE_BRIEFLY} if status == HTTPStatus.OK else {}
    return PlainTextResponse(text, status, headers=headers)
