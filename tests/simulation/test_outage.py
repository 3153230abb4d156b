"""The database is unavailable under load, and the pipeline dies meanwhile: nothing is lost."""

import os
import signal
from time import monotonic

import pytest

from ingest.lanes import ALL_TOPICS
from ingest.mqtt.receiver import Receiver
from services.embedded.mqtt_broker import embedded_broker
from services.embedded.postgres import embedded_postgres
from services.runtime.clock import wall_clock
from tests.simulation.town import TIMEOUT_S, Gauges, TopicAndPayload, reading, town, workplace

RATE_PER_S = 200.0
WARM = 200
AWAY, LONG_AWAY = 1_000, 6_000
"""Readings published while the database is away: five seconds of them, and half a minute."""
MORE_MB = 30.0
BACK_S = 2.0
SETTLE_S = 100.0
CLIENT_ID = "vigia-pipeline-all"


@pytest.mark.timeout(300)
def test_while_the_database_is_away_everything_waits_with_the_broker_and_then_goes_on_by_itself() -> None:
    outage(AWAY)


@pytest.mark.proof
@pytest.mark.timeout(300)
def test_after_half_a_minute_without_its_database_the_pipeline_goes_on_within_two_seconds() -> None:
    assert outage(LONG_AWAY) < BACK_S


def outage(while_away: int) -> float:
    """Kill the database, and the pipeline a third into the outage. Lose nothing. Returns how long going on took, s."""
    with (
        workplace() as folder,
        embedded_postgres(folder) as postgres,
        embedded_broker(folder, 0) as broker,
        town(postgres.url, broker, folder) as here,
    ):
        with Gauges(broker.url, said, RATE_PER_S) as gauges:
            here.await_that(lambda: here.accounted() >= WARM)
            calm_mb = here.carrier.rss_mb
            os.kill(postgres.pid, signal.SIGKILL)
            before = len(gauges.said)
            here.await_that(lambda: len(gauges.said) >= before + while_away // 3)
            waiting_mb = here.carrier.rss_mb
            here.carrier.kill()
            offered = oldest_unacknowledged(broker.url)
            here.carrier.start()
            here.await_that(lambda: len(gauges.said) >= before + while_away)
            postgres.restart()
            kept = here.accounted()
            back_s = here.await_that(lambda: here.accounted() > kept)
        print(f"{while_away} said while it was away; back after {back_s:.2f} s; {calm_mb:.0f}, {waiting_mb:.0f} MB")
        assert waiting_mb < calm_mb + MORE_MB
        assert offered <= kept, "acknowledged and not kept"
        here.await_that(lambda: here.accounted() >= len(gauges.said), SETTLE_S)
        assert gauges.acknowledged == len(gauges.said) == here.accounted()
        assert here.rows("SELECT * FROM sequence_gaps") == []
    return back_s


def said(number: int) -> TopicAndPayload:
    """A quiet stream."""
    return reading(number, 0.4)


def oldest_unacknowledged(url: str) -> int:
    """Take the pipeline's session for a moment, acknowledge nothing, and say which reading comes first, as a number."""
    broker = Receiver(url, client_id=CLIENT_ID, filters=[ALL_TOPICS], now=wall_clock)
    deadline_s = monotonic() + TIMEOUT_S
    while not (messages := broker.receive(1, 0.5)):
        assert monotonic() < deadline_s, "the session holds nothing"
    broker.close()
    said_before = {said(number): number for number in range(100_000)}
    return said_before[messages[0].topic, messages[0].payload]
