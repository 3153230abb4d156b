"""The pages' addresses: the watch, a station, an alert, the way in and out."""

from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Form, Path, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from sqlalchemy import Row

from services import actions
from services.queries.alerts.alert_history import actions_of, one_alert, transitions_of
from services.queries.stations import current as queries
from services.queries.stations.current import StationNow
from services.queries.watch.condition import PIPELINE_SILENT
from services.queries.watch.page import WINDOWS, watch_page
from services.runtime.problem import NotFound
from services.web.access import LONGEST_TOKEN, PUBLIC, Operator, forget, named, remember
from services.web.context import Now, Snapshot, Transaction
from services.web.pages import static_files
from services.web.pages.rendering import MOST_PARTS, PageRoute, Visitor, live_page, page
from services.web.pages.station import BINS, as_csv, series, station_page

WATCH_PARTS = ("ciudad", "alertas", "estaciones", "lluvia", "velocidad")
STATION_PARTS = ("estacion", "alertas_de_estacion")
ALERT_PARTS = ("alerta",)

router = APIRouter(route_class=PageRoute, default_response_class=HTMLResponse, include_in_schema=False)

NO_NUL = r"^[^\x00]*$"
"""PostgreSQL keeps no NUL in a text."""

Parts = Annotated[list[str], Query(alias="parte", max_length=MOST_PARTS)]
Hours = Annotated[Literal["6", "24", "168", "720"], Query(alias="horas")]
StationId = Annotated[str, Path(max_length=200, pattern=NO_NUL)]
AlertId = Annotated[int, Path(ge=1, le=2**63 - 1)]
Note = Annotated[str, Form(max_length=actions.LONGEST_NOTE, pattern=NO_NUL)]
Version = Annotated[int, Form(ge=0, le=2**31 - 1)]


class NoSuchStation(NotFound):
    """No existe esa estación. / There is no such station."""


@dataclass(frozen=True, slots=True)
class AlertPage:
    """An alert with what moved it, newest first, and what people did about it, oldest first."""

    alert: Row[Any]
    transitions: list[Row[Any]]
    actions: list[Row[Any]]


@dataclass(frozen=True, slots=True)
class Act:
    """What an operator does about an alert, by a form."""

    transaction: Transaction
    operator: Operator
    now: Now
    alert_id: AlertId
    note: Note = ""
    back: Annotated[str, Form()] = ""

    @property
    def words(self) -> str:
        """The note without the blanks around it."""
        return self.note.strip()

    def seen(self) -> Response:
        """To where the form stood: the list, or the alert's own page. Never to an address the form names."""
        return _see(f"/#alerta-{self.alert_id}" if self.back == "lista" else f"/alerta/{self.alert_id}")


Acting = Annotated[Act, Depends()]


@router.get("/", dependencies=[PUBLIC])
def watch(visit: Visitor, snapshot: Snapshot, parte: Parts = []) -> HTMLResponse:  # noqa: B006 - FastAPI copies it
    """The watch page, or some of its parts."""
    shown = watch_page(snapshot, visit.now, city=visit.city, pace=visit.pace)
    old_s = PIPELINE_SILENT / timedelta(seconds=1) * visit.pace
    return live_page(
        visit, "watch.html", WATCH_PARTS, parte, page=shown, notes=shown.notes, WINDOWS=WINDOWS, pipeline_old_s=old_s
    )


@router.get("/estacion/{station_id}.csv", dependencies=[PUBLIC])
def station_csv(station_id: StationId, snapshot: Snapshot, now: Now, horas: Hours = "6") -> Response:
    """A station's series as CSV."""
    station = _station(snapshot, station_id)
    content = as_csv(series(snapshot, station, now, int(horas)), station.kind.measure)
    return Response(content, media_type="text/csv", headers={"Content-Disposition": 'attachment; filename="vigia.csv"'})


@router.get("/estacion/{station_id}", dependencies=[PUBLIC])
def station(
    visit: Visitor,
    snapshot: Snapshot,
    station_id: StationId,
    horas: Hours = "6",
    parte: Parts = [],  # noqa: B006
) -> HTMLResponse:
    """A station's page."""
    found = _station(snapshot, station_id)
    shown = station_page(snapshot, found, visit.now, int(horas), visit.city.zone)
    return live_page(visit, "station.html", STATION_PARTS, parte, page=shown, HOURS=list(BINS))


@router.get("/alerta/{alert_id}", dependencies=[PUBLIC])
def alert(visit: Visitor, snapshot: Snapshot, alert_id: AlertId, parte: Parts = []) -> HTMLResponse:  # noqa: B006
    """An alert's page."""
    found = one_alert(snapshot, alert_id)
    if found is None:
        raise actions.NoSuchAlert
    moves, done = transitions_of(snapshot, [alert_id]), actions_of(snapshot, [alert_id])
    return live_page(visit, "alert.html", ALERT_PARTS, parte, page=AlertPage(found, moves, done))


@router.post("/alerta/{alert_id}/reconocer")
def acknowledge(act: Acting, version: Version) -> Response:
    """Take charge of an alert."""
    actions.acknowledge(
        act.transaction, act.alert_id, operator=act.operator, note=act.words, version=version, now=act.now
    )
    return act.seen()


@router.post("/alerta/{alert_id}/comentar")
def comment(act: Acting) -> Response:
    """Write a note beside an alert; an empty one is no note."""
    if act.words:
        actions.comment(act.transaction, act.alert_id, operator=act.operator, note=act.words, now=act.now)
    return act.seen()


@router.post("/alerta/{alert_id}/cerrar")
def close(act: Acting, version: Version) -> Response:
    """End an alert."""
    actions.close(act.transaction, act.alert_id, operator=act.operator, note=act.words, version=version, now=act.now)
    return act.seen()


@router.get("/entrar", dependencies=[PUBLIC])
def enter(visit: Visitor, alerta: Annotated[int | None, Query(ge=1)] = None) -> HTMLResponse:
    """Where an operator gives the token."""
    return page(visit, "enter.html", wrong=False, alert_id=alerta)


@router.post("/entrar", dependencies=[PUBLIC])
def entered(
    request: Request,
    visit: Visitor,
    snapshot: Snapshot,
    token: Annotated[str, Form(max_length=LONGEST_TOKEN)],
    alerta: Annotated[str, Form(pattern=r"^\d{0,19}$")] = "",
) -> Response:
    """Check the token and remember it for one watch."""
    if named(request, snapshot, token.strip()) is None:
        return page(visit, "enter.html", HTTPStatus.UNAUTHORIZED, wrong=True, alert_id=alerta)
    response = _see(f"/alerta/{alerta}" if alerta else "/")
    remember(request, response, token.strip())
    return response


@router.post("/salir", dependencies=[PUBLIC])
def leave(request: Request) -> Response:
    """Forget the operator's token."""
    response = _see("/")
    forget(request, response)
    return response


@router.get("/static/{name}", dependencies=[PUBLIC])
def static(name: str) -> Response:
    """The style sheet, the script, the icon."""
    if name not in static_files.FILES:
        raise NotFound
    content, media_type = static_files.FILES[name]
    return Response(content, media_type=media_type, headers={"Cache-Control": static_files.KEEP})


def _station(snapshot: Snapshot, station_id: str) -> StationNow:
    found = queries.stations_now(snapshot, station_id)
    if not found:
        raise NoSuchStation
    return found[0]


def _see(address: str) -> Response:
    return RedirectResponse(address, HTTPStatus.SEE_OTHER)
