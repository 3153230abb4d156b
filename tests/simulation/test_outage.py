"""The database goes away for half a minute under load, and the pipeline dies meanwhile: nothing is lost."""

import os
import signal
from time import monotonic, sleep

import pytest

from ingest.lanes import ALL_TOPICS
from ingest.mqtt.receiver import Receiver
from services.embedded.mqtt_broker import embedded_broker
from services.embedded.postgres import embedded_postgres
from services.runtime.clock import wall_clock
from tests.simulation.town import Gauges, Said, reading, town, workplace

RATE_PER_S = 200.0
AWAY_S = 30.0
LOOK_S = 5.0
MORE_MB = 30.0
BACK_S = 2.0
SETTLE_S = 60.0
CLIENT_ID = "vigia-pipeline-all"


@pytest.mark.timeout(240)
def test_while_the_database_is_away_everything_waits_with_the_broker_and_then_goes_on_by_itself() -> None:
    with (
        workplace() as folder,
        embedded_postgres(folder) as postgres,
        embedded_broker(folder, 0) as broker,
        town(postgres.url, broker, folder) as here,
    ):
        with Gauges(broker.url, said, RATE_PER_S) as gauges:
            here.await_progress()
            sleep(1.0)
            calm_mb = here.carrier.rss_mb
            os.kill(postgres.pid, signal.SIGKILL)
            away_s = monotonic()
            sleep(AWAY_S / 3)
            waiting_mb = here.carrier.rss_mb
            here.carrier.kill()
            offered = oldest_unacknowledged(broker.url)
            here.carrier.start()
            sleep(max(0.0, away_s + AWAY_S - monotonic()))
            postgres.restart()
            kept = here.accounted()
            back_s = here.await_that(lambda: here.accounted() > kept)
            while_away = len(gauges.said) - kept
        print(f"{while_away} said while it was away; back after {back_s:.2f} s; {calm_mb:.0f}, {waiting_mb:.0f} MB")
        assert waiting_mb < calm_mb + MORE_MB
        assert offered <= kept, "acknowledged and not kept"
        assert back_s < BACK_S
        here.await_that(lambda: here.accounted() >= len(gauges.said), SETTLE_S)
        assert gauges.acknowledged == len(gauges.said) == here.accounted()
        assert here.rows("SELECT * FROM sequence_gaps") == []


def said(number: int) -> Said:
    """A quiet stream."""
    return reading(number, 0.4)


def oldest_unacknowledged(url: str) -> int:
    """Take the pipeline's session for a moment, acknowledge nothing, and say which reading comes first, as a number."""
    broker = Receiver(url, client_id=CLIENT_ID, filters=[ALL_TOPICS], now=wall_clock)
    deadline_s = monotonic() + LOOK_S
    while not (messages := broker.receive(1, 0.5)):
        assert monotonic() < deadline_s, "the session holds nothing"
    broker.close()
    said_before = {said(number): number for number in range(100_000)}
    return said_before[messages[0].topic, messages[0].payload]
