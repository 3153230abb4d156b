"""Routes of the pages: watch page, station, alert, static files."""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Form, Path, Query, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import StringConstraints
from sqlalchemy import Connection

from alerts.declared.level import MUNICIPALITY
from models.tables.erasures import MAX_REASON_CHARS
from services import actions
from services.actions import MAX_SEEN, Seen
from services.queries.city.declared import AreaLevels, area_levels, station_areas
from services.queries.city.equipment import SeedComments, equipment_page
from services.queries.city.processes import DEAD_AFTER_S
from services.queries.stations import current as queries
from services.queries.stations.current import CurrentStation
from services.queries.watch.page import RAIN_WINDOWS, watch_page
from services.runtime.problem import NotFound
from services.web.access import PUBLIC, Operator, Viewer
from services.web.context import DatabaseSnapshot, Now, Transaction, context_of
from services.web.pages import static_files
from services.web.pages.alert import alert_page
from services.web.pages.incident import incident_page
from services.web.pages.rejection_words import details_in_words
from services.web.pages.rendering import MAX_PARTS, PageRoute, Visit, Visitor, render_live_page, render_page
from services.web.pages.station import LINE_BINS, station_page, station_samples, to_csv

WATCH_PARTS = ("ciudad", "plano", "sucesos", "alertas", "estaciones", "lluvia", "velocidad")
STATION_PARTS = ("niveles", "estacion", "alertas_de_estacion")
ALERT_PARTS = ("niveles", "alerta")
INCIDENT_PARTS = ("niveles", "suceso")

router = APIRouter(route_class=PageRoute, default_response_class=HTMLResponse, include_in_schema=False)

NO_NUL = r"^[^\x00]*$"
"""PostgreSQL cannot store NUL in a text."""

Parts = Annotated[list[str], Query(alias="parte", max_length=MAX_PARTS)]
Hours = Annotated[Literal["6", "24", "168", "720"], Query(alias="horas")]
StationId = Annotated[str, Path(max_length=200, pattern=NO_NUL)]
AlertId = Annotated[int, Path(ge=1, le=2**63 - 1)]
Note = Annotated[str, Form(max_length=actions.MAX_NOTE_CHARS, pattern=NO_NUL)]
ActionId = Annotated[int, Form(ge=1, le=2**63 - 1)]
Reason = Annotated[str, Form(max_length=MAX_REASON_CHARS, pattern=r"^[^\x00]*[^\s\x00][^\x00]*$")]
SeenAlert = Annotated[str, StringConstraints(pattern=r"^[1-9]\d{0,17}:[0-3]$")]
"""The number of an alert and the colour that it held, as the form shows them: `7:2`."""
Version = Annotated[int, Form(ge=0, le=2**31 - 1)]


class NoSuchStation(NotFound):
    """No existe esa estación. / There is no such station."""


@dataclass(frozen=True, slots=True)
class AlertForm:
    """A form by which an operator acts on an alert."""

    operator: Operator
    transaction: Transaction
    now: Now
    alert_id: AlertId
    note: Note = ""
    back: Annotated[str, Form()] = ""
    next: Annotated[int | None, Form(ge=1, le=2**63 - 1)] = None
    """The alert that the list shows after this one."""

    @property
    def note_text(self) -> str:
        """The note without surrounding blanks."""
        return self.note.strip()

    def redirect_back(self) -> Response:
        """Redirect to the next alert of the list, or to the alert's page. Never to an address from the form."""
        if self.back == "lista":
            return _redirect("/#alertas" if self.next is None else f"/#alerta-{self.next}")
        return _redirect(f"/alerta/{self.alert_id}")


SentAlertForm = Annotated[AlertForm, Depends()]


@router.get("/", dependencies=[PUBLIC])
def watch(visit: Visitor, snapshot: DatabaseSnapshot, parte: Parts = []) -> HTMLResponse:  # noqa: B006 - FastAPI copies it
    """The watch page, or some of its parts."""
    expected = context_of(visit.request).settings.expected
    shown = watch_page(
        snapshot, visit.now, visit.audience, city=visit.city, clock_factor=visit.clock_factor, expected=expected
    )
    return render_live_page(
        visit,
        "watch.html",
        WATCH_PARTS,
        parte,
        page=shown,
        areas=area_levels(snapshot, visit.now, visit.audience),
        notes=shown.notes,
        WINDOWS=RAIN_WINDOWS,
        pipeline_old_s=DEAD_AFTER_S * visit.clock_factor,
    )


@router.get("/estacion/{station_id}.csv", dependencies=[PUBLIC])
def station_csv(station_id: StationId, snapshot: DatabaseSnapshot, now: Now, horas: Hours = "6") -> Response:
    """A station's series as CSV."""
    station = _existing_station(snapshot, station_id)
    name = f"{station.id}_{station.kind.measure}_{horas}h_{now:%Y%m%dT%H%MZ}.csv"
    content = to_csv(station_samples(snapshot, station, now, int(horas)), station.kind.measure)
    return Response(content, media_type="text/csv", headers={"Content-Disposition": f'attachment; filename="{name}"'})


