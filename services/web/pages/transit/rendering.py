"""Rendering of riders' pages: one answer with its style in it, cached for seconds, within a limit of bytes."""

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
from services.web.pages.rendering import ENVIRONMENT, PageRoute, simulation_label
from services.web.pages.static_files import FILES

MOST_BYTES = 5_000
"""Of the whole answer, head and body, as it is transmitted."""
MOST_LIST_BYTES = 5_900
"""The same of a list of stops, which riders read once and not at every look at the clock."""
MOST_HEAD_BYTES = 700
"""The most that the answer's head takes; a test checks it."""
STYLES = {name: FILES[name][0].decode() for name in ("rider.css", "sign.css", "sheet.css")}


@dataclass(frozen=True, slots=True)
class RiderRequest:
    """A request of a rider: its time, its language, and the snapshot of the buses."""

    request: Request
    now: datetime
    words: Words
    snapshot: TransitSnapshot
    requested_language: str | None
    """The language in the query, carried on to the links of the page."""

    @property
    def query(self) -> str:
        """The query that carries the requested language on to the next page."""
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
    """A route whose errors are small pages too, with a link back to the stops."""

    def variant(self, request: Request) -> str:
        """The language of the page, which here no cookie decides."""
        return choose_language(None, None, request.headers.get("accept-language"))

    def problem_page(self, request: Request, status: int, detail: str | None) -> Response:
        """The small page that says no."""
        context = context_of(request)
        rider = _with_snapshot(request, context.clock(), request.query_params.get("idioma"), empty_snapshot(NO_NETWORK))
        usual = "rider.missing" if status == HTTPStatus.NOT_FOUND else "rider.malformed"
        said = in_language(rider.words, detail) if detail else rider.words(usual)
        return small_page(rider, "refusal.html", {"said": said}, status=status)


def small_page(
    rider: RiderRequest,
    template: str,
    values: dict[str, object],
    *,
    status: int = HTTPStatus.OK,
    style: str = "rider.css",
    script: str = "",
) -> HTMLResponse:
    """A whole page in one answer. A language not in the query is the browser's, and the answer says so."""
    everywhere = {
        "w": rider.words,
        "simulation": simulation_label(rider.request, rider.words),
        "now": rider.now,
        "query": rider.query,
        "lang": rider.requested_language,
        "other": next(language for language in LANGUAGES if language != rider.words.language),
        "style": Markup(STYLES[style]),  # noqa: S704 - our own file
        "script": Markup(script),  # noqa: S704 - our own file
    }
    html = ENVIRONMENT.get_template(f"transit/{template}").render(everywhere | values)
    headers = {
        "Cache-Control": CACHE_BRIEFLY if status == HTTPStatus.OK else "no-store",
        "Content-Language": rider.words.language,
        "Content-Security-Policy": content_security_policy(style, script),
        "Vary": "Accept-Language",
    }
    return HTMLResponse(html, status, headers=headers)


def first_that_fits(pages: Iterable[Callable[[], HTMLResponse]], most_bytes: int = MOST_BYTES) -> HTMLResponse:
    """The first of several pages, the fullest first, that is small enough; else the last."""
    for make in pages:
        response = make()
        if MOST_HEAD_BYTES + len(response.body) <= most_bytes:
            break
    return response


def content_security_policy(style: str, script: str = "") -> str:
    """What a browser may load for a page: the style and the script within the page, identified by their hashes."""
    scripts = f"script-src '{_source_hash(script)}'; " if script else ""
    return (
        f"default-src 'none'; style-src '{_source_hash(STYLES[style])}'; {scripts}img-src data:; base-uri 'none'; "
        "form-action 'self'; frame-ancestors 'none'"
    )


def _source_hash(text: str) -> str:
    return f"sha256-{b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
