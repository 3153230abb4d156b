"""An operator logs in, acknowledges, comments and closes; nobody else can, and from no other site."""

import re

import pytest
from sqlalchemy import Engine, cast, insert, select, update
from sqlalchemy.dialects.postgresql import JSONB

from models.tables.alerts import alert_actions, alerts, notices, transitions
from models.tables.city import configuration
from models.tables.operations import events
from tests.services.web.pages import city
from tests.services.web.pages.site import Site

NOTE = 'Cuadrilla <b>3</b> va a "7 y 514"'


@pytest.fixture
def token(changing: Engine) -> str:
    """An operator's token."""
    with changing.begin() as transaction:
        return city.operator(transaction)


def seen(site: Site, alert_id: int, action: str) -> dict[str, str]:
    """A form of the page, filled in."""
    page = site.page(f"/alerta/{alert_id}")
    start = page.html.index(f'action="/alerta/{alert_id}/{action}"')
    version = re.search(r'name="version" value="(\d+)"', page.html[start:])
    assert version
    return {"version": version[1], "note": NOTE}


def test_a_visitor_without_a_token_sees_no_form(storm_site: Site) -> None:
    for path in ("/", "/alerta/1"):
        page = storm_site.page(path)
        assert not [said for said in page.all("form") if said["action"] != "/salir"]
        assert "Entrar para" in page.text


def test_a_form_sent_without_a_token_leads_to_the_log_in(changing: Engine, changing_site: Site) -> None:
    response = changing_site.post("/alerta/1/reconocer", {"version": "1", "note": NOTE})
    assert response.status_code == 401
    assert 'href="/entrar"' in response.text
    with changing.connect() as connection:
        assert not connection.execute(select(alert_actions)).all()


def test_an_operator_acknowledges_with_a_note_that_everybody_sees(
    changing: Engine, changing_site: Site, token: str
) -> None:
    assert changing_site.enter(token).headers["location"] == "/"
    assert "Sesión: Mirta Q." in changing_site.page("/").text
    sent = changing_site.post("/alerta/1/reconocer", seen(changing_site, 1, "reconocer") | {"back": "lista", "next": 2})
    assert (sent.status_code, sent.headers["location"]) == (303, "/#alerta-2")
    assert "Reconocida por Mirta Q., 18:07" in changing_site.page("/").part("alerta-1").text
    page = changing_site.page("/alerta/1")
    assert f"Mirta Q. reconoció: {NOTE}" in re.sub(r" (?=:)", "", page.text)
    assert "/alerta/1/reconocer" not in page.html
    assert "<title>(4) " in changing_site.page("/").html
    with changing.connect() as connection:
        told = select(events).where(events.c.event != "incident")
        assert [row.event for row in connection.execute(told)] == ["alert"]


def test_an_operator_comments_and_then_closes(changing: Engine, changing_site: Site, token: str) -> None:
    changing_site.enter(token)
    changing_site.post("/alerta/6/comentar", seen(changing_site, 6, "reconocer"))
    changing_site.post("/alerta/6/comentar", {"note": "   "})
    closed = changing_site.post("/alerta/6/cerrar", seen(changing_site, 6, "cerrar"))
    assert closed.headers["location"] == "/alerta/6"
    page = changing_site.page("/alerta/6")
    assert "Cerrada por Mirta Q., 18:07" in page.text
    assert [action for action in ("reconoció", "comentó", "cerró") if action in page.text] == ["comentó", "cerró"]
    assert "alerta-6" not in changing_site.page("/").html
    with changing.connect() as connection:
        assert [row.action for row in connection.execute(select(alert_actions))] == ["comment", "close"]


def test_an_alert_that_its_rule_holds_has_no_form_to_close_it(changing_site: Site, token: str) -> None:
    changing_site.enter(token)
    assert "/alerta/1/cerrar" not in changing_site.page("/alerta/1").html
    assert "/alerta/6/cerrar" in changing_site.page("/alerta/6").html


def test_the_advice_is_for_the_hazard_of_the_alert_or_the_general_one(changing: Engine, changing_site: Site) -> None:
    assert "Posible anegamiento de calles y viviendas bajas." in changing_site.page("/alerta/2").text
    rain = changing_site.page("/alerta/3").text
    assert "Qué hacer, según la ciudad Llueve más de lo que los desagües llevan" in rain
    assert "Seguir el arroyo" in changing_site.page("/alerta/5").text  # a silent sensor that held a level
    with changing.begin() as transaction:
        place = transaction.execute(select(configuration.c.city)).scalar_one()
        older = place | {"advice": {"amarillo": "Mirar.", "naranja": "Cortar."}}
        transaction.execute(update(configuration).values(city=older))
    assert all("Cortar." in changing_site.page(f"/alerta/{number}").text for number in (2, 3))


