"""`kill -9` of the pipeline under buses: each position is kept once, and each stop is passed as if nothing had died.

And a storm of buses that nobody carries in time delays no gauge: the lanes are apart.
"""

import json
import os
import random
import signal
import sys
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from time import sleep

import psycopg
import pytest
from sqlalchemy.engine import make_url

from models.network import service_day_start
from models.reading import Message
from services.bench.grid import ZONE, Bus, city, fleet
from services.embedded.child_process import start_supervised
from services.embedded.mqtt_broker import embedded_broker
from services.embedded.postgres import embedded_postgres
from services.pipeline.road import Pipeline
from services.runtime.clock import wall_clock
from services.runtime.database import open_database
from services.transit.fleet.fleet_updater import FleetUpdater
from services.transit.timetable import versions
from simulators.bulk_publisher import BulkPublisher
from tests.simulation.town import Carrier, Gauges, Said, Town, prepare, reading, town, workplace

BUSES = 40
STEP_S = 10
STEPS = 70
RATE_PER_S = 250.0
KILLS = 5
LONGEST_LIFE_S = 1.0
SETTLE_S = 60.0
BATCH = 200
BEGAN_S = float(int(wall_clock().timestamp()) - STEP_S * STEPS - 120)

READINGS = (
    "SELECT d.code, extract(epoch FROM r.observed_at)::float8 FROM bus_readings r JOIN devices d ON d.id = device_id"
)
VISITS = "SELECT vehicle, trip_id, position, arrived_at, left_at FROM stop_visits ORDER BY 1, 2, 3"


def buses(url: str) -> list[Bus]:
    """A small city's timetable put in force, and its buses: of the day on which they began, also past midnight."""
    prepare(url)
    day = datetime.fromtimestamp(BEGAN_S, ZONE).date()
    since_s = int(BEGAN_S - service_day_start(day, ZONE))
    database = open_database(url, name="test")
    with database.begin() as transaction:
        stored = versions.store(transaction, city(day, since_s - 600, since_s + 3_600, 100), "grid", wall_clock())
    database.dispose()
    return fleet(stored.network, day, BEGAN_S, BUSES)


def said(fleet: Sequence[Bus], number: int) -> Said:
    """The number-th position: each bus in its turn, STEP_S apart."""
    bus, at = fleet[number % BUSES], BEGAN_S + STEP_S * (number // BUSES)
    return f"vigia/v1/town/bus/{bus.name}", json.dumps(bus.position(at, random.Random(number))).encode()


@pytest.mark.timeout(240)
def test_kills_under_buses_lose_no_position_and_no_stop_passed() -> None:
    seed = int(os.environ.get("VIGIA_TEST_SEED", "0")) or random.SystemRandom().randrange(1, 1_000_000)
    print(f"seed {seed}")
    chance = random.Random(seed)
    with workplace() as folder, embedded_postgres(folder) as postgres, embedded_broker(folder, 0) as broker:
        on_the_road = buses(postgres.url)
        things = [said(on_the_road, number) for number in range(BUSES * STEPS)]
        with town(postgres.url, broker, folder) as here:
            with Gauges(broker.url, lambda number: things[number % len(things)], RATE_PER_S) as gauges:
                for _ in range(KILLS):
                    before = here.count("bus_readings")
                    here.await_that(lambda before=before: here.count("bus_readings") > before)  # type: ignore[misc]
                    sleep(chance.uniform(0.0, LONGEST_LIFE_S))
                    here.carrier.kill()
                    here.carrier.start()
                here.await_that(lambda: len(gauges.said) >= len(things))
            assert gauges.acknowledged == len(gauges.said)
            here.await_that(lambda: here.count("bus_readings") >= len(things), SETTLE_S)
            here.carrier.stop()
            kept = Counter((code, round(at, 3)) for code, at in here.rows(READINGS))
            assert kept == Counter(
                (topic.rpartition("/")[2], json.loads(body)["observed_at"]) for topic, body in things
            )
            assert here.count("rejected_messages") == 0
            assert here.count("vehicle_outlooks") == BUSES
            assert here.rows(VISITS) == visits_in_peace(here, things)


def visits_in_peace(here: Town, things: Sequence[Said]) -> list[tuple[object, ...]]:
    """What the same positions lead to in another database, where nothing dies."""
    with psycopg.connect(here.database_url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE another")
    url = make_url(here.database_url).set(database="another").render_as_string(hide_password=False)
    buses(url)
    database = open_database(url, name="test")
    pipeline = Pipeline(database, wall_clock, None, fleet=FleetUpdater())
    for start in range(0, len(things), BATCH):
        pipeline.process_messages([Message(topic, body, wall_clock()) for topic, body in things[start : start + BATCH]])
    pipeline.close()
    database.dispose()
    found = here.rows(VISITS, url)
    assert len(found) > 5 * BUSES
    return found


STORM = 20_000


@pytest.mark.timeout(180)
def test_a_storm_of_buses_delays_no_gauge(migrated_url: str, tmp_path: Path) -> None:
    fleet = buses(migrated_url)
    with embedded_broker(tmp_path, 0) as broker:
        carriers = [Lane(tmp_path, migrated_url, broker.url, lane) for lane in ("critical", "bulk")]
        here = Town(migrated_url, broker, carriers[0])
        try:
            for carrier in carriers:
                carrier.start()
            here.await_that(lambda: here.rows(CONNECTED) == [(2,)])
            with BulkPublisher(broker.url, client_id="storm", window=5_000) as wire:
                wire.send(said(fleet, number) for number in range(STORM))
                wire.drain()
            with BulkPublisher(broker.url, client_id="gauge", window=1) as wire:
                wire.send([reading(0, 2.5)])
                wire.drain()
            waited_s = here.await_that(lambda: here.count("river_readings") == 1)
            behind = STORM - here.count("bus_readings")
            print(f"the gauge waited {waited_s:.2f} s with {behind:,} positions waiting behind")
            assert behind > STORM / 2, "no storm: the bulk lane kept up"
            assert waited_s < 2.0
        finally:
            for carrier in carriers:
                carrier.abandon()


CONNECTED = "SELECT count(*) FROM heartbeats WHERE status ->> 'connected' = 'true'"


class Lane(Carrier):
    """One lane's pipeline as a process."""

    def __init__(self, folder: Path, database_url: str, mqtt_url: str, lane: str) -> None:
        """Nothing is started yet."""
        super().__init__(folder, database_url, mqtt_url)
        self._log, self._lane = folder / f"{lane}.log", lane

    def start(self) -> None:
        """Start it."""
        program = [sys.executable, "-m", "services", "pipeline", "--lane", self._lane]
        self._process = start_supervised(program, self._log, os.geteuid(), signal.SIGKILL, self._environment)
