"""The HTTP application: API under /api/v1, OneBusAway, feeds and pages, mounted in one FastAPI application."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import iter_route_contexts
from sqlalchemy import Engine, QueuePool
from starlette.routing import Mount

from services.people.oidc.provider import Provider, client_of_settings
from services.runtime.clock import Clock, credential_clock
from services.runtime.settings import LOOPBACK_HOSTS, Settings
from services.runtime.simulation import Simulation
from services.transit.serving.feed_cache import FeedCache
from services.transit.serving.snapshot_cache import SnapshotCache
from services.web.access import PUBLIC, allow_anyone
from services.web.api import (
    alarm_health,
    alerts,
    devices,
    incidents,
    live,
    record,
    rejections,
    root,
    webhooks,
)
from services.web.api.areas import declarations, municipalities
from services.web.api.operation import health, heartbeat, metrics
from services.web.api.parameters import refuse_unknown_parameters
from services.web.api.people import accounts, duty, person_channels, sms_answers
from services.web.api.stations import forecasts, latest, series_csv, speeds, stations
from services.web.api.transit import accuracy, arrivals, feeds, service_alerts, sms, stops_and_vehicles
from services.web.context import Context
from services.web.following_credentials import following_credentials
from services.web.http.admission import Admission
from services.web.http.credentials import KnownOperators
from services.web.http.etags import WITH_ETAG, ETagMiddleware
from services.web.http.prepared_answers import FRESH_S, PreparedAnswers, PreparedRoutes
from services.web.http.protection import ProtectionMiddleware
from services.web.http.reads import ReadsMiddleware, ServedPath
from services.web.http.wrong_tokens import WrongTokens
from services.web.live.event_feed import EventFeed
from services.web.live.process_watch import ProcessWatch
from services.web.oba.app import PREFIX as ONEBUSAWAY
from services.web.oba.app import create_oba
from services.web.pages.api_page import router as api_pages
from services.web.pages.channels.router import router as channel_pages
from services.web.pages.declared.router import router as declared_pages
from services.web.pages.declared.sirens import router as siren_pages
from services.web.pages.duty.router import router as duty_pages
from services.web.pages.exercises.router import router as exercise_pages
from services.web.pages.life.router import router as life_forms
from services.web.pages.people import administration, entering, own_account
from services.web.pages.people.provider import router as provider_pages
from services.web.pages.record.alarm_health import router as alarm_health_page
from services.web.pages.record.router import router as record_pages
from services.web.pages.router import router as pages
from services.web.pages.transit.router import router as rider_pages
from services.web.problems import add_error_handlers, documented_problems, with_problem_responses
from services.web.routes import PreparedAnswerMiddleware
from services.web.schema_names import API_NAMES, operation_id, with_published_names

API_PREFIX = "/api/v1"
DATA_PREFIXES = ("/api/", "/gtfs")
"""What programs read; the other paths are pages."""
RIDERS_REPORTS = f"{ONEBUSAWAY}/report-problem-"
"""OneBusAway has riders' reports sent by GET."""
# Routes are tried in this order: the ones that riders' applications ask most come first.
TRANSIT_ROUTES = (arrivals, stops_and_vehicles, service_alerts, accuracy)
API_ROUTES = (
    *TRANSIT_ROUTES,
    municipalities,
    declarations,
    stations,
    series_csv,
    latest,
    forecasts,
    devices,
    alerts,
    alarm_health,
    incidents,
    duty,
    rejections,
    record,
    speeds,
    live,
    sms,
    sms_answers,
    person_channels,
    root,
    accounts,
)
PEOPLE_PAGES = (
    entering.router,
    entering.sign_in_router,
    provider_pages,
    own_account.router,
    own_account.password_router,
    administration.router,
)
DESCRIPTION = """Vigía: del sensor a la persona que decide. / From the sensor to the person who decides.

Reading is open to whoever reaches the address. Acting on an alert needs an operator's token
(`Authorization: Bearer vigia_...`). Times are RFC 3339; lists come in pages with a `next` address; errors are problems
(RFC 9457); attention levels (NAR) are 0 verde, 1 amarillo, 2 naranja, 3 rojo.
"""


