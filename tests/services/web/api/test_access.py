"""Access to routes, security headers, and limits of requests."""

import socket
from collections.abc import Iterator
from datetime import timedelta

import httpx
import pytest
from sqlalchemy import Connection, Engine

from services.people.api_keys import NameTaken, add_api_key, find_api_key
from services.runtime.settings import Settings
from services.web import access
from services.web.http import protection
from services.web.http.credentials import OPERATOR_COOKIE
from services.web.http.protection import MAX_BODY_BYTES
from services.web.http.rate_limit import MAX_ADDRESSES
from services.web.http.wrong_tokens import MAX_WRONG_TOKENS, WrongTokens
from tests.services.web.api.conftest import NOON, City, city_on, served
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
    assert told["rejection"] == one | {name: told["rejection"][name] for name in ("topic", "detail")}
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


def test_a_right_token_is_never_refused_for_the_mistakes_of_others(city: City) -> None:
    wrong = {"Authorization": "Bearer vigia_wrong"}
    while city.client.post(ACKNOWLEDGE, json=SEEN, headers=wrong).status_code != 429:
        pass
    assert city.client.post(ACKNOWLEDGE, json=SEEN, headers=city.operator).status_code == 404
    here = {"Origin": f"http://{city.client.base_url.netloc.decode()}"}
    assert city.client.post("/entrar", data={"token": city.token}, headers=here).status_code == 303
    city.client.cookies.clear()
    assert city.client.post("/entrar", data={"token": "vigia_wrong"}, headers=here).status_code == 429


def test_a_right_cookie_counts_beside_a_bearer_token_of_somebody_else(city: City) -> None:
    other = {"Authorization": "Bearer token-of-a-gateway"}
    while city.client.post(ACKNOWLEDGE, json=SEEN, headers=other).status_code != 429:
        pass
    cookie = other | {"Cookie": f"{OPERATOR_COOKIE}={city.token}"}
    here = {"Origin": f"http://{city.client.base_url.netloc.decode()}"}
    assert city.client.get("/api/v1/rejections/1", headers=cookie).status_code == 404
    assert city.client.post(ACKNOWLEDGE, json=SEEN, headers=cookie | here).status_code == 404
    assert city.client.post(ACKNOWLEDGE, json=SEEN, headers=cookie).status_code == 403, "no page of this site"
    wrong = other | {"Cookie": f"{OPERATOR_COOKIE}=vigia_wrong"}
    assert city.client.post(ACKNOWLEDGE, json=SEEN, headers=wrong).status_code == 429, "a cookie hides no attempt"


def test_a_forgotten_page_with_an_old_cookie_is_no_attempt(city: City) -> None:
    old = {"Cookie": f"{OPERATOR_COOKIE}=vigia_of_yesterday"}
    for _ in range(MAX_WRONG_TOKENS + 2):
        assert city.client.get("/", headers=old).status_code == 200
    wrong = {"Authorization": "Bearer vigia_wrong"}
    assert city.client.post(ACKNOWLEDGE, json=SEEN, headers=wrong).status_code == 401


def attempt(client: httpx.Client, forwarded: str) -> int:
    """The status of a wrong token that came from this address, by a header."""
    headers = {"Authorization": "Bearer vigia_wrong", "X-Forwarded-For": forwarded}
    return client.post(ACKNOWLEDGE, json=SEEN, headers=headers).status_code


def test_an_invented_header_does_not_evade_the_limit(city: City) -> None:
    statuses = [attempt(city.client, f"192.0.2.{number}") for number in range(MAX_WRONG_TOKENS + 1)]
    assert statuses == [401] * MAX_WRONG_TOKENS + [429]


def test_behind_trusted_proxies_the_last_address_that_is_none_of_them_counts(database: Engine) -> None:
    with city_on(database, trusted_proxies="127.0.0.1,198.51.100.0/24") as city:
        for number in range(MAX_WRONG_TOKENS):
            assert attempt(city.client, f"203.0.113.{number}, 192.0.2.1, 198.51.100.7") == 401
        assert attempt(city.client, "203.0.113.99, 192.0.2.1, 198.51.100.7") == 429
        assert attempt(city.client, "192.0.2.2, 198.51.100.7") == 401
        for number in range(MAX_WRONG_TOKENS):
            assert attempt(city.client, f"2001:db8:1:2::{number + 1:x}") == 401
        assert attempt(city.client, "2001:db8:1:2:ffff::1") == 429, "a subscriber has a whole /64"


