"""The HTTP application: the API under /api/v1 and the pages, put together from their parts. Nothing is global."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

from fastapi import APIRouter, Depends, FastAPI
from sqlalchemy import Engine

from services.runtime.clock import Clock
from services.runtime.settings import Settings
from services.transit.serving.feed_cache import FeedCache
from services.transit.serving.snapshot_cache import SnapshotCache
from services.web.access import PUBLIC
from services.web.api import alerts, devices, health, live, metrics, municipalities, rejections
from services.web.api.parameters import known_parameters
from services.web.api.stations import forecasts, latest, speeds, stations
from services.web.api.transit import accuracy, arrivals, feeds, service_alerts, sms, stops_and_vehicles
from services.web.context import Context
from services.web.http.etags import SLOW_MOVING, ETags
from services.web.http.protection import Protection
from services.web.http.wrong_tokens import WrongTokens
from services.web.live.event_feed import Feed
from services.web.oba.app import PREFIX as ONEBUSAWAY
from services.web.oba.app import create_oba
from services.web.pages.router import router as pages
from services.web.pages.transit.router import router as rider_pages
from services.web.problems import as_problems, handle_errors, problems

PREFIX = "/api/v1"
LOOPBACK = frozenset({"127.0.0.1", "localhost", "[::1]", "::1"})
# Routes are tried in this order: what riders' screens ask all day comes first.
TRANSIT = (arrivals, stops_and_vehicles, service_alerts, accuracy)
NOUNS = (*TRANSIT, municipalities, stations, latest, forecasts, devices, alerts, rejections, speeds, live, sms)
DESCRIPTION = """Vigía: del sensor a la persona que decide. / From the sensor to the person who decides.

Reading is open to whoever reaches the address. Acting on an alert needs an operator's token
(`Authorization: Bearer vigia_...`). Times are RFC 3339; lists come in pages with a `next` address; errors are problems
(RFC 9457); attention levels (NAR) are 0 verde, 1 amarillo, 2 naranja, 3 rojo.
"""


def create_app(settings: Settings, engine: Engine, clock: Clock) -> FastAPI:
    """The application on a database that was migrated. `engine`: with a statement timeout, closed by the caller."""
    feed, mirror = Feed(engine), SnapshotCache(engine, clock)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        with mirror.running():
            async with feed.running():
                yield

    app = FastAPI(
        title="Vigía",
        version="1",
        description=DESCRIPTION,
        # Served below with an ETag; the usual pages to browse it would load their scripts from elsewhere.
        openapi_url=None,
        lifespan=lifespan,
    )
    app.state.context = Context(settings, engine, clock, feed, mirror, FeedCache(), WrongTokens())
    # First, since routes are tried in order and riders' apps ask most.
    app.mount(ONEBUSAWAY, create_oba(app.state.context))
    app.include_router(_api())
    app.include_router(_description(app))
    for router in (health.router, metrics.router):
        app.include_router(router, include_in_schema=False)
    app.include_router(feeds.router)
    app.include_router(rider_pages)
    app.include_router(pages)
    handle_errors(app)
    app.add_middleware(ETags)
    app.add_middleware(Protection, hosts=_hosts(settings))
    return app


def _api() -> APIRouter:
    api = APIRouter(prefix=PREFIX, dependencies=[Depends(known_parameters)], responses=problems())
    for noun in NOUNS:
        api.include_router(noun.router)
    for router in (health.router, metrics.router):
        api.include_router(router)
    return api


def _hosts(settings: Settings) -> frozenset[str] | None:
    """The names answered to: on loopback only its own and the public one; elsewhere any, and none is repeated."""
    if settings.api_host not in LOOPBACK:
        return None
    public = urlsplit(settings.public_url).hostname if settings.public_url else None
    return LOOPBACK | ({public} if public else frozenset())


def _description(app: FastAPI) -> APIRouter:
    """What the API is, in its own words: OpenAPI with every error as the problem it is."""
    plain = app.openapi
    router = APIRouter(prefix=PREFIX, include_in_schema=False, dependencies=[PUBLIC])

    def described() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = as_problems(plain())
        return app.openapi_schema

    @router.get("/openapi.json", dependencies=[SLOW_MOVING])
    def openapi() -> dict[str, Any]:
        """The OpenAPI description."""
        return described()

    app.openapi = described  # type: ignore[method-assign]
    return router
