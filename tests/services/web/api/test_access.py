"""Access to routes, security headers, and limits of requests."""

import socket
from collections.abc import Iterator
from datetime import timedelta

import httpx
import pytest
from sqlalchemy import Connection

from services.runtime.settings import Settings
from services.web import access
from services.web.access import OPERATOR_COOKIE, OperatorExists, add_operator, ensure_first_operator
from services.web.http import protection
from services.web.http.protection import MAX_BODY_BYTES
from services.web.http.rate_limit import MAX_ADDRESSES
from services.web.http.wrong_tokens import MAX_WRONG_TOKENS, WrongTokens
from tests.services.web.api.conftest import NOON, City, served
from tests.waiting import LIMIT_S

ACKNOWLEDGE = "/api/v1/alerts/1/acknowledge"
SEEN = {"version": 1}


def test_an_action_without_a_token_or_with_a_wrong_one_is_refused(city: City) -> None:
    for headers in ({}, {"Authorization": "Bearer vigia_wrong"}, {"Authorization": f"Basic {city.token}"}):
        refused = city.client.post(ACKNOWLEDGE, json=SEEN, headers=headers)
        assert refused.status_code == 401
        assert refused.headers["www-authenticate"] == "Bearer"
    assert city.client.post(ACKNOWLEDGE, json=SEEN, headers=city.operator).status_code == 404, "the token is good"


def test_the_bytes_of_rejected_messages_are_for_operators(city: City) -> None:
    city.send(0, None)
    one = city.get("/rejections")["items"][0]
    assert one["reason"] == "field"
    assert city.client.get(f"/api/v1/rejections/{one['id']}").status_code == 401
    told = city.client.get(f"/api/v1/rejections/{one['id']}", headers=city.operator).json()
    assert told["rejection"] == one
    assert len(told["payload"]) > one["bytes"] > 0
    assert city.get("/rejections", reason="poison")["items"] == []


def test_a_cookie_acts_only_from_a_page_of_this_site(quiet_city: City) -> None:
    cookie = {"Cookie": f"{OPERATOR_COOKIE}={quiet_city.token}"}
    here = f"http://{quiet_city.client.base_url.netloc.decode()}"
    for origin, status in ((None, 403), ("https://evil.example", 403), ("null", 403), (here, 404)):
        headers = cookie if origin is None else cookie | {"Origin": origin}
        assert quiet_city.client.post(ACKNOWLEDGE, json=SEEN, headers=headers).status_code == status, origin
    assert quiet_city.client.get("/api/v1/rejections/1", headers=cookie).status_code == 404, "reading needs no origin"


def test_wrong_tokens_are_limited_by_address(city: City) -> None:
    wrong = {"Authorization": "Bearer vigia_wrong"}
    statuses = [
        city.client.post(ACKNOWLEDGE, json=SEEN, headers=wrong).status_code for _ in range(MAX_WRONG_TOKENS + 2)
    ]
    assert statuses == [401] * MAX_WRONG_TOKENS + [429] * 2
    assert "retry-after" in city.client.post(ACKNOWLEDGE, json=SEEN, headers=wrong).headers


def test_the_count_of_wrong_tokens_has_bounded_memory() -> None:
    wrong = WrongTokens()
    for address in range(MAX_ADDRESSES + 100):
        for _ in range(MAX_WRONG_TOKENS):
            wrong.add(str(address))
    assert not wrong.is_exceeded("0")
    assert wrong.is_exceeded(str(MAX_ADDRESSES + 99))
    assert not wrong.is_exceeded("somebody else")


def test_the_first_operator_is_added_once_and_tokens_are_stored_only_as_hashes(transaction: Connection) -> None:
    token = ensure_first_operator(transaction, NOON)
    assert token is not None
    assert len(token) > 43
    assert ensure_first_operator(transaction, NOON + timedelta(days=1)) is None
    rows = transaction.exec_driver_sql("SELECT name, encode(token_sha256, 'hex') FROM operators").all()
    assert [row[0] for row in rows] == ["operador"]
    assert token not in str(rows)
    with pytest.raises(OperatorExists):
        add_operator(transaction, "operador", NOON)


def test_every_response_has_the_security_headers(quiet_city: City) -> None:
    for path in ("/api/v1/stations", "/api/v1/nowhere", "/health/live", "/"):
        headers = quiet_city.client.get(path).headers
        assert "default-src 'self'" in headers["content-security-policy"]
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "same-origin"
        assert "server" not in headers
    assert quiet_city.client.get("/api/v1/alerts").headers["cache-control"] == "no-store"