@pytest.mark.parametrize("path", ["/entrar", "/salir"])
def test_log_in_and_log_out_are_refused_to_forms_of_other_sites(quiet_city: City, path: str) -> None:
    here = f"http://{quiet_city.client.base_url.netloc.decode()}"
    form = {"token": quiet_city.token}
    for origin in (None, "null", "https://evil.example", here.replace("http:", "https:"), "http://127.0.0.1:1"):
        headers = {} if origin is None else {"Origin": origin}
        refused = quiet_city.client.post(path, data=form, headers=headers)
        assert refused.status_code == 403, origin
        assert "set-cookie" not in refused.headers
    assert quiet_city.client.post(path, data=form, headers={"Origin": here}).status_code == 303
    quiet_city.client.cookies.clear()


def test_details_of_health_and_metrics_are_for_operators(database: Engine) -> None:
    with city_on(database, metrics_from="192.0.2.1") as city:
        assert city.client.get("/metrics").status_code == 401
        assert city.client.get("/metrics", headers=city.operator).status_code == 200
        assert city.get("/health").keys() == {"state", "at", "simulation"}
        assert "processes" in city.client.get("/api/v1/health", headers=city.operator).json()


def test_a_scraper_that_a_setting_names_needs_no_token_and_nobody_passes_for_it(database: Engine) -> None:
    with city_on(database, prepared_s=3600.0) as city:
        through_a_proxy = {"X-Forwarded-For": "127.0.0.1"}
        for _ in range(2):
            assert city.client.get("/metrics").status_code == 200
            assert city.client.get("/metrics", headers=through_a_proxy).status_code == 401
            assert "processes" in city.get("/health")
            public = city.client.get("/api/v1/health", headers=through_a_proxy).json()
            assert public.keys() == {"state", "at", "simulation"}, (
                "an answer with details is not shared with the public"
            )


def test_the_token_for_metrics_reads_them_under_any_name_and_does_nothing_else(database: Engine) -> None:
    token = "m" * 32
    with city_on(database, metrics_from="192.0.2.1", metrics_token=token) as city:
        scraper = {"Host": "api:8013", "Authorization": f"Bearer {token}"}
        assert city.client.get("/metrics", headers=scraper).status_code == 200
        assert "processes" in city.client.get("/api/v1/health", headers=scraper).json()
        assert city.client.get("/metrics", headers=scraper | {"Authorization": "Bearer x"}).status_code == 421
        assert city.client.get("/metrics", headers={"Authorization": "Bearer x"}).status_code == 401
        alone = {"Authorization": f"Bearer {token}"}
        acted = city.client.post("/api/v1/alerts/1/acknowledge", json={"version": 1, "note": "x"}, headers=alone)
        assert acted.status_code == 401


def test_the_count_of_wrong_tokens_has_bounded_memory() -> None:
    wrong = WrongTokens()
    for address in range(MAX_ADDRESSES + 100):
        for _ in range(MAX_WRONG_TOKENS):
            wrong.add(str(address))
    assert not wrong.is_exceeded("0")
    assert wrong.is_exceeded(str(MAX_ADDRESSES + 99))
    assert not wrong.is_exceeded("somebody else")


def test_tokens_are_stored_only_as_hashes_and_a_name_is_taken_once(transaction: Connection) -> None:
    token = add_api_key(transaction, "Pantalla", NOON)
    assert len(token) > 43
    rows = transaction.exec_driver_sql("SELECT name, encode(token_sha256, 'hex') FROM api_keys").all()
    assert [row[0] for row in rows] == ["Pantalla"]
    assert token not in str(rows)
    with pytest.raises(NameTaken):
        add_api_key(transaction, "pantalla", NOON)


def test_a_key_ends_when_it_was_said_to_end(transaction: Connection) -> None:
    token = add_api_key(transaction, "Pantalla", NOON, lasts=timedelta(days=30))
    assert find_api_key(transaction, token, NOON + timedelta(days=29)) is not None
    assert find_api_key(transaction, token, NOON + timedelta(days=30)) is None


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
    plain = acting | {"Origin": "http://vigia.example"}
    assert public.post(ACKNOWLEDGE, json=SEEN, headers=plain).status_code == 403, "another scheme is another site"
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


def test_a_query_that_takes_too_long_is_cancelled(database: Engine) -> None:
    with city_on(database, statement_timeout_s=2) as city, database.begin() as other:
        other.exec_driver_sql("LOCK TABLE stations IN ACCESS EXCLUSIVE MODE")
        away = city.client.get("/api/v1/stations")
    assert (away.status_code, away.json()["type"]) == (503, "urn:vigia:problem:database-away")
    assert "retry-after" in away.headers
