"""Refusal of requests that a page of another site sends with a visitor's cookie (CSRF): Origin and Sec-Fetch-Site."""

from typing import NamedTuple
from urllib.parse import urlsplit

from fastapi import Request

from services.runtime.problem import HttpProblem
from services.web.context import context_of

DEFAULT_PORTS = {"http": 80, "https": 443}
OWN_FETCHES = frozenset({"same-origin", "none"})
"""What Sec-Fetch-Site says of a page of this very origin, and of an address that a person typed."""


class ForeignForm(HttpProblem):
    """El pedido no vino de esta misma página. / The request did not come from this very site."""

    status = 403


class _Origin(NamedTuple):
    """Who made a page, as browsers compare it."""

    scheme: str
    host: str
    port: int | None


def is_same_origin(request: Request) -> bool:
    """Whether the request comes from a page of this site: scheme, host and port of its Origin header are ours.

    Browsers send the header with every POST. The public address counts with its own scheme only. What the browser says
    in Sec-Fetch-Site must not speak against it; older browsers do not send it.
    """
    if request.headers.get("sec-fetch-site", "same-origin") not in OWN_FETCHES:
        return False
    origin = _origin(request.headers.get("origin", ""))
    if not origin.host:
        return False
    public_url = context_of(request).settings.public_url
    if public_url and origin.host == _origin(public_url).host:
        return origin == _origin(public_url)
    return origin == _origin(f"{request.url.scheme}://{request.headers.get('host', '')}")


def require_same_origin(request: Request) -> None:
    """Refuse a form that was not sent from a page of this site. Raises ForeignForm."""
    if not is_same_origin(request):
        raise ForeignForm


def _origin(address: str) -> _Origin:
    """The origin of an address, without a host where it cannot be read."""
    try:
        parts = urlsplit(address)
        return _Origin(parts.scheme, parts.hostname or "", parts.port or DEFAULT_PORTS.get(parts.scheme))
    except ValueError:
        return _Origin("", "", None)
