"""A developer of another site reads: HEAD, OPTIONS and cross-origin reads, with nothing that only operators may do."""

import re

import pytest
from starlette.routing import Mount

from services.web.api import live
from tests.services.web.api.conftest import RIVER, City
from tests.waiting import wait_until

ELSEWHERE = {"Origin": "https://tablero.example"}


def paths(city: City) -> list[str]:
    """Every documented path that has a GET, with a value for each parameter."""
    documented = city.get("/openapi.json")["paths"]
    return [re.sub(r"\{\w+\}", RIVER, path) for path, methods in documented.items() if "get" in methods]


def test_head_has_the_head_of_get_on_every_read_and_no_body(quiet_city: City) -> None:
    for path in [
        *paths(quiet_city),
        "/",
        "/docs",
        "/health/live",
        "/gtfs-rt/alerts.pb",
        "/api/where/current-time.json",
    ]:
        head = quiet_city.client.head(path, headers=quiet_city.operator)
        assert head.content == b""
        if not path.endswith("/live"):
            answer = quiet_city.client.get(path, headers=quiet_city.operator)
            assert (head.status_code, head.headers["content-type"]) == (
                answer.status_code,
                answer.headers["content-type"],
            ), path


def test_head_of_the_live_stream_ends_and_leaves_no_client_behind(quiet_city: City) -> None:
    assert quiet_city.client.head("/api/v1/live").headers["content-type"].startswith("text/event-stream")
    wait_until(lambda: quiet_city.feed.clients == 0)


def test_head_sends_no_riders_report(quiet_city: City) -> None:
    assert quiet_city.client.head("/api/where/report-problem-with-stop/1_T1.json").status_code == 405


def test_options_names_the_methods_of_every_address(quiet_city: City) -> None:
    for path, allowed in (
        ("/api/v1/stations", "GET, HEAD, OPTIONS"),
        ("/api/v1/transit/service-alerts", "GET, HEAD, OPTIONS, POST"),
        ("/api/v1/alerts/7/acknowledge", "OPTIONS, POST"),
        ("/", "GET, HEAD, OPTIONS"),
    ):
        answer = quiet_city.client.options(path)
        assert (answer.status_code, answer.headers["allow"]) == (204, allowed)
    assert quiet_city.client.options("/api/v1/nowhere").status_code == 404


@pytest.mark.parametrize("path", ["/api/v1/latest", "/api/v1/live", "/gtfs-rt/alerts.json", "/api/v1/stations/nobody"])
def test_a_page_of_another_site_may_read_what_is_public(quiet_city: City, path: str) -> None:
    asked = ELSEWHERE | {"Access-Control-Request-Method": "GET"}
    for answer in (quiet_city.client.head(path, headers=ELSEWHERE), quiet_city.client.options(path, headers=asked)):
        assert answer.headers.get_list("access-control-allow-origin") == ["*"]
        assert "access-control-allow-credentials" not in answer.headers


def test_onebusaway_names_the_allowed_origin_once(quiet_city: City) -> None:
    answer = quiet_city.client.get("/api/where/current-time.json", headers=ELSEWHERE)
    assert answer.headers.get_list("access-control-allow-origin") == ["*"]


def test_a_page_of_another_site_may_send_no_token_and_no_action(quiet_city: City) -> None:
    asked = ELSEWHERE | {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "authorization"}
    allowed = quiet_city.client.options("/api/v1/alerts", headers=asked).headers["access-control-allow-headers"]
    assert not re.search("authorization|content-type|cookie", allowed, re.IGNORECASE)
    for path, method in (
        ("/api/v1/transit/service-alerts", "POST"),
        ("/api/v1/alerts/7/acknowledge", "POST"),
        ("/api/v1/sms", "POST"),
        ("/api/v1/rejections/7", "GET"),
        ("/api/v1/metrics", "GET"),
        ("/api/v1/health", "GET"),
        ("/", "GET"),
        ("/entrar", "GET"),
    ):
        asked = ELSEWHERE | {"Access-Control-Request-Method": method}
        sent = [
            quiet_city.client.options(path, headers=asked),
            quiet_city.client.request(method, path, headers=ELSEWHERE),
        ]
        assert not [answer.url for answer in sent if "access-control-allow-origin" in answer.headers]


def test_streams_of_other_sites_leave_room_to_the_citys_own_screens(
    quiet_city: City, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "MAX_CLIENTS_PER_ADDRESS", 0)
    quiet_city.feed.clients_by_address["127.0.0.1"] = -1  # room for one
    try:
        assert quiet_city.client.head("/api/v1/live", headers=ELSEWHERE).status_code == 503
        own = {"Origin": str(quiet_city.client.base_url).rstrip("/")}
        assert quiet_city.client.head("/api/v1/live", headers=own).status_code == 200
    finally:
        del quiet_city.feed.clients_by_address["127.0.0.1"]


def test_a_key_given_twice_in_a_body_is_refused_by_its_name(quiet_city: City) -> None:
    body = '{"version": 1, "note": "no", "note": "sí"}'
    answer = quiet_city.client.post("/api/v1/alerts/7/acknowledge", content=body, headers=quiet_city.operator)
    assert (answer.status_code, answer.json()["type"]) == (422, "urn:vigia:problem:key-twice")
    assert answer.json()["faults"] == [{"where": "body note", "what": "The key is given twice: send it once"}]
    nested = '{"text": "LP1912", "more": [{"a": 1, "a": 2}]}'
    assert quiet_city.client.post("/api/v1/sms", content=nested).json()["faults"][0]["where"] == "body a"
    assert quiet_city.client.post("/api/v1/sms", content="[" * 100_000).status_code == 422


def test_every_mounted_application_is_in_the_table_of_reads(quiet_city: City) -> None:
    for mount in (route for route in quiet_city.app.routes if isinstance(route, Mount)):
        assert quiet_city.client.options(f"{mount.path}/openapi.json").status_code == 204
