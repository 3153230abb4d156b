"""The page of the rota: who is on duty, take and swap the watch, hand it over, and the phone tree of an incident."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, insert

from models.tables.duty import phone_tree
from services.notices.escalation.escalation import Escalation
from tests.services.duty.rota_town import CHAIN, add_people, add_shift
from tests.services.notices.people import rows
from tests.services.web.pages import city
from tests.services.web.pages.conftest import visitor
from tests.services.web.pages.site import Site

LA_PLATA = "municipality:laplata"
API = "/api/v1"


@pytest.fixture
def people(changing: Engine, tmp_path: Path) -> Iterator[dict[str, Site]]:
    """The three people of the rota, each signed in, in a storm; by first name."""
    with changing.begin() as transaction:
        tokens = {name.split()[0]: city.operator(transaction, name) for name in CHAIN}
        numbers = add_people(transaction, LA_PLATA)
        add_shift(transaction, numbers["Carla"], "operator", zone="basin:gato", hours=(8, 20))
        transaction.execute(
            insert(phone_tree).values(municipality_id="laplata", place=0, name="Defensa Civil", number="103")
        )
    sites = {name: visitor(changing, tmp_path) for name in tokens}
    for name, site in sites.items():
        site.enter(tokens[name])
    yield sites
    for site in sites.values():
        site.__exit__()


def text_of(site: Site, path: str = "/guardia") -> str:
    """The text of a page."""
    return site.page(path).text.replace(" :", ":")


def test_the_rota_is_for_those_who_sign_in(site: Site) -> None:
    assert [site.get(path).status_code for path in ("/guardia", f"{API}/duty")] == [401, 401]


def test_the_watch_is_taken_swapped_and_handed_over_without_javascript(people: dict[str, Site]) -> None:
    ana, bruno, carla = people["Ana"], people["Bruno"], people["Carla"]
    shown = text_of(ana)
    assert "Operador · La Plata: Ana Sosa hasta 3/4 08:00" in shown
    assert "Turnos sin nadie en los próximos 14 días: 14" in shown, "at night nobody watches the basin"

    assert bruno.post("/guardia/tomar", {"puesto": f"{LA_PLATA}|operator"}).status_code == 303
    assert "Operador · La Plata: Bruno Díaz hasta 3/4 08:00" in text_of(ana)
    assert "Ya tenés esa guardia" in bruno.post("/guardia/tomar", {"puesto": f"{LA_PLATA}|operator"}).text

    form = {"puesto": f"{LA_PLATA}|operator", "persona": "carla funes", "nota": "Médico"}
    form |= {"desde": "2013-04-03T09:00", "hasta": "2013-04-03T12:00"}
    assert ana.post("/guardia/pedir", form).status_code == 303
    assert "Te piden que cubras Carla Funes en lugar de Ana Sosa" in text_of(carla)
    assert "Sólo puede hacerlo a quien se lo pidieron" in bruno.post("/guardia/cambio/2/aceptar", {}).text
    assert carla.post("/guardia/cambio/2/aceptar", {}).status_code == 303
    assert "3/4 09:00 – 3/4 12:00 Operador · La Plata Carla Funes" in text_of(bruno)
    assert carla.post("/guardia/cambio/2/retirar", {}).status_code == 303

    assert bruno.post("/guardia/entregar", {"zona": LA_PLATA, "nota": "Mirar el puente"}).status_code == 303
    assert "Esperando a quien entra" in text_of(bruno)
    assert "Bruno Díaz entregó la guardia a las 18:07: Mirar el puente" in text_of(ana)
    assert ana.post("/guardia/entrega/1/recibir", {}).status_code == 303
    assert "Ana Sosa recibió la guardia de Bruno Díaz" in text_of(ana)


def test_the_page_of_an_incident_says_who_was_called_and_who_is_next(
    people: dict[str, Site], changing: Engine, tmp_path: Path
) -> None:
    Escalation(changing, lambda: city.NOW).run()
    ((incident,),) = rows(changing, "SELECT id FROM incidents WHERE area = 'basin:gato'")
    shown = text_of(people["Bruno"], f"/suceso/{incident}")
    assert "A quién se llamó" in shown
    assert "Operador · Carla Funes: todavía no salió" in shown, "whoever watches the basin is called for it first"
    with visitor(changing, tmp_path) as anyone:
        assert "Carla" not in anyone.page(f"/suceso/{incident}").text, "the public reads no names"
    found: dict[str, Any] = people["Ana"].get(f"{API}/incidents/{incident}/escalation").json()
    assert (found["run"], found["reason"], found["calls"][-1]["name"]) == (1, "asks", "Carla Funes")


def test_the_phone_tree_says_what_to_say_and_keeps_what_was_answered(people: dict[str, Site], changing: Engine) -> None:
    ((incident,),) = rows(changing, "SELECT id FROM incidents WHERE area = 'basin:gato'")
    path = f"/suceso/{incident}/telefonos"
    shown = text_of(people["Ana"], path)
    assert "Habla Ana Sosa, de la guardia de Vigía en La Plata." in shown
    assert "☐ Defensa Civil" in shown
    assert people["Ana"].post(f"{path}/1", {"contesto": "no_answer", "nota": ""}).status_code == 303
    assert people["Ana"].post(f"{path}/1", {"contesto": "answered", "nota": "Sale un móvil"}).status_code == 303
    shown = text_of(people["Bruno"], path)
    assert "✓ Defensa Civil" in shown
    assert "18:07 · contestó · Ana Sosa: Sale un móvil" in shown
    assert people["Ana"].get("/suceso/999/telefonos").status_code == 404


def test_programs_read_and_change_the_rota_too(people: dict[str, Site]) -> None:
    ana = people["Ana"]
    duty = ana.get(f"{API}/duty").json()
    assert [(one["zone"], one["position"], [who["login"] for who in one["people"]]) for one in duty["now"]] == [
        ("basin:gato", "operator", ["carla funes"]),
        (LA_PLATA, "operator", ["ana sosa"]),
        (LA_PLATA, "second", ["bruno díaz"]),
        (LA_PLATA, "chief", ["carla funes"]),
    ]
    assert (len(duty["gaps"]), duty["untested"]) == (14, [])