def create_app(
    settings: Settings,
    engine: Engine,
    clock: Clock,
    *,
    prepared_s: float = FRESH_S,
    simulation: Simulation | None = None,
) -> FastAPI:
    """The application on a migrated database. `engine`: has a statement timeout; the caller closes it.

    `prepared_s`: how long an answer is served again to anonymous visitors. `simulation`: what is not real in this city.
    """
    event_feed, snapshot_cache, known_operators = (
        EventFeed(engine, clock),
        SnapshotCache(engine, clock),
        KnownOperators(),
    )
    process_watch = ProcessWatch(engine, clock, settings.expected, lambda: event_feed.canary_age_s)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        with snapshot_cache.running(), process_watch.running():
            async with event_feed.running(), following_credentials(known_operators, engine, credential_clock(clock)):
                yield

    app = FastAPI(
        title="Vigia",  # ASCII: generators of clients make names of packages from it
        version="1",
        description=DESCRIPTION,
        # Served below with an ETag. FastAPI's own pages for it load scripts from other sites.
        openapi_url=None,
        generate_unique_id_function=operation_id,
        webhooks=webhooks.router,
        lifespan=lifespan,
    )
    assert isinstance(engine.pool, QueuePool)
    app.state.context = Context(
        settings,
        engine,
        clock,
        event_feed,
        process_watch,
        snapshot_cache,
        FeedCache(),
        WrongTokens(),
        known_operators,
        Admission.for_pool(engine.pool.size()),
        prepared_answers := PreparedAnswers(lambda: event_feed.changes, prepared_s),
        prepared_routes := PreparedRoutes(),
        simulation,
        None if (client := client_of_settings(settings)) is None else Provider(client),
    )
    _include_routes(app)
    _describe_problems(app)
    add_error_handlers(app)
    app.add_middleware(PreparedAnswerMiddleware, answers=prepared_answers, routes=prepared_routes)
    app.add_middleware(ETagMiddleware)
    app.add_middleware(ReadsMiddleware, paths=list(_served_paths(app)))
    app.add_middleware(
        ProtectionMiddleware,
        hosts=_allowed_hosts(settings),
        known_operators=known_operators,
        metrics_token=settings.metrics_token.get_secret_value() if settings.metrics_token else None,
    )
    return app


def _include_routes(app: FastAPI) -> None:
    """All addresses of the application, the API's and the pages'."""
    # First, since routes are tried in order and riders' applications ask most.
    app.mount(ONEBUSAWAY, create_oba(app.state.context))
    app.include_router(_api_router())
    app.include_router(_openapi_router)
    for router in (health.process_router, health.router, metrics.router):
        app.include_router(router, include_in_schema=False)
    app.include_router(feeds.router)
    app.include_router(feeds.schedule_router)
    app.include_router(rider_pages)
    app.include_router(pages)
    app.include_router(life_forms)
    for router in PEOPLE_PAGES:
        app.include_router(router)
    app.include_router(declared_pages)
    app.include_router(duty_pages)
    app.include_router(siren_pages)
    app.include_router(channel_pages)
    app.include_router(record_pages)
    app.include_router(alarm_health_page)
    app.include_router(exercise_pages)
    app.include_router(api_pages)


def _api_router() -> APIRouter:
    api = APIRouter(
        prefix=API_PREFIX, dependencies=[Depends(refuse_unknown_parameters)], responses=documented_problems()
    )
    for module in API_ROUTES:
        api.include_router(module.router)
    for router in (health.process_router, health.router, heartbeat.router, metrics.router):
        api.include_router(router)
    return api


def _served_paths(app: FastAPI, prefix: str = "") -> Iterator[ServedPath]:
    """All paths of an application and of those mounted in it. Other sites may read what anyone may, except pages.

    Health is left out: what it tells depends on the address that asks, and a browser would ask from its own.
    """
    for route in iter_route_contexts(app.routes):
        if isinstance(mount := route.original_route, Mount):
            if isinstance(mount.app, FastAPI):
                yield from _served_paths(mount.app, mount.path)
            continue
        path = prefix + (route.path or "")
        anyone = {dependency.call for dependency in getattr(route, "dependant", Dependant()).dependencies}
        reads = "GET" in (route.methods or ()) and not path.startswith(RIDERS_REPORTS)
        is_data = path.startswith(DATA_PREFIXES) and "/health" not in path
        is_open = allow_anyone in anyone or bool(prefix)
        yield ServedPath(path, frozenset(route.methods or ()), reads, reads and is_data and is_open)


def _allowed_hosts(settings: Settings) -> frozenset[str]:
    """Host names that the server answers to: the loopback's and the public one."""
    public = urlsplit(settings.public_url).hostname if settings.public_url else None
    return LOOPBACK_HOSTS | ({public} if public else frozenset())


_openapi_router = APIRouter(prefix=API_PREFIX, include_in_schema=False, dependencies=[PUBLIC])


# No function of one application may be an endpoint: FastAPI remembers endpoints of all applications, and with it them.
@_openapi_router.get("/openapi.json", name="openapi", dependencies=[WITH_ETAG])
def _openapi(request: Request) -> dict[str, Any]:
    """The OpenAPI description."""
    app: FastAPI = request.app
    return app.openapi()


def _describe_problems(app: FastAPI) -> None:
    """Give every error in the OpenAPI description the schema of a problem."""
    default_openapi = app.openapi

    def openapi_with_problems() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = with_published_names(with_problem_responses(default_openapi()), API_NAMES)
        return app.openapi_schema

    app.openapi = openapi_with_problems  # type: ignore[method-assign]
