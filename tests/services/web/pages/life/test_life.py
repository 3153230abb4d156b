"""The pages of alerts and incidents without JavaScript: taken back, put aside, lowered, called on, answered."""

import re
from collections.abc import Mapping
from datetime import timedelta

import pytest
from sqlalchemy import Engine, text

from tests.services.web.pages import city
from tests.services.web.pages.site import Site

WHY = "Era la otra cuenca."


@pytest.fixture
def watch(changing: Engine, changing_site: Site) -> Site:
    """An operator who entered."""
    with changing.begin() as transaction:
        token = city.operator(transaction)
    changing_site.enter(token)
    return changing_site


def form(site: Site, page: str, action: str) -> dict[str, str | list[str]]:
    """What a form of a page sends, as it stands there. Fails where the page has no such form."""
    html = site.page(page).html
    start = html.index(f'action="{action}"')
    part = html[start : html.index("</form>", start)]
    fields: dict[str, str | list[str]] = {}
    for name, value in re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', part):
        fields[name] = [*fields.get(name, []), value] if name == "seen" else value
    if chosen := re.search(r'<option value="(\d+)"', part):
        fields["minutes"] = chosen[1]
    return fields


def send(site: Site, page: str, action: str, note: str = "", **more: str) -> None:
    """Fill a form of a page in and send it. It leads back to a page."""
    sent = site.post(action, {**form(site, page, action), "note": note, **more})
    assert sent.status_code == 303, sent.text
    assert site.get(sent.headers["location"]).status_code == 200


def said(site: Site, page: str) -> str:
    """The text of a page, without blanks before colons."""
    return re.sub(r" (?=[:;,.])", "", site.page(page).text)


def change(engine: Engine, alert: int, values: Mapping[str, object]) -> None:
    """Change columns of an alert, as a rule would."""
    with engine.begin() as transaction:
        columns = ", ".join(f"{name} = :{name}" for name in values)
        statement = text(f"UPDATE alerts SET {columns}, version = version + 1 WHERE id = :alert")
        transaction.execute(statement, {**values, "alert": alert})


def test_a_wrong_acknowledgement_is_taken_back_with_a_reason_and_the_alert_says_so(watch: Site) -> None:
    send(watch, "/alerta/1", "/alerta/1/reconocer")
    assert "Reconocida por Mirta Q., 18:07 · vence 18:37" in said(watch, "/alerta/1")
    refused = watch.post("/alerta/1/retirar", form(watch, "/alerta/1", "/alerta/1/retirar") | {"note": " "})
    assert (refused.status_code, "Escribí el motivo." in refused.text) == (400, True)
    send(watch, "/alerta/1", "/alerta/1/retirar", WHY)
    page = said(watch, "/alerta/1")
    assert "se retiró el reconocimiento de Mirta Q., 18:07" in page
    assert f"Mirta Q. retiró el reconocimiento: {WHY}" in page
    assert "the acknowledgement of Mirta Q. was withdrawn" in said(watch, "/alerta/1?lang=en")
    watch.clear_cookies()
    public = said(watch, "/alerta/1")
    assert "se retiró el reconocimiento de la guardia" in public
    assert "Mirta" not in public
    assert WHY not in public


def test_a_shelved_alert_stands_folded_in_a_list_of_its_own_and_asks_nobody(watch: Site) -> None:
    before = watch.page("/").part("sucesos").html
    waiting = int(re.search(r'data-unacknowledged="(\d+)"', before)[1])  # type: ignore[index]
    send(watch, "/alerta/2", "/alerta/2/apartar", "Obra en el puente.", minutes="240")
    part = watch.page("/").part("sucesos")
    assert f'data-unacknowledged="{waiting - 1}"' in part.html
    shelved = part.html[part.html.index('<details id="alertas-apartadas">') :]
    assert "Apartadas por un rato: 1" in shelved
    assert 'id="alerta-2"' in shelved
    assert part.html.count('id="alerta-2"') == 1
    assert "apartada por Mirta Q. hasta 22:07" in said(watch, "/alerta/2")
    send(watch, "/alerta/2", "/alerta/2/traer")
    assert "alertas-apartadas" not in watch.page("/").html
    assert "Mirta Q. la volvió a mostrar" in said(watch, "/alerta/2")


