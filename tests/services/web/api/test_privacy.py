"""Names of people and what they write are for operators; the public sees role and time, whoever asked before."""

import json
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from services.people.api_keys import NameTaken, add_api_key, revoke_api_key
from services.upkeep.redaction import erase_redacted_notes
from services.web.http.credentials import OPERATOR_COOKIE
from tests.services.web.api.conftest import NOON, RIVER, City

NOTE = "Avisó Juana Gómez, 7 y 50, tel. 555-1234."
REASON = "nombraba a una vecina"
SECRETS = ("ana", "Ana Pérez", "Juana", REASON)


@pytest.fixture
def handled(city: City) -> int:
    """An alert that an operator acknowledged with a note, closed after the flood, and a service alert of theirs."""
    city.execute("UPDATE api_keys SET name = 'Ana Pérez'")
    alert_id = city.flood()
    post(city, alert_id, "acknowledge", version=story(city, alert_id)["alert"]["version"], note=NOTE)
    for minute in range(10, 600, 5):
        city.send(minute, 0.2)
    post(city, alert_id, "close", version=story(city, alert_id)["alert"]["version"], note=NOTE)
    return alert_id


def post(city: City, alert_id: int, action: str, **said: Any) -> Any:
    """An operator's action; what the API answers."""
    answer = city.client.post(f"/api/v1/alerts/{alert_id}/{action}", json=said, headers=city.operator)
    assert answer.status_code == 200, answer.text
    return answer.json()


def story(city: City, alert_id: int, headers: dict[str, str] | None = None) -> Any:
    """An alert with its actions, as this reader gets it."""
    return city.client.get(f"/api/v1/alerts/{alert_id}", headers=headers).json()


def addresses(alert_id: int) -> tuple[str, ...]:
    """Everywhere an alert and what was done about it can be read."""
    return (
        "/",
        f"/alerta/{alert_id}",
        f"/alerta/{alert_id}?parte=alerta",
        f"/estacion/{RIVER}",
        f"/estacion/{RIVER}.csv",
        f"/api/v1/alerts/{alert_id}",
        "/api/v1/alerts",
        "/api/v1/alerts?state=closed",
        "/api/v1/transitions",
        "/api/v1/transit/service-alerts",
        "/api/v1/transit/service-alerts?state=ended",
        "/api/v1/health",
        "/metrics",
    )


def assert_public(answer: httpx.Response) -> None:
    """The answer holds no name and no note."""
    assert [secret for secret in SECRETS[1:] if secret in answer.text] == [], answer.url
    assert '"ana"' not in answer.text


def test_the_public_sees_role_and_time_and_operators_see_names_and_notes(city: City, handled: int) -> None:
    public, full = story(city, handled), story(city, handled, city.operator)
    assert (public["alert"]["acknowledged_by"], public["alert"]["closed_by"]) == ("operator", "operator")
    assert public["alert"]["acknowledged_at"] == full["alert"]["acknowledged_at"] is not None
    assert [(one["actor"], one["action"], one["note"]) for one in public["actions"]] == [
        ("operator", "acknowledge", ""),
        ("operator", "close", ""),
    ]
    assert [one["at"] for one in public["actions"]] == [one["at"] for one in full["actions"]]
    assert (full["alert"]["acknowledged_by"], full["alert"]["closed_by"]) == ("Ana Pérez", "Ana Pérez")
    assert [(one["actor"], one["note"]) for one in full["actions"]] == [("Ana Pérez", NOTE)] * 2


@pytest.mark.parametrize("language", ["es", "en"])
def test_no_address_tells_the_public_a_name_or_a_note_after_an_operator_asked(
    city: City, handled: int, language: str
) -> None:
    cookie = {"Cookie": f"{OPERATOR_COOKIE}={city.token}", "Accept-Language": language}
    seen = 0
    for address in addresses(handled):
        for headers in (city.operator, cookie):
            asked = city.client.get(address, headers={"Accept-Language": language, **headers})
            seen += "Juana" in asked.text
            again = {"If-None-Match": asked.headers.get("ETag", '"none"'), "Accept-Language": language}
            assert_public(city.client.get(address, headers={"Accept-Language": language}))
            assert_public(city.client.get(address, headers=again))
            if "Ana Pérez" in asked.text:
                assert asked.headers["Cache-Control"] == "no-store", address
    assert seen >= 4  # the alert's page and the API, by token and by cookie


def test_the_public_page_says_that_the_watch_acted(city: City, handled: int) -> None:
    page = city.client.get(f"/alerta/{handled}", headers={"Accept-Language": "es"}).text
    assert "Reconocida por la guardia" in page
    assert "Los nombres y las notas los ven los operadores." in page
    assert "quitar-nota" not in page


def test_a_wrong_token_reads_what_the_public_reads(city: City, handled: int) -> None:
    assert_public(city.client.get(f"/api/v1/alerts/{handled}", headers={"Authorization": "Bearer vigia_wrong"}))


@pytest.mark.usefixtures("handled")
def test_live_events_hold_no_name_and_no_note(city: City) -> None:
    with city.database.connect() as connection:
        stored = connection.execute(text("SELECT data::text FROM events WHERE event = 'alert'")).scalars().all()
    assert [json.loads(data)["by"] for data in stored] == ["operator"] * 2
    assert not any(secret in data for data in stored for secret in SECRETS)