@router.get("/estacion/{station_id}", dependencies=[PUBLIC])
def station(
    visit: Visitor,
    snapshot: DatabaseSnapshot,
    station_id: StationId,
    horas: Hours = "6",
    parte: Parts = [],  # noqa: B006
) -> HTMLResponse:
    """A station's page."""
    found = _existing_station(snapshot, station_id)
    shown = station_page(snapshot, found, visit.now, visit.audience, int(horas), visit.city.zone)
    areas = _levels(visit, snapshot, *station_areas(snapshot, station_id))
    return render_live_page(visit, "station.html", STATION_PARTS, parte, page=shown, areas=areas, HOURS=list(LINE_BINS))


@router.get("/equipos")
def equipment(_viewer: Viewer, visit: Visitor, snapshot: DatabaseSnapshot) -> HTMLResponse:
    """Devices, declared or only heard, and what was rejected; for operators."""
    words = visit.words
    comments = SeedComments(
        name=words("equipment.seed_name"),
        municipality=words("equipment.seed_municipality"),
        position=words("equipment.seed_position"),
        thresholds=words("equipment.seed_thresholds"),
    )
    page = equipment_page(snapshot, visit.now, comments)
    return render_page(visit, "equipment.html", page=page, details_in_words=details_in_words)


@router.get("/alerta/{alert_id}", dependencies=[PUBLIC])
def alert(visit: Visitor, snapshot: DatabaseSnapshot, alert_id: AlertId, parte: Parts = []) -> HTMLResponse:  # noqa: B006
    """An alert's page."""
    found = alert_page(snapshot, alert_id, visit.now, visit.audience, visit.city)
    if found is None:
        raise actions.NoSuchAlert
    areas = _levels(visit, snapshot, *station_areas(snapshot, found.alert.subject))
    return render_live_page(visit, "alert.html", ALERT_PARTS, parte, page=found, areas=areas, WINDOWS=RAIN_WINDOWS)


@router.post("/alerta/{alert_id}/reconocer")
def acknowledge(form: SentAlertForm, version: Version) -> Response:
    """Acknowledge an alert."""
    actions.acknowledge(
        form.transaction, form.alert_id, operator=form.operator, note=form.note_text, version=version, now=form.now
    )
    return form.redirect_back()


@router.post("/alerta/{alert_id}/comentar")
def comment(form: SentAlertForm) -> Response:
    """Add a note to an alert; an empty note is ignored."""
    if form.note_text:
        actions.comment(form.transaction, form.alert_id, operator=form.operator, note=form.note_text, now=form.now)
    return form.redirect_back()


@router.post("/alerta/{alert_id}/cerrar")
def close(form: SentAlertForm, version: Version) -> Response:
    """Close an alert."""
    actions.close(
        form.transaction, form.alert_id, operator=form.operator, note=form.note_text, version=version, now=form.now
    )
    return form.redirect_back()


@router.post("/alerta/{alert_id}/quitar-nota")
def redact(form: SentAlertForm, action: ActionId, reason: Reason) -> Response:
    """Redact the note of an action on an alert."""
    actions.redact_note(
        form.transaction, action, operator=form.operator, reason=reason.strip(), now=form.now, alert_id=form.alert_id
    )
    return form.redirect_back()


@router.get("/suceso/{incident_id}", dependencies=[PUBLIC])
def incident(
    visit: Visitor,
    snapshot: DatabaseSnapshot,
    incident_id: AlertId,
    parte: Parts = [],  # noqa: B006
) -> HTMLResponse:
    """An incident's page: its alerts with the reasons why they belong to it."""
    found = incident_page(snapshot, incident_id, visit.now, visit.audience)
    if found is None:
        raise actions.NoSuchIncident
    areas = _levels(visit, snapshot, found.line.incident.area)
    return render_live_page(visit, "incident.html", INCIDENT_PARTS, parte, page=found, areas=areas)


@router.post("/suceso/{incident_id}/reconocer")
def acknowledge_incident(
    operator: Operator,
    transaction: Transaction,
    now: Now,
    incident_id: AlertId,
    seen: Annotated[list[SeenAlert], Form(max_length=MAX_SEEN)],
    note: Note = "",
    back: Annotated[str, Form()] = "",
) -> Response:
    """Acknowledge the alerts of an incident as they were seen."""
    members = [Seen(*map(int, one.split(":"))) for one in seen]
    actions.acknowledge_incident(transaction, incident_id, members, operator=operator, note=note.strip(), now=now)
    return _redirect("/#sucesos" if back == "lista" else f"/suceso/{incident_id}")


@router.get("/static/{name}", dependencies=[PUBLIC])
async def static(name: str) -> Response:
    """The style sheet, the script, the icon."""
    if name not in static_files.FILES:
        raise NotFound
    content, media_type = static_files.FILES[name]
    return Response(content, media_type=media_type, headers={"Cache-Control": static_files.CACHE_FOREVER})


def _levels(visit: Visit, snapshot: Connection, *areas: str) -> list[AreaLevels]:
    """Both levels of the city and of these areas."""
    return area_levels(snapshot, visit.now, visit.audience, [f"{MUNICIPALITY}:{visit.city.id}", *areas])


def _existing_station(snapshot: DatabaseSnapshot, station_id: str) -> CurrentStation:
    found = queries.current_stations(snapshot, station_id)
    if not found:
        raise NoSuchStation
    return found[0]


def _redirect(address: str) -> Response:
    return RedirectResponse(address, HTTPStatus.SEE_OTHER)
