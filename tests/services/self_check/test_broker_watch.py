"""The canary passes broker, pipeline and database; what stops it, and what the broker drops, is a fault and ends."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from ingest.canary import Canary, canary_lane, canary_payload, canary_topic
from ingest.decode import decode
from ingest.lanes import belongs_to_lane, lane_topics
from ingest.mqtt.receiver import Receiver, Tls
from ingest.sender_rates import SenderRates
from models.alert import NAR
from models.kind import Lane
from models.reading import Message, Reason, Rejected
from services.embedded.child_process import HOST, free_port, start_supervised, stop_child
from services.pipeline.road import Pipeline
from services.queries.city.processes import Process
from services.runtime.clock import wall_clock
from services.runtime.heartbeat import write_heartbeat
from services.self_check import canary_check
from services.self_check.broker_watch import BrokerWatch
from services.self_check.canary_check import canary_faults
from services.self_check.self_check import SelfCheck, find_faults
from simulators.bulk_publisher import BulkPublisher
from tests.simulation.town import MOSQUITTO
from tests.waiting import wait_until

NOON = datetime(2026, 3, 5, 12, tzinfo=UTC)


def upkeep(age_s: float = 0.5, **status: object) -> Process:
    """Upkeep with this in its heartbeat."""
    return Process(process="upkeep", at=NOON, started_at=NOON, age_s=age_s, status=status)


@contextmanager
def running(pipeline: Pipeline, mqtt_url: str) -> Iterator[None]:
    """A pipeline at work on the broker."""
    stop = threading.Event()
    broker = Receiver(mqtt_url, client_id=f"vigia-{pipeline.name}", filters=pipeline.topics, now=wall_clock)
    thread = threading.Thread(target=pipeline.run, args=(broker, 100, stop))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        broker.close()
        pipeline.close()


@pytest.fixture
def look(database: Engine, mqtt_url: str) -> Iterator[Callable[[], dict[str, object]]]:
    """What upkeep sees at each call: canaries are published each time."""
    watch = BrokerWatch(mqtt_url, Tls(), wall_clock, canary_s=0.0)

    def status() -> dict[str, object]:
        with database.begin() as transaction:
            return watch.run_due(transaction)

    yield status
    watch.close()


def test_canaries_become_rows_of_their_lane_and_nothing_else(
    database: Engine, mqtt_url: str, look: Callable[[], dict[str, object]]
) -> None:
    pipeline = Pipeline(database, wall_clock, lane=None)
    with running(pipeline, mqtt_url):
        wait_until(lambda: look()["broker_connected"] and rows(database).keys() == {"critical", "bulk"})
        first = rows(database)
        wait_until(lambda: look() and all(at > first[lane] for lane, at in rows(database).items()))
    with database.connect() as connection:
        for table in ("devices", "rejected_messages", "rejection_counts", "river_readings"):
            assert connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one() == 0


def test_without_a_pipeline_the_canary_waits_and_with_it_no_more(
    database: Engine, mqtt_url: str, look: Callable[[], dict[str, object]]
) -> None:
    waits = ("canary_wait_s_critical", "canary_wait_s_bulk")
    wait_until(lambda: all(float(str(look()[wait])) > 0.2 for wait in waits))
    pipeline = Pipeline(database, wall_clock, lane=Lane.CRITICAL)
    with running(pipeline, mqtt_url):
        wait_until(lambda: look() and "critical" in rows(database))
        wait_until(lambda: float(str(look()[waits[0]])) < float(str(look()[waits[1]])))
    assert rows(database).keys() == {"critical"}


def test_a_stopped_road_is_one_alert_that_ends_when_it_goes_on(
    database: Engine, mqtt_url: str, look: Callable[[], dict[str, object]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(canary_check, "LATE_S", 0.3)
    check = SelfCheck(database, wall_clock, {"upkeep"})
    started_at = wall_clock()

    def alerts() -> list[tuple[str, str]]:
        write_heartbeat(database, "upkeep", started_at, wall_clock, look())
        check.run()
        with database.connect() as connection:
            found = connection.execute(text("SELECT rule_id, state FROM alerts ORDER BY rule_id"))
            return [(rule_id, state) for rule_id, state in found]

    both = [("system/canary/bulk", "firing"), ("system/canary/critical", "firing")]
    wait_until(lambda: alerts() == both)
    assert alerts() == both
    with running(Pipeline(database, wall_clock, lane=None), mqtt_url):
        wait_until(lambda: [state for _rule, state in alerts()] == ["closed", "closed"])
    with database.connect() as connection:
        notices = connection.execute(text("SELECT count(*) FROM transitions")).scalar_one()
    assert notices == 4  # raised and ended, for each lane


def test_a_canary_of_another_time_ends_no_wait(
    database: Engine, mqtt_url: str, look: Callable[[], dict[str, object]]
) -> None:
    with database.begin() as transaction:
        transaction.execute(text("INSERT INTO canaries (lane, sent_at) VALUES ('critical', '9999-01-01')"))
    wait_until(lambda: float(str(look()["canary_wait_s_critical"])) > 0.2)
    with running(Pipeline(database, wall_clock, lane=Lane.CRITICAL), mqtt_url):
        wait_until(lambda: rows(database)["critical"].year < 9999 and look()["canary_wait_s_critical"] == 0.0)


@pytest.mark.skipif(MOSQUITTO is None, reason="mosquitto is not installed")
def test_messages_that_mosquitto_drops_or_keeps_are_read_from_its_figures(database: Engine, tmp_path: Path) -> None:
    port = free_port(0)
    (tmp_path / "mosquitto.conf").write_text(
        f"listener {port} {HOST}\nallow_anonymous true\nuser root\nsys_interval 1\nmax_queued_messages 5\n"
    )
    program = [str(MOSQUITTO), "-c", str(tmp_path / "mosquitto.conf")]
    process = start_supervised(program, tmp_path / "mosquitto.log", os.geteuid(), signal.SIGKILL)
    url = f"mqtt://{HOST}:{port}"
    watch = BrokerWatch(url, Tls(), wall_clock)
    try:
        absent = Receiver(url, client_id="absent", filters=["flood/#"], now=wall_clock)
        wait_until(lambda: absent.receive(limit=1, wait_s=0.1) == [] and absent.connected)
        absent.close()

        def figures() -> dict[str, object]:
            with database.begin() as transaction:
                return watch.run_due(transaction)

        wait_until(lambda: figures().get("broker_dropped") == 0)
        with BulkPublisher(url, client_id="flood") as flood:
            flood.send([("flood/x", b"x")] * 50)
            flood.drain()
        wait_until(lambda: "broker_dropped_age_s" in figures() and figures()["broker_stored_messages"])
        told = figures()
        assert 40 <= int(str(told["broker_dropped"])) <= 50
        (dropped,) = [
            fault for fault in canary_faults([replace(upkeep(), status=told)], {}) if fault.name == "broker/dropped"
        ]
        assert dropped.nar is NAR.ROJO
    finally:
        watch.close()
        stop_child(process, signal.SIGTERM)


def rows(database: Engine) -> dict[str, datetime]:
    """The canaries that became rows."""
    with database.connect() as connection:
        return {row.lane: row.sent_at for row in connection.execute(text("SELECT lane, sent_at FROM canaries"))}


def test_a_canary_is_its_lanes_alone_and_waits_behind_nobody() -> None:
    rates = SenderRates(registered={})
    for lane in Lane:
        topic = canary_topic(lane)
        assert canary_lane(topic) is lane
        assert [one for one in (*Lane, None) if belongs_to_lane(one, topic)] == [lane, None]
        assert any(topic == one for one in lane_topics(lane, foreign=False))
        assert rates.sender(topic) == topic
        assert decode(Message(topic, canary_payload(NOON), NOON)) == [Canary(lane, NOON)]
    for topic, payload in ((canary_topic(Lane.BULK), b"soon"), ("vigia/canary/other", canary_payload(NOON))):
        (rejected,) = decode(Message(topic, payload, NOON))
        assert isinstance(rejected, Rejected)
        assert rejected.reason is Reason.TOPIC


@pytest.mark.parametrize(
    ("one", "faults"),
    [
        (upkeep(), {}),
        (upkeep(canary_wait_s_bulk=89.0), {"canary/bulk": NAR.VERDE}),
        (upkeep(canary_wait_s_bulk=91.0), {"canary/bulk": NAR.ROJO}),
        (upkeep(99.0, canary_wait_s_bulk=91.0, broker_dropped=1), {}),
        (upkeep(broker_dropped=7), {"broker/dropped": NAR.VERDE}),
        (upkeep(broker_dropped=7, broker_dropped_age_s=3.0), {"broker/dropped": NAR.ROJO}),
        (upkeep(broker_dropped=7, broker_dropped_age_s=601.0), {"broker/dropped": NAR.VERDE}),
        (upkeep(broker_stored_messages=29_999), {"broker/queue": NAR.VERDE}),
        (upkeep(broker_stored_messages=30_000), {"broker/queue": NAR.AMARILLO}),
        (upkeep(broker_stored_messages=300_000), {"broker/queue": NAR.NARANJA}),
    ],
)
def test_what_upkeep_saw_is_a_fault(one: Process, faults: dict[str, NAR]) -> None:
    assert {fault.name: fault.nar for fault in canary_faults([one], {})} == faults


def test_a_queue_eases_only_well_below_its_limit_and_a_fault_that_is_told_no_more_ends() -> None:
    firing = {"broker/queue": NAR.AMARILLO}
    (queue,) = canary_faults([upkeep(broker_stored_messages=25_000)], firing)
    assert queue.nar is NAR.AMARILLO
    (queue,) = canary_faults([upkeep(broker_stored_messages=23_000)], firing)
    assert queue.nar is NAR.VERDE
    ended = [fault for fault in find_faults([upkeep()], {"upkeep"}, firing) if fault.name == "broker/queue"]
    assert [fault.nar for fault in ended] == [NAR.VERDE]


def test_a_topic_that_nobody_reads_is_seen_and_those_of_ours_are_not(
    mqtt_url: str, look: Callable[[], dict[str, object]]
) -> None:
    unread, read = {"sensores/nivel", "Vigia/v1/azul/river/head"}, {"vigia/v1/azul/river/head"}
    with BulkPublisher(mqtt_url, client_id="stray") as sender:

        def seen() -> set[str]:
            sender.send([(topic, b"1.42") for topic in (*unread, *read)])
            sender.drain()
            found = look().get("unread_topics", [])
            assert isinstance(found, list)
            return set(found)

        wait_until(lambda: unread <= seen(), why=seen)
        assert not read & seen()
