"""Who may use a route: each declares PUBLIC or a role. The actor is a person with a session, or an API key."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Annotated

from fastapi import Depends, Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.security import HTTPBearer
from sqlalchemy import Connection

from services.people.api_keys import find_api_key
from services.people.roles import ADMINISTRATIVE, GRANTED, Actor, Role
from services.people.sessions import find_session
from services.people.tokens import SESSION_PREFIX
from services.runtime.audience import Audience
from services.runtime.problem import HttpProblem
from services.runtime.settings import parse_networks
from services.web.context import DatabaseSnapshot, context_of
from services.web.http.addresses import client_of, is_within
from services.web.http.browsers import browser_of
from services.web.http.credentials import OPERATOR_COOKIE, SECURE_OPERATOR_COOKIE, bearer_token, sends_token
from services.web.same_origin import require_same_origin

COOKIE_MAX_AGE_S = 12 * 3600
"""One watch (12 h); after it the person signs in again."""
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
PROXY_HEADERS = frozenset({"x-forwarded-for", "forwarded", "via", "x-real-ip"})


class NotAnOperator(HttpProblem):
    """Hace falta entrar con tu cuenta, o la clave de un operador. / This needs your account, or an operator's token."""

    status = 401


class NotYourRole(HttpProblem):
    """Tu cuenta no tiene el rol que hace falta. / Your account does not have the role that this needs."""

    status = 403


class TooManyWrongTokens(HttpProblem):
    """Demasiados códigos equivocados: esperá un minuto. / Too many wrong tokens: wait a minute."""

    status = 429
    retry_after_s = 60


def current_actor(request: Request, connection: Connection) -> Actor | None:
    """Who sends the request: the API key in the header or the cookie, or the session in the cookie; else None.

    A valid cookie counts beside a bearer token of somebody else's, such as a gateway's. An old cookie that a forgotten
    page sends with each reading is no attempt and is not counted. Raises TooManyWrongTokens, and ForeignForm where a
    form of another site comes with the cookie.
    """
    header, cookie = bearer_token(request), request.cookies.get(_cookie_name(request))
    acts = request.method not in SAFE_METHODS
    now = context_of(request).credential_clock()
    if header is not None and (actor := find_api_key(connection, header, now)) is not None:
        return actor
    actor = None if cookie is None else _actor_of_cookie(request, connection, cookie)
    if acts and (actor is not None or (header is None and cookie is not None)):
        require_same_origin(request)
    if actor is None and (header is not None or (acts and cookie is not None)):
        _count_wrong_token(request)
    return actor


def peek_actor(request: Request, connection: Connection) -> Actor | None:
    """Who sends the request, for what a page shows of them only: nothing is counted, and no origin is asked for."""
    cookie = request.cookies.get(_cookie_name(request))
    return None if cookie is None else _actor_of_cookie(request, connection, cookie)


def _actor_of_cookie(request: Request, connection: Connection, cookie: str) -> Actor | None:
    now = context_of(request).credential_clock()
    if cookie.startswith(SESSION_PREFIX):
        return find_session(connection, cookie, browser_of(request.headers.get("user-agent", "")), now)
    return find_api_key(connection, cookie, now)


def look_up_new_credentials(request: Request) -> None:
    """Make a key or session known at once, which the last reading of the tables did not have. Nothing is counted.

    Who has just signed in would else miss the staff's live events of the first two seconds.
    """
    context = context_of(request)
    header, cookie = bearer_token(request), request.cookies.get(_cookie_name(request))
    with context.engine.connect() as connection:
        if header and find_api_key(connection, header, context.credential_clock()) is not None:
            context.known_operators.add(header)
        if cookie and _actor_of_cookie(request, connection, cookie) is not None:
            context.known_operators.add(cookie)


def authenticate_key(request: Request, connection: Connection, token: str) -> Actor | None:
    """The API key with this token. None for a wrong token, which is counted by the client's address.

    A right token is never refused, whatever others at the same address sent. Raises TooManyWrongTokens for a wrong one.
    """
    actor = find_api_key(connection, token, context_of(request).credential_clock())
    if actor is None:
        _count_wrong_token(request)
    return actor


def _count_wrong_token(request: Request) -> None:
    """Count a wrong token of the client's address. Raises TooManyWrongTokens."""
    wrong_tokens, address = context_of(request).wrong_tokens, client_of(request)
    if wrong_tokens.is_exceeded(address):
        raise TooManyWrongTokens
    wrong_tokens.add(address)


def set_operator_cookie(request: Request, response: Response, token: str) -> None:
    """Set the cookie with a session's token or an API key, for one watch."""
    response.set_cookie(
        _cookie_name(request),
        token,
        max_age=COOKIE_MAX_AGE_S,
        httponly=True,
        samesite="strict",
        secure=is_secure(request),
    )


def delete_operator_cookie(request: Request, response: Response) -> None:
    """Delete the cookie."""
    response.delete_cookie(_cookie_name(request), httponly=True, samesite="strict", secure=is_secure(request))


async def allow_anyone() -> None:
    """Declare that anyone may read a route. Asynchronous because it waits for nothing: a thread would cost more."""


_SCHEME = HTTPBearer(
    auto_error=False,
    scheme_name="operator",
    description="An API key: `vigia_...`, made by `vigia token NAME`",
)
_Documented = Annotated[object, Depends(_SCHEME)]


def require_person(request: Request) -> Actor:
    """Declare that a route is for whoever has signed in with an account, of any role. Raises NotAnOperator.

    An API key is nobody's account.
    """
    with context_of(request).engine.connect() as connection:
        actor = current_actor(request, connection)
    if actor is None or actor.person_id is None:
        raise NotAnOperator
    return actor


