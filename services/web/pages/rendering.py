"""Rendering of pages: the visitor, the language, the time, the templates, and error pages."""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any

from fastapi import Depends, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from sqlalchemy import Connection, Row, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as NoConnectionFree
from starlette.exceptions import HTTPException

from alerts.current_level.sentence import sentence, short_sentence
from alerts.incidents.summary import asks
from alerts.life.limits import may_be_shelved
from alerts.record import RULE
from models.alert import NAR
from models.tables.erasures import MAX_REASON_CHARS
from services.actions import MAX_NOTE_CHARS
from services.people.roles import Actor, Role
from services.people.tokens import MAX_TOKEN_CHARS
from services.queries.alerts.alert_history import MAX_ALERTS
from services.queries.alerts.exercises import running_exercise
from services.queries.city.city import DEFAULT_CITY, CurrentCity, current_city
from services.queries.watch.plan_symbols import INCIDENT_SYMBOL, KIND_SYMBOLS, LEVEL_MARKS
from services.runtime.audience import OPERATOR_ROLE, Audience
from services.runtime.problem import HttpProblem
from services.web.access import audience_of, current_actor, peek_actor
from services.web.context import DatabaseSnapshot, Now, context_of
from services.web.live.stream_position import StreamPosition
from services.web.pages import static_files
from services.web.pages.evidence import evidence_lines, headline, old_reading
from services.web.pages.language import LANGUAGE_COOKIE, LANGUAGES, Words, choose_language
from services.web.pages.phrases import cause_text, chart_summary, in_language
from services.web.problems import RETRY_AFTER_S
from services.web.routes import PreparedRoute

REFRESH_S = 60
"""Interval at which a page without JavaScript reloads."""
YEAR_S = 365 * 86_400
API_PAGE = "/docs"
"""Where every page leads those who write programs."""
MAX_PARTS = 8
NOW_HEADER = "X-Vigia-Now"
"""Header with the time at which a part was rendered, Unix milliseconds. The browser's clock is not used."""

ENVIRONMENT = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
ENVIRONMENT.tests["asking"] = asks
ENVIRONMENT.globals |= {
    "API_PAGE": API_PAGE,
    "NAR": NAR,
    "asks": asks,
    "may_be_shelved": may_be_shelved,
    "MAX_ALERTS": MAX_ALERTS,
    "PLAN_SYMBOLS": KIND_SYMBOLS,
    "LEVEL_MARKS": LEVEL_MARKS,
    "INCIDENT_SYMBOL": INCIDENT_SYMBOL,
    "MAX_NOTE_CHARS": MAX_NOTE_CHARS,
    "MAX_REASON_CHARS": MAX_REASON_CHARS,
    "MAX_TOKEN_CHARS": MAX_TOKEN_CHARS,
    "static_version": static_files.VERSION,
    "refresh_s": REFRESH_S,
}


@dataclass(frozen=True, slots=True)
class Visit:
    """A request for a page with its time, language, city and operator."""

    request: Request
    now: datetime
    words: Words
    city: CurrentCity
    actor: Actor | None
    position: str
    """Position in the live stream; events after it are not on the page yet."""
    running_exercise: Row[Any] | None = None
    """The exercise that runs, where staff reads the page."""

    @property
    def audience(self) -> Audience:
        """Who reads the page."""
        return audience_of(self.actor)

    @property
    def operator(self) -> str | None:
        """The name of the operator who reads the page; None for whoever may not act on alerts."""
        return self.actor.name if self.actor is not None and self.actor.has(Role.OPERATOR) else None

    @property
    def clock_factor(self) -> float:
        """Speed of the clock relative to real time."""
        return context_of(self.request).clock_factor


def _visit(request: Request, snapshot: DatabaseSnapshot, now: Now) -> Visit:
    city = current_city(snapshot)
    actor = current_actor(request, snapshot) if request.method == "GET" else None
    public = audience_of(actor) is Audience.PUBLIC
    words = Words(_language(request), city.zone, public=public)
    exercise = None if public else running_exercise(snapshot)
    return Visit(request, now, words, city, actor, _stream_position(snapshot), exercise)


def _stream_position(transaction: Connection) -> str:
    """The position in the live stream that this transaction sees."""
    query = "SELECT extract(epoch FROM now())::bigint, pg_current_snapshot()::text"
    taken_s, snapshot = transaction.execute(text(query)).one()
    return str(StreamPosition(taken_s, snapshot, snapshot))


Visitor = Annotated[Visit, Depends(_visit)]


def _language(request: Request) -> str:
    asked, accept = request.query_params.get("lang"), request.headers.get("accept-language")
    return choose_language(asked, request.cookies.get(LANGUAGE_COOKIE), accept)


def render_page(visit: Visit, template: str, status: int = HTTPStatus.OK, /, **values: object) -> HTMLResponse:
    """A whole page. A language in the address is stored in a cookie."""
    html = ENVIRONMENT.get_template(template).render(_template_values(visit) | values)
    response = HTMLResponse(
        html, status, headers={"Vary": "Accept-Language, Cookie", "Content-Language": visit.words.language}
    )
    if visit.request.query_params.get("lang") in LANGUAGES:
        response.set_cookie(LANGUAGE_COOKIE, visit.words.language, max_age=YEAR_S, httponly=True, samesite="lax")
    return response


