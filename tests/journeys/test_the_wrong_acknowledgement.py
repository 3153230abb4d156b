"""Mirta acknowledges the wrong basin at night. Luis takes it back with a reason, and the right answer follows."""

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from fastapi import FastAPI
from sqlalchemy import Engine, text

from alerts import lapses
from services.runtime.settings import Settings
from services.web.app import create_app
from tests.services.web.pages import city
from tests.services.web.pages.site import Site

WHY = "Era la del Maldonado; acá no fue nadie."


class Clock:
    """A clock that the test sets."""

    now = city.NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def night(database: Engine) -> Engine:
    """The storm, with its alerts."""
    with database.begin() as transaction:
        city.storm(transaction)
        city.storm_alerts(transaction)
    return database


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def app(night: Engine, clock: Clock, tmp_path: Path) -> FastAPI:
    """Vigía at the clock's time."""
    return create_app(Settings(data_dir=tmp_path, api_port=0), night, clock, prepared_s=0.0)


def entered(night: Engine, app: FastAPI, name: str) -> Iterator[Site]:
    """A window of this person."""
    with night.begin() as transaction:
        token = city.operator(transaction, name)
    with Site(app) as site:
        site.enter(token)
        yield site


@pytest.fixture
def mirta(night: Engine, app: FastAPI) -> Iterator[Site]:
    yield from entered(night, app, "Mirta Q.")


@pytest.fixture
def luis(night: Engine, app: FastAPI) -> Iterator[Site]:
    yield from entered(night, app, "Luis P.")


def send(site: Site, path: str, action: str, note: str = "") -> None:
    """Send a form of an incident's page as it stands there."""
    html = site.page(path).html
    start = html.index(f'action="{path}/{action}"')
    seen = re.findall(r'name="seen" value="([\d:]+)"', html[start : html.index("</form>", start)])
    sent = site.post(f"{path}/{action}", {"seen": seen, "note": note})
    assert sent.status_code == 303, sent.text


def events(night: Engine) -> list[tuple[str, int]]:
    """The live events of actions on alerts, in the order in which every open window gets them."""
    query = text("SELECT data ->> 'action', (data ->> 'id')::int FROM events WHERE event = 'alert' ORDER BY id")
    with night.connect() as connection:
        return [tuple(row) for row in connection.execute(query)]


def test_a_wrong_acknowledgement_is_taken_back_and_the_alert_asks_again(
    night: Engine, clock: Clock, mirta: Site, luis: Site
) -> None:
    with night.connect() as connection:
        waits = text(
            "SELECT incident_id, array_agg(id ORDER BY id) FROM alerts WHERE acknowledged_at IS NULL"
            " AND state = 'firing' GROUP BY incident_id ORDER BY max(nar) DESC, incident_id LIMIT 1"
        )
        wrong, members = connection.execute(waits).one()
    path = f"/suceso/{wrong}"
    send(mirta, path, "reconocer", "Cuadrilla en camino.")
    before = luis.page(path).text
    assert "sin reconocer" not in before
    assert "Reconocida por la guardia" not in before
    clock.now += timedelta(minutes=4)
    send(luis, path, "retirar", WHY)

    for window in (mirta, luis):
        page = window.page(path).text
        assert f"{len(members)} sin reconocer" in page
        assert "Cuadrilla en camino." in page
        assert "Luis P. retiró el reconocimiento" in page
        assert WHY in page
    told = events(night)
    assert [action for action, alert in told if alert == members[0]][-2:] == ["acknowledge", "withdraw"]
    with night.connect() as connection:
        row = text("SELECT waiting_since, waiting_because, acknowledged_until FROM alerts WHERE id = :id")
        assert connection.execute(row, {"id": members[0]}).one() == (clock.now, "withdrawn", None)
        recorded = text("SELECT actor FROM log_entries WHERE what = 'alert.acknowledgement_withdrawn'")
        assert set(connection.execute(recorded).scalars()) == {"Luis P."}

    send(mirta, path, "reconocer", "Ahora sí: voy yo.")
    assert "sin reconocer" not in luis.page(path).text
    clock.now += timedelta(minutes=30)
    assert lapses.run_lapses(night.begin, clock.now) >= 1
    assert "venció el reconocimiento de Mirta Q." in re.sub(r"\s+", " ", luis.page(path).text)
    assert ("acknowledgement_expired", members[0]) in events(night)


def test_the_public_sees_that_it_was_taken_back_and_neither_names_nor_reasons(
    app: FastAPI, mirta: Site, luis: Site
) -> None:
    send(mirta, "/suceso/1", "reconocer", "Cuadrilla.")
    send(luis, "/suceso/1", "retirar", WHY)
    with Site(app) as public:
        page = public.page("/suceso/1").text
    assert "retiró el reconocimiento" in page
    assert not [word for word in ("Mirta", "Luis", "Cuadrilla", WHY) if word in page]
