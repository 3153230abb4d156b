"""A page for riders: one answer with its style in it, kept for seconds, of at most so many bytes."""

import hashlib
from base64 import b64encode
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Annotated

from fastapi import Depends, Query, Request, Response
from fastapi.responses import HTMLResponse
from markupsafe import Markup

from services.transit.serving.snapshot import TransitSnapshot, empty_snapshot
from services.transit.serving.snapshot_cache import NO_NETWORK
from services.web.context import Now, context_of
from services.web.http.etags import CACHE_BRIEFLY
from services.web.pages.language import LANGUAGES, Words, choose_language
from services.web.pages.phrases import in_language
from services.web.pages.rendering import ENVIRONMENT, PageRoute
from services.web.pages.static_files import FILES

MOST_BYTES = 5_000
"""Of the whole answer, head and body, as it goes over the air."""
MOST_HEAD_BYTES = 700
"""What the answer's head takes at most; a test holds it."""
STYLES = {name: FILES[name][0].decode() for name in ("rider.css", "sign.css")}


@dataclass(frozen=True, slots=True)
class RiderRequest:
    """A rider who looks: when, in which words, and what is known of the buses."""

    request: Request
    now: datetime
    words: Words
    snapshot: TransitSnapshot
    requested_language: str | None
    """The language the address asks for, to be carried on."""

    @property
    def query(self) -> str:
        """What carries the asked language on to the next address."""
        return f"?idioma={self.requested_language}" if self.requested_language else ""


Language = Annotated[str | None, Query(alias="idioma", max_length=8)]


def _rider_request(request: Request, now: Now, idioma: Language = None) -> RiderRequest:
    return _with_snapshot(request, now, idioma, context_of(request).snapshot_cache.snapshot())


def _with_snapshot(request: Request, now: datetime, idioma: str | None, snapshot: TransitSnapshot) -> RiderRequest:
    language = choose_language(idioma, None, request.headers.get("accept-language"))
    return RiderRequest(
        request, now, Words(language, snapshot.network.zone), snapshot, idioma if idioma in LANGUAGES else None
    )


CurrentRider = Annotated[RiderRequest, Depends(_rider_request)]


class RiderRoute(PageRoute):
    """A route for riders: what cannot be done is a small page too, with a way back to the stops."""

    def problem_page(self, request: Request, status: int, detail: str | None) -> Response:
        """The small page that says no."""
        context = context_of(request)
        ride = _with_snapshot(request, context.clock(), request.query_params.get("idioma"), empty_snapshot(NO_NETWORK))
        usual = "rider.missing" if status == HTTPStatus.NOT_FOUND else "rider.malformed"
        said = in_language(ride.words, detail) if detail else ride.words(usual)
        return small_page(ride, "refusal.html", {"said": said}, status=status)


def small_page(
    ride: RiderRequest,
    template: str,
    values: dict[str, object],
    *,
    status: int = HTTPStatus.OK,
    style: str = "rider.css",
) -> HTMLResponse:
    """A whole page in one answer. A language not asked for in the address is the browser's, and the answer says so."""
    everywhere = {
        "w": ride.words,
        "now": ride.now,
        "query": ride.query,
        "lang": ride.requested_language,
        "other": next(language for language in LANGUAGES if language != ride.words.language),
        "style": Markup(STYLES[style]),  # noqa: S704 - our own file
    }
    html = ENVIRONMENT.get_template(f"transit/{template}").render(everywhere | values)
    headers = {
        "Cache-Control": CACHE_BRIEFLY if status == HTTPStatus.OK else "no-store",
        "Content-Language": ride.words.language,
        "Content-Security-Policy": content_security_policy(style),
        "Vary": "Accept-Language",
    }
    return HTMLResponse(html, status, headers=headers)


def first_that_fits(pages: Iterable[Callable[[], HTMLResponse]]) -> HTMLResponse:
    """The first of several pages, the fullest first, that is small enough; else the last."""
    for make in pages:
        response = make()
        if MOST_HEAD_BYTES + len(response.body) <= MOST_BYTES:
            break
    return response


def content_security_policy(style: str) -> str:
    """What a browser may load for a page: the style that stands in it, which it knows by its hash."""
    digest = b64encode(hashlib.sha256(STYLES[style].encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'self'; "
        "frame-ancestors 'none'"
    )
