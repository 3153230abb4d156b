"""API route of how much operators are told (salud de los avisos)."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query

from services.queries.alerts.alarm_health import AlarmHealth, alarm_health
from services.web.access import Viewer
from services.web.context import DatabaseSnapshot, Now
from services.web.routes import PreparedRoute

router = APIRouter(tags=["alerts"], route_class=PreparedRoute)


@router.get("/alarm-health")
def health_of_alarms(
    _viewer: Viewer, snapshot: DatabaseSnapshot, now: Now, days: Annotated[Literal["7", "30"], Query()] = "7"
) -> AlarmHealth:
    """What operators were told in the last week or month: rates, floods, chattering, standing alerts, top ten."""
    return alarm_health(snapshot, now, int(days))
