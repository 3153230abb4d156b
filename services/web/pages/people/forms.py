"""What the pages of people share: fields of their forms, the route of passwords, and who may send one."""

from http import HTTPStatus
from typing import Annotated

from fastapi import Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse

from models.tables.people import MAX_LOGIN_CHARS, MAX_NAME_CHARS
from services.people.passwords import MAX_CHARS
from services.people.sessions import RequestFacts
from services.people.sign_in import MAX_CODE_CHARS
from services.runtime.problem import HttpProblem
from services.runtime.settings import parse_networks
from services.web.access import PROXY_HEADERS
from services.web.context import Context, context_of
from services.web.http.addresses import client_of, is_within
from services.web.http.admission import Slots
from services.web.http.browsers import browser_of
from services.web.pages.rendering import PageRoute, brief_visit, render_page

NO_NUL = r"^[^\x00]*$"
LOOPBACK = parse_networks("127.0.0.0/8,::1")
Login = Annotated[str, Form(max_length=MAX_LOGIN_CHARS, pattern=NO_NUL)]
PersonName = Annotated[str, Form(max_length=MAX_NAME_CHARS, pattern=NO_NUL)]
Password = Annotated[str, Form(max_length=MAX_CHARS, pattern=NO_NUL)]
Code = Annotated[str, Form(max_length=MAX_CODE_CHARS, pattern=NO_NUL)]


class OpenChannel(HttpProblem):
    """Para entrar hace falta https, o estar en esta misma máquina. / Signing in takes https, or this very machine."""

    status = 403


class SignInRoute(PageRoute):
    """A route that verifies a password: one at a time, in a slot of its own, so that a flood of them delays nobody."""

    def slots_for(self, context: Context, request: Request) -> Slots:
        """The one slot of sign-ins, for whoever sends the request."""
        del request
        return context.admission.sign_ins


def require_private_channel(request: Request) -> None:
    """Refuse a password that others on the network could read. Raises OpenChannel."""
    if (context_of(request).settings.public_url or "").startswith("https://") or request.url.scheme == "https":
        return
    is_proxied = not PROXY_HEADERS.isdisjoint(request.headers.keys())
    if request.client is None or is_proxied or not is_within(request.client.host, LOOPBACK):
        raise OpenChannel


def facts_of(request: Request) -> RequestFacts:
    """What a session keeps of the request that opens it."""
    return RequestFacts(browser_of(request.headers.get("user-agent", "")), client_of(request))


def refused_page(request: Request, template: str, problem: HttpProblem, /, **values: object) -> HTMLResponse:
    """The page with the form again, and why what was sent is refused."""
    return render_page(brief_visit(request), template, problem.status, problem=problem, **values)


def redirect(address: str) -> RedirectResponse:
    """A redirection after a form."""
    return RedirectResponse(address, HTTPStatus.SEE_OTHER)
