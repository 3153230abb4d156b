"""Page of how much operators are told (salud de los avisos)."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse

from services.queries.alerts.alarm_health import FLOOD_ABOVE, alarm_health
from services.web.access import Viewer
from services.web.context import DatabaseSnapshot
from services.web.pages.rendering import PageRoute, Visitor, render_page

router = APIRouter(route_class=PageRoute, default_response_class=HTMLResponse, include_in_schema=False)


@router.get("/salud-de-avisos")
def health_of_alarms(
    _viewer: Viewer,
    visit: Visitor,
    snapshot: DatabaseSnapshot,
    days: Annotated[Literal["7", "30"], Query(alias="dias")] = "7",
) -> HTMLResponse:
    """What operators were told in the last week or month."""
    found = alarm_health(snapshot, visit.now, int(days))
    return render_page(visit, "record/avisos.html", page=found, days=days, FLOOD_ABOVE=FLOOD_ABOVE)
