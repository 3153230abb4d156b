"""Routes of the page of exercises: what happens in the one that runs, how people answered, and how one is started."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Form, Query, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from models.incident import Exercise
from models.tables.declared.exercises import MAX_NAME_CHARS
from services.actions.exercises import (
    MAX_STEP_S,
    MIN_STEP_S,
    USUAL_STEP_S,
    ExercisePlan,
    end_exercise,
    start_exercise,
)
from services.queries.alerts.exercises import exercise_alerts, exercise_results
from services.queries.city.city import basin_areas
from services.queries.watch.incident_lines import incident_lines
from services.web.access import Supervisor, Viewer
from services.web.context import DatabaseSnapshot, Now, Transaction
from services.web.pages.rendering import MAX_PARTS, PageRoute, Visitor, render_live_page

router = APIRouter(route_class=PageRoute, default_response_class=HTMLResponse, include_in_schema=False)

PARTS = ("simulacro",)
NO_MEASUREMENT: Mapping[str, Mapping[str, object]] = {"levels": {}, "peaks": {}}
"""An exercise has alerts and no measurement: the real one would be taken for a part of it."""
STEPS_S = (15, 60, 120, 300, 600)
"""The paces that the page offers, seconds a colour."""


@router.get("/simulacro")
def exercise_page(
    _viewer: Viewer,
    visit: Visitor,
    snapshot: DatabaseSnapshot,
    parte: Annotated[list[str], Query(max_length=MAX_PARTS)] = [],  # noqa: B006 - FastAPI copies it
) -> HTMLResponse:
    """The exercise that runs with its incidents, and the results of those before."""
    running = visit.running_exercise
    open_alerts = [] if running is None else exercise_alerts(snapshot, running.id)
    return render_live_page(
        visit,
        "exercises/simulacro.html",
        PARTS,
        parte,
        page=NO_MEASUREMENT,
        lines=incident_lines(snapshot, open_alerts, {}),
        results=exercise_results(snapshot),
        basins=basin_areas(snapshot),
        steps_s=STEPS_S,
        usual_step_s=USUAL_STEP_S,
        max_name=MAX_NAME_CHARS,
        exercise=None if running is None else running.kind,
    )


@router.post("/simulacro/empezar")
def start(
    supervisor: Supervisor,
    transaction: Transaction,
    now: Now,
    kind: Annotated[Exercise, Form()],
    basin: Annotated[str, Form(max_length=100, pattern=r"^[^\x00]+$")],
    name: Annotated[str, Form(max_length=MAX_NAME_CHARS, pattern=r"^[^\x00]+$")],
    step_s: Annotated[int, Form(ge=MIN_STEP_S, le=MAX_STEP_S)] = USUAL_STEP_S,
) -> Response:
    """Start an exercise."""
    start_exercise(transaction, ExercisePlan(kind, name, basin, step_s), by=supervisor, now=now)
    return RedirectResponse("/simulacro", HTTPStatus.SEE_OTHER)


@router.post("/simulacro/terminar")
def end(supervisor: Supervisor, transaction: Transaction, now: Now) -> Response:
    """End the exercise that runs."""
    end_exercise(transaction, by=supervisor, now=now)
    return RedirectResponse("/simulacro", HTTPStatus.SEE_OTHER)
