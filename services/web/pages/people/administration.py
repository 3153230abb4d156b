"""Pages on which the accounts of people are administered, and on which a second person confirms."""

from collections.abc import Callable
from datetime import datetime
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Form, Path, Request, Response
from fastapi.responses import HTMLResponse
from sqlalchemy import Connection

from services.people import administration, second_person
from services.people.accounts import (
    LOGIN,
    SETUP_CODE_LASTS,
    LastAdministrator,
    LoginTaken,
    NewPerson,
    NoSuchOrganisation,
    find_person,
    list_organisations,
    list_people,
)
from services.people.administration import EXECUTORS, NobodyToConfirm, Outcome
from services.people.api_keys import NameTaken
from services.people.roles import GRANTED, Role
from services.people.second_person import AskedAlready
from services.runtime.problem import HttpProblem
from services.web.access import Administrator, Supervisor
from services.web.context import context_of
from services.web.pages.people.forms import NO_NUL, Login, PersonName, redirect
from services.web.pages.rendering import PageRoute, brief_visit, render_page

router = APIRouter(route_class=PageRoute, default_response_class=HTMLResponse, include_in_schema=False)
ROLES = tuple(role for role in Role if role in GRANTED)
GrantedRoles = Annotated[list[Role], Form(alias="rol", max_length=len(ROLES))]
LoginInPath = Annotated[str, Path(pattern=r"^[a-z0-9._-]{1,60}$")]
RequestId = Annotated[int, Path(ge=1, le=2**63 - 1)]
Change = Callable[[Connection], Outcome]
REFUSALS = (LoginTaken, NameTaken, NoSuchOrganisation, LastAdministrator, AskedAlready, NobodyToConfirm)


class BadLogin(HttpProblem):
    """El usuario lleva letras minúsculas sin acento, números, punto o guion. / A login has a-z, 0-9, dot or hyphen."""

    status = 409


class BadName(HttpProblem):
    """El nombre lleva letras que se vean, hasta 60. / A name has 1 to 60 characters that can be seen."""

    status = 409


@router.get("/personas")
def people(_supervisor: Supervisor, request: Request) -> HTMLResponse:
    """All accounts, and the form that adds one."""
    return _people_page(request)


@router.post("/personas")
def add(
    supervisor: Supervisor,
    request: Request,
    login: Login,
    name: PersonName,
    roles: GrantedRoles = [],  # noqa: B006 - FastAPI copies it
    organisation: Annotated[str, Form(alias="organismo", max_length=60, pattern=NO_NUL)] = "",
    language: Annotated[str, Form(alias="idioma", pattern="^(es|en)$")] = "es",
) -> HTMLResponse:
    """Add a person, and show the one-time code once."""
    new = NewPerson(login.strip().lower(), name.strip(), frozenset(roles) & GRANTED, organisation or None, language)
    try:
        _check(new)
        with context_of(request).engine.begin() as transaction:
            code, outcome = administration.add(transaction, new, by=supervisor, now=_now(request))
    except (BadLogin, BadName, *REFUSALS) as problem:
        return _people_page(request, problem)
    return _code_page(request, new.login, new.name, code, asked=outcome is Outcome.ASKED)


@router.get("/personas/pedidos")
def requests(_administrator: Administrator, request: Request) -> HTMLResponse:
    """What waits for a second person."""
    with context_of(request).engine.connect() as connection:
        waiting = second_person.open_requests(connection, _now(request))
    return render_page(brief_visit(request), "people/requests.html", requests=waiting, real_now=_now(request))


@router.post("/personas/pedidos/{request_id}/confirmar")
def confirm(administrator: Administrator, request: Request, request_id: RequestId) -> Response:
    """Confirm a request as the second person."""
    with context_of(request).engine.begin() as transaction:
        done, code = second_person.confirm(transaction, request_id, EXECUTORS, by=administrator, now=_now(request))
        name = find_person(transaction, done.about).name if code is not None else ""
    if code is not None:
        return _code_page(request, done.about, name, code, asked=False)
    return redirect("/personas/pedidos")


