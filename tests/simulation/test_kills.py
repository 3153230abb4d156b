"""`kill -9` of pipeline, PostgreSQL and (where it persists) the broker, twenty times at random under load.

Every acknowledged message is stored exactly once, no alert is lost or raised twice, and the final state is as without
kills. One seed kills the same parts in the same order; the exact times still depend on the machine. The embedded broker
keeps its sessions in memory and is not killed. Mosquitto 2.1, which production runs, is killed too where
`VIGIA_TEST_MOSQUITTO` names the program and `VIGIA_TEST_MOSQUITTO_SQLITE` its plug-in; TimescaleDB, where
`VIGIA_TEST_TIMESCALEDB` names a program that starts it.
"""

import json
import os
import random
import signal
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from time import sleep

import psycopg
import pytest
from sqlalchemy.engine import make_url

from models.reading import Message
from services.embedded.mqtt_broker import MqttBroker, embedded_broker
from services.embedded.postgres import Postgres, embedded_postgres
from services.pipeline.road import Pipeline
from services.runtime.clock import wall_clock
from services.runtime.database import open_database
from tests.simulation.named_server import START_TIMESCALEDB, NamedServer, timescaledb
from tests.simulation.town import (
    DEVICES,
    SQLITE,
    Gauges,
    Mosquitto,
    TopicAndPayload,
    Town,
    mosquitto,
    prepare,
    reading,
    town,
    workplace,
)

KILLS = 20
RATE_PER_S = 300.0
FLOOD_FROM = 40
"""The reading from which a gauge's water stands above its thresholds, for good."""
GARBAGE_EVERY = 7
ENOUGH = 2 * FLOOD_FROM * DEVICES
"""Things said, for every gauge to be in flood."""
LONGEST_LIFE_S = 0.4
SETTLE_S = 60.0
BATCH = 500

READINGS = """SELECT d.code, r.seq, r.observed_at, r.level_m
    FROM river_readings r JOIN devices d ON d.id = r.device_id"""
TRANSITIONS = """SELECT rule_id, subject, before, after, change, observed_at FROM transitions
    WHERE rule_id LIKE '%.stage' ORDER BY subject, id"""
NOTICES = "SELECT count(DISTINCT transition_id) FROM notices"
ALERTS = """SELECT rule_id, subject, state, nar, highest_nar, observed_at FROM alerts
    WHERE judgement = 'stage' ORDER BY subject"""


