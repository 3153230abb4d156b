"""Kill the pipeline (`kill -9`) under buses: each position is stored once, and stop visits are as without kills.

A storm of bus positions, more than the pipeline can process, delays no gauge: each has its own lane.
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
from tests.simulation.town import Carrier, Gauges, TopicAndPayload, Town, prepare, reading, town, workplace

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
STARTED_SINCE = "SELECT 1 FROM heartbeats WHERE started_at >= '{}'"
VISITS = "SELECT vehicle, trip_id, position, arrived_at, left_at FROM stop_visits ORDER BY 1, 2, 3"


def load_buses(url: str) -> list[Bus]:
    """Put a small city's timetable in force and return its buses, of the service day on which BEGAN_S lies."""
    prepare(url)
    day = datetime.fromtimestamp(BEGAN_S, ZONE).date()
    since_s = int(BEGAN_S - service_day_start(day, ZONE))
    database = open_database(url, name="test")
    with database.begin() as transaction:
        stored = versions.store(transaction, city(day, since_s - 600, since_s + 3_600, 100), "grid", wall_clock())
    database.dispose()
    return fleet(stored.network, day, BEGAN_S, BUSES)


def position_message(fleet: Sequence[Bus], number: int) -> TopicAndPayload:
    """Topic and payload of the position with this number: the buses report in turn, each every STEP_S."""
    bus, at = fleet[number % BUSES], BEGAN_S + STEP_S * (number // BUSES)
    return f"vigia/v1/town/bus/{bus.name}", json.dumps(bus.position(at, random.Random(number))).encode()


@pytest.mark.seeds(1, proof=(2,))
@pytest.mark.timeout(400)
def test_kills_lose_no_position_and_no_stop_visit(seed: int) -> None:
    chance = random.Random(seed)
    with workplace() as folder, embedded_postgres(folder) as postgres, embedded_broker(folder, 0) as broker:
        bus_fleet = load_buses(postgres.url)
        messages = [position_message(bus_fleet, number) for number in range(BUSES * STEPS)]
        with town(postgres.url, broker, folder) as here:
            with Gauges(broker.url, lambda number: messages[number % len(messages)], RATE_PER_S) as gauges:
                for _ in range(KILLS):
                    before = here.count("bus_readings")
                    here.await_that(lambda before=before: here.count("bus_readings") > before)  # type: ignore[misc]
                    sleep(chance.uniform(0.0, LONGEST_LIFE_S))
                    here.carrier.kill()
                    restarted_at = wall_clock()
                    here.carrier.start()
                here.await_that(lambda: len(gauges.said) >= len(messages))
            assert gauges.acknowledged == len(gauges.said)
            here.await_that(lambda: here.count("bus_readings") >= len(messages), SETTLE_S)
            # A process that is stopped before it handles signals ends with an error.
            here.await_that(lambda: bool(here.rows(STARTED_SINCE.format(restarted_at))))
            here.carrier.stop()
            stored_positions = Counter((code, round(at, 3)) for code, at in here.rows(READINGS))
            assert stored_positions == Counter(
                (topic.rpartition("/")[2], json.loads(body)["observed_at"]) for topic, body in messages
            )
            assert here.count("rejected_messages") == 0
            assert here.count("vehicle_outlooks") == BUSES
            assert here.rows(VISITS) == visits_without_kills(here, messages)


def visits_without_kills(here: Town, messages: Sequence[TopicAndPayload]) -> list[tuple[object, ...]]:
    """Stop visits of the same positions in another database, with a pipeline that is not killed."""
    with psycopg.connect(here.database_url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE another")
    url = make_url(here.database_url).set(database="another").render_as_string(hide_password=False)
    load_buses(url)
    database = open_database(url, name="test")
    pipeline = Pipeline(database, wall_clock, None, fleet=FleetUpdater())
    for start in range(0, len(messages), BATCH):
        pipeline.process_messages(
            [Message(topic, body, wall_clock()) for topic, body in messages[start : start + BATCH]]
        )
    pipeline.close()
    database.dispose()
    found = here.rows(VISITS, url)
    assert len(found) > 5 * BUSES
    return found


STORM = 20_000
LONGEST_WAIT_S = 2.0


@pytest.mark.timeout(300)
def test_a_storm_of_buses_delays_no_gauge(migrated_url: str, tmp_path: Path) -> None:
    storm_of_buses(migrated_url, tmp_path)


@pytest.mark.proof
@pytest.mark.timeout(300)
def test_a_gauge_behind_a_storm_of_buses_is_kept_within_two_seconds(migrated_url: str, tmp_path: Path) -> None:
    assert storm_of_buses(migrated_url, tmp_path) < LONGEST_WAIT_S


def storm_of_buses(database_url: str, folder: Path) -> float:
    """Store a gauge's reading while most of a storm of positions waits. Returns how long the reading took, seconds.

    The lane of the buses is paused until the whole storm waits, so that it waits on any machine.
    """
    fleet = load_buses(database_url)
    with embedded_broker(folder, 0) as broker:
        critical, bulk = (Lane(folder, database_url, broker.url, lane) for lane in ("critical", "bulk"))
        here = Town(database_url, broker, critical)
        try:
            for carrier in (critical, bulk):
                carrier.start()
            here.await_that(lambda: here.rows(CONNECTED) == [(2,)])
            bulk.pause()
            with BulkPublisher(broker.url, client_id="storm", window=5_000) as wire:
                wire.send(position_message(fleet, number) for number in range(STORM))
                wire.drain()
            bulk.resume()
            here.await_that(lambda: here.count("bus_readings") > 0)
            with BulkPublisher(broker.url, client_id="gauge", window=1) as wire:
                wire.send([reading(0, 2.5)])
                wire.drain()
            waited_s = here.await_that(lambda: here.count("river_readings") == 1)
            behind = STORM - here.count("bus_readings")
            print(f"the gauge waited {waited_s:.2f} s with {behind:,} positions waiting behind")
            assert behind > STORM / 2, "the gauge waited for the buses"
        finally:
            for carrier in (critical, bulk):
                carrier.abandon()
    return waited_s


CONNECTED = "SELECT count(*) FROM heartbeats WHERE status ->> 'connected' = 'true'"


class Lane(Carrier):
    """One lane's pipeline as a process."""

    def __init__(self, folder: Path, database_url: str, mqtt_url: str, lane: str) -> None:
        """Prepare the lane's process, not started yet."""
        super().__init__(folder, database_url, mqtt_url)
        self._log, self._lane = folder / f"{lane}.log", lane

    def start(self) -> None:
        """Start the process."""
        program = [sys.executable, "-m", "services", "pipeline", "--lane", self._lane]
        self._process = start_supervised(program, self._log, os.geteuid(), signal.SIGKILL, self._environment)
