"""Incidents over HTTP: one for a flooding basin, its alerts with reasons, acknowledged together as they were seen."""

from typing import Any

from tests.services.web.api.conftest import RIVER, City


def seen(incident: Any) -> list[dict[str, int]]:
    """The alerts of an incident as they stand in an answer."""
    return [{"alert_id": one["alert_id"], "nar": one["nar"]} for one in incident["members"]]


def test_a_flood_is_one_incident_with_its_alert_and_the_reason_for_it(city: City) -> None:
    alert_id = city.flood()
    (incident,) = [one for one in city.get("/incidents", state="open")["items"] if one["hazard"] == "flood"]
    assert incident["area"].startswith("basin:")
    assert (incident["nar"], incident["highest_nar"], incident["driver"]) == (3, 3, alert_id)
    assert (incident["stations"], incident["unanswered"], incident["origin"]) == (1, 1, "rule")
    (member,) = incident["members"]
    assert (member["alert_id"], member["subject"], member["membership"]) == (alert_id, RIVER, "stream")
    assert city.get(f"/incidents/{incident['id']}")["members"] == incident["members"]
    assert city.get(f"/alerts/{alert_id}")["alert"]["incident_id"] == incident["id"]


def test_an_operator_acknowledges_an_incident_once_and_the_public_not_at_all(city: City) -> None:
    city.flood()
    (incident,) = [one for one in city.get("/incidents")["items"] if one["hazard"] == "flood"]
    address, body = f"/api/v1/incidents/{incident['id']}/acknowledge", {"seen": seen(incident), "note": "Cuadrilla."}
    assert city.client.post(address, json=body).status_code == 401
    answer = city.client.post(address, json=body, headers=city.operator)
    assert answer.status_code == 200, answer.text
    assert (answer.json()["unanswered"], answer.json()["unanswered_since"]) == (0, None)
    assert all(one["acknowledged"] for one in answer.json()["members"])
    again = city.client.post(address, json=body, headers=city.operator)
    assert again.status_code == 409
    assert "ya está reconocido" in again.json()["detail"]


def test_what_is_wrong_with_a_request_is_said(city: City) -> None:
    city.flood()
    for path, body, status in (
        ("999999", {"seen": [{"alert_id": 1, "nar": 3}]}, 404),
        ("1", {"seen": []}, 422),
        ("1", {"seen": [{"alert_id": 1, "nar": 4}]}, 422),
        ("1", {"seen": [{"alert_id": 1, "nar": 3}], "all": True}, 422),
    ):
        answer = city.client.post(f"/api/v1/incidents/{path}/acknowledge", json=body, headers=city.operator)
        assert answer.status_code == status, answer.text
        assert answer.json()["detail"]
    assert city.client.get("/api/v1/incidents/999999").status_code == 404
    assert city.client.get("/api/v1/incidents?state=past").status_code == 422
