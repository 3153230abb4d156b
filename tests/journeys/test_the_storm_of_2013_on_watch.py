"""The storm of 2013 on watch, from the first drop to the last acknowledgement: on a phone, in the worst hour."""

import re
from collections.abc import Iterator
from datetime import timedelta
from itertools import takewhile
from pathlib import Path

import pytest
from fastapi import FastAPI
from sqlalchemy import Engine, text

from models.reading import Message
from services.bench.watch import StormClock
from services.city.load import load
from services.city.seed import LA_PLATA, read_seed
from services.pipeline.road import Pipeline
from services.runtime.settings import Settings
from services.web.app import create_app
from simulators.devices.faults import usual_faults
from simulators.scenario import SimulatedCity
from simulators.scenarios import SCENARIOS
from tests.databases import open_copy
from tests.services.web.pages import city
from tests.services.web.pages.browser import CHROMIUM, Browser, browser
from tests.services.web.pages.site import Site
from tests.serving import listening

PHONE = (390, 844)
SCREENS = 2
SCENARIO = SCENARIOS["storm_2013"]
WORST = timedelta(minutes=75)
"""An hour after the first alert: most streams of the city hold a colour and rise."""


@pytest.fixture(scope="module")
def storm(database_url: str, migrated_name: str) -> Iterator[tuple[Engine, StormClock]]:
    """The city in the worst hour, as its pipeline left it. Nobody has answered yet."""
    seed, start = read_seed(LA_PLATA), SCENARIO.default_start
    sent = SimulatedCity(seed.city, SCENARIO, seed=2013, start=start).messages(usual_faults(seed.city, 2013, 2.0))
    sent = takewhile(lambda one: one.due_at < start + WORST, sent)
    clock = StormClock((Message(one.topic, one.payload, one.due_at) for one in sent), start)
    with open_copy(database_url, migrated_name) as database:
        with database.begin() as transaction:
            load(transaction, seed, start)
        pipeline = Pipeline(database, clock, lane=None)
        try:
            for messages in clock.steps(timedelta(minutes=5)):
                pipeline.process_messages(messages)
                pipeline.tick_rules()
        finally:
            pipeline.close()
        yield database, clock


@pytest.fixture
def app(storm: tuple[Engine, StormClock], tmp_path: Path) -> FastAPI:
    """Vigía at that moment."""
    database, clock = storm
    with database.begin() as transaction:
        city.beat(transaction)
    return create_app(Settings(data_dir=tmp_path, api_port=0), database, clock)


@pytest.fixture
def screen(tmp_path: Path) -> Iterator[Browser]:
    with browser(tmp_path / "profile") as opened:
        yield opened


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")
@pytest.mark.parametrize("language", ["es", "en"])
def test_city_incidents_and_what_rises_fastest_fit_two_screens_of_a_phone(
    app: FastAPI, screen: Browser, language: str
) -> None:
    with listening(app, app.state.context.settings) as address:
        screen.look(*PHONE, scripts=False)
        screen.open(f"{address}/?quieta=1&lang={language}")
        screen.look(*PHONE)
        bottoms = {
            name: screen.evaluate(f"document.getElementById('{name}').getBoundingClientRect().bottom")
            for name in ("ciudad", "sucesos", "suben")
        }
        incidents = screen.evaluate("document.querySelectorAll('li.incident').length")
        wide = screen.evaluate("document.documentElement.scrollWidth")
    print(f"{incidents} incidents; lower edges, px: {bottoms}")
    assert incidents >= 6
    assert list(bottoms.values()) == sorted(bottoms.values())
    assert bottoms["suben"] <= SCREENS * PHONE[1]
    assert wide <= PHONE[0]


def test_the_storm_is_answered_incident_by_incident_until_nothing_waits(
    storm: tuple[Engine, StormClock], app: FastAPI
) -> None:
    database, _ = storm
    with database.begin() as transaction:
        token = city.operator(transaction)
    with Site(app) as operator:
        operator.enter(token)
        answers = 0
        while waiting := re.search(
            r'action="/(alerta|suceso)/(\d+)/reconocer"(.*?)</form>', operator.page("/").html, re.DOTALL
        ):
            what, number, form = waiting.groups()
            fields = re.findall(r'name="(seen|version|next)" value="([^"]*)"', form)
            sent = operator.post(
                f"/{what}/{number}/reconocer",
                {"back": "lista", "seen": [value for name, value in fields if name == "seen"]}
                | {name: value for name, value in fields if name != "seen"},
            )
            assert sent.status_code == 303, sent.text
            answers += 1
    with database.connect() as connection:
        unanswered, incidents = connection.execute(
            text("SELECT count(*) FILTER (WHERE acknowledged_at IS NULL), count(DISTINCT incident_id) FROM alerts")
        ).one()
    assert unanswered == 0
    assert answers == incidents, "one answer an incident"
