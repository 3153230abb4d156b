"""Actions of operators on alerts: once, at the version they saw, and never to hide a danger."""

from typing import Any

import httpx
import pytest
from sqlalchemy import text

from tests.services.web.api.conftest import RIVER, City


def act(city: City, alert_id: int, action: str, **said: Any) -> httpx.Response:
    """An operator's action."""
    return city.client.post(f"/api/v1/alerts/{alert_id}/{action}", json=said, headers=city.operator)


def story(city: City, alert_id: int) -> Any:
    """An alert with its transitions and actions, as an operator reads it."""
    answer = city.client.get(f"/api/v1/alerts/{alert_id}", headers=city.operator)
    assert answer.status_code == 200, answer.text
    return answer.json()


def ebb(city: City) -> None:
    """Send falling levels, then low levels for hours."""
    for minute in range(10, 600, 5):
        city.send(minute, 0.2)


def test_an_alert_comes_with_transitions_and_evidence(city: City) -> None:
    alert_id = city.flood()
    told = story(city, alert_id)
    assert told["alert"]["subject"] == RIVER
    assert told["alert"]["nar"] == told["alert"]["highest_nar"] == 3
    assert [move["after"] for move in told["transitions"]] == sorted(move["after"] for move in told["transitions"])
    assert all(move["evidence"] and move["rule_version"] == 1 for move in told["transitions"])
    by_level = [one["evidence"] for one in (told["alert"], *told["transitions"]) if "level_m" in one["evidence"]]
    assert by_level
    assert all(isinstance(name, str) for evidence in by_level for name in evidence["flags"]), "words, as everywhere"
    announced = text("SELECT data #> '{evidence,flags}' FROM events WHERE event = 'transition'")
    with city.database.connect() as connection:
        assert all(flags is None or isinstance(flags, list) for (flags,) in connection.execute(announced))
    assert told["actions"] == []


def test_an_alert_carries_the_level_of_its_stream_now_and_not_that_which_raised_it(city: City) -> None:
    number = city.flood()
    city.send(6, 2.10)
    (listed,) = [one for one in city.get("/alerts", state="open")["items"] if one["id"] == number]
    story = city.get(f"/alerts/{number}")
    for alert in (listed, story["alert"]):
        now = alert["level_now"]
        assert (now["level_m"], now["fresh"], now["reached"], now["next"]) == (2.10, True, 3, None)
        assert now["above_m"] == pytest.approx(2.10 - alert["evidence"]["thresholds_m"][2])
        assert "; 50 cm por encima de rojo" in now["text_es"]
        assert alert["evidence"]["level_m"] != 2.10
    assert [one["change"] for one in story["transitions"]].count("observed") <= 3
    city.execute("UPDATE alerts SET state = 'closed', closed_at = changed_at, closed_by = 'rule'")
    assert city.get(f"/alerts/{number}")["alert"]["level_now"] is None


def test_an_operator_acknowledges_and_everybody_sees_it(city: City) -> None:
    alert_id = city.flood()
    version = story(city, alert_id)["alert"]["version"]
    answer = act(city, alert_id, "acknowledge", version=version, note="Cuadrilla en camino.")
    assert answer.status_code == 200, answer.text
    assert answer.json() == story(city, alert_id)
    alert = answer.json()["alert"]
    assert (alert["acknowledged_by"], alert["version"]) == ("ana", version + 1)
    done = answer.json()["actions"]
    assert [(one["actor"], one["action"], one["note"]) for one in done] == [
        ("ana", "acknowledge", "Cuadrilla en camino.")
    ]


def test_an_action_on_an_outdated_version_is_refused(city: City) -> None:
    alert_id = city.flood()
    version = story(city, alert_id)["alert"]["version"]
    refused = act(city, alert_id, "acknowledge", version=version - 1)
    assert (refused.status_code, refused.json()["type"]) == (409, "urn:vigia:problem:alert-changed")
    assert story(city, alert_id)["actions"] == []


