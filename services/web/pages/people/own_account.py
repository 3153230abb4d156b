"""Page of a person's own account: sessions, second factor, password."""

from typing import Annotated

import segno
from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import HTMLResponse
from markupsafe import Markup

from services.people.accounts import list_people
from services.people.own_account import (
    NoPassword,
    WrongSecondFactor,
    begin_enrolment,
    change_password,
    confirm_enrolment,
    remove_second_factor,
)
from services.people.passwords import WeakPassword
from services.people.roles import ADMINISTRATIVE, Actor
from services.people.sessions import open_sessions, revoke_all_sessions, revoke_session
from services.people.sign_in import WrongCredentials
from services.people.totp import enrolment_address
from services.runtime.problem import HttpProblem
from services.web.access import SignedIn
from services.web.context import Transaction, context_of
from services.web.pages.people.forms import (
    Code,
    Password,
    SignInRoute,
    redirect,
    require_private_channel,
)
from services.web.pages.rendering import PageRoute, Visit, brief_visit, render_page

router = APIRouter(route_class=PageRoute, default_response_class=HTMLResponse, include_in_schema=False)
password_router = APIRouter(route_class=SignInRoute, default_response_class=HTMLResponse, include_in_schema=False)
QUIET_MODULES = 4
SessionId = Annotated[int, Form(alias="sesion", ge=1, le=2**63 - 1)]


@router.get("/yo")
def own_account(actor: SignedIn, request: Request) -> HTMLResponse:
    """The person's own account."""
    return _own_page(request, actor)


@router.post("/yo/sesiones/cerrar")
def end_session(actor: SignedIn, transaction: Transaction, request: Request, session: SessionId) -> Response:
    """End one of the person's sessions."""
    assert actor.person_id is not None
    revoke_session(transaction, actor.person_id, session, context_of(request).credential_clock())
    return redirect("/yo#sesiones")


@router.post("/yo/sesiones/cerrar-otras")
def end_other_sessions(actor: SignedIn, transaction: Transaction, request: Request) -> Response:
    """End all of the person's sessions but this one."""
    assert actor.person_id is not None
    now = context_of(request).credential_clock()
    revoke_all_sessions(transaction, actor.person_id, now, but=actor.session_id)
    return redirect("/yo#sesiones")


@router.get("/yo/segundo-factor")
def second_factor_form(actor: SignedIn, request: Request) -> HTMLResponse:
    """Whether to begin with a second factor. Reading the page changes nothing."""
    return render_page(_visit(request, actor), "people/second_factor.html", problem=None, secret=None, code=None)


@router.post("/yo/segundo-factor")
def begin_second_factor(actor: SignedIn, request: Request) -> HTMLResponse:
    """Show the QR code and the secret of a second factor that is not in force yet."""
    return _enrolment_page(request, actor, None)


@router.post("/yo/segundo-factor/confirmar")
def confirm_second_factor(actor: SignedIn, request: Request, code: Code) -> Response:
    """Put the second factor in force with a first code."""
    assert actor.person_id is not None
    context = context_of(request)
    try:
        with context.engine.begin() as transaction:
            confirm_enrolment(transaction, actor.person_id, code, context.credential_clock())
    except WrongSecondFactor as problem:
        return _enrolment_page(request, actor, problem)
    return redirect("/yo#segundo-factor")


@password_router.post("/yo/segundo-factor/quitar")
def remove(actor: SignedIn, request: Request, password: Password, code: Code) -> Response:
    """Remove the second factor, with the password and a code."""
    require_private_channel(request)
    context = context_of(request)
    try:
        remove_second_factor(context.engine, actor, password, code, context.credential_clock())
    except (WrongCredentials, WrongSecondFactor) as problem:
        return _own_page(request, actor, problem)
    return redirect("/yo#segundo-factor")


@password_router.post("/yo/contrasena")
def change(
    actor: SignedIn, request: Request, password: Password, new: Annotated[str, Form(alias="nueva", max_length=200)]
) -> Response:
    """Change the password and end the other sessions."""
    require_private_channel(request)
    context = context_of(request)
    try:
        change_password(context.engine, actor, password, new, context.credential_clock())
    except (WrongCredentials, WeakPassword, NoPassword) as problem:
        return _own_page(request, actor, problem)
    return redirect("/yo#contrasena")


def _own_page(request: Request, actor: Actor, problem: HttpProblem | None = None) -> HTMLResponse:
    assert actor.person_id is not None
    visit, now = _visit(request, actor), context_of(request).credential_clock()
    with context_of(request).engine.connect() as connection:
        person = list_people(connection, person_id=actor.person_id)[0]
        mine = open_sessions(connection, actor.person_id, now)
    status = problem.status if problem is not None else 200
    return render_page(
        visit,
        "people/own_account.html",
        status,
        problem=problem,
        person=person,
        sessions=mine,
        this_session=actor.session_id,
        real_now=now,
        ADMINISTRATIVE=ADMINISTRATIVE,
    )


def _enrolment_page(request: Request, actor: Actor, problem: HttpProblem | None) -> HTMLResponse:
    assert actor.person_id is not None
    with context_of(request).engine.begin() as transaction:
        secret, login = begin_enrolment(transaction, actor.person_id)
    drawn = segno.make(enrolment_address(secret, login), error="m", micro=False)
    svg = drawn.svg_inline(border=QUIET_MODULES, scale=5, dark="#000", light="#fff")
    grouped = " ".join(secret[start : start + 4] for start in range(0, len(secret), 4))
    return render_page(
        _visit(request, actor),
        "people/second_factor.html",
        200 if problem is None else problem.status,
        problem=problem,
        secret=grouped,
        code=Markup(svg),  # noqa: S704 - of numbers only: the secret is in the modules
    )


def _visit(request: Request, actor: Actor) -> Visit:
    return brief_visit(request, actor)
