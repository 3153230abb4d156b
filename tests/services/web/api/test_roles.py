"""Every address asked as each role: nobody gets beyond their role, and nothing answers with an error of ours."""

from collections.abc import Iterator

import httpx
import pytest
from sqlalchemy import Engine

from services.people.accounts import NewPerson, add_person, find_person
from services.people.roles import GRANTED, Role, with_included
from services.people.sessions import RequestFacts, open_session
from services.web.access import roles_of
from services.web.http.credentials import OPERATOR_COOKIE
from tests.services.web.api.conftest import NOON, City, city_on
from tests.services.web.api.test_contract import every_route
from tests.waiting import LIMIT_S

PUBLIC = frozenset({Role.PUBLIC})
PROGRAM = "walk"
VALUES = {"login": "nobody", "name": "vigia.css", "station_id": "gato-ringuelet", "stop": "LP1912"}
NOT_SET_UP = "/api/v1/sms/answers"
"""It answers 503 where the city has no gateway for text messages."""
SIGNS_IN = "/entrar"
"""It answers 401 to a wrong password, whoever asks."""
ENDS_THE_WALK = {"/salir", "/yo/sesiones/cerrar-otras"}
"""They end the session with which the walk goes on."""


@pytest.fixture
def city(database: Engine) -> Iterator[City]:
    """A city that shows its inside to nobody without an account."""
    with city_on(database, metrics_from="192.0.2.1") as made:
        yield made


@pytest.fixture
def walkers(city: City) -> Iterator[dict[Role, httpx.Client]]:
    """A client for each role, signed in as a person with that role alone; the public has no cookie."""
    origin = str(city.client.base_url).rstrip("/")
    cookies: dict[Role, dict[str, str]] = {Role.PUBLIC: {}}
    with city.database.begin() as transaction:
        for role in sorted(GRANTED):
            add_person(transaction, NewPerson(role, f"Persona {role}", frozenset({role})), by="test", now=NOON)
            person = find_person(transaction, role)
            facts = RequestFacts(PROGRAM, "127.0.0.1")
            cookies[role] = {OPERATOR_COOKIE: open_session(transaction, person.id, "password", facts, NOON)}
    headers = {"Origin": origin, "User-Agent": f"{PROGRAM}/1"}
    clients = {
        role: httpx.Client(base_url=origin, headers=headers, cookies=kept, timeout=LIMIT_S)
        for role, kept in cookies.items()
    }
    yield clients
    for client in clients.values():
        client.close()


def test_nobody_gets_an_answer_beyond_their_role(city: City, walkers: dict[Role, httpx.Client]) -> None:
    city.flood()
    wrong, asked = [], 0
    for path, methods, dependant in every_route(city.app):
        needed = roles_of(dependant)
        assert needed is not None, path
        for method in sorted(methods - {"HEAD", "OPTIONS"}):
            for role in who_walks(path, needed):
                asked += 1
                status = answer(walkers[role], method, path)
                if (status >= 500 and path != NOT_SET_UP) or (path != SIGNS_IN and not fits(status, role, needed)):
                    wrong.append((method, path, role.value, status))
    assert not wrong, "\n".join(map(str, wrong))
    assert asked > 300


def who_walks(path: str, needed: frozenset[Role]) -> list[Role]:
    """The roles as which an address is asked: all where it is guarded, one where it is public."""
    if needed == PUBLIC:
        return [Role.AUDITOR if "{" in path else Role.PUBLIC]
    return [role for role in Role if path not in ENDS_THE_WALK or not held(role) & needed]


def held(role: Role) -> frozenset[Role]:
    """A role with those that it includes."""
    return with_included(set() if role is Role.PUBLIC else {role})


def fits(status: int, role: Role, needed: frozenset[Role]) -> bool:
    """Whether an answer is as the role allows. What all may read may still refuse a part of it, such as drafts."""
    if needed == PUBLIC:
        return True
    if held(role) & needed:
        return status not in {401, 403}
    return status == (401 if role is Role.PUBLIC else 403)


def answer(client: httpx.Client, method: str, path: str) -> int:
    """The status of a request without parameters or body; of a stream, which does not end, its beginning."""
    for name in {part.strip("{}").partition(":")[0] for part in path.split("/") if "{" in part}:
        path = path.replace(f"{{{name}}}", VALUES.get(name, "1")).replace(f"{{{name}:path}}", "1")
    with client.stream(method, path.replace("{", "").replace("}", "")) as response:
        return response.status_code
