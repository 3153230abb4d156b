"""The authority declares a level: both levels on every screen of staff, and what the public reads."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import httpx
import pytest
from sqlalchemy import Engine, text

from alerts.declared.declaration_log import announce_graver_proposal, follow_time
from models.alert import NAR
from services.people.api_keys import add_api_key
from services.people.roles import Role
from services.people.sessions import RequestFacts, open_session
from services.runtime.settings import Settings
from services.web.app import create_app
from services.web.http.browsers import browser_of
from services.web.http.credentials import OPERATOR_COOKIE
from tests.services.web.pages import city
from tests.services.web.pages.conftest import beat
from tests.services.web.pages.site import Site

CITY = "municipality:laplata"
ID = CITY.replace(":", "-")


class Authority:
    """A supervisor's browser, a citizen's, and the clock of both."""

    def __init__(self, database: Engine, folder: Path) -> None:
        self.database, self.now = database, city.NOW
        beat(database)
        app = create_app(Settings(data_dir=folder), database, lambda: self.now, prepared_s=0.0)
        self.supervisor, self.citizen = Site(app), Site(app)
        with database.begin() as transaction:
            token = add_api_key(transaction, "C. Funes", city.NOW, roles={Role.SUPERVISOR})
        self.supervisor.enter(token)

    def declare(self, nar: int, *, hours: int = 6, reason: str = "Llueve sobre el Gato", seen: int = 0) -> int:
        """Send the form; returns the status."""
        form = {"area": CITY, "seen": seen, "nivel": nar, "hours": hours, "reason": reason}
        return self.supervisor.post("/declarar", form).status_code

    def part(self, path: str, name: str = "niveles") -> str:
        """A part of a page as the supervisor reads it."""
        return self.supervisor.page(path).part(name).text

    def person(self) -> Site:
        """The browser of a supervisor who signed in with an account."""
        with self.database.begin() as transaction:
            add = "INSERT INTO people (login, name, created_at, created_by) VALUES ('funes', 'C. F.', :at, 'x')"
            number = transaction.execute(text(f"{add} RETURNING id"), {"at": self.now}).scalar_one()
            role = "INSERT INTO person_roles (person_id, role, granted_at, granted_by)"
            role += " VALUES (:id, 'supervisor', :at, 'x')"
            transaction.execute(text(role), {"id": number, "at": self.now})
            facts = RequestFacts(browser_of(f"python-httpx/{httpx.__version__}"), "")
            token = open_session(transaction, number, "password", facts, self.now)
        self.supervisor.set_cookie(OPERATOR_COOKIE, token)
        return self.supervisor

    def last(self) -> int:
        """The last act."""
        with self.database.connect() as connection:
            return int(connection.execute(text("SELECT max(id) FROM declarations")).scalar_one())

    def events(self, name: str) -> list[dict[str, object]]:
        """The live events of a name, oldest first."""
        query = text("SELECT data FROM events WHERE event = :name ORDER BY id")
        with self.database.connect() as connection:
            return list(connection.execute(query, {"name": name}).scalars())

    def pass_time(self, until: datetime) -> None:
        """The clock goes on, and with it what follows the time."""
        self.now = until
        beat(self.database)
        with self.database.begin() as transaction:
            follow_time(transaction, self.now)


@pytest.fixture
def authority(changing: Engine, tmp_path: Path) -> Iterator[Authority]:
    opened = Authority(changing, tmp_path)
    with opened.supervisor, opened.citizen:
        yield opened


def test_both_levels_stand_side_by_side_on_every_screen_of_staff(authority: Authority) -> None:
    assert "⚠ Hay un nivel propuesto y nadie declaró" in authority.part("/", "ciudad")
    assert authority.declare(NAR.NARANJA) == 303
    both = "La Plata Propuesto por el sistema: ■ rojo desde 17:59 · Declarado: ◆ naranja por C. Funes hasta 00:07"
    differs = "⚠ Lo propuesto es más grave que lo declarado"
    for path in ("/estacion/gato-143-524", "/alerta/1", "/suceso/1"):
        shown = authority.part(path)
        assert "Propuesto por el sistema: ■ rojo" in shown, shown
        assert "Declarado: ◆ naranja por C. Funes" in shown
        assert differs in shown
    watch = authority.part("/", "ciudad")
    assert "Declarado: ◆ naranja por C. Funes" in watch
    assert differs in watch
    assert both.partition(" desde")[0] in authority.supervisor.page("/declarar").text


def test_the_public_reads_measurements_as_such_and_alerts_only_as_declared(authority: Authority) -> None:
    before = authority.citizen.page("/").part("ciudad").text
    assert "Nivel medido · La Plata ■ rojo" in before
    assert "Sin alerta declarada" in before
    authority.declare(NAR.NARANJA)
    after = authority.citizen.page("/").part("ciudad").text
    assert "Alerta declarada: ◆ naranja hasta" in after
    told = [authority.citizen.get(path).text for path in ("/", "/estacion/gato-143-524", "/alerta/1", "/suceso/1")]
    told += [authority.citizen.get(f"/api/v1/{path}").text for path in ("levels", "declarations", "municipalities")]
    assert not [one for one in told if "Funes" in one or "Llueve sobre" in one or "más grave" in one]


def test_a_declared_level_is_extended_withdrawn_and_ends_by_itself_after_a_warning(authority: Authority) -> None:
    start = authority.now
    authority.declare(NAR.NARANJA, hours=1)
    form = {"area": CITY, "seen": authority.last(), "hours": 2}
    assert authority.supervisor.post("/declarar/extender", form).status_code == 303
    authority.pass_time(start + timedelta(hours=1, minutes=29))
    assert authority.events("declaration_notice") == []
    authority.pass_time(start + timedelta(hours=1, minutes=31))
    authority.pass_time(start + timedelta(hours=1, minutes=32))
    assert [one["what"] for one in authority.events("declaration_notice")] == ["ending"]
    assert "⚠ Termina en 28 min: extendelo" in authority.supervisor.page("/declarar").text
    authority.pass_time(start + timedelta(hours=2))
    assert "Sin declarar" in authority.part("/", "ciudad")
    authority.declare(NAR.ROJO, seen=authority.last())
    end = {"area": CITY, "seen": authority.last(), "reason": "Dejó de llover"}
    assert authority.supervisor.post("/declarar/retirar", end).status_code == 303
    assert [one["change"] for one in authority.events("declaration")] == [
        "declared",
        "extended",
        "expired",
        "declared",
        "withdrawn",
    ]
    shown = authority.supervisor.page("/declarar").text
    assert "C. Funes retiró lo declarado" in shown
    assert "Dejó de llover" in shown


def test_two_who_decide_at_once_and_what_is_incomplete_are_refused_with_what_to_do(authority: Authority) -> None:
    assert authority.declare(NAR.NARANJA) == 303
    assert authority.declare(NAR.ROJO) == 409
    assert authority.declare(NAR.ROJO, reason=" ", seen=authority.last()) == 400
    assert authority.declare(NAR.ROJO, hours=999, seen=authority.last()) == 400
    form = {"area": "basin:nowhere", "seen": 0, "nivel": 1, "hours": 1, "reason": "x"}
    assert authority.supervisor.post("/declarar", form).status_code == 404
    form = {"area": CITY, "seen": 0, "nivel": 1, "hours": 1, "reason": "x"}
    assert authority.citizen.post("/declarar", form).status_code == 401


def test_staff_hears_at_once_of_a_proposal_graver_than_what_is_declared(authority: Authority) -> None:
    authority.declare(NAR.NARANJA)
    with authority.database.begin() as transaction:
        announce_graver_proposal(transaction, "basin:gato", NAR.AMARILLO, NAR.NARANJA, authority.now)
        announce_graver_proposal(transaction, "basin:gato", NAR.NARANJA, NAR.ROJO, authority.now)
        announce_graver_proposal(transaction, "basin:gato", NAR.ROJO, NAR.NARANJA, authority.now)
    [told] = authority.events("declaration_notice")
    assert (told["area"], told["proposed"], told["declared"]) == ("basin:gato", 3, None)


def test_a_siren_is_ordered_on_its_page_by_a_person_under_a_declared_level_only(authority: Authority) -> None:
    form = {"device": "sirena-tolosa", "minutes": 5}
    shown = authority.supervisor.page("/sirenas")
    assert "Sirena · Sirena de Tolosa (simulada)" in shown.text
    assert "No hay un nivel declarado en su zona." in shown.text
    assert "⚠ nunca la pasó" in shown.text
    authority.declare(NAR.ROJO)
    assert "Hacer sonar" in authority.supervisor.page("/sirenas").text
    assert authority.supervisor.post("/sirenas/ordenar", form).status_code == 401  # a key is no person
    person = authority.person()
    assert person.post("/sirenas/ordenar", form).status_code == 303
    assert person.post("/sirenas/ordenar", form).status_code == 409
    assert "Última orden: ordenada, sin respuesta todavía" in person.page("/sirenas").text
    assert person.post("/sirenas/probar", {"device": "sirena-tolosa"}).status_code == 303
    assert authority.citizen.get("/sirenas").status_code == 401
