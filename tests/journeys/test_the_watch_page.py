"""A night on watch: the page is open in a browser while the water rises, an operator answers, and the line is cut."""

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from fastapi import FastAPI
from sqlalchemy import Engine, insert, select

from alerts.alert_log import Origin
from alerts.delivery.live_events import announce
from alerts.rulebook import Station
from alerts.transition_log import log_transition
from models.alert import NAR, Cause, Change, Transition
from models.tables.alerts import alert_actions
from models.tables.city import devices
from models.tables.readings import READINGS
from services.runtime.settings import Settings
from services.web.app import create_app
from tests.services.web.pages import city
from tests.services.web.pages.browser import CHROMIUM, Browser, browser
from tests.services.web.pages.site import Site
from tests.serving import listening

START_S = 60.0
PHONE, DESK = (360, 740), (1440, 1000)
SKIP_TIME = "const real = performance.now.bind(performance); window.skipMs = 0; performance.now = () => real() + skipMs"
"""So that half a minute of silence need not be waited for."""
POOR_CONTRAST = (Path(__file__).parents[1] / "services" / "web" / "pages" / "contrast.js").read_text("utf-8")

needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")


@pytest.fixture
def night(database: Engine) -> Engine:
    """The storm, before anybody was warned."""
    with database.begin() as transaction:
        city.storm(transaction)
    return database


@pytest.fixture
def app(night: Engine, tmp_path: Path) -> FastAPI:
    """Vigía at `city.NOW`."""
    return create_app(Settings(data_dir=tmp_path, api_port=0), night, lambda: city.NOW)


@pytest.fixture
def address(app: FastAPI) -> Iterator[str]:
    """Where it is served for real."""
    with listening(app, app.state.context.settings) as address:
        yield address


@pytest.fixture
def screen(tmp_path: Path) -> Iterator[Browser]:
    """The operator's browser."""
    with browser(tmp_path / "profile") as opened:
        opened.command("Page.addScriptToEvaluateOnNewDocument", source=SKIP_TIME)
        opened.look(*DESK)
        yield opened


def rise(night: Engine, station: str, nar: NAR, level_m: float, *, confirmed: bool = True) -> None:
    """What the engine does when a stream reaches a colour, in one transaction."""
    place = Station(station, "river", "laplata", "gato", station)
    evidence = {"level_m": level_m, "thresholds_m": [1.2, 1.6, 2.0]}
    moved = Transition(NAR.VERDE, nar, Change.RAISED, Cause.LEVEL, city.NOW, city.NOW, confirmed, evidence)
    with night.begin() as transaction:
        city.hold(transaction, station, "stage", nar)
        log_transition(transaction, place, Origin(f"{station}.stage", 1, "stage"), moved, notify=True)


def measure(night: Engine, station: str, level_m: float) -> None:
    """A reading comes in and is told to whoever listens."""
    at = city.NOW - timedelta(seconds=1)
    with night.begin() as transaction:
        device_id = transaction.execute(select(devices.c.id).where(devices.c.code == station)).scalar_one()
        row = {"observed_at": at, "received_at": at, "seq": 1, "level_m": level_m, "flags": 0}
        newer = READINGS["river"].c.observed_at >= at
        transaction.execute(READINGS["river"].delete().where(READINGS["river"].c.device_id == device_id, newer))
        transaction.execute(insert(READINGS["river"]).values(device_id=device_id, **row))
        reading = {"station": station, "device": station, "observed_at": at, "value": level_m, "flags": 0}
        announce(transaction, "readings", {"kind": "river", "readings": [reading]}, city.NOW)


def test_without_javascript_the_operator_sees_answers_and_hands_over(night: Engine, app: FastAPI) -> None:
    with night.begin() as transaction:
        token, other = city.operator(transaction), city.operator(transaction, "Raúl P.")
    with Site(app) as operator, Site(app) as colleague, Site(app) as neighbour:
        operator.enter(token)
        colleague.enter(other)
        assert "No hay alertas abiertas." in operator.page("/").text
        rise(night, "gato-ringuelet", NAR.ROJO, 2.11)
        page = operator.page("/")
        assert "1 sin reconocer" in page.text
        form = page.part("sucesos").html
        path, version = re.findall(r'action="([^"]+)"', form)[0], re.findall(r'name="version" value="(\d+)"', form)[0]
        operator.post(path, {"version": version, "note": "Aviso a Ringuelet", "back": "lista"})
        assert "Reconocida por Mirta Q." in colleague.page("/").text
        assert "Aviso a Ringuelet" in colleague.page("/alerta/1").text
        assert "Reconocida por la guardia" in neighbour.page("/").text
        assert "Aviso a Ringuelet" not in neighbour.page("/alerta/1").text