def render_live_page(
    visit: Visit, template: str, part_names: tuple[str, ...], requested_parts: list[str], **values: object
) -> HTMLResponse:
    """A page made of parts; or only `requested_parts`, for a browser that has the others."""
    template_values = _template_values(visit) | values
    if requested_parts:
        names = [name for name in part_names if name in requested_parts]
        parts = [ENVIRONMENT.get_template(f"parts/{name}.html").render(template_values) for name in names]
        return HTMLResponse("\n".join(parts), headers={NOW_HEADER: str(round(visit.now.timestamp() * 1000))})
    live = {
        "part_names": part_names,
        "still": "quieta" in visit.request.query_params,
        "pace": visit.clock_factor,
        "position": visit.position,
        "browser_words": visit.words.starting("span.") | visit.words.starting("live."),
    }
    return render_page(visit, template, **values, **live)


def _template_values(visit: Visit) -> dict[str, object]:
    words = visit.words

    def evidence(row: Row[Any]) -> list[tuple[str, str]]:
        return evidence_lines(words, row.evidence)

    return {
        "w": words,
        "now": visit.now,
        "city_name": visit.city.name,
        "authority": visit.city.authority,
        "operator": visit.operator,
        "actor": visit.actor,
        "exercise": None,
        "running_exercise": visit.running_exercise,
        "staff": visit.audience is Audience.OPERATORS,
        "provider_name": provider.client.name if (provider := context_of(visit.request).provider) else None,
        "simulation": simulation_label(visit.request, words),
        "notes": (),
        "cause": lambda row: cause_text(words, row),
        "headline": lambda alert: headline(words, NAR(alert.nar), alert.cause, alert.evidence),
        "evidence": evidence,
        "evidence_of": lambda values: evidence_lines(words, values),
        "old_reading": lambda alert: old_reading(words, alert.evidence),
        "say_now": lambda level: sentence(level, "en" if words.language == "en" else "es", words.zone, visit.now),
        "say_short": lambda level: short_sentence(level, "en" if words.language == "en" else "es"),
        "summary": lambda chart: chart_summary(words, chart),
        "person": lambda name: words(f"person.{name}") if name in {OPERATOR_ROLE, RULE} else name,
        "note": lambda text: in_language(words, text),
    }


def simulation_label(request: Request, words: Words) -> str | None:
    """What every page of a simulated city says; None in a real one."""
    simulation = context_of(request).simulation
    return simulation.label(words.language) if simulation else None


class PageRoute(PreparedRoute):
    """A route for people: each error becomes a page in their language that says what to do.

    Anonymous visitors of one language share a page of the last second.
    """

    def variant(self, request: Request) -> str:
        """The language of the page."""
        return _language(request)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The route's handler, with problems and an unavailable database turned into pages."""
        handle = super().get_route_handler()

        async def handle_for_people(request: Request) -> Response:
            try:
                return await handle(request)
            except HttpProblem as problem:
                page = self.problem_page(request, problem.status, str(problem))
                return page if problem.retry_after_s is None else _with_retry(page, problem.retry_after_s)
            except (RequestValidationError, HTTPException) as error:
                missing = isinstance(error, RequestValidationError) and request.method == "GET"
                return self.problem_page(request, HTTPStatus.NOT_FOUND if missing else HTTPStatus.BAD_REQUEST, None)
            except (OperationalError, NoConnectionFree):
                page = render_page(_visit_without_database(request), "outage.html", HTTPStatus.SERVICE_UNAVAILABLE)
                page.headers["Refresh"] = str(RETRY_AFTER_S)
                return _with_retry(page, RETRY_AFTER_S)

        return handle_for_people

    def problem_page(self, request: Request, status: int, detail: str | None) -> Response:
        """The page of a problem. `detail`: the problem's message, None where the request itself is wrong."""
        visit = _visit_without_database(request)
        default_key = "refusal.missing" if status == HTTPStatus.NOT_FOUND else "refusal.other"
        message = in_language(visit.words, detail) if detail else visit.words(default_key)
        return render_page(visit, "refusal.html", status, detail=message, unknown=status == HTTPStatus.UNAUTHORIZED)


def brief_visit(request: Request, actor: Actor | None = None) -> Visit:
    """A visit that holds no connection, for routes that verify a password or write. `actor`: None looks it up."""
    with context_of(request).engine.connect() as connection:
        found = actor if actor is not None else peek_actor(request, connection)
        public = audience_of(found) is Audience.PUBLIC
        city, position = current_city(connection), _stream_position(connection)
        exercise = None if public else running_exercise(connection)
    words = Words(_language(request), city.zone, public=public)
    return Visit(request, context_of(request).clock(), words, city, found, position, exercise)


def _with_retry(page: Response, wait_s: int) -> Response:
    page.headers["Retry-After"] = str(wait_s)
    page.headers["Connection"] = "close"
    return page


def _visit_without_database(request: Request) -> Visit:
    """A visit without anything from the database."""
    words = Words(_language(request), DEFAULT_CITY.zone)
    return Visit(request, context_of(request).clock(), words, DEFAULT_CITY, actor=None, position="")
