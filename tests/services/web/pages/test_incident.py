"""The watch shows one line an incident; its page says why each alert belongs, and one answer is enough for all."""

import re

import httpx
import pytest
from sqlalchemy import Engine, select, text, update

from models.tables.alerts import alert_actions, alerts
from tests.services.web.pages import city
from tests.services.web.pages.site import Site

NOTE = "Cuadrilla 3 en camino."


@pytest.fixture
def token(changing: Engine) -> str:
    """An operator's token."""
    with changing.begin() as transaction:
        return city.operator(transaction)


def answers(site: Site, path: str) -> list[str]:
    """What the form that acknowledges an incident says was seen."""
    html = site.page(path).html
    start = html.index('/reconocer"', html.index('action="/suceso/'))
    return re.findall(r'name="seen" value="([\d:]+)"', html[start : html.index("</form>", start)])


def acknowledge(site: Site, incident: int, seen: list[str], **more: str) -> httpx.Response:
    """Send the form."""
    return site.post(f"/suceso/{incident}/reconocer", {"seen": seen, "note": NOTE} | more)


def test_every_open_alert_stands_in_one_incident_with_its_reason(storm_database: Engine, storm_site: Site) -> None:
    with storm_database.connect() as connection:
        found = connection.execute(text("SELECT id, incident_id FROM alerts WHERE state <> 'closed'")).all()
    part = storm_site.page("/").part("sucesos")
    for incident in {incident for _, incident in found}:
        assert f'href="/suceso/{incident}"' in part.html
        page = storm_site.page(f"/suceso/{incident}")
        members = {int(number) for number in re.findall(r'href="/alerta/(\d+)"><strong>', page.html)}
        assert members == {number for number, belongs in found if belongs == incident}
    assert "Inundación · " in part.text
    assert re.search(r"\d sin reconocer ?, la más vieja hace", part.text)
    assert not part.all("form")
    assert "arroyo de esta cuenca" in storm_site.page("/suceso/1").text


def test_one_answer_acknowledges_what_was_seen_and_not_what_grew_graver(
    changing: Engine, changing_site: Site, token: str
) -> None:
    with changing.begin() as transaction:
        incident = transaction.execute(text("SELECT incident_id FROM alerts WHERE id = 1")).scalar_one()
        every = transaction.execute(select(alerts.c.id).where(alerts.c.state != "closed").order_by(alerts.c.id))
        first, second, *_ = every.scalars()
        move = {"incident_id": incident, "acknowledged_at": None, "acknowledged_by": None}
        move |= {"nar": 2, "rule_nar": 2}
        transaction.execute(update(alerts).where(alerts.c.id.in_([first, second])).values(move))
    changing_site.enter(token)
    seen = answers(changing_site, f"/suceso/{incident}")
    assert {f"{first}:2", f"{second}:2"} <= set(seen)
    with changing.begin() as transaction:
        transaction.execute(update(alerts).where(alerts.c.id == second).values(nar=3, rule_nar=3, highest_nar=3))
    sent = acknowledge(changing_site, incident, seen, back="lista")
    assert (sent.status_code, sent.headers["location"]) == (303, "/#sucesos")
    assert "1 sin reconocer" in changing_site.page(f"/suceso/{incident}").text
    assert f"Mirta Q. reconoció: {NOTE}" in re.sub(r" (?=:)", "", changing_site.page(f"/suceso/{incident}").text)
    with changing.connect() as connection:
        assert second not in connection.execute(select(alert_actions.c.alert_id)).scalars().all()
    refused = acknowledge(changing_site, incident, seen)
    assert refused.status_code == 409
    assert "cambió desde que lo viste" in refused.text
    done = acknowledge(changing_site, incident, answers(changing_site, f"/suceso/{incident}"))
    assert done.headers["location"] == f"/suceso/{incident}"
    assert "todas reconocidas" in changing_site.page(f"/suceso/{incident}").text


@pytest.mark.parametrize("seen", [[], ["1"], ["1:4"], ["0:2"], ["1:2:3"], ["uno:2"], ["9" * 19 + ":1"]])
def test_a_form_that_is_wrong_is_a_page_that_says_so(changing_site: Site, token: str, seen: list[str]) -> None:
    changing_site.enter(token)
    refused = acknowledge(changing_site, 1, seen)
    assert refused.status_code == 400
    assert "El pedido está incompleto" in refused.text


def test_nobody_answers_without_a_token_and_an_incident_that_is_not_there_is_said(changing_site: Site) -> None:
    assert acknowledge(changing_site, 1, ["1:3"]).status_code == 401
    for path in ("/suceso/999999", "/suceso/0", "/suceso/x"):
        assert changing_site.get(path).status_code == 404
