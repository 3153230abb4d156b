"""Pages of signing in and out: password and second factor, the first password by a one-time code, an API key."""

from typing import Annotated

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import HTMLResponse

from services.people.passwords import WeakPassword
from services.people.sessions import revoke_session
from services.people.sign_in import Credentials, WrongCredentials, WrongSetupCode, set_first_password, sign_in
from services.people.tokens import MAX_TOKEN_CHARS
from services.web.access import PUBLIC, authenticate_key, current_actor, delete_operator_cookie, set_operator_cookie
from services.web.context import context_of
from services.web.pages.people.forms import (
    Code,
    Login,
    Password,
    SignInRoute,
    facts_of,
    redirect,
    refused_page,
    require_private_channel,
)
from services.web.pages.rendering import PageRoute, Visitor, render_page
from services.web.same_origin import require_same_origin

router = APIRouter(route_class=PageRoute, default_response_class=HTMLResponse, include_in_schema=False)
sign_in_router = APIRouter(route_class=SignInRoute, default_response_class=HTMLResponse, include_in_schema=False)

AlertAfter = Annotated[str, Form(alias="alerta", pattern=r"^\d{0,19}$")]
"""The alert that is shown after signing in."""


@router.get("/entrar", dependencies=[PUBLIC])
def sign_in_form(visit: Visitor, alerta: Annotated[int | None, Query(ge=1)] = None) -> HTMLResponse:
    """The form in which a person signs in."""
    return render_page(visit, "people/enter.html", problem=None, login="", alert_id=alerta)


@sign_in_router.post("/entrar", dependencies=[PUBLIC])
def enter(
    request: Request,
    login: Login = "",
    password: Password = "",
    code: Code = "",
    token: Annotated[str, Form(max_length=MAX_TOKEN_CHARS)] = "",
    alert: AlertAfter = "",
) -> Response:
    """Check password and code, or an API key, and set the cookie for one watch. Only from this site's own form."""
    require_same_origin(request)
    require_private_channel(request)
    context = context_of(request)
    try:
        if token:
            with context.engine.connect() as connection:
                if authenticate_key(request, connection, token.strip()) is None:
                    raise WrongCredentials
            opened = token.strip()
        else:
            typed = Credentials(login, password, code)
            opened = sign_in(context.engine, typed, facts_of(request), context.credential_clock())
    except WrongCredentials as problem:
        return refused_page(request, "people/enter.html", problem, login=login, alert_id=alert)
    return _signed_in(request, opened, f"/alerta/{alert}" if alert else "/")


@router.get("/entrar/primera-vez", dependencies=[PUBLIC])
def first_time_form(visit: Visitor) -> HTMLResponse:
    """The form in which a person sets a password with a one-time code."""
    return render_page(visit, "people/first_time.html", problem=None, login="")


@sign_in_router.post("/entrar/primera-vez", dependencies=[PUBLIC])
def first_time(request: Request, login: Login, code: Code, password: Password) -> Response:
    """Set the first password, and sign in. Only from this site's own form."""
    require_same_origin(request)
    require_private_channel(request)
    context = context_of(request)
    facts, now = facts_of(request), context.credential_clock()
    try:
        opened = set_first_password(context.engine, login, code, password, facts, now)
    except (WrongSetupCode, WeakPassword) as problem:
        return refused_page(request, "people/first_time.html", problem, login=login)
    return _signed_in(request, opened, "/yo")


@router.post("/salir", dependencies=[PUBLIC])
def leave(request: Request) -> Response:
    """End the session and delete the cookie. Only from this site's own form."""
    require_same_origin(request)
    context = context_of(request)
    with context.engine.begin() as transaction:
        actor = current_actor(request, transaction)
        if actor is not None and actor.person_id is not None and actor.session_id is not None:
            revoke_session(transaction, actor.person_id, actor.session_id, context.credential_clock())
    response = redirect("/")
    delete_operator_cookie(request, response)
    return response


def _signed_in(request: Request, token: str, address: str) -> Response:
    response = redirect(address)
    set_operator_cookie(request, response, token)
    return response
