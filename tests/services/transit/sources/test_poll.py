"""Polling a vendor's URL: new positions take the path of every message, and no answer breaks it."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from time import monotonic

import httpx
import pytest
from google.transit.gtfs_realtime_pb2 import FeedMessage
from sqlalchemy import Engine, text

from ingest.mqtt.receiver import Receiver, Tls
from services.pipeline.road import Pipeline
from services.runtime.clock import wall_clock
from services.transit.sources import poll
from services.transit.sources.poll import BadAnswer, Poller
from services.transit.sources.relay import BrokerAway, relay
from tests.waiting import LIMIT_S, wait_until


@dataclass(slots=True)
class Vendor:
    """The answers of the URL, and the requests it got."""

    body: bytes = b""
    status: int = 200
    tag: str = ""
    url: str = ""
    asked: list[str | None] = field(default_factory=list)


@contextmanager
def serving(vendor: Vendor) -> Iterator[Vendor]:
    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            known = self.headers.get("If-None-Match")
            vendor.asked.append(known)
            self.send_response(304 if vendor.tag and known == vendor.tag else vendor.status)
            if vendor.tag:
                self.send_header("ETag", vendor.tag)
            self.end_headers()
            if not vendor.tag or known != vendor.tag:
                self.wfile.write(vendor.body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    vendor.url = f"http://127.0.0.1:{server.server_port}/positions"
    yield vendor
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def vendor() -> Iterator[Vendor]:
    with serving(Vendor()) as one:
        yield one


@pytest.fixture
def poller(vendor: Vendor) -> Iterator[Poller]:
    with httpx.Client() as client:
        yield Poller(client, vendor.url, "amba")


def feed(at: datetime, **places: float) -> bytes:
    message = FeedMessage()
    message.header.gtfs_realtime_version = "2.0"
    message.header.timestamp = int(at.timestamp())
    for name, latitude in places.items():
        vehicle = message.entity.add(id=f"e{name}").vehicle
        vehicle.vehicle.id = name
        vehicle.timestamp = int(at.timestamp())
        vehicle.position.latitude, vehicle.position.longitude = latitude, -57.95
    return bytes(message.SerializeToString())


class Sent:
    """Records what is published, or fails."""

    def __init__(self) -> None:
        self.messages: list[tuple[str, bytes]] = []
        self.away = False

    def __call__(self, messages: Sequence[tuple[str, bytes]]) -> int:
        if self.away:
            raise BrokerAway
        self.messages += messages
        return len(messages)


def test_what_a_vendor_answers_becomes_rows_by_the_one_road(
    vendor: Vendor, poller: Poller, mqtt_url: str, database: Engine
) -> None:
    pipeline = Pipeline(database, wall_clock, None, foreign="laplata")
    broker = Receiver(mqtt_url, client_id="test-poll", filters=pipeline.topics, now=wall_clock)
    wait_until(lambda: broker.receive(1, 0.2) or broker.connected)
    broker.receive(1, 0.2)
    vendor.body = feed(wall_clock(), bus1=-34.92, bus2=-34.93)
    with relay(mqtt_url, "test-vendor", Tls()) as wire:
        assert poller.poll_once(wire.publish) == 2
        vendor.body = feed(wall_clock())  # a feed with nothing in it
        assert poller.poll_once(wire.publish) == 0
    deadline_s = monotonic() + LIMIT_S
    while pipeline.state.counts.readings < 2 and monotonic() < deadline_s:
        messages = broker.receive(10, 0.2)
        pipeline.process_messages(messages)
        broker.acknowledge(messages)
    broker.close()
    pipeline.close()
    with database.connect() as connection:
        rows = connection.execute(
            text(
                "SELECT code, round(lat::numeric, 2)::text FROM bus_readings JOIN devices ON id = device_id ORDER BY 1"
            )
        )
        assert rows.all() == [("amba-bus1", "-34.92"), ("amba-bus2", "-34.93")]


def test_only_what_is_new_is_handed_on(vendor: Vendor, poller: Poller) -> None:
    send, now = Sent(), wall_clock()
    vendor.body = feed(now, bus1=-34.92, bus2=-34.93)
    assert [poller.poll_once(send), poller.poll_once(send)] == [2, 0]
    vendor.body = feed(now, bus1=-34.92, bus2=-34.94)
    assert poller.poll_once(send) == 1
    assert {topic for topic, _ in send.messages} == {"/gtfsrt/vp/amba/"}


def test_an_answer_that_has_not_changed_is_not_sent_again(vendor: Vendor, poller: Poller) -> None:
    vendor.tag, vendor.body = '"one"', feed(wall_clock(), bus1=-34.92)
    assert [poller.poll_once(Sent()), poller.poll_once(Sent())] == [1, 0]
    assert vendor.asked == [None, '"one"']


def test_what_the_broker_did_not_take_is_new_again(vendor: Vendor, poller: Poller) -> None:
    send = Sent()
    vendor.tag, vendor.body, send.away = '"one"', feed(wall_clock(), bus1=-34.92), True
    with pytest.raises(BrokerAway):
        poller.poll_once(send)
    send.away = False
    assert poller.poll_once(send) == 1


@pytest.mark.parametrize(("status", "body"), [(503, b""), (200, b"<html>log in</html>"), (404, b"gone")])
def test_an_answer_that_is_no_feed_is_told(vendor: Vendor, poller: Poller, status: int, body: bytes) -> None:
    vendor.status, vendor.body = status, body
    with pytest.raises(BadAnswer):
        poller.poll_once(Sent())


def test_an_answer_without_end_is_cut(vendor: Vendor, poller: Poller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(poll, "LARGEST_BYTES", 1_000)
    vendor.body = b"x" * 100_000
    with pytest.raises(BadAnswer, match="1,000"):
        poller.poll_once(Sent())


class Pauses(threading.Event):
    """Ends each wait at once, and stops the poller at the fourth."""

    def __init__(self) -> None:
        super().__init__()
        self.waits_s: list[float | None] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.waits_s.append(timeout)
        if len(self.waits_s) == 4:
            self.set()
        return self.is_set()


def test_it_asks_ever_less_often_while_nobody_answers_and_tells_no_key(
    vendor: Vendor, caplog: pytest.LogCaptureFixture
) -> None:
    vendor.status = 500
    pauses = Pauses()
    with httpx.Client() as client:
        Poller(client, f"{vendor.url}?client_secret=hush", "amba").run(Sent(), 0.2, pauses)
    assert pauses.waits_s == [0.4, 0.8, 1.6, 3.2]
    assert len(vendor.asked) == 4
    assert "hush" not in caplog.text


def test_a_broker_that_is_not_there_is_said_to_be_away() -> None:
    with pytest.raises(BrokerAway), relay("mqtt://127.0.0.1:1", "nobody", Tls()):
        pass
