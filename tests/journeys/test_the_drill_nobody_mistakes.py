"""The drill nobody mistakes: marked on every screen and message, unheard outside the staff, beside a real flood."""

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from alerts import transition_log
from alerts.alert_log import Origin
from alerts.exercise_log import follow_exercises
from alerts.rulebook import Station
from alerts.rules.colour_change import colour_change
from models.alert import NAR, Cause
from services.notices.notifier import Notifier
from services.people.api_keys import add_api_key
from services.people.roles import Role
from services.runtime.settings import Settings
from services.web.app import create_app
from tests.services.web.pages import city
from tests.services.web.pages.conftest import beat
from tests.services.web.pages.site import Page, Site

GATO = Station("gato-143-524", "river", "laplata", "gato", "Arroyo del Gato, 143 y 524")
DRILL = "SIMULACRO: nada de esta página es real"
REAL = "Lo que ves en esta página es REAL."
PAGES = ("/", "/estacion/gato-143-524")
ANSWERS = ("alerts", "incidents", "transitions", "levels", "municipalities", "basins", "attention")


class Evening:
    """The city's desk during a drill: a supervisor, an operator, a citizen, and the clock of all."""

    def __init__(self, database: Engine, folder: Path) -> None:
        self.database, self.now = database, city.NOW
        beat(database)
        app = create_app(Settings(data_dir=folder), database, lambda: self.now, prepared_s=0.0)
        self.supervisor, self.operator, self.citizen = Site(app), Site(app), Site(app)
        with database.begin() as transaction:
            city.load_seed(transaction)
            contact = "INSERT INTO contacts (name, channel, address, least_nar) VALUES ('x', 'webhook', 'http://x', 0)"
            transaction.execute(text(contact))
            self.supervisor.enter(add_api_key(transaction, "C. Funes", city.NOW, roles={Role.SUPERVISOR}))
        for site, name, role in ((self.supervisor, "C. Funes", Role.SUPERVISOR), (self.operator, "Mirta Q.", None)):
            with database.begin() as transaction:
                roles = {role} if role else {Role.OPERATOR}
                key = add_api_key(transaction, f"{name} (pantalla)", city.NOW, roles=roles)
            site.enter(key)

    def pass_time(self, seconds: float) -> None:
        """The clock goes on; the notifier follows it and tells whoever is to be told."""
        self.now += timedelta(seconds=seconds)
        beat(self.database)
        with self.database.begin() as transaction:
            follow_exercises(transaction, self.now)
        Notifier(self.database, lambda: self.now).drain()

    def flood(self) -> None:
        """A real reading raises the stream of the same basin."""
        transition = colour_change(NAR.VERDE, NAR.ROJO, Cause.LEVEL, self.now, self.now, {})
        with self.database.begin() as transaction:
            origin = Origin("gato-143-524.stage", 1, "stage")
            transition_log.log_transition(transaction, GATO, origin, transition, notify=True)
        Notifier(self.database, lambda: self.now).drain()

    def rows(self, query: str) -> list[tuple[object, ...]]:
        """The rows of a query."""
        with self.database.connect() as connection:
            return [tuple(row) for row in connection.execute(text(query))]


@pytest.fixture
def evening(database: Engine, tmp_path: Path) -> Iterator[Evening]:
    opened = Evening(database, tmp_path)
    with opened.supervisor, opened.operator, opened.citizen:
        yield opened


def is_striped(page: Page) -> bool:
    """Whether a page looks like an exercise's."""
    return page.html.count('<body class="exercise"') == 1 and "<title>SIMULACRO · " in page.html


def test_the_drill_nobody_mistakes(evening: Evening) -> None:
    before = [evening.citizen.get(f"/api/v1/{path}").text for path in ANSWERS]
    form = {"kind": "drill", "basin": "gato", "name": "Noviembre", "step_s": 60}
    assert evening.citizen.post("/simulacro/empezar", form).status_code == 401
    assert evening.operator.post("/simulacro/empezar", form).status_code == 403
    assert evening.supervisor.post("/simulacro/empezar", form).status_code == 303
    assert evening.supervisor.post("/simulacro/empezar", form).status_code == 409
    evening.pass_time(1)
    evening.pass_time(120)

    watch = evening.operator.page("/")
    assert "Hay un SIMULACRO en curso: Noviembre" in watch.text
    assert REAL in watch.text
    assert 'data-unacknowledged="0"' in watch.html
    assert "Arroyo del Gato, 143 y 524" not in watch.part("sucesos").text
    drill = evening.operator.page("/simulacro")
    assert DRILL in drill.text
    assert is_striped(drill)
    [(incident, alert)] = evening.rows("SELECT incident_id, min(id) FROM alerts GROUP BY 1")
    for path in (f"/suceso/{incident}", f"/alerta/{alert}"):
        shown = evening.operator.page(path)
        assert DRILL in shown.text
        assert is_striped(shown)
        assert evening.citizen.get(path).status_code == 404
    for path in (f"/api/v1/incidents/{incident}", f"/api/v1/alerts/{alert}"):
        assert evening.citizen.get(path).status_code == 404
    assert [evening.citizen.get(f"/api/v1/{path}").text for path in ANSWERS] == before
    for path in PAGES:
        shown = evening.citizen.page(path)
        assert not re.search(r"simulacro|Noviembre|naranja\b.*sin reconocer", shown.text, re.IGNORECASE)
        assert "nar-naranja" not in shown.html

    told = evening.rows("SELECT DISTINCT channel, exercise, body ->> 'name' FROM notices")
    assert {one[:2] for one in told} == {("console", "drill")}
    messages = evening.rows("SELECT event, data ->> 'name' FROM events WHERE data ->> 'what' = 'notice'")
    assert messages
    assert {event for event, _ in messages} == {"exercise"}
    assert all(str(name).startswith("SIMULACRO") for _, name in messages)
    assert evening.rows("SELECT count(*) FROM events WHERE event IN ('alert', 'incident', 'transition')") == [(0,)]

    evening.flood()
    real = evening.operator.page("/")
    assert "Arroyo del Gato, 143 y 524" in real.part("sucesos").text
    [(number, real_incident)] = evening.rows("SELECT id, incident_id FROM alerts WHERE exercise IS NULL")
    page = evening.operator.page(f"/alerta/{number}")
    assert REAL in page.text
    assert DRILL not in page.text
    assert not is_striped(page)
    assert real_incident != incident
    sent = evening.rows("SELECT channel, exercise, attempts FROM notices WHERE exercise IS NULL ORDER BY channel")
    assert sent == [("console", None, 1), ("webhook", None, 1)]

    seen = evening.rows(f"SELECT id, nar FROM alerts WHERE incident_id = {incident} ORDER BY id")
    body = {"seen": [f"{one}:{nar}" for one, nar in seen], "note": "vamos"}
    assert evening.operator.post(f"/suceso/{incident}/reconocer", body).status_code == 303
    assert evening.rows("SELECT count(*) FROM alerts WHERE acknowledged_at IS NOT NULL AND exercise IS NULL") == [(0,)]
    evening.pass_time(5)
    assert evening.supervisor.post("/simulacro/terminar", {}).status_code == 303
    evening.pass_time(1)
    assert evening.rows("SELECT state, exercise FROM alerts WHERE state <> 'closed'") == [("firing", None)]
    result = evening.operator.page("/simulacro").text
    assert "SIMULACRO · Noviembre" in result
    assert "Mirta Q. (pantalla): 2 min" in result
    assert REAL not in evening.operator.page("/").text