def test_the_second_to_acknowledge_is_refused(city: City) -> None:
    alert_id = city.flood()
    version = story(city, alert_id)["alert"]["version"]
    assert act(city, alert_id, "acknowledge", version=version).status_code == 200
    again = act(city, alert_id, "acknowledge", version=version)
    assert (again.status_code, again.json()["type"]) == (409, "urn:vigia:problem:alert-already-acknowledged")
    assert len(story(city, alert_id)["actions"]) == 1


def test_an_alert_that_its_rule_holds_cannot_be_closed(city: City) -> None:
    alert_id = city.flood()
    version = story(city, alert_id)["alert"]["version"]
    refused = act(city, alert_id, "close", version=version)
    assert (refused.status_code, refused.json()["type"]) == (409, "urn:vigia:problem:alert-still-held")


def test_an_alert_of_an_inactive_rule_can_be_closed(city: City) -> None:
    alert_id = city.flood()
    city.execute("UPDATE rules SET active = false")
    closed = act(city, alert_id, "close", version=story(city, alert_id)["alert"]["version"])
    assert (closed.status_code, closed.json()["alert"]["state"]) == (200, "closed")


def test_a_person_closes_the_alert_of_a_flood_that_is_over(city: City) -> None:
    alert_id = city.flood()
    ebb(city)
    over = story(city, alert_id)["alert"]
    assert (over["state"], over["nar"], over["rule_nar"]) == ("cleared", 3, 0)
    assert act(city, alert_id, "comment", note="Sin daños.").status_code == 200
    closed = act(city, alert_id, "close", version=over["version"], note="Fin.")
    assert closed.status_code == 200, closed.text
    assert (closed.json()["alert"]["state"], closed.json()["alert"]["closed_by"]) == ("closed", "ana")
    for action in ("close", "acknowledge"):
        refused = act(city, alert_id, action, version=over["version"] + 1)
        assert (refused.status_code, refused.json()["type"]) == (409, "urn:vigia:problem:alert-already-closed")
    assert [one["action"] for one in story(city, alert_id)["actions"]] == ["comment", "close"]


def test_alerts_are_filtered(city: City) -> None:
    alert_id = city.flood()
    for filters, found in (
        ({"state": "open"}, True),
        ({"state": "firing", "kind": "river", "least_nar": 3}, True),
        ({"state": "closed"}, False),
        ({"kind": "rain"}, False),
        ({"station": RIVER, "municipality": "laplata"}, True),
        ({"municipality": "berisso"}, False),
        ({"since": "2026-04-02T12:00:00Z"}, True),
        ({"since": "2027-04-02T12:00:00Z"}, False),
    ):
        assert (alert_id in [one["id"] for one in city.get("/alerts", **filters)["items"]]) is found, filters


def test_transitions_are_listed_newest_first_and_filtered(city: City) -> None:
    city.flood()
    moves = city.get("/transitions", station=RIVER)["items"]
    assert [one["id"] for one in moves] == sorted((one["id"] for one in moves), reverse=True)
    assert {one["subject"] for one in moves} == {RIVER}
    assert city.get("/transitions", since="2027-01-01T00:00:00Z")["items"] == []


def test_an_unknown_alert_is_not_found(quiet_city: City) -> None:
    for answer in (
        quiet_city.client.get("/api/v1/alerts/999"),
        act(quiet_city, 999, "acknowledge", version=1),
        act(quiet_city, 999, "close", version=1),
        act(quiet_city, 999, "comment", note="x"),
    ):
        assert (answer.status_code, answer.json()["type"]) == (404, "urn:vigia:problem:no-such-alert")


def test_a_note_is_not_empty_and_not_too_long(city: City) -> None:
    alert_id = city.flood()
    for note in ("", "   ", "x" * 2_001):
        assert act(city, alert_id, "comment", note=note).status_code == 422
    assert act(city, alert_id, "comment", note="x", extra=1).status_code == 422
    assert act(city, alert_id, "comment", note="x\0y").status_code == 400
    answer = city.client.post(
        f"/api/v1/alerts/{alert_id}/comment", content=b'{"note": "\\ud800"}', headers=city.operator
    )
    assert answer.status_code == 422
    assert story(city, alert_id)["actions"] == []
