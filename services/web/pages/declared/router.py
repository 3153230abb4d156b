"""Routes of the page on which supervisors declare, extend and withdraw the level of an area."""

from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from alerts.declared.level import warn_at
from models.alert import NAR
from models.tables.declared.declarations import MAX_DECLARED_DAYS, MAX_REASON_CHARS
from services.actions import declarations
from services.actions.declarations import Declaration
from services.queries.city.declared import acts, area_levels
from services.web.access import Supervisor
from services.web.context import DatabaseSnapshot, Now, Transaction
from services.web.pages.rendering import PageRoute, Visitor, render_page

router = APIRouter(route_class=PageRoute, default_response_class=HTMLResponse, include_in_schema=False)

HOURS = (1, 2, 3, 6, 12, 24, 48, 24 * MAX_DECLARED_DAYS)
"""The ends that the page offers, hours from now."""
USUAL_HOURS = 6
SHOWN_ACTS = 30

Area = Annotated[str, Form(max_length=200, pattern=r"^(municipality|basin|barrio):[^\x00]+$")]
Seen = Annotated[int, Form(ge=0, le=2**63 - 1)]
"""The last act of the area that the person saw; 0 where there was none."""
Hours = Annotated[int, Form(ge=1, le=24 * MAX_DECLARED_DAYS)]


@dataclass(frozen=True, slots=True)
class AreaForm:
    """A form by which a supervisor acts on the level of an area."""

    supervisor: Supervisor
    transaction: Transaction
    now: Now
    area: Area
    seen: Seen
    reason: Annotated[str, Form(max_length=MAX_REASON_CHARS, pattern=r"^[^\x00]*$")] = ""

    def redirect_back(self) -> Response:
        """Redirect to the area on the page."""
        return RedirectResponse(f"/declarar#{self.area.replace(':', '-')}", HTTPStatus.SEE_OTHER)


SentForm = Annotated[AreaForm, Depends()]


@router.get("/declarar")
def declare_page(_supervisor: Supervisor, visit: Visitor, snapshot: DatabaseSnapshot) -> HTMLResponse:
    """Each area with both levels, and forms to declare, extend and withdraw."""
    return render_page(
        visit,
        "declared/declarar.html",
        areas=area_levels(snapshot, visit.now, visit.audience),
        acts=acts(snapshot, visit.audience, limit=SHOWN_ACTS),
        hours=HOURS,
        usual_hours=USUAL_HOURS,
        warn_at=warn_at,
        max_reason=MAX_REASON_CHARS,
    )


@router.post("/declarar")
def declare(form: SentForm, nivel: Annotated[int, Form(ge=NAR.VERDE, le=NAR.ROJO)], hours: Hours) -> Response:
    """Declare the level of an area."""
    wanted = Declaration(form.area, NAR(nivel), form.now + timedelta(hours=hours), form.reason, form.seen or None)
    declarations.declare(form.transaction, wanted, by=form.supervisor, now=form.now)
    return form.redirect_back()


@router.post("/declarar/extender")
def extend(form: SentForm, hours: Hours) -> Response:
    """Give the level declared for an area a later end."""
    declarations.extend(
        form.transaction,
        form.area,
        seen=form.seen,
        until=form.now + timedelta(hours=hours),
        reason=form.reason,
        by=form.supervisor,
        now=form.now,
    )
    return form.redirect_back()


@router.post("/declarar/retirar")
def withdraw(form: SentForm) -> Response:
    """End the level declared for an area before its time."""
    declarations.withdraw(
        form.transaction, form.area, seen=form.seen, reason=form.reason, by=form.supervisor, now=form.now
    )
    return form.redirect_back()