def require_actor(request: Request, _documented: _Documented = None) -> Actor:
    """Declare that a route is for whoever has an account or an API key, of any role. Raises NotAnOperator."""
    with context_of(request).engine.connect() as connection:
        actor = current_actor(request, connection)
    if actor is None:
        raise NotAnOperator
    return actor


def _requirement(*roles: Role, person: bool = False) -> Callable[[Request, object], str]:
    """A dependency that declares that a route needs one of these roles, and returns the actor's name.

    It takes a connection of its own and returns it before the route takes another: a route names its actor first, so
    that a request never holds two. `person`: an API key does not count. Raises NotAnOperator without an actor,
    NotYourRole for one without the role, and what `current_actor` raises.
    """

    def require(request: Request, _documented: _Documented = None) -> str:
        with context_of(request).engine.connect() as connection:
            actor = current_actor(request, connection)
        if actor is None or (person and actor.person_id is None):
            raise NotAnOperator
        if not any(map(actor.has, roles)):
            raise NotYourRole(_lacking(roles))
        return actor.name

    require.__name__ = "require_" + "_or_".join(roles)
    return require


def _lacking(roles: Sequence[Role]) -> str:
    names = ", ".join(roles)
    return (
        f"Para esto hace falta el rol {names}, que tu cuenta no tiene: pedíselo a quien administra las cuentas."
        f" / This needs the role {names}, which your account lacks: ask whoever administers the accounts."
    )


require_viewer = _requirement(Role.VIEWER)
require_operator = _requirement(Role.OPERATOR)
require_supervisor = _requirement(Role.SUPERVISOR)
require_device_admin = _requirement(Role.DEVICE_ADMIN)
require_auditor = _requirement(Role.AUDITOR)
require_privacy_officer = _requirement(Role.PRIVACY_OFFICER)
require_administrator = _requirement(*sorted(ADMINISTRATIVE), person=True)


def may_see_inside(request: Request) -> bool:
    """Whether a request may read metrics and details of health without an operator's token.

    It has VIGIA_METRICS_TOKEN, or comes from where VIGIA_METRICS_FROM allows it: never through a proxy that is not
    trusted, which would pass on anybody's request under its own address.
    """
    client, settings = request.client, context_of(request).settings
    if settings.metrics_token and sends_token(request, settings.metrics_token.get_secret_value()):
        return True
    # uvicorn gives port 0 to an address that a trusted proxy named.
    if client is None or (client.port and not PROXY_HEADERS.isdisjoint(request.headers.keys())):
        return False
    return is_within(client.host, parse_networks(settings.metrics_from))


def require_insight(request: Request, _documented: _Documented = None) -> None:
    """Declare that a route is for viewers, and for whoever VIGIA_METRICS_FROM names. Raises NotAnOperator."""
    if not may_see_inside(request):
        require_viewer(request, None)


PUBLIC = Depends(allow_anyone)
Viewer = Annotated[str, Depends(require_viewer)]
Operator = Annotated[str, Depends(require_operator)]
"""The name of the operator who sends the request. A request without an operator is refused."""
Supervisor = Annotated[str, Depends(require_supervisor)]
DeviceAdmin = Annotated[str, Depends(require_device_admin)]
Auditor = Annotated[str, Depends(require_auditor)]
PrivacyOfficer = Annotated[str, Depends(require_privacy_officer)]
Administrator = Annotated[str, Depends(require_administrator)]
"""A person with one of the administrative roles, who may be the second person."""
AnyActor = Annotated[Actor, Depends(require_actor)]
SignedIn = Annotated[Actor, Depends(require_person)]
"""The person who sends the request, of whatever role."""
DECLARED: Mapping[Callable[..., object], frozenset[Role]] = {
    allow_anyone: frozenset({Role.PUBLIC}),
    require_viewer: frozenset({Role.VIEWER}),
    require_insight: frozenset({Role.VIEWER}),
    require_operator: frozenset({Role.OPERATOR}),
    require_supervisor: frozenset({Role.SUPERVISOR}),
    require_device_admin: frozenset({Role.DEVICE_ADMIN}),
    require_auditor: frozenset({Role.AUDITOR}),
    require_privacy_officer: frozenset({Role.PRIVACY_OFFICER}),
    require_administrator: ADMINISTRATIVE,
    require_actor: GRANTED,
    require_person: GRANTED,
}
"""What a route may declare, and the roles of which one suffices. `require_person` needs an account of whatever role."""


def roles_of(dependant: Dependant) -> frozenset[Role] | None:
    """The roles of which one suffices for a route, by all that it declares. None where no role would do."""
    declared = [DECLARED[call] for call in _calls(dependant) if call in DECLARED]
    return (frozenset.intersection(*declared) or None) if declared else None


def _calls(dependant: Dependant) -> Iterator[Callable[..., object]]:
    for one in dependant.dependencies:
        if one.call is not None:
            yield one.call
        yield from _calls(one)


def audience_of(actor: Actor | None) -> Audience:
    """Whether an actor reads names and notes of people: viewers do, the public does not."""
    return Audience.OPERATORS if actor is not None and actor.has(Role.VIEWER) else Audience.PUBLIC


def _audience(request: Request, snapshot: DatabaseSnapshot, _documented: _Documented = None) -> Audience:
    return audience_of(current_actor(request, snapshot))


ReadBy = Annotated[Audience, Depends(_audience)]
"""Who reads the answer: operators and other viewers, by token or cookie, or the public."""


def is_secure(request: Request) -> bool:
    """Whether people reach Vigía by TLS, so that cookies need it."""
    return (context_of(request).settings.public_url or "").startswith("https://")


def _cookie_name(request: Request) -> str:
    return SECURE_OPERATOR_COOKIE if is_secure(request) else OPERATOR_COOKIE