def said(number: int) -> TopicAndPayload:
    """The number-th thing that is said: the next reading, or now and then no reading at all."""
    garbage, rest = divmod(number, GARBAGE_EVERY)
    if rest == GARBAGE_EVERY - 1:
        return f"vigia/v1/town/river/gauge-{garbage % DEVICES}", f'{{"level_m": "wet {garbage}"}}'.encode()
    ordinal = garbage * (GARBAGE_EVERY - 1) + rest
    return reading(ordinal, 2.5 if ordinal // DEVICES >= FLOOD_FROM else 0.4)


@pytest.mark.seeds(1, 2)
@pytest.mark.timeout(400)
def test_twenty_kills_lose_nothing_and_double_nothing(seed: int) -> None:
    with workplace() as folder, embedded_postgres(folder) as postgres, embedded_broker(folder, 0) as broker:
        live_through_kills(postgres, broker, folder, seed)


@pytest.mark.skipif(not SQLITE, reason="no Mosquitto 2.1 is named")
@pytest.mark.seeds(3)
@pytest.mark.timeout(400)
def test_twenty_kills_of_mosquitto_too_lose_nothing(seed: int) -> None:
    with workplace() as folder, embedded_postgres(folder) as postgres, mosquitto(folder) as broker:
        live_through_kills(postgres, broker, folder, seed)


@pytest.mark.skipif(not START_TIMESCALEDB, reason="no program is named that starts TimescaleDB")
@pytest.mark.seeds(4)
@pytest.mark.timeout(400)
def test_twenty_kills_of_timescaledb_lose_nothing(seed: int) -> None:
    with (
        workplace() as folder,
        timescaledb(folder) as server,
        mosquitto(folder) if SQLITE else embedded_broker(folder, 0) as broker,
    ):
        here = live_through_kills(server, broker, folder, seed)
        assert here.count("timescaledb_information.hypertables") > 0


def live_through_kills(
    postgres: Postgres | NamedServer, broker: MqttBroker | Mosquitto, folder: Path, seed: int
) -> Town:
    """Kill at random under load; then nothing is missing and the outcome is as without kills. Returns the town."""
    with town(postgres.url, broker, folder) as here:
        with Gauges(broker.url, said, RATE_PER_S) as gauges:
            kill_at_random(here, postgres, random.Random(seed))
            here.await_progress()
            here.await_that(lambda: len(gauges.said) > ENOUGH)
        assert gauges.acknowledged == len(gauges.said)
        with suppress(AssertionError):  # what is missing is said below
            here.await_that(lambda: here.accounted() >= len(gauges.said), SETTLE_S)
        here.carrier.stop()
        assert_kept_exactly_once(here, gauges)
        assert_as_if_nothing_had_died(here, gauges.said)
        return here


def kill_at_random(here: Town, postgres: Postgres | NamedServer, chance: random.Random) -> None:
    """Let what is alive carry something between two deaths, so that each death interrupts work."""
    victims = ["pipeline", "postgres", "postgres", "both"] + ["broker"] * isinstance(here.broker, Mosquitto)
    for number in range(KILLS):
        victim = chance.choice(victims)
        here.await_progress()
        sleep(chance.uniform(0.0, LONGEST_LIFE_S))
        print(f"{number + 1}: {victim}")
        if victim in {"pipeline", "both"}:
            here.carrier.kill()
        if victim in {"postgres", "both"}:
            os.kill(postgres.pid, signal.SIGKILL)
            postgres.restart()
        if victim in {"pipeline", "both"}:
            here.carrier.start()
        if victim == "broker":
            here.broker.restart()


def assert_kept_exactly_once(here: Town, gauges: Gauges) -> None:
    """Every reading is one row. Every rejection is kept at most as often as it was published, or counted."""
    readings, garbage = [], {}
    for (topic, body), times in zip(gauges.said, gauges.published, strict=True):
        if b"wet" in body:
            garbage[topic, body] = times
        else:
            content = json.loads(body)
            at = datetime.fromtimestamp(content["observed_at"], UTC)
            readings.append((topic.rpartition("/")[2], content["seq"], at, content["level_m"]))
    assert Counter(here.rows(READINGS)) == Counter(readings)
    rejected = Counter(here.rows("SELECT topic, payload FROM rejected_messages"))
    assert rejected.keys() <= garbage.keys()
    assert here.rejected() >= len(garbage)
    assert {one: kept for one, kept in rejected.items() if kept > garbage[one]} == {}
    assert here.rows("SELECT * FROM sequence_gaps") == []


def assert_as_if_nothing_had_died(here: Town, things: Sequence[TopicAndPayload]) -> None:
    """Carry the same messages in peace, into another database, and compare what was judged."""
    with psycopg.connect(here.database_url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE another")
    url = make_url(here.database_url).set(database="another").render_as_string(hide_password=False)
    prepare(url)
    database = open_database(url, name="test")
    pipeline = Pipeline(database, wall_clock, None)
    for start in range(0, len(things), BATCH):
        pipeline.process_messages([Message(topic, body, wall_clock()) for topic, body in things[start : start + BATCH]])
    pipeline.close()
    database.dispose()
    for query in (TRANSITIONS, ALERTS):
        assert here.rows(query) == here.rows(query, url)
    raised = [row for row in here.rows(TRANSITIONS) if row[4] == "raised"]
    assert len({subject for _, subject, *_ in raised}) == len(raised) == DEVICES == len(here.rows(ALERTS))
    assert here.rows(NOTICES) == here.rows("SELECT count(*) FROM transitions WHERE announced IS NOT NULL")
