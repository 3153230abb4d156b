"""Routes of the pages: watch page, station, alert, static files."""

from typing import Annotated, Literal

from fastapi import APIRouter, Form, Path, Query, Response
from fastapi.responses import HTMLResponse
from sqlalchemy import Connection

from alerts.declared.level import MUNICIPALITY
from services import actions
from services.actions import MAX_SEEN, Seen
from services.queries.city.declared import AreaLevels, area_levels, station_areas
from services.queries.city.equipment import SeedComments, equipment_page
from services.queries.city.processes import DEAD_AFTER_S
from services.queries.stations import current as queries
from services.queries.stations.current import CurrentStation
from services.queries.watch.page import RAIN_WINDOWS, watch_page
from services.runtime.problem import NotFound
from services.web.access import PUBLIC, Viewer
from services.web.context import DatabaseSnapshot, Now, context_of
from services.web.pages import static_files
from services.web.pages.alert import alert_page
from services.web.pages.forms import (
    NO_NUL,
    ActionId,
    AlertId,
    Reason,
    SeenAlert,
    SentAlertForm,
    SentIncidentForm,
    Version,
)
from services.web.pages.incident import incident_page
from services.web.pages.rejection_words import details_in_words
from services.web.pages.rendering import MAX_PARTS, PageRoute, Visit, Visitor, render_live_page, render_page
from services.web.pages.station import LINE_BINS, station_page, station_samples, to_csv

WATCH_PARTS = ("ciudad", "sucesos", "suben", "plano", "estaciones", "lluvia", "velocidad")
STATION_PARTS = ("niveles", "estacion", "alertas_de_estacion")
ALERT_PARTS = ("niveles", "alerta")
INCIDENT_PARTS = ("niveles", "suceso")

router = APIRouter(route_class=PageRoute, default_response_class=HTMLResponse, include_in_schema=False)

Parts = Annotated[list[str], Query(alias="parte", max_length=MAX_PARTS)]
Hours = Annotated[Literal["6", "24", "168", "720"], Query(alias="horas")]
StationId = Annotated[str, Path(max_length=200, pattern=NO_NUL)]


class NoSuchStation(NotFound):
    """No existe esa estación. / There is no such station."""


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
    return render_live_page(
        visit,
        "alert.html",
        ALERT_PARTS,
        parte,
        page=found,
        areas=areas,
        WINDOWS=RAIN_WINDOWS,
        exercise=found.alert.exercise,
    )


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
    return render_live_page(
        visit, "incident.html", INCIDENT_PARTS, parte, page=found, areas=areas, exercise=found.line.incident.exercise
    )


@router.post("/suceso/{incident_id}/reconocer")
def acknowledge_incident(
    form: SentIncidentForm, seen: Annotated[list[SeenAlert], Form(max_length=MAX_SEEN)]
) -> Response:
    """Acknowledge the alerts of an incident as they were seen."""
    members = [Seen(*map(int, one.split(":"))) for one in seen]
    actions.acknowledge_incident(
        form.transaction, form.incident_id, members, operator=form.operator, note=form.note_text, now=form.now
    )
    return form.redirect_back()


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
