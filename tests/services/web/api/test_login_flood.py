"""A flood of wrong passwords beside the acknowledgement of alerts: one verification at a time delays nobody."""

import itertools
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest
from sqlalchemy import text

from services.people.accounts import NewPerson, add_person
from services.people.roles import Role
from tests.services.web.api.conftest import NOON, City
from tests.services.web.pages import city as rows
from tests.waiting import LIMIT_S, wait_until

FLOODERS = 8
MAX_RATIO, ENOUGH_S = 3.0, 0.5
"""An acknowledgement under a flood takes at most MAX_RATIO times as long as without one, or ENOUGH_S."""


@contextmanager
def flooded(city: City) -> Iterator[list[int]]:
    """Wrong passwords from FLOODERS clients without a pause while the block runs; the statuses that they got."""
    over, statuses = threading.Event(), []
    origin = str(city.client.base_url).rstrip("/")

    def flood(number: int) -> None:
        with httpx.Client(base_url=origin, headers={"Origin": origin}, timeout=LIMIT_S) as client:
            for guess in itertools.takewhile(lambda _: not over.is_set(), itertools.count()):
                form = {"login": f"nobody{number}-{guess}", "password": "guess"}  # each below the limit of an account
                statuses.append(client.post("/entrar", data=form).status_code)

    threads = [threading.Thread(target=flood, args=(number,)) for number in range(FLOODERS)]
    for thread in threads:
        thread.start()
    try:
        wait_until(lambda: len(statuses) >= FLOODERS)
        yield statuses
    finally:
        over.set()
        for thread in threads:
            thread.join()


def forget(city: City) -> None:
    """Let the flood go on: the limit of an address, which all flooders share here, would end it.

    This one row only: whoever locks several while the flood writes can wait for it in a circle.
    """
    city.execute("DELETE FROM login_attempts WHERE subject = 'address:127.0.0.1'")


def acknowledge(city: City, alerts: list[int], *, each: bool) -> list[float]:
    """Acknowledge these alerts one after the other; how long each took, s."""
    took = []
    for alert in alerts:
        if each:
            forget(city)
        began_s = time.monotonic()
        answer = city.client.post(
            f"/api/v1/alerts/{alert}/acknowledge", json={"version": 1, "note": "Voy."}, headers=city.operator
        )
        took.append(time.monotonic() - began_s)
        assert answer.status_code == 200, answer.text
    return took


@pytest.fixture
def alerts(city: City) -> list[int]:
    """Open alerts, one a station of the city."""
    with city.database.begin() as transaction:
        stations = transaction.execute(text("SELECT id FROM stations WHERE kind = 'river' ORDER BY id")).scalars().all()
        add_person(transaction, NewPerson("ana", "Ana Sosa", frozenset({Role.OPERATOR})), by="test", now=NOON)
        made = [rows.raise_alert(transaction, station) for station in stations]
    city.operator_is_known()
    return made


def test_a_flood_of_sign_ins_delays_no_acknowledgement(city: City, alerts: list[int]) -> None:
    half = len(alerts) // 2
    assert half >= 5
    idle = acknowledge(city, alerts[:half], each=False)
    with flooded(city) as statuses:
        under = acknowledge(city, alerts[half:], each=True)
    assert 401 in statuses
    assert set(statuses) <= {401, 429, 503}
    limit_s = max(MAX_RATIO * statistics.median(idle), ENOUGH_S)
    assert statistics.median(under) <= limit_s, (idle, under)


@pytest.mark.proof
def test_under_a_flood_of_sign_ins_every_acknowledgement_takes_three_times_as_long_or_half_a_second(
    city: City, alerts: list[int]
) -> None:
    half = len(alerts) // 2
    idle = acknowledge(city, alerts[:half], each=False)
    with flooded(city) as statuses:
        under = acknowledge(city, alerts[half:], each=True)
    for name, took in (("idle", idle), ("flood", under)):
        print(f"{name:6} median {statistics.median(took) * 1000:6.0f} ms   worst {max(took) * 1000:6.0f} ms")
    print(f"wrong passwords meanwhile: {len(statuses)}, of which verified {statuses.count(401)}")
    assert max(under) <= max(MAX_RATIO * max(idle), ENOUGH_S)
