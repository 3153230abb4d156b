"""The auditor reads who did what, without notes, and that is noted; the watch keeps its logbook between the alerts."""

from collections.abc import Callable

import httpx
import pytest
from sqlalchemy import text

from services.people.api_keys import add_api_key
from services.people.roles import Role
from services.record.chain_writer import ChainWriter
from tests.services.web.api.conftest import NOON, City

Headers = dict[str, str]
KeyOf = Callable[[str, Role], Headers]


@pytest.fixture
def key_of(city: City) -> KeyOf:
    """Makes a key of this name and role; its headers."""

    def make(name: str, role: Role) -> Headers:
        with city.database.begin() as transaction:
            return {"Authorization": f"Bearer {add_api_key(transaction, name, NOON, roles=[role])}"}

    return make


def acknowledged(city: City, note: str) -> int:
    """An alert that the operator acknowledged with this note."""
    alert = city.flood()
    version = city.get(f"/alerts/{alert}")["alert"]["version"]
    answer = city.client.post(
        f"/api/v1/alerts/{alert}/acknowledge", json={"version": version, "note": note}, headers=city.operator
    )
    assert answer.status_code == 200, answer.text
    return alert


def test_an_auditor_reads_who_did_what_in_pages_without_notes_and_the_reading_is_noted(
    city: City, key_of: KeyOf
) -> None:
    alert = acknowledged(city, "vive Juana Gómez")
    ChainWriter(city.database).chain_all()
    auditor = key_of("Eva", Role.AUDITOR)
    page = city.client.get("/registro", params={"sobre": f"alert:{alert}"}, headers=auditor)
    assert page.status_code == 200, page.text
    assert "Tomó la alerta" in page.text
    assert "Juana" not in page.text
    told = city.client.get("/api/v1/log", params={"what": "alert.", "limit": 1}, headers=auditor).json()
    (one,) = told["items"]
    assert (one["what"], one["about"]) == ("alert.acknowledged", f"alert:{alert}")
    assert set(one["details"]) == {"action", "nar", "version"}
    assert one["number"] > 1
    earlier = city.client.get(told["next"], headers=auditor).json()["items"]
    assert earlier[0]["id"] < one["id"]
    with city.database.begin() as transaction:
        reads = text("SELECT actor, details FROM log_entries WHERE what = 'personal_data.read' ORDER BY id")
        read = transaction.execute(reads).all()
    assert [(actor, details["through"]) for actor, details in read] == [("Eva", "page"), ("Eva", "api"), ("Eva", "api")]
    assert read[0].details["asked"] == {"about": f"alert:{alert}"}


def test_nobody_reads_beyond_their_role(city: City, key_of: KeyOf) -> None:
    auditor, operator = key_of("Eva", Role.AUDITOR), key_of("Rita", Role.OPERATOR)
    for path in ("/registro", "/api/v1/log", "/libro", "/api/v1/logbook"):
        allowed, other = (operator, auditor) if "li" in path or "logbook" in path else (auditor, operator)
        told = [city.client.get(path, headers=headers).status_code for headers in ({}, other, allowed)]
        assert told == [401, 403, 200], path


def test_the_logbook_holds_what_people_wrote_between_what_happened_and_corrections_as_new_entries(
    city: City, key_of: KeyOf
) -> None:
    rita = key_of("Rita", Role.OPERATOR)

    def send(**form: str) -> httpx.Response:
        return city.client.post("/libro", data=form, headers=rita, follow_redirects=False)

    assert send(texto="bomba 2 en marcha").status_code == 303
    alert = acknowledged(city, "voy al puente")
    written = city.client.get("/api/v1/logbook", headers=rita).json()["lines"]
    first = next(line for line in written if line["text"] == "bomba 2 en marcha")
    assert send(texto="bomba 3, no 2", corrige=str(first["id"])).status_code == 303
    assert send(texto=" ").status_code == 409
    assert send(texto="x", corrige="999999").status_code == 404
    lines = city.client.get("/api/v1/logbook", headers=rita).json()["lines"]
    told = [(line["what"], line["by"], line["text"], line["corrects"]) for line in lines]
    assert ("logbook.written", "Rita", "bomba 2 en marcha", None) in told
    assert ("alert.acknowledged", "voy al puente") in [(what, words) for what, _, words, _ in told]
    assert told[-1] == ("logbook.written", "Rita", "bomba 3, no 2", first["id"])
    page = city.client.get("/libro", headers=rita).text
    assert page.index("bomba 2 en marcha") < page.index(f"/alerta/{alert}") < page.index("bomba 3, no 2")
    long_ago = {"desde": "2026-04-01T00:00", "hasta": "2026-03-01T00:00"}
    assert city.client.get("/libro", params=long_ago, headers=rita).status_code == 409


def test_the_citys_own_skill_is_read_from_what_it_measured_decided_and_sent(city: City, key_of: KeyOf) -> None:
    acknowledged(city, "")
    viewer = key_of("Luis", Role.VIEWER)
    assert city.client.get("/desempeno").status_code == 401
    lines = city.client.get("/desempeno.csv", params={"meses": "1"}, headers=viewer).text.splitlines()
    rows = {line.split(",")[1]: dict(zip(lines[0].split(","), line.split(","), strict=True)) for line in lines[1:]}
    assert {colour: (row["month"], row["events"], row["hits"]) for colour, row in rows.items()} == {
        "rojo": ("2026-04", "1", "1"),
        "naranja": ("2026-04", "1", "1"),
        "amarillo": ("2026-04", "1", "1"),
    }
    assert {row["false_alerts"] for row in rows.values()} == {"0"}
    assert sum(int(row["acknowledged"]) for row in rows.values()) > 0
    page = city.client.get("/desempeno", headers=viewer)
    assert page.status_code == 200
    assert "04/2026" in page.text