@router.post("/personas/pedidos/{request_id}/rechazar")
def refuse(administrator: Administrator, request: Request, request_id: RequestId) -> Response:
    """Refuse a request, or take one's own back."""
    with context_of(request).engine.begin() as transaction:
        second_person.refuse(transaction, request_id, by=administrator, now=_now(request))
    return redirect("/personas/pedidos")


@router.get("/personas/{login}")
def person(_supervisor: Supervisor, request: Request, login: LoginInPath) -> HTMLResponse:
    """One account: roles, reset, end."""
    return _person_page(request, login)


@router.post("/personas/{login}/roles")
def change_roles(
    supervisor: Supervisor,
    request: Request,
    login: LoginInPath,
    roles: GrantedRoles = [],  # noqa: B006
) -> Response:
    """Give a person exactly these roles, or ask for a second person."""

    def change(transaction: Connection) -> Outcome:
        return administration.change_roles(
            transaction, login, frozenset(roles) & GRANTED, by=supervisor, now=_now(request)
        )

    return _changed(request, login, change)


@router.post("/personas/{login}/desactivar")
def disable(supervisor: Supervisor, request: Request, login: LoginInPath) -> Response:
    """End a person's access at once, or ask for a second person."""
    return _changed(
        request, login, lambda transaction: administration.disable(transaction, login, by=supervisor, now=_now(request))
    )


@router.post("/personas/{login}/codigo")
def reset(supervisor: Supervisor, request: Request, login: LoginInPath) -> Response:
    """Take a person's password and second factor, and show a new one-time code once, or ask for a second person."""
    try:
        with context_of(request).engine.begin() as transaction:
            person = find_person(transaction, login)
            code = administration.reset(transaction, login, by=supervisor, now=_now(request))
    except REFUSALS as problem:
        return _person_page(request, login, problem)
    if code is None:
        return redirect("/personas/pedidos")
    return _code_page(request, login, person.name, code, asked=False)


def _changed(request: Request, login: str, change: Change) -> Response:
    """The person's page after a change; the requests where it waits for a second person; or why it is refused."""
    try:
        with context_of(request).engine.begin() as transaction:
            outcome = change(transaction)
    except REFUSALS as problem:
        return _person_page(request, login, problem)
    return redirect("/personas/pedidos" if outcome is Outcome.ASKED else f"/personas/{login}")


def _code_page(request: Request, login: str, name: str, code: str, *, asked: bool) -> HTMLResponse:
    values = {"login": login, "name": name, "code": code, "days": SETUP_CODE_LASTS.days, "asked": asked}
    return render_page(brief_visit(request), "people/code.html", **values)


def _people_page(request: Request, problem: HttpProblem | None = None) -> HTMLResponse:
    with context_of(request).engine.connect() as connection:
        values = {
            "people": list_people(connection),
            "organisations": list_organisations(connection),
            "requests": second_person.open_requests(connection, _now(request)),
        }
    return render_page(
        brief_visit(request), "people/people.html", _status(problem), problem=problem, ROLES=ROLES, **values
    )


def _person_page(request: Request, login: str, problem: HttpProblem | None = None) -> HTMLResponse:
    with context_of(request).engine.connect() as connection:
        found = find_person(connection, login)
    return render_page(
        brief_visit(request), "people/person.html", _status(problem), problem=problem, person=found, ROLES=ROLES
    )


def _check(new: NewPerson) -> None:
    if not LOGIN.fullmatch(new.login):
        raise BadLogin
    if not new.name or not new.name.isprintable():
        raise BadName


def _status(problem: HttpProblem | None) -> int:
    return HTTPStatus.OK if problem is None else problem.status


def _now(request: Request) -> datetime:
    return context_of(request).credential_clock()
