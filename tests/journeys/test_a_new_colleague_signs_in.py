"""The head of the watch gives a new colleague an account; he signs in on his telephone, without JavaScript."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pyotp
import pytest
from sqlalchemy import Engine

from services.people.accounts import NewPerson, add_person
from services.people.roles import Role
from services.runtime.settings import Settings
from services.web.app import create_app
from tests.services.web.pages import city
from tests.services.web.pages.browser import CHROMIUM, Browser, browser
from tests.serving import listening

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")

PHONE, DESK = (390, 844), (1440, 900)
PASSWORD = "mate lluvia bondi cruz"
OVERFLOW = "document.documentElement.scrollWidth > document.documentElement.clientWidth"


class Clock:
    """A clock that the test sets."""

    def __init__(self) -> None:
        self.now = city.NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def codes(database: Engine) -> dict[str, str]:
    """A city in a storm, with Carla, who heads the watch, and her one-time code."""
    with database.begin() as transaction:
        city.load_seed(transaction)
        city.beat(transaction)
        carla = NewPerson("carla", "Carla Funes", frozenset({Role.SUPERVISOR}))
        return {"carla": add_person(transaction, carla, by="test", now=city.NOW)}


@pytest.fixture
def address(database: Engine, clock: Clock, tmp_path: Path) -> Iterator[str]:
    app = create_app(Settings(data_dir=tmp_path, api_port=0), database, clock)
    with listening(app, app.state.context.settings) as address:
        yield address


def fill_in(screen: Browser, form: str, **values: str) -> None:
    """Fill in the fields of a form by their ids, send it, and wait for the next page."""
    for field, value in values.items():
        screen.evaluate(f"document.getElementById({field!r}).value = {value!r}")
    screen.evaluate("document.body.dataset.old = 'yes'")
    screen.evaluate(f'document.querySelector(`form[action="{form}"]`).submit()')
    screen.wait_for("document.readyState === 'complete' && !document.body.dataset.old")


def text(screen: Browser, selector: str = "main") -> str:
    return str(screen.evaluate(f"document.querySelector({selector!r}).innerText"))


def test_carla_gives_bruno_an_account_and_he_turns_on_his_second_factor(
    address: str, codes: dict[str, str], clock: Clock, tmp_path: Path
) -> None:
    with browser(tmp_path / "carlas") as desk:
        desk.look(*DESK, scripts=False)
        desk.open(f"{address}/entrar/primera-vez")
        fill_in(desk, "/entrar/primera-vez", usuario="carla", unico=codes["carla"], contrasena=PASSWORD)
        assert "Carla Funes" in text(desk)
        desk.open(f"{address}/personas")
        fill_in(desk, "/personas", nombre="Bruno Díaz", usuario="bruno")
        code = text(desk, "code.secret")
    with browser(tmp_path / "brunos") as phone:
        phone.look(*PHONE, scripts=False)
        phone.open(f"{address}/entrar")
        assert not phone.evaluate(OVERFLOW)
        phone.open(f"{address}/entrar/primera-vez")
        fill_in(phone, "/entrar/primera-vez", usuario="bruno", unico=code, contrasena=PASSWORD)
        assert "Entrás como bruno" in text(phone)
        assert not phone.evaluate(OVERFLOW)
        phone.open(f"{address}/yo/segundo-factor")
        fill_in(phone, "/yo/segundo-factor")
        assert not phone.evaluate(OVERFLOW), "the QR code fits"
        authenticator = pyotp.TOTP(text(phone, "code").replace(" ", ""))
        fill_in(phone, "/yo/segundo-factor/confirmar", codigo=authenticator.at(int(clock().timestamp())))
        assert "✓ Activado" in text(phone)
        phone.open(f"{address}/")
        fill_in(phone, "/salir")
        clock.now = datetime.fromtimestamp(clock.now.timestamp() + 30, tz=clock.now.tzinfo)
        phone.open(f"{address}/entrar")
        next_code = authenticator.at(int(clock().timestamp()))
        fill_in(phone, "/entrar", usuario="bruno", contrasena=PASSWORD, segundo=next_code)
        assert "Sesión: Bruno Díaz" in text(phone, ".who")
        phone.open(f"{address}/personas")
        assert "rol supervisor" in text(phone)