def test_the_page_of_an_alert_is_enough_to_act(changing: Engine, changing_site: Site, token: str) -> None:
    with changing.begin() as transaction:
        alert = transaction.execute(select(alerts).where(alerts.c.id == 1)).one()
        move = transaction.execute(select(transitions.c.id).where(transitions.c.alert_id == 1)).scalars().first()
        told = {"alert_id": 1, "transition_id": move, "channel": "webhook", "recipient": "https://secret.example/hook"}
        times = {"priority": 0, "body": {}, "not_before": city.NOW, "sent_at": city.NOW}
        transaction.execute(insert(notices).values(**told, **times, dedup_key="one"))
        console = told | times | {"channel": "console", "sent_at": None, "dedup_key": "two"}
        transaction.execute(insert(notices).values(**console))
    public = changing_site.page("/alerta/1")
    assert alert.subject == "gato-ringuelet"
    assert re.search(r"Ahora 2,10 m, de hace \d+ s, −0,\d\d m/h; 10 cm por encima de rojo\.", public.text)
    assert "Qué hacer, según la ciudad El arroyo desborda o está por desbordar." in public.text
    assert "Aguas arriba Arroyo Regimiento, 19 y 524 : ● verde 0,31 m" in public.text
    assert "Aguas abajo Arroyo del Gato, 520 y 117 (Tolosa) : ■ rojo 1,62 m" in public.text
    assert "Lluvia de la cuenca Lluvia San Carlos : 16,2 mm 15 min · 73,8 mm 1 h · 92,6 mm 3 h" in public.text
    assert "se abrió en rojo · otro sistema (webhook) : enviado 18:07" in public.text
    assert "consola de la guardia : todavía sin enviar, desde 18:07" in public.text
    assert "secret.example" not in public.html
    assert "<svg" in public.html
    changing_site.enter(token)
    page = changing_site.page("/alerta/1")
    assert [said["name"] for said in page.all("input") if said.get("type") != "hidden"] == ["note", "note"]
    assert "Enter" not in changing_site.page("/alerta/1?lang=en").text
    assert (
        "What to do, in the city's words The stream overflows or is about to." in changing_site.page("/alerta/1").text
    )


def test_a_form_of_an_outdated_version_is_refused(changing: Engine, changing_site: Site, token: str) -> None:
    changing_site.enter(token)
    form = seen(changing_site, 2, "reconocer")
    with changing.begin() as transaction:
        transaction.execute(update(alerts).where(alerts.c.id == 2).values(nar=3, version=alerts.c.version + 1))
    refused = changing_site.post("/alerta/2/reconocer", form)
    assert refused.status_code == 409
    assert "La alerta cambió desde que la viste: mirala de nuevo." in refused.text
    assert "The alert changed" not in refused.text


@pytest.mark.parametrize("origin", [None, "null", "https://elsewhere.example", "http://127.0.0.1.elsewhere.example"])
def test_a_form_on_another_site_does_nothing(
    changing: Engine, changing_site: Site, token: str, origin: str | None
) -> None:
    changing_site.enter(token)
    form = seen(changing_site, 1, "reconocer")
    assert changing_site.post("/alerta/1/reconocer", form, origin=origin).status_code == 403
    with changing.connect() as connection:
        assert not connection.execute(select(alert_actions)).all()


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"version": "x"},
        {"version": "1", "note": "x" * 2_001},
        {"version": "1", "note": "\0"},
        {"version": str(2**40)},
    ],
)
def test_a_form_that_is_wrong_is_a_page_that_says_so(changing_site: Site, token: str, form: dict[str, str]) -> None:
    changing_site.enter(token)
    refused = changing_site.post("/alerta/1/reconocer", form)
    assert refused.status_code == 400
    assert "Volver a la guardia" in refused.text


def test_a_wrong_token_does_not_log_in_and_is_not_shown(changing_site: Site) -> None:
    refused = changing_site.enter("vigia_wrong")
    assert refused.status_code == 401
    assert "El usuario, la contraseña o el código no coinciden." in refused.text
    assert "vigia_wrong" not in refused.text
    assert "set-cookie" not in refused.headers


def test_guessing_tokens_is_slowed_down(changing_site: Site) -> None:
    answers = [changing_site.enter(f"vigia_{guess}").status_code for guess in range(12)]
    assert answers == [401] * 10 + [429] * 2


def test_the_log_in_from_an_alert_leads_back_only_to_it(changing_site: Site, token: str) -> None:
    back = changing_site.post("/entrar", {"token": token, "alerta": "3"})
    assert back.headers["location"] == "/alerta/3"
    elsewhere = changing_site.post("/entrar", {"token": token, "alerta": "//elsewhere.example"})
    assert elsewhere.status_code == 400


def test_the_token_stays_out_of_reach_of_scripts_and_other_sites(changing_site: Site, token: str) -> None:
    cookie = changing_site.enter(token).headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie


def test_after_the_log_out_there_are_no_forms(changing_site: Site, token: str) -> None:
    changing_site.enter(token)
    assert changing_site.page("/alerta/1").all("form")
    assert changing_site.post("/salir", {}).headers["location"] == "/"
    assert not changing_site.page("/alerta/1").all("form")


def test_an_alert_shows_its_evidence_and_transitions(storm_site: Site) -> None:
    text = storm_site.page("/alerta/1").text
    assert "Nivel 2,11 m" in text
    assert "Umbrales (amarillo · naranja · rojo) 1,20 m · 1,60 m · 2,00 m" in text
    assert "Regla gato-ringuelet.stage, versión 1" in text
    assert "17:46 · se abrió en rojo · El nivel alcanzó el umbral" in text
    assert "Nadie hizo nada todavía." in text


@pytest.mark.parametrize("path", ["/alerta/999", "/alerta/0", "/alerta/x", f"/alerta/{10**30}"])
def test_an_alert_that_is_not_there(storm_site: Site, path: str) -> None:
    assert "Volver a la guardia" in storm_site.page(path, status=404).text


def test_an_alert_from_old_readings_says_so_in_the_list_and_on_its_page(changing: Engine, changing_site: Site) -> None:
    said = "Decidido con una medición de 3 h 0 min antes"
    assert said not in changing_site.page("/").text
    with changing.begin() as transaction:
        old = alerts.c.evidence.op("||")(cast({"reading_age_s": 10_800}, JSONB))
        transaction.execute(update(alerts).where(alerts.c.id == 1).values(evidence=old))
    assert said in changing_site.page("/").text
    assert said in changing_site.page("/alerta/1").text