@needs_chromium
def test_an_alert_and_a_level_appear_by_themselves(night: Engine, address: str, screen: Browser) -> None:
    screen.open(f"{address}/")
    screen.wait_for("document.getElementById('enlace').textContent == 'en vivo'")
    assert screen.evaluate("document.title") == "Guardia · Vigía"
    rise(night, "gato-ringuelet", NAR.ROJO, 2.11)
    screen.wait_for("document.querySelector('#alerta-1')?.textContent.includes('2,11 m')")
    assert screen.evaluate("document.title") == "(1) Guardia · Vigía"
    measure(night, "gato-ringuelet", 2.345)
    screen.wait_for("document.querySelector('#est-gato-ringuelet .num').textContent == '2,35 m'")
    assert not screen.complaints()


@needs_chromium
def test_a_half_written_note_survives_what_comes_in_and_is_sent_by_keyboard(
    night: Engine, address: str, screen: Browser
) -> None:
    with night.begin() as transaction:
        token = city.operator(transaction)
    rise(night, "gato-ringuelet", NAR.NARANJA, 1.71)
    screen.open(f"{address}/entrar")
    screen.wait_for("document.activeElement.name == 'login'")
    screen.evaluate("document.querySelector('[name=token]').closest('details').open = true")
    screen.evaluate("document.querySelector('[name=token]').focus()")
    screen.type(token)
    screen.press_enter()
    screen.wait_for("location.pathname == '/' && document.getElementById('enlace')?.classList.contains('live')")
    screen.evaluate("document.querySelector('#alerta-1').closest('details').open = true")
    screen.evaluate("document.querySelector('#alerta-1 input[name=note]').focus()")
    screen.type("Cuadrilla en cam")
    rise(night, "perez-31-520", NAR.ROJO, 1.5)
    screen.wait_for("document.querySelector('#alerta-2') !== null")
    screen.type("ino")
    assert screen.evaluate("document.activeElement.value") == "Cuadrilla en camino"
    screen.press_enter()
    screen.wait_for("document.querySelector('#alerta-1 .seen')?.textContent.includes('Mirta Q.')")
    with night.connect() as connection:
        assert [row.note for row in connection.execute(select(alert_actions))] == ["Cuadrilla en camino"]


@needs_chromium
def test_a_cut_line_strikes_every_value_until_it_is_back(night: Engine, address: str, screen: Browser) -> None:
    screen.open(f"{address}/")
    screen.wait_for("document.getElementById('enlace').textContent == 'en vivo'")
    offline = {"offline": True, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
    screen.command("Network.emulateNetworkConditions", **offline)
    screen.evaluate("skipMs = 31000")
    screen.wait_for("document.getElementById('enlace').textContent.startsWith('SIN CONEXIÓN desde')")
    struck = "getComputedStyle(document.querySelector('#est-gato-ringuelet .num')).textDecorationLine"
    assert screen.evaluate(struck) == "line-through"
    assert screen.evaluate("document.querySelector('#est-gato-ringuelet .age').classList.contains('old')") is False
    screen.evaluate("skipMs = 16 * 60 * 1000")
    screen.wait_for("document.querySelector('#est-gato-ringuelet .age').classList.contains('old')")
    rise(night, "gato-ringuelet", NAR.ROJO, 2.11)
    screen.command("Network.emulateNetworkConditions", **offline | {"offline": False})
    screen.wait_for("document.getElementById('enlace').textContent == 'en vivo'", wait_s=40)
    screen.wait_for("document.querySelector('#alerta-1') !== null")
    assert screen.evaluate(struck) == "none"


@needs_chromium
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("size", [PHONE, DESK], ids=["phone", "desk"])
def test_it_can_be_read_on_a_phone_at_a_desk_and_in_the_dark(
    night: Engine, address: str, screen: Browser, size: tuple[int, int], dark: bool
) -> None:
    with night.begin() as transaction:
        city.storm_alerts(transaction)
    screen.look(*size, dark=dark)
    for path in ("/", "/estacion/gato-ringuelet", "/alerta/1", "/entrar", "/alerta/999"):
        screen.open(f"{address}{path}")
        assert screen.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
        assert screen.evaluate(POOR_CONTRAST) == [], path
    assert not [said for said in screen.complaints() if "404" not in said]


@needs_chromium
def test_it_prints_on_a_few_sheets_of_a4(night: Engine, address: str, screen: Browser, tmp_path: Path) -> None:
    with night.begin() as transaction:
        city.storm_alerts(transaction)
    screen.open(f"{address}/")
    screen.print(tmp_path / "watch.pdf")
    sheets = len(re.findall(rb"/Type\s*/Page\b", (tmp_path / "watch.pdf").read_bytes()))
    assert 1 <= sheets <= 5
