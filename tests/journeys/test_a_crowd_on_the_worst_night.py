"""A crowd opens the page while the water rises: visitors get the page, and the operator works as on any day."""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from statistics import quantiles
from time import monotonic

import httpx
import pytest
from sqlalchemy import Engine

from tests.services.commands.test_api import vigia_api, vigia_token
from tests.services.web.api.conftest import RIVER, City, city_on
from tests.simulation.visitors import crowd_of, visiting
from tests.waiting import wait_until

VISITORS = 60
PAGE_S = 2.0
OPERATOR_S = 1.0
OPERATOR_REQUESTS = 1_000
OPERATOR_PATHS = ("/", "/api/v1/alerts", "/api/v1/latest")
LOCK = "LOCK TABLE stations IN ACCESS EXCLUSIVE MODE"
"""Lets every page wait for the database until the statement timeout."""


@pytest.fixture
def city(database: Engine) -> Iterator[City]:
    """A city whose answers are shared for a second, as in service."""
    with city_on(database, prepared_s=1.0, statement_timeout_s=3) as made:
        made.operator_is_known()
        yield made


def visit(city: City, path: str) -> httpx.Response:
    """A visitor's request, on a connection of its own."""
    return httpx.get(city.client.base_url.join(path), timeout=60)


def test_sixty_visitors_at_once_all_get_the_page(city: City) -> None:
    with ThreadPoolExecutor(VISITORS) as crowd:
        answers = list(crowd.map(lambda number: visit(city, ("/", f"/estacion/{RIVER}")[number % 2]), range(VISITORS)))
    assert {answer.status_code for answer in answers} == {200}


def test_an_alert_is_on_a_prepared_page_at_once(database: Engine) -> None:
    with city_on(database, prepared_s=3600.0) as city:
        assert "alerta-1" not in visit(city, "/").text
        for minute in range(6):
            city.send(minute, 0.40 + 0.35 * minute)
        wait_until(lambda: "alerta-1" in visit(city, "/").text)


def test_a_page_that_is_ready_is_sent_to_each_visitor_in_their_language_and_with_all_headers(database: Engine) -> None:
    with city_on(database, prepared_s=3600.0) as city:
        for _ in range(2):
            for language in ("es", "en"):
                found = city.client.get("/", headers={"Accept-Language": language})
                assert f'<html lang="{language}' in found.text
                assert "default-src" in found.headers["content-security-policy"]
        tags = [city.client.get("/api/v1/stations").headers["etag"] for _ in range(2)]
        assert tags[0] == tags[1]
        assert city.client.get("/api/v1/stations", headers={"If-None-Match": tags[0]}).status_code == 304
        assert city.client.post("/").status_code == 405
        assert city.client.get("/", headers={"Host": "elsewhere"}).status_code == 421


def test_what_an_operator_sees_is_shared_with_nobody(city: City) -> None:
    name = re.compile(r"\bana\b")
    assert name.search(city.client.get("/", headers=city.operator).text)
    assert not name.search(visit(city, "/").text)
    assert name.search(city.client.get("/", headers=city.operator).text)


def test_while_visitors_wait_for_the_database_operators_and_supervisors_are_answered(city: City) -> None:
    """The table of stations is locked: visitors fill their slots, and whoever finds none is refused."""
    visitors = city.app.state.context.admission.visitors
    with city.database.connect() as other, ThreadPoolExecutor(VISITORS) as crowd:
        other.exec_driver_sql(LOCK)
        waiting = [crowd.submit(visit, city, f"/?horas={number}") for number in range(VISITORS)]
        wait_until(lambda: visitors.waiting > 0)
        for _ in range(20):
            assert city.client.get("/api/v1/rejections", headers=city.operator).status_code == 200
        assert city.client.get("/api/v1/health/ready").status_code == 200
        answers = [found.result() for found in waiting]
        other.rollback()
    assert {answer.status_code for answer in answers} == {503}
    assert any(answer.headers.get("retry-after") == "2" for answer in answers), "who found no slot was refused"
    assert {answer.headers["connection"] for answer in answers} == {"close"}


@pytest.mark.proof
@pytest.mark.timeout(600)
@pytest.mark.parametrize(("visitors", "share"), [(60, 1.0), (500, 0.95)])
def test_a_crowd_gets_the_page_within_two_seconds_and_an_operator_beside_it_within_one(
    migrated_url: str, visitors: int, share: float
) -> None:
    """An operator makes 1,000 requests meanwhile. Whoever gets no page is told at once to come back."""
    token = vigia_token(migrated_url, "ana").stdout.split()[-1]
    with (
        vigia_api(migrated_url) as (_server, operator),
        visiting(f"{operator.base_url}", visitors) as crowd_process,
    ):
        took_s: list[float] = []
        for number in range(OPERATOR_REQUESTS):
            began_s = monotonic()
            answer = operator.get(OPERATOR_PATHS[number % 3], headers={"Authorization": f"Bearer {token}"})
            took_s.append(monotonic() - began_s)
            assert answer.status_code == 200
        crowd = crowd_of(crowd_process)
    refused_s = crowd.took_s.get(503, [0.0])
    operator_p99_s = quantiles(took_s, n=100)[-1]
    print(
        f"{visitors} visitors: {crowd.visits:,} visits, {crowd.share_served(PAGE_S):.1%} served within {PAGE_S:g} s,"
        f" slowest refusal {max(refused_s):.2f} s; operator: {len(took_s)} requests, p99 {operator_p99_s:.2f} s"
    )
    assert set(crowd.took_s) <= {200, 503}
    assert crowd.share_served(PAGE_S) >= share
    assert operator_p99_s <= OPERATOR_S
