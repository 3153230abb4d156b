"""A crowd opens the page while the water rises: visitors get the page, and the operator works as on any day."""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from sqlalchemy import Engine

from tests.services.web.api.conftest import RIVER, City, city_on
from tests.waiting import wait_until

VISITORS = 60
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
