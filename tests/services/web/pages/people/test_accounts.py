"""People sign in, look after their account, and are administered: each page without JavaScript."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import httpx
import pyotp
import pytest
from sqlalchemy import Engine, text

from services.people import attempts, sessions
from services.people.accounts import NewPerson, add_person, find_person, reset_person
from services.people.api_keys import add_api_key
from services.people.roles import ADMINISTRATIVE, Role
from services.runtime.settings import Settings
from services.web.app import create_app
from services.web.http.credentials import OPERATOR_COOKIE
from tests.services.web.pages import city
from tests.services.web.pages.site import Site

PASSWORD = "mate lluvia bondi cruz"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:150.0) Gecko/20100101 Firefox/150.0"
CHROME = "Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/150.0 Mobile Safari/537.36"


class Clock:
    """A clock that the test sets."""

    def __init__(self) -> None:
        self.now = city.NOW

    def __call__(self) -> datetime:
        return self.now


@dataclass(frozen=True)
class Office:
    """A served city with a clock and browsers, each with cookies of its own."""

    database: Engine
    clock: Clock
    site: Site
    folder: Path

    def add(self, login: str, name: str, *roles: Role, password: bool = True) -> str:
        """A person with these roles, who has set PASSWORD where they have one; the one-time code."""
        with self.database.begin() as transaction:
            code = add_person(transaction, NewPerson(login, name, frozenset(roles)), by="test", now=self.clock())
        if password:
            self.site.clear_cookies()
            assert self.first_time(login, code).status_code == 303
            self.site.clear_cookies()
        return code

    def first_time(self, login: str, code: str, password: str = PASSWORD) -> httpx.Response:
        """Set a password with a one-time code."""
        return self.site.post("/entrar/primera-vez", {"login": login, "code": code, "password": password})

    def sign_in(self, login: str, password: str = PASSWORD, code: str = "") -> httpx.Response:
        """Sign in."""
        return self.site.post("/entrar", {"login": login, "password": password, "code": code})

    def recorded(self, what: str) -> list[tuple[str, str]]:
        """Entries of the record: about what, by whom."""
        query = text("SELECT about, actor FROM log_entries WHERE what = :what ORDER BY id")
        with self.database.connect() as connection:
            return [(about, actor) for about, actor in connection.execute(query, {"what": what})]


@pytest.fixture
def office(database: Engine, tmp_path: Path) -> Iterator[Office]:
    """A city without people."""
    clock = Clock()
    app = create_app(Settings(data_dir=tmp_path), database, clock, prepared_s=0.0)
    with Site(app) as site:
        site.browse_with(FIREFOX)
        yield Office(database, clock, site, tmp_path)


def test_ana_chooses_a_password_once_signs_in_and_acts_under_her_name(office: Office) -> None:
    code = office.add("ana", "Ana Sosa", Role.OPERATOR, password=False)
    assert office.sign_in("ana", code).status_code == 401, "the code is no password"
    weak = office.first_time("ana", code, "ana sosa 123")
    assert (weak.status_code, "cuatro palabras sueltas" in weak.text) == (409, True)
    assert office.first_time("ana", code).headers["location"] == "/yo"
    assert "Sesión: Ana Sosa" in office.site.page("/").text
    assert office.site.post("/salir", {}).status_code == 303
    assert "Sesión:" not in office.site.page("/").text
    assert office.first_time("ana", code).status_code == 401, "a code works once"
    wrong = office.sign_in("ana", "another password")
    assert (wrong.status_code, "no coincide" in wrong.text, 'value="ana"' in wrong.text) == (401, True, True)
    assert office.sign_in("ANA ").status_code == 303, "a login has no capitals"
    assert office.recorded("session.opened") == [("person:ana", "Ana Sosa")] * 2
    assert office.recorded("session.closed") == [("person:ana", "Ana Sosa")]
    assert office.recorded("session.refused") == [("person:ana", "vigia")] * 3


def test_a_code_of_the_second_factor_works_once(office: Office) -> None:
    office.add("ana", "Ana Sosa", Role.OPERATOR)
    office.sign_in("ana")
    assert "<svg" not in office.site.page("/yo/segundo-factor").html, "reading changes nothing"
    shown = office.site.post("/yo/segundo-factor", {}).text
    assert "<svg" in shown
    found = re.search(r"<code>([A-Z2-7 ]+)</code>", shown)
    assert found is not None
    authenticator = pyotp.TOTP(found[1].replace(" ", ""))
    assert office.site.post("/yo/segundo-factor/confirmar", {"code": "000000"}).status_code == 409
    assert "✗" in office.site.page("/yo").text, "it is not in force before a first code"
    first = authenticator.at(office.clock())
    assert office.site.post("/yo/segundo-factor/confirmar", {"code": first}).status_code == 303
    office.site.clear_cookies()
    assert office.sign_in("ana").status_code == 401
    assert office.sign_in("ana", code=first).status_code == 401, "used to turn it on"
    office.clock.now += timedelta(seconds=30)
    second = authenticator.at(office.clock())
    assert office.sign_in("ana", code=second).status_code == 303
    office.site.clear_cookies()
    assert office.sign_in("ana", code=second).status_code == 401, "replayed"
    office.clock.now += timedelta(seconds=30)
    assert office.sign_in("ana", code=second).status_code == 401, "replayed a step later"
    assert office.sign_in("ana", code=authenticator.at(office.clock())).status_code == 303
    office.clock.now += timedelta(seconds=30)
    last = {"password": PASSWORD, "code": authenticator.at(office.clock())}
    assert office.site.post("/yo/segundo-factor/quitar", last | {"password": "x"}).status_code == 401
    assert office.site.post("/yo/segundo-factor/quitar", last).status_code == 303
    assert office.recorded("second_factor.removed") == [("person:ana", "Ana Sosa")]


def test_a_session_ends_with_the_watch_without_requests_by_hand_and_with_the_account(office: Office) -> None:
    office.add("ana", "Ana Sosa", Role.OPERATOR)

    def signed_in() -> bool:
        return office.site.get("/yo").status_code == 200

    office.sign_in("ana")
    office.clock.now += sessions.IDLE_END - timedelta(seconds=1)
    assert signed_in()
    office.clock.now += timedelta(seconds=1)
    assert not signed_in(), "nobody was there"
    with office.database.begin() as transaction:
        transaction.execute(text("UPDATE sessions SET last_seen_at = expires_at"))
    assert signed_in()
    office.clock.now += sessions.SESSION_LASTS
    assert not signed_in(), "the watch is over"
    office.sign_in("ana")
    kept = office.site.cookie(OPERATOR_COOKIE)
    office.site.clear_cookies()
    office.sign_in("ana")
    assert office.site.page("/yo").text.count("Firefox, Linux") == 2
    office.site.post("/yo/sesiones/cerrar-otras", {})
    assert signed_in()
    office.site.set_cookie(OPERATOR_COOKIE, kept)
    assert not signed_in(), "ended from the other window"
    office.site.clear_cookies()
    office.sign_in("ana")
    office.site.post("/yo/contrasena", {"password": PASSWORD, "nueva": "otra lluvia muy distinta"})
    assert signed_in(), "who changes the password stays"
    with office.database.begin() as transaction:
        transaction.execute(text("UPDATE people SET disabled_at = now()"))
    assert not signed_in(), "disabled, though the session is open"
    assert office.sign_in("ana", "otra lluvia muy distinta").status_code == 401


def test_the_cookie_is_worth_nothing_in_another_browser(office: Office) -> None:
    office.add("ana", "Ana Sosa", Role.OPERATOR)
    office.sign_in("ana")
    assert office.site.get("/yo").status_code == 200
    office.site.browse_with(CHROME)
    assert office.site.get("/yo").status_code == 401
    office.site.browse_with(FIREFOX.replace("150", "151"))
    assert office.site.get("/yo").status_code == 200, "an update of the browser changes nothing"
    assert office.site.get("/yo", authorization=f"Bearer {office.site.cookie(OPERATOR_COOKIE)}").status_code == 200
    cookie = office.site.cookie(OPERATOR_COOKIE)
    office.site.clear_cookies()
    assert office.site.get("/yo", authorization=f"Bearer {cookie}").status_code == 401, "a session is no API key"


def test_a_form_of_another_site_does_nothing(office: Office) -> None:
    office.add("ana", "Ana Sosa", Role.SUPERVISOR)
    form = {"login": "ana", "password": PASSWORD}
    assert office.site.post("/entrar", form, origin="https://evil.example").status_code == 403
    office.sign_in("ana")
    new = {"login": "eve", "name": "Eve", "rol": "supervisor"}
    assert office.site.post("/personas", new, origin="https://evil.example").status_code == 403
    assert office.site.post("/personas", new, origin=None).status_code == 403
    assert office.site.post("/personas", new, sec_fetch_site="cross-site").status_code == 403
    assert "Eve" not in office.site.page("/personas").text


def test_whoever_guesses_is_slowed_down_and_locks_nobody_out(office: Office) -> None:
    office.add("ana", "Ana Sosa", Role.OPERATOR)
    with office.database.begin() as transaction:
        transaction.execute(text("UPDATE sessions SET address = '192.0.2.7'"))
    statuses = [office.sign_in("ana", "guess").status_code for _ in range(attempts.MAX_OF_ACCOUNT + 1)]
    assert statuses == [401] * attempts.MAX_OF_ACCOUNT + [429]
    refused = office.sign_in("ana")
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "900")
    with office.database.begin() as transaction:
        transaction.execute(text("UPDATE sessions SET address = '127.0.0.1'"))
    assert office.sign_in("ana").status_code == 303, "from where she signed in before, others' guesses do not count"
    with office.database.begin() as transaction:
        transaction.execute(
            text("UPDATE login_attempts SET failures = :most WHERE subject = 'address:127.0.0.1'"),
            {"most": attempts.MAX_OF_ADDRESS},
        )
    assert office.sign_in("nobody", "guess").status_code == 429
    office.clock.now += attempts.WINDOW + timedelta(seconds=1)
    assert office.sign_in("nobody", "guess").status_code == 401


def test_a_password_is_taken_over_tls_or_on_this_machine_only(office: Office) -> None:
    form = {"login": "ana", "password": PASSWORD}
    assert office.site.post("/entrar", form, x_forwarded_for="192.0.2.1").status_code == 403
    assert office.site.post("/entrar", {"token": "vigia_x"}, x_forwarded_for="192.0.2.1").status_code == 403


def test_carla_adds_bruno_gives_roles_and_ends_his_account(office: Office) -> None:
    office.add("carla", "Carla Funes", Role.SUPERVISOR)
    office.sign_in("carla")
    for wrong in (
        {"login": "bru no", "name": "Bruno"},
        {"login": "carla", "name": "X"},
        {"login": "b", "name": "CARLA FUNES"},
    ):
        assert office.site.post("/personas", wrong).status_code == 409
    made = office.site.post("/personas", {"login": "bruno", "name": "Bruno Díaz", "rol": "operator"})
    found = re.search(r'class="secret">([^<]+)<', made.text)
    assert found is not None
    assert found[1] not in office.site.page("/personas/bruno").html, "shown once"
    assert "todavía sin contraseña" in office.site.page("/personas").text
    office.site.post("/personas/bruno/roles", {"rol": ["viewer"]})
    assert "bruno lectura" in office.site.page("/personas").text
    office.site.clear_cookies()
    assert office.first_time("bruno", found[1]).status_code == 303
    assert office.site.get("/personas").status_code == 403
    assert "rol supervisor" in office.site.get("/personas").text
    assert office.site.get("/equipos").status_code == 200
    bruno = office.site.cookie(OPERATOR_COOKIE)
    office.site.clear_cookies()
    office.sign_in("carla")
    assert office.site.post("/personas/bruno/desactivar", {}).status_code == 303
    office.site.set_cookie(OPERATOR_COOKIE, bruno)
    assert office.site.get("/equipos").status_code == 401
    assert office.recorded("person.disabled") == [("person:bruno", "Carla Funes")]


def test_nobody_hands_out_power_or_leaves_the_city_without_a_head_alone(office: Office) -> None:
    office.add("carla", "Carla Funes", *ADMINISTRATIVE)
    office.sign_in("carla")
    office.site.post("/personas", {"login": "dora", "name": "Dora Paz", "rol": "device_admin"})
    assert "dora equipos" in office.site.page("/personas").text, "nobody could confirm yet"
    with office.database.begin() as transaction:
        code = reset_person(transaction, find_person(transaction, "dora"), by="test", now=office.clock())
    office.site.clear_cookies()
    office.first_time("dora", code)
    office.site.clear_cookies()
    office.sign_in("carla")
    office.site.post("/personas/dora/roles", {"rol": ["device_admin", "auditor"]})
    office.site.post("/personas/carla/desactivar", {})
    page = office.site.page("/personas/pedidos").text
    assert "Cambiar los roles de dora" in page
    assert "Desactivar a carla" in page
    assert "Confirmar" not in page, "who asked is not offered to confirm"
    assert office.site.post("/personas/pedidos/1/confirmar", {}).status_code == 403
    assert office.site.post("/personas/dora/roles", {"rol": ["auditor"]}).status_code == 409, "asked for already"
    puppet = office.site.post("/personas", {"login": "eve", "name": "Eve", "rol": ["operator", "supervisor"]})
    assert "esperan a otra persona" in puppet.text
    assert "eve operación" in office.site.page("/personas").text
    taken = office.site.post("/personas/dora/codigo", {})
    assert (taken.status_code, "vigia people" in taken.text) == (409, True), "a code would take her account over"
    office.site.clear_cookies()
    office.sign_in("dora")
    assert office.site.post("/personas/pedidos/1/confirmar", {}).status_code == 303
    assert office.site.post("/personas/pedidos/2/confirmar", {}).status_code == 303
    assert office.site.post("/personas/pedidos/2/confirmar", {}).status_code == 404
    assert office.site.post("/personas/pedidos/3/rechazar", {}).status_code == 303
    assert office.recorded("person.roles_changed")[-1] == ("person:dora", "Carla Funes + Dora Paz")
    assert office.recorded("person.disabled") == [("person:carla", "Carla Funes + Dora Paz")]


def test_a_new_code_for_an_administrator_is_shown_to_the_second_person(office: Office) -> None:
    office.add("carla", "Carla Funes", Role.SUPERVISOR)
    for login, name in (("dora", "Dora Paz"), ("emma", "Emma Roa")):
        office.add(login, name, Role.AUDITOR)
    office.sign_in("carla")
    assert office.site.post("/personas/dora/codigo", {}).headers["location"] == "/personas/pedidos"
    office.site.clear_cookies()
    office.sign_in("emma")
    shown = office.site.post("/personas/pedidos/1/confirmar", {}).text
    found = re.search(r'class="secret">([^<]+)<', shown)
    assert found is not None
    office.site.clear_cookies()
    assert office.sign_in("dora").status_code == 401, "the old password is gone"
    assert office.first_time("dora", found[1]).status_code == 303


def test_an_api_key_is_never_the_second_person_and_has_no_account(office: Office) -> None:
    with office.database.begin() as transaction:
        token = add_api_key(transaction, "Pantalla", office.clock(), roles=ADMINISTRATIVE)
    assert office.site.enter(token).status_code == 303
    assert office.site.get("/personas").status_code == 200
    assert office.site.get("/yo").status_code == 401
    assert office.site.get("/personas/pedidos").status_code == 401