def test_an_unknown_host_name_is_refused(quiet_city: City) -> None:
    foreign = quiet_city.client.get("/api/v1/stations", headers={"Host": "evil.example"})
    assert foreign.status_code == 421
    assert "evil" not in foreign.text
    assert quiet_city.client.get("/api/v1/stations", headers={"Host": "localhost:9"}).status_code == 200


@pytest.fixture
def public(city: City) -> Iterator[httpx.Client]:
    """The city behind a proxy with TLS, with a public address."""
    settings = Settings(api_port=0, public_url="https://vigia.example")
    with (
        served(city.database, city.clock, settings) as (address, _),
        httpx.Client(base_url=address, timeout=LIMIT_S) as client,
    ):
        yield client


def test_behind_tls_the_cookie_is_bound_to_host_and_tls(city: City, public: httpx.Client) -> None:
    headers = {"Host": "vigia.example", "Origin": "https://vigia.example"}
    entered = public.post("/entrar", data={"token": city.token}, headers=headers, follow_redirects=False)
    cookie = entered.headers["set-cookie"]
    assert cookie.startswith(f"__Host-{OPERATOR_COOKIE}={city.token};")
    for word in ("HttpOnly", "SameSite=strict", "Secure", "Path=/"):
        assert word in cookie
    acting = headers | {"Cookie": cookie.split(";")[0]}
    assert public.post(ACKNOWLEDGE, json=SEEN, headers=acting).status_code == 404
    assert access.COOKIE_MAX_AGE_S == 12 * 3600


def test_a_body_too_large_is_refused_before_it_is_read(quiet_city: City) -> None:
    large = quiet_city.client.post(ACKNOWLEDGE, content=b"x" * (MAX_BODY_BYTES + 1), headers=quiet_city.operator)
    assert (large.status_code, large.json()["type"]) == (413, "urn:vigia:problem:too-large")

    def drip() -> Iterator[bytes]:
        for _ in range(MAX_BODY_BYTES // 4096 + 1):
            yield b"x" * 4096

    assert quiet_city.client.post(ACKNOWLEDGE, content=drip(), headers=quiet_city.operator).status_code == 413


def test_a_body_that_does_not_arrive_is_refused_after_a_time(quiet_city: City, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protection, "BODY_TIMEOUT_S", 0.2)
    with socket.create_connection(
        (quiet_city.client.base_url.host, quiet_city.client.base_url.port or 80), timeout=LIMIT_S
    ) as slow:
        slow.sendall(b"POST /api/v1/alerts/1/close HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100\r\n\r\n{")
        assert slow.recv(100).startswith(b"HTTP/1.1 408")


def test_an_unknown_parameter_is_refused_rather_than_ignored(quiet_city: City) -> None:
    refused = quiet_city.client.get("/api/v1/stations?kyind=river")
    assert (refused.status_code, refused.json()["type"]) == (400, "urn:vigia:problem:unknown-parameter")
    assert "kyind" in refused.json()["detail"]


def test_hostile_parameters_harm_nothing(quiet_city: City) -> None:
    for path in (
        "/api/v1/stations/a%00b",
        "/api/v1/stations?municipality=%00",
        "/api/v1/stations?cursor=AAAA",
        "/api/v1/alerts?limit=1001",
        "/api/v1/alerts?limit=0",
        "/api/v1/alerts/99999999999999999999",
        "/api/v1/alerts?cursor=OTk5OTk5OTk5OTk5OTk5OTk5OTk5",
        "/api/v1/alerts?since=9999-12-31T23:59:59-23:59",
        "/api/v1/devices/-1",
        "/api/v1/devices?cursor=OTk5OTk5OTk5OTk5",
        "/api/v1/rejections?reason=zzz",
        "/api/v1/live?events=zzz",
        "/api/v1/stations/" + "x" * 300,
    ):
        answer = quiet_city.client.get(path)
        assert answer.status_code in {200, 400, 404, 422}, (path, answer.text)
        assert answer.status_code == 200 or answer.headers["content-type"] == "application/problem+json"


def test_an_unavailable_database_is_a_problem_without_its_password(city: City) -> None:
    city.execute("ALTER TABLE stations RENAME TO gone")
    bug = city.client.get("/api/v1/stations")
    assert (bug.status_code, bug.json()["type"]) == (500, "urn:vigia:problem:bug")
    assert "gone" not in bug.text
    assert "stations" not in bug.text


def test_a_query_that_takes_too_long_is_cancelled(city: City) -> None:
    city.execute("ALTER DATABASE " + str(city.database.url.database) + " SET lock_timeout = '0'")
    with city.database.begin() as other:
        other.exec_driver_sql("LOCK TABLE stations IN ACCESS EXCLUSIVE MODE")
        away = city.client.get("/api/v1/stations")
    assert (away.status_code, away.json()["type"]) == (503, "urn:vigia:problem:database-away")
    assert "retry-after" in away.headers
