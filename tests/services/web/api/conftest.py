"""A served city: La Plata's stations in a database of its own, behind a real HTTP server on the loopback."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import Engine, text
from starlette.requests import HTTPConnection

from models.reading import Message
from services.city.load import load
from services.people.api_keys import add_api_key
from services.pipeline.road import Pipeline
from services.runtime.database import open_database
from services.runtime.settings import Settings
from services.web.app import create_app
from services.web.live.event_feed import EventFeed
from tests.databases import open_copy
from tests.seeds import la_plata
from tests.serving import listening
from tests.waiting import LIMIT_S, wait_until

NOON = datetime(2026, 4, 2, 12, tzinfo=UTC)
RIVER = "gato-143-524"


class Clock:
    """A clock that the test sets."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now


@dataclass(frozen=True, slots=True)
class City:
    """A served city with its database, clock, pipeline and HTTP client."""

    database: Engine
    clock: Clock
    pipeline: Pipeline
    client: httpx.Client
    feed: EventFeed
    token: str
    app: FastAPI

    @property
    def operator(self) -> dict[str, str]:
        """The headers of a request by the operator."""
        return {"Authorization": f"Bearer {self.token}"}

    def get(self, path: str, **parameters: Any) -> Any:
        """The JSON answer of a request that must succeed."""
        answer = self.client.get(f"/api/v1{path}", params=parameters)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def send(
        self, minute: float, level_m: float | None, *, station: str = RIVER, kind: str = "river", **more: Any
    ) -> None:
        """Process a gauge's message of `minute` minutes after noon in the pipeline; the clock follows."""
        observed_at = NOON + timedelta(minutes=minute)
        self.clock.now = max(self.clock.now, observed_at + timedelta(seconds=1))
        body = {"observed_at": observed_at.isoformat(), "level_m": level_m, **more}
        topic = f"vigia/v1/laplata/{kind}/{station}"
        self.pipeline.process_messages([Message(topic, json.dumps(body).encode(), self.clock.now)])

    def flood(self) -> int:
        """Let the water rise above rojo and stay. Returns the number of the alert."""
        for minute in range(6):
            self.send(minute, 0.40 + 0.35 * minute)
        alerts = self.get("/alerts", station=RIVER, state="firing")["items"]
        return int(next(alert["id"] for alert in alerts if alert["judgement"] == "stage"))

    def operator_is_known(self) -> None:
        """Wait until the server has read the operator's token, which from then on gets the operators' slots."""
        operator = HTTPConnection({"type": "http", "headers": [(b"authorization", f"Bearer {self.token}".encode())]})
        wait_until(lambda: self.app.state.context.known_operators.sent(operator))

    def execute(self, statement: str, **values: Any) -> None:
        """Execute and commit one statement."""
        with self.database.begin() as transaction:
            transaction.execute(text(statement), values)


@contextmanager
def served(
    database: Engine, clock: Clock, settings: Settings, *, prepared_s: float = 0.0
) -> Iterator[tuple[str, FastAPI]]:
    """The application on a free port, until left; its address and itself.

    `prepared_s`: how long an answer is shared; by default only while it is computed, so that a test sees what it did.
    """
    engine = open_database(
        database.url.render_as_string(hide_password=False),
        name="test-api",
        statement_timeout_s=settings.statement_timeout_s,
        pool_size=5,
    )
    app = create_app(settings, engine, clock, prepared_s=prepared_s)
    try:
        with listening(app, settings) as address:
            yield address, app
    finally:
        engine.dispose()


@contextmanager
def city_on(database: Engine, *, prepared_s: float = 0.0, **settings: Any) -> Iterator[City]:
    """La Plata loaded into a database and served, without readings."""
    clock = Clock()
    with database.begin() as transaction:
        load(transaction, la_plata(), NOON)
        token = add_api_key(transaction, "ana", NOON)
    pipeline = Pipeline(database, clock, lane=None)
    chosen = Settings(**({"api_port": 0, "statement_timeout_s": 60} | settings))
    with (
        served(database, clock, chosen, prepared_s=prepared_s) as (address, app),
        httpx.Client(base_url=address, timeout=LIMIT_S) as client,
    ):
        yield City(database, clock, pipeline, client, app.state.context.event_feed, token, app)
    pipeline.close()


@pytest.fixture
def city(database: Engine) -> Iterator[City]:
    """A city for one test."""
    with city_on(database) as made:
        yield made


@pytest.fixture(scope="session")
def quiet_city(database_url: str, migrated_name: str) -> Iterator[City]:
    """A city shared by all tests that change nothing in it."""
    with open_copy(database_url, migrated_name) as engine, city_on(engine) as made:
        yield made
