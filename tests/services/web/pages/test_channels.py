"""The page of a person's own channels: add, test, order and remove, without JavaScript."""

import json
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine, text

from tests.databases import open_copy
from tests.services.notices.people import add_person, rows
from tests.services.web.pages import city
from tests.services.web.pages.conftest import visitor
from tests.services.web.pages.site import Page, Site

PAGE = "/mis-canales"
NUMBERS = count(1)


@pytest.fixture(scope="module")
def database(database_url: str, migrated_name: str) -> Iterator[Engine]:
    """One database for all tests of this module: each has a person of its own."""
    with open_copy(database_url, migrated_name) as engine:
        yield engine


@pytest.fixture
def site(database: Engine, tmp_path: Path) -> Iterator[Site]:
    """A visitor."""
    with visitor(database, tmp_path) as opened:
        yield opened


class Own:
    """The pages, signed in as a person who is in no other test."""

    def __init__(self, database: Engine, site: Site) -> None:
        self.database, self.site = database, site
        name = f"Ana {next(NUMBERS)}"
        with database.begin() as transaction:
            token = city.operator(transaction, name)
            self.person = add_person(transaction, name)
        site.enter(token)

    def post(self, act: str, number: int = 1, **form: str) -> httpx.Response:
        """Act on the person's channel of this number, from 1 in the order in which they were added."""
        ids = rows(self.database, f"SELECT id FROM person_channels WHERE person_id = {self.person} ORDER BY id")
        return self.site.post(f"{PAGE}/{ids[number - 1][0]}/{act}", form)

    def add(self, channel: str = "apprise", address: str = "tgram://1:secret/2", **more: str) -> httpx.Response:
        """Add a channel by the form."""
        return self.site.post(f"{PAGE}/agregar", {"canal": channel, "direccion": address, **more})

    def stored(self, columns: str) -> list[tuple[Any, ...]]:
        """The person's channels in use, in order."""
        of_person = f"person_id = {self.person} AND ended_at IS NULL"
        return rows(self.database, f"SELECT {columns} FROM person_channels WHERE {of_person} ORDER BY position")

    @property
    def page(self) -> Page:
        """The page of the channels."""
        return self.site.page(PAGE)

    @property
    def code(self) -> str:
        """The code of the last test, as its message has it."""
        query = f"SELECT body ->> 'code' FROM notices WHERE person_id = {self.person} ORDER BY id DESC LIMIT 1"
        return str(rows(self.database, query)[0][0])


@pytest.fixture
def own(database: Engine, site: Site) -> Own:
    return Own(database, site)


def test_a_channel_is_used_only_after_its_code_was_entered(own: Own) -> None:
    assert "Ningún canal probado te alcanza" in own.page.text
    assert own.add().status_code == 303
    shown = own.page
    assert "Sin probar: no se usa." in shown.text
    assert "secret" not in shown.html
    assert "Ese no es el código que mandamos" in own.post("codigo", codigo="nada").text
    assert own.post("codigo", codigo=f" {own.code} ").status_code == 303
    assert "Probado:" in own.page.text
    assert "Ningún canal probado te alcanza" not in own.page.text
    assert own.stored("test_code_sha256, test_tries") == [(None, 1)]


def test_a_code_ends_after_five_tries_and_another_test_begins_anew(own: Own) -> None:
    own.add()
    for _ in range(5):
        own.post("codigo", codigo="x")
    refused = own.post("codigo", codigo=own.code)
    assert (refused.status_code, "mandá otra" in refused.text) == (409, True)
    own.post("probar")
    assert own.post("codigo", codigo=own.code).status_code == 303


def test_six_tests_an_hour_are_the_most_since_an_address_may_be_of_another(own: Own) -> None:
    own.add()
    assert [own.post("probar").status_code for _ in range(6)] == [303] * 5 + [429]


def test_channels_are_ordered_and_removed(own: Own) -> None:
    own.add()
    own.add("webhook", "https://hooks.example/a?key=secret", simulacros="true")
    own.add("console", "")
    columns = "channel, told_of_exercises"
    assert own.stored(columns) == [("apprise", False), ("webhook", True), ("console", False)]
    assert "https://hooks.example…" in own.page.text
    own.post("primero", 2)
    own.post("quitar", 1)
    own.post("simulacros", 2, avisar="false")
    own.post("simulacros", 3, avisar="true")
    assert own.stored(columns) == [("webhook", False), ("console", True)]


