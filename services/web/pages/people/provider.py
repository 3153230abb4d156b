"""Pages of signing in with an identity provider: the way there, and the way back."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import HTMLResponse

from services.people.oidc.links import NotKnownHere
from services.people.oidc.provider import Provider, ProviderUnavailable
from services.people.oidc.sign_in import (
    SIGN_IN_LASTS,
    SignInFailed,
    TooManySignIns,
    WayBack,
    begin_sign_in,
    finish_sign_in,
)
from services.runtime.problem import NotFound
from services.web.access import PUBLIC, is_secure, set_operator_cookie
from services.web.context import Context, context_of
from services.web.http.admission import Slots
from services.web.pages.people.forms import facts_of, redirect, refused_page, require_private_channel
from services.web.pages.rendering import PageRoute, brief_visit, render_page

BACK_PATH = "/entrar/proveedor/vuelta"
COOKIE = "vigia_entrada"
SECURE_COOKIE = f"__Host-{COOKIE}"
"""The cookie's name with TLS: the prefix binds it to this host and to TLS."""
MAX_CHARS = 4_096
"""Of what the provider adds to the address: a code or a state."""


class NoProvider(NotFound):
    """Acá no se entra con un proveedor de cuentas. / There is no identity provider to sign in with here."""


class ProviderRoute(PageRoute):
    """A route that asks the provider: one at a time, in a slot of its own, so that a slow provider delays nobody."""

    def slots_for(self, context: Context, request: Request) -> Slots:
        """The slot of sign-ins with a provider, for whoever sends the request."""
        del request
        return context.admission.providers


router = APIRouter(route_class=ProviderRoute, default_response_class=HTMLResponse, include_in_schema=False)

FromProvider = Annotated[str, Query(max_length=MAX_CHARS)]


@router.get("/entrar/proveedor", dependencies=[PUBLIC])
def begin(request: Request, alerta: Annotated[int | None, Query(ge=1, le=2**63 - 1)] = None) -> Response:
    """Bind a sign-in to this browser by a cookie, and send it to the provider."""
    require_private_channel(request)
    context, provider = context_of(request), _provider(request)
    now = context.credential_clock()
    try:
        begun = begin_sign_in(context.engine, provider, _redirect_uri(request), alerta, now)
    except (ProviderUnavailable, TooManySignIns) as problem:
        return _refused(request, problem)
    response = redirect(begun.address)
    # Lax: the way back is a navigation that another site begins.
    response.set_cookie(
        _cookie_name(request),
        begun.cookie,
        max_age=int(SIGN_IN_LASTS.total_seconds()),
        httponly=True,
        samesite="lax",
        secure=is_secure(request),
    )
    response.headers["Cache-Control"] = "no-store"
    return response


@router.get(BACK_PATH, dependencies=[PUBLIC])
def finish(
    request: Request,
    state: FromProvider = "",
    code: FromProvider = "",
    iss: Annotated[str | None, Query(max_length=MAX_CHARS)] = None,
) -> Response:
    """Finish the sign-in that this browser began. Whatever else comes back is refused, and the sign-in is used up."""
    require_private_channel(request)
    context, provider = context_of(request), _provider(request)
    cookie = request.cookies.get(_cookie_name(request))
    back = WayBack(cookie, state, code, iss, _redirect_uri(request))
    now = context.credential_clock()
    try:
        token, alert_id = finish_sign_in(context.engine, provider, back, facts_of(request), now)
    except (SignInFailed, NotKnownHere, ProviderUnavailable) as problem:
        return _forget(request, _refused(request, problem))
    # A page, not a redirection: the session's cookie is for navigations that begin on this site (SameSite=Strict).
    address = f"/alerta/{alert_id}" if alert_id else "/"
    response = render_page(brief_visit(request), "people/entered.html", address=address)
    set_operator_cookie(request, response, token)
    return _forget(request, response)


def _provider(request: Request) -> Provider:
    provider = context_of(request).provider
    if provider is None:
        raise NoProvider
    return provider


def _redirect_uri(request: Request) -> str:
    """Where the provider sends the browser back, as it is registered there."""
    settings = context_of(request).settings
    return f"{settings.public_address or str(request.base_url).rstrip('/')}{BACK_PATH}"


def _cookie_name(request: Request) -> str:
    return SECURE_COOKIE if is_secure(request) else COOKIE


def _refused(request: Request, problem: SignInFailed | NotKnownHere | ProviderUnavailable | TooManySignIns) -> Response:
    return refused_page(request, "people/enter.html", problem, login="", alert_id=None)


def _forget(request: Request, response: Response) -> Response:
    response.delete_cookie(_cookie_name(request), httponly=True, samesite="lax", secure=is_secure(request))
    response.headers["Cache-Control"] = "no-store"
    return response
