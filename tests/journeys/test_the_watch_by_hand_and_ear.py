"""A night on watch without a mouse: the worst alert in a few keys, one alert after the other, a sound, and a wall."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from sqlalchemy import Engine

from services.runtime.settings import Settings
from services.runtime.simulation import Simulation
from services.web.app import create_app
from tests.services.web.pages import city
from tests.services.web.pages.browser import CHROMIUM, Browser, browser
from tests.services.web.pages.site import Site
from tests.serving import listening

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")

PHONE, DESK, WALL = (390, 844), (1440, 900), (1920, 1080)
MOST_KEYS = 8
FOCUSED = "document.activeElement.closest('li.alert')?.id ?? document.activeElement.id"
UNSEEN = "[...document.querySelectorAll('li.alert.unseen')].map(alert => alert.id)"
COUNT_TONES = """window.tones = [];
const make = AudioContext.prototype.createOscillator;
AudioContext.prototype.createOscillator = function () {
  const tone = make.call(this);
  const start = tone.start.bind(tone);
  tone.start = (at) => { tones.push(tone.frequency.value); start(at); };
  return tone;
};"""


@pytest.fixture
def night(database: Engine) -> Engine:
    """The storm, with its alerts."""
    with database.begin() as transaction:
        city.storm(transaction)
        city.storm_alerts(transaction)
    return database


@pytest.fixture
def app(night: Engine, tmp_path: Path) -> FastAPI:
    """Vigía in the storm, with its alerts."""
    return create_app(Settings(data_dir=tmp_path, api_port=0), night, lambda: city.NOW)


@pytest.fixture
def address(app: FastAPI) -> Iterator[str]:
    with listening(app, app.state.context.settings) as address:
        yield address


@pytest.fixture
def screen(tmp_path: Path) -> Iterator[Browser]:
    with browser(tmp_path / "profile") as opened:
        opened.command("Page.addScriptToEvaluateOnNewDocument", source=COUNT_TONES)
        yield opened


def log_in(night: Engine, address: str, screen: Browser) -> None:
    """The operator enters, and stands at the top of the watch page."""
    with night.begin() as transaction:
        token = city.operator(transaction)
    screen.open(f"{address}/entrar")
    screen.wait_for("document.querySelector('[name=token]') !== null")
    screen.evaluate("document.querySelector('[name=token]').closest('details')?.setAttribute('open', '')")
    screen.evaluate("document.querySelector('[name=token]').focus()")
    screen.type(token)
    screen.press_enter()
    screen.wait_for("location.pathname == '/' && document.readyState == 'complete'")
    screen.wait_for("document.getElementById('enlace').classList.contains('live')")


def go_to(screen: Browser, reached: str, keys: int = 0) -> int:
    """Tab until a JavaScript expression of the focused element `at` is true. Returns the keys pressed, with `keys`."""
    while not screen.evaluate(f"((at) => {reached})(document.activeElement)"):
        assert keys <= MOST_KEYS, screen.evaluate("document.activeElement.outerHTML")
        screen.press_tab()
        keys += 1
    return keys


@pytest.mark.parametrize("size", [PHONE, DESK], ids=["phone", "desk"])
def test_the_worst_alert_is_acknowledged_in_at_most_eight_keys_and_the_next_one_follows(
    night: Engine, address: str, screen: Browser, size: tuple[int, int]
) -> None:
    screen.look(*size)
    log_in(night, address, screen)
    worst, following, *_ = screen.evaluate(UNSEEN)
    keys = go_to(screen, "at.getAttribute('href') == '#sucesos'")
    screen.press_enter()
    screen.wait_for("document.activeElement.id == 'sucesos'")
    keys = go_to(screen, "at.className == 'count'", keys + 1)
    screen.press_enter()
    screen.wait_for(f"{FOCUSED} == '{worst}'")
    keys = go_to(screen, "at.name == 'note'", keys + 1)
    screen.press_enter()
    keys += 1
    screen.wait_for(f"document.querySelector('#{worst} .seen')?.textContent.includes('Mirta Q.')")
    screen.wait_for(f"{FOCUSED} == '{following}'")
    print(f"keys from the top of the page to the acknowledgement, {size}: {keys}")
    assert keys <= MOST_KEYS
    top, bottom = screen.evaluate(
        "(({ top, bottom }) => [top, bottom])(document.activeElement.getBoundingClientRect())"
    )
    assert 0 <= top < size[1]
    assert bottom <= size[1] + 1
    assert screen.evaluate("location.hash") == f"#{worst}"  # the page was never left
    go_to(screen, "at.name == 'note'")
    screen.press_enter()
    screen.wait_for(f"document.querySelector('#{following} .seen') !== null")
    assert not screen.complaints()


def test_an_acknowledgement_refused_meanwhile_shows_why(night: Engine, address: str, screen: Browser) -> None:
    log_in(night, address, screen)
    worst = screen.evaluate(UNSEEN)[0]
    screen.evaluate(f"document.querySelector('#{worst} input[name=version]').value = '77'")
    screen.evaluate(f"document.querySelector('#{worst} form').requestSubmit()")
    screen.wait_for("document.querySelector('h1')?.textContent == 'No se pudo'")


def test_without_javascript_the_next_alert_follows_too(night: Engine, app: FastAPI) -> None:
    with night.begin() as transaction:
        token = city.operator(transaction)
    with Site(app) as operator:
        operator.enter(token)
        seen = []
        while forms := re.findall(
            r'<form class="act" method="post" action="/alerta/(\d+)/reconocer">\s*<input[^>]*value="(\d+)">'
            r'\s*<input[^>]*>\s*(?:<input type="hidden" name="next" value="(\d+)">)?',
            operator.page("/").part("sucesos").html,
        ):
            number, version, following = forms[0]
            form = {"version": version, "back": "lista"} | ({"next": following} if following else {})
            answer = operator.post(f"/alerta/{number}/reconocer", form)
            seen.append(number)
            assert answer.headers["location"] == (f"/#alerta-{following}" if following else "/#sucesos")
            assert (following == forms[1][0]) if len(forms) > 1 else not following
        assert len(seen) == len(set(seen)) > 2


def test_a_sound_that_is_switched_on_lasts_until_the_last_alert_is_acknowledged(
    night: Engine, address: str, screen: Browser
) -> None:
    log_in(night, address, screen)
    assert screen.evaluate("document.getElementById('sonido-estado').textContent") == "Apagado."
    assert screen.evaluate("tones") == []
    go_to(screen, "at.id == 'sonido-llave'")
    screen.press_enter()
    screen.wait_for("tones.length >= 3")
    assert set(screen.evaluate("tones")) == {880}  # a red alert waits
    screen.command("Page.reload")  # the choice is kept in the browser, which now lets nothing sound before a key
    screen.wait_for("document.getElementById('sonido-estado')?.textContent.startsWith('El navegador no deja sonar')")
    screen.press_tab()
    screen.wait_for("tones.length >= 3")
    screen.wait_for("document.getElementById('sonido-estado').textContent.startsWith('Suena mientras')")
    with night.begin() as transaction:
        transaction.exec_driver_sql(
            "UPDATE alerts SET acknowledged_at = opened_at, acknowledged_by = 'Mirta Q.' WHERE acknowledged_at IS NULL"
        )
    screen.evaluate("location.reload()")
    screen.wait_for("document.querySelector('[data-unacknowledged=\"0\"]') !== null")
    screen.press_tab()
    screen.evaluate("new Promise(done => setTimeout(done, 1500))")
    assert screen.evaluate("tones") == []
    screen.evaluate("document.getElementById('sonido-prueba').click()")
    screen.wait_for("tones.length == 3")
    assert not [said for said in screen.complaints() if "AudioContext was not allowed" not in said]


def test_skip_links_lead_to_alerts_streams_and_buses(address: str, screen: Browser) -> None:
    screen.open(f"{address}/")
    found = screen.evaluate("[...document.querySelectorAll('.skip')].map(link => link.getAttribute('href'))")
    assert set(found) == {"#sucesos", "#estaciones", "/p/", "#contenido"}
    for name in ("sucesos", "estaciones", "contenido"):
        screen.evaluate(f"document.querySelector('.skip[href=\"#{name}\"]').click()")
        assert screen.evaluate("document.activeElement.id") == name


def test_a_wall_shows_all_streams_of_the_city_on_one_screen(night: Engine, screen: Browser, tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, api_port=0)
    app = create_app(settings, night, lambda: city.NOW, simulation=Simulation(60.0, devices=True))
    with listening(app, settings) as address:
        screen.look(*WALL)
        screen.open(f"{address}/")
        screen.wait_for("document.getElementById('enlace').classList.contains('live')")
        bottoms = screen.evaluate(
            "[...document.querySelectorAll('.card')].map(card => card.getBoundingClientRect().bottom)"
        )
    assert len(bottoms) == 17
    assert max(bottoms) <= WALL[1]