@pytest.mark.parametrize(
    ("channel", "address", "what_to_do"),
    [
        ("sms", "155 1234", "como +54 9 221 555 1234"),
        ("apprise", "dbus://", "tiene que empezar por uno de estos servicios"),
        ("webhook", "http://localhost", "https://"),
        ("paloma", "x", "No hay un canal"),
    ],
)
def test_a_wrong_address_is_refused_with_what_to_enter(own: Own, channel: str, address: str, what_to_do: str) -> None:
    refused = own.add(channel, address)
    assert refused.status_code == 400
    assert what_to_do in refused.text


def test_the_same_channel_twice_and_a_ninth_are_refused(own: Own) -> None:
    assert [own.add("console", "").status_code for _ in range(2)] == [303, 409]
    with own.database.begin() as transaction:
        transaction.execute(
            text(
                "INSERT INTO person_channels (person_id, channel, address, position, told_of_exercises, created_at)"
                " SELECT :person, 'sms', '+5492215550' || one, one, false, now() FROM generate_series(100, 106) one"
            ),
            {"person": own.person},
        )
    refused = own.add()
    assert (refused.status_code, "quitá uno" in refused.text) == (409, True)
    assert "Agregar un canal" not in own.page.text


def test_nobody_touches_the_channels_of_another(own: Own) -> None:
    with own.database.begin() as transaction:
        other = add_person(transaction, "Beto", ["apprise"])
    ((theirs,),) = rows(own.database, f"SELECT id FROM person_channels WHERE person_id = {other}")
    for act in ("probar", "codigo", "primero", "simulacros", "quitar"):
        assert own.site.post(f"{PAGE}/{theirs}/{act}", {"codigo": "1"}).status_code == 404
    assert "tgram://" not in own.page.text
    untouched = f"SELECT ended_at, test_ends_at FROM person_channels WHERE id = {theirs}"
    assert rows(own.database, untouched) == [(None, None)]


def test_a_key_that_is_no_person_has_no_channels(database: Engine, site: Site) -> None:
    with database.begin() as transaction:
        token = city.operator(transaction, "una máquina")
    site.enter(token)
    assert "entrá con tu cuenta" in site.page(PAGE, status=403).text
    assert site.get("/api/v1/me/channels").status_code == 403


def test_only_who_is_signed_in_sees_the_page(site: Site) -> None:
    assert site.get(PAGE).status_code == 401
    assert site.get("/api/v1/me/channels").status_code == 401


def test_web_push_is_offered_as_an_addition(own: Own) -> None:
    (form,) = [one for one in own.page.all("form") if one.get("id") == "push"]
    assert ("hidden" in form, len(form["data-key"]) > 80) == (True, True)
    subscription = {"endpoint": "https://push.example/1", "keys": {"p256dh": "B", "auth": "A"}}
    assert own.add("webpush", json.dumps(subscription)).status_code == 303
    own.post("codigo", codigo=own.code)
    assert "solo no alcanza" in own.page.text
    assert "Ningún canal probado te alcanza" in own.page.text
    worker = own.site.get(f"{PAGE}/push_worker.js")
    assert worker.headers["content-type"].startswith("text/javascript")


def test_the_api_does_the_same(database: Engine, site: Site) -> None:
    name = f"Ana {next(NUMBERS)}"
    with database.begin() as transaction:
        authorization = {"authorization": f"Bearer {city.operator(transaction, name)}"}
        person = add_person(transaction, name)

    def sent(path: str, body: dict[str, Any] | None = None) -> tuple[int, dict[str, Any]]:
        response = site.send(f"/api/v1/me/channels{path}", body or {}, **authorization)
        return response.status_code, response.json()

    status, listed = sent("", {"channel": "apprise", "address": "tgram://1:secret/2"})
    assert (status, listed["reached"], listed["items"][0]["shown"]) == (201, False, "tgram://…")
    number = listed["items"][0]["id"]
    assert sent(f"/{number}/test")[0] == 202
    assert sent(f"/{number}/confirm", {"code": "x"})[0] == 400
    assert rows(database, f"SELECT test_tries FROM person_channels WHERE id = {number}") == [(1,)]
    ((code,),) = rows(database, f"SELECT body ->> 'code' FROM notices WHERE person_id = {person}")
    status, listed = sent(f"/{number}/confirm", {"code": code})
    assert (status, listed["reached"]) == (200, True)
    assert sent(f"/{number + 1}/first")[0] == 404