def test_a_red_level_cannot_be_shelved_and_the_page_says_what_to_do(watch: Site) -> None:
    assert "/alerta/1/apartar" not in watch.page("/alerta/1").html
    assert "hay que sacar la estación de servicio" in said(watch, "/alerta/1")
    version = form(watch, "/alerta/1", "/alerta/1/reconocer")["version"]
    refused = watch.post("/alerta/1/apartar", {"version": version, "minutes": "60", "note": WHY})
    assert (refused.status_code, "no se aparta" in refused.text) == (409, True)
    too_long = watch.post("/alerta/2/apartar", {"version": "1", "minutes": "1441", "note": WHY})
    assert too_long.status_code == 400


def test_a_proposed_lower_level_is_confirmed_on_the_alert_or_for_the_whole_incident(
    changing: Engine, watch: Site
) -> None:
    for alert in (1, 4):
        change(changing, alert, {"rule_nar": 1, "held_nar": 3, "changed_at": city.NOW - timedelta(minutes=5)})
    page = said(watch, "/alerta/1")
    assert "baja propuesta: amarillo desde 18:02" in page
    assert "La regla dice ahora: amarillo" in page
    assert "■ rojo" in watch.page("/alerta/1").text
    send(watch, "/alerta/1", "/alerta/1/bajar", "Bajó; lo miramos.")
    assert "baja propuesta" not in said(watch, "/alerta/1")
    assert "Mirta Q. confirmó la baja (amarillo): Bajó; lo miramos." in said(watch, "/alerta/1")
    with changing.connect() as connection:
        incident = connection.execute(text("SELECT incident_id FROM alerts WHERE id = 4")).scalar_one()
    path = f"/suceso/{incident}"
    assert "Una alerta propone bajar" in said(watch, path)
    send(watch, path, f"{path}/bajar")
    assert "propone bajar" not in said(watch, path)
    with changing.connect() as connection:
        assert connection.execute(text("SELECT nar, held_nar FROM alerts WHERE id = 4")).one() == (1, 0)


def test_people_answer_an_incident_call_the_next_and_take_everything_back(watch: Site) -> None:
    send(watch, "/suceso/1", "/suceso/1/recibido", "Voy.")
    assert "Recibido por Mirta Q. 18:07" in said(watch, "/suceso/1")
    send(watch, "/alerta/1", "/suceso/1/escalar", "Nadie responde.")
    assert "Mirta Q. hizo llamar al próximo de la lista (rojo): Nadie responde." in said(watch, "/suceso/1")
    again = watch.post("/suceso/1/escalar", {"note": ""})
    assert (again.status_code, "se acaba de escalar" in again.text) == (409, True)
    send(watch, "/suceso/1", "/suceso/1/reconocer")
    send(watch, "/suceso/1", "/suceso/1/retirar", WHY)
    assert WHY in said(watch, "/suceso/1")
    assert "sin reconocer" in said(watch, "/suceso/1")


def test_a_note_on_an_incident_is_redacted(watch: Site) -> None:
    send(watch, "/suceso/1", "/suceso/1/recibido", "Llamó la vecina Rosa.")
    action = re.search(r'name="action" value="(\d+)"', watch.page("/suceso/1").html)
    assert action is not None
    sent = watch.post("/suceso/1/quitar-nota", {"action": action[1], "reason": "Nombraba a una vecina."})
    assert sent.status_code == 303
    assert "Rosa" not in watch.page("/suceso/1").html
    elsewhere = watch.post("/suceso/2/quitar-nota", {"action": action[1], "reason": "Otra."})
    assert elsewhere.status_code == 404


def test_a_flapping_alert_says_so(changing: Engine, watch: Site) -> None:
    change(changing, 2, {"rule_nar": 0, "held_nar": 2, "flapping_since": city.NOW - timedelta(minutes=7)})
    page = said(watch, "/alerta/2")
    assert "intermitente desde 18:00" in page
    assert "baja propuesta" not in page


def test_an_expired_acknowledgement_names_whose_it_was(changing: Engine, watch: Site) -> None:
    send(watch, "/alerta/1", "/alerta/1/reconocer")
    lapsed = {"acknowledged_at": None, "acknowledged_by": None, "acknowledged_until": None}
    change(changing, 1, lapsed | {"waiting_because": "expired", "waiting_since": city.NOW})
    assert "venció el reconocimiento de Mirta Q., 18:07" in said(watch, "/alerta/1")
    assert "venció el reconocimiento de Mirta Q." in said(watch, "/")
