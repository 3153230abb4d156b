"""Routes of the page of sirens and signs: what each is doing, and orders and self-tests of supervisors."""

from datetime import timedelta
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Form, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from models.tables.declared.actuators import MAX_ORDER_MINUTES, MAX_TEXT_CHARS
from services.actions.actuators import ActuatorOrder, ask_self_test, order
from services.queries.city.actuators import current_actuators
from services.queries.city.declared import area_levels
from services.web.access import SignedIn, Supervisor, Viewer
from services.web.context import DatabaseSnapshot, Now, Transaction
from services.web.pages.rendering import PageRoute, Visitor, render_page

router = APIRouter(route_class=PageRoute, default_response_class=HTMLResponse, include_in_schema=False)

MINUTES = (1, 3, 5, 10, 30, MAX_ORDER_MINUTES)
"""The times that the page offers."""
Device = Annotated[str, Form(max_length=64, pattern=r"^[a-z0-9-]+$")]


@router.get("/sirenas")
def sirens(_viewer: Viewer, visit: Visitor, snapshot: DatabaseSnapshot) -> HTMLResponse:
    """Each siren and sign with the level declared for its area, its last order and its last self-test."""
    devices = current_actuators(snapshot)
    levels = area_levels(snapshot, visit.now, visit.audience, [one.device.area for one in devices])
    return render_page(
        visit,
        "declared/sirenas.html",
        devices=devices,
        levels={one.area: one for one in levels},
        minutes=MINUTES,
        max_text=MAX_TEXT_CHARS,
    )


@router.post("/sirenas/ordenar")
def command(
    supervisor: Supervisor,
    person: SignedIn,
    transaction: Transaction,
    now: Now,
    device: Device,
    minutes: Annotated[int, Form(ge=1, le=MAX_ORDER_MINUTES)],
    shows: Annotated[str, Form(max_length=MAX_TEXT_CHARS, pattern=r"^[^\x00]*$")] = "",
) -> Response:
    """Order a siren to sound or a sign to show a text. Only a person with an account, never an API key."""
    wanted = ActuatorOrder(device, timedelta(minutes=minutes), shows.strip())
    order(transaction, wanted, person_id=person.person_id, by=supervisor, now=now)
    return RedirectResponse(f"/sirenas#{device}", HTTPStatus.SEE_OTHER)


@router.post("/sirenas/probar")
def self_test(supervisor: Supervisor, transaction: Transaction, now: Now, device: Device) -> Response:
    """Ask a device to check itself in silence."""
    ask_self_test(transaction, device, by=supervisor, now=now)
    return RedirectResponse(f"/sirenas#{device}", HTTPStatus.SEE_OTHER)