def test_a_service_alert_names_its_author_to_operators_only(city: City) -> None:
    draft = {
        "cause": "construction",
        "effect": "detour",
        "header": {"es": "Calle 7 cortada"},
        "concerns": [{"line": "307"}],
    }
    path = "/api/v1/transit/service-alerts"
    for end_at_once in (False, True):
        one = city.client.post(path, json=draft, headers=city.operator).json()
        assert one["created_by"] == "ana"
        if not end_at_once:
            one = city.client.post(f"{path}/{one['id']}/publish", json={"version": 1}, headers=city.operator).json()
        city.client.post(f"{path}/{one['id']}/end", json={"version": one["version"]}, headers=city.operator)
    told = city.client.get(f"{path}?state=ended").json()["items"]
    assert [(o["created_by"], o["published_by"], o["ended_by"]) for o in told] == [
        ("operator",) * 3
    ]  # no dropped draft
    assert len(city.client.get(f"{path}?state=ended", headers=city.operator).json()["items"]) == 2
    assert city.client.get(f"{path}/{one['id']}").status_code == 404
    assert city.client.get(f"{path}/{one['id']}", headers=city.operator).json()["ended_by"] == "ana"


def test_what_senders_of_rejected_messages_wrote_is_for_operators(city: City) -> None:
    city.send(0, None, level_comment="Juana Gómez")
    (public,) = city.get("/rejections")["items"]
    assert (public["topic"], public["detail"], public["reason"]) == ("", "", "field")
    (full,) = city.client.get("/api/v1/rejections", headers=city.operator).json()["items"]
    assert full["topic"].endswith(RIVER)
    assert full["detail"]


def test_a_redacted_note_is_gone_and_who_asked_when_and_why_stays(city: City, handled: int) -> None:
    action = story(city, handled, city.operator)["actions"][0]
    done = post(city, handled, f"actions/{action['id']}/redact", reason=REASON)["actions"][0]
    assert (done["note"], done["redacted_by"], done["redaction_reason"]) == ("", "Ana Pérez", REASON)
    public = story(city, handled)["actions"][0]
    assert (public["redacted_by"], public["redaction_reason"]) == ("operator", None)
    assert public["redacted_at"] == done["redacted_at"] is not None
    with city.database.connect() as connection:
        stored = text("SELECT note FROM alert_actions WHERE id = :id")
        assert connection.execute(stored, {"id": action["id"]}).scalar_one() == ""
        record = text("SELECT erased, row_count FROM erasures ORDER BY id")
        assert connection.execute(record).all() == [("log_entries: content", 1), ("alert_actions.note", 1)]
    again = city.client.post(
        f"/api/v1/alerts/{handled}/actions/{action['id']}/redact", json={"reason": "x"}, headers=city.operator
    )
    assert (again.status_code, again.json()["type"]) == (409, "urn:vigia:problem:note-already-redacted")


def test_redaction_needs_an_operator_a_reason_and_a_note_of_that_alert(city: City, handled: int) -> None:
    action = story(city, handled, city.operator)["actions"][0]["id"]
    for path, reason, headers, status in (
        (f"{handled}/actions/{action}", REASON, {}, 401),
        (f"{handled}/actions/{action}", "  ", city.operator, 422),
        (f"{handled + 1}/actions/{action}", REASON, city.operator, 404),
        (f"{handled}/actions/{action + 999}", REASON, city.operator, 404),
    ):
        answer = city.client.post(f"/api/v1/alerts/{path}/redact", json={"reason": reason}, headers=headers)
        assert answer.status_code == status, answer.text
    assert story(city, handled, city.operator)["actions"][0]["note"] == NOTE


def test_an_operator_redacts_a_note_on_the_page(city: City, handled: int) -> None:
    cookie = {"Cookie": f"{OPERATOR_COOKIE}={city.token}", "Origin": str(city.client.base_url).rstrip("/")}
    action = story(city, handled, city.operator)["actions"][1]["id"]
    form = {"action": str(action), "reason": REASON}
    assert f'value="{action}"' in city.client.get(f"/alerta/{handled}", headers=cookie).text
    sent = city.client.post(f"/alerta/{handled}/quitar-nota", data=form, headers=cookie)
    assert (sent.status_code, sent.headers["Location"]) == (303, f"/alerta/{handled}")
    page = city.client.get(f"/alerta/{handled}", headers={**cookie, "Accept-Language": "es"}).text
    assert page.count("Juana") == 1
    assert "nota quitada por Ana Pérez" in page
    assert REASON in page


def test_upkeep_erases_a_note_whose_redaction_another_role_only_asked_for(city: City, handled: int) -> None:
    city.execute(
        "INSERT INTO redactions (action_id, requested_at, requested_by, reason)"
        " SELECT min(id), now(), 'ana', 'named a neighbour' FROM alert_actions"
    )
    assert story(city, handled, city.operator)["actions"][0]["note"] == ""  # nobody can read it meanwhile
    assert erase_redacted_notes(city.database) == 1
    assert erase_redacted_notes(city.database) == 0
    with city.database.connect() as connection:
        notes = connection.execute(text("SELECT note FROM alert_actions ORDER BY id")).scalars().all()
    assert notes == ["", NOTE]


def test_a_revoked_operator_reads_and_does_what_the_public_may(city: City, handled: int) -> None:
    with city.database.begin() as transaction:
        revoke_api_key(transaction, "Ana Pérez", NOON)
    assert_public(city.client.get(f"/api/v1/alerts/{handled}", headers=city.operator))
    refused = city.client.post(f"/api/v1/alerts/{handled}/comment", json={"note": "x"}, headers=city.operator)
    assert refused.status_code == 401
    with city.database.begin() as transaction:
        token = add_api_key(transaction, "Ana Pérez", NOON)  # the same person, back with a new token
        with pytest.raises(NameTaken):
            add_api_key(transaction, "Ana Pérez", NOON)
    new = {"Authorization": f"Bearer {token}"}
    assert story(city, handled, new)["alert"]["closed_by"] == "Ana Pérez"
