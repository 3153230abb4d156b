"""Polling a vendor's URL: new positions take the path of every message, and no answer breaks it."""

import gzip
import threading
import tracemalloc
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from time import monotonic

import pytest
from google.transit.gtfs_realtime_pb2 import FeedMessage
from sqlalchemy import Engine, text

from ingest.decode import decode
from ingest.mqtt.receiver import Receiver, Tls
from models.reading import Message, Reading, Reason, Rejected
from services.pipeline.road import Pipeline
from services.runtime.clock import wall_clock
from services.transit.sources import poll
from services.transit.sources.poll import BadAnswer, Poller
from services.transit.sources.relay import BrokerUnavailable, relay
from tests.waiting import LIMIT_S, wait_until


@dataclass(slots=True)
class Vendor:
    """The answers of the URL, and the requests it got."""

    body: bytes = b""
    status: int = 200
    tag: str = ""
    url: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    pace_s: float = 0.0
    asked: list[str | None] = field(default_factory=list)
    accepted: list[str | None] = field(default_factory=list)


@contextmanager
def serving(vendor: Vendor) -> Iterator[Vendor]:
    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            known = self.headers.get("If-None-Match")
            vendor.asked.append(known)
            vendor.accepted.append(self.headers.get("Accept-Encoding"))
            self.send_response(304 if vendor.tag and known == vendor.tag else vendor.status)
            if vendor.tag:
                self.send_header("ETag", vendor.tag)
            for name, value in vendor.headers.items():
                self.send_header(name, value)
            self.end_headers()
            if not vendor.tag or known != vendor.tag:
                with suppress(OSError):
                    if vendor.pace_s:
                        self.drip()
                    self.wfile.write(vendor.body)

        def drip(self) -> None:
            for number in range(1_000):
                self.wfile.write(vendor.body[number : number + 1] or b"x")
                threading.Event().wait(vendor.pace_s)

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
def poller(vendor: Vendor) -> Poller:
    return Poller(vendor.url, "amba")


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
            raise BrokerUnavailable
        self.messages += messages
        return len(messages)


def test_what_a_vendor_answers_becomes_rows_by_the_one_road(
    vendor: Vendor, poller: Poller, mqtt_url: str, database: Engine
) -> None:
    pipeline = Pipeline(database, wall_clock, None, foreign="laplata")
    broker = Receiver(mqtt_url, client_id="test-poll", filters=pipeline.topics, now=wall_clock)
    wait_until(lambda: broker.receive(1, 0.2) or broker.connected)
    broker.receive(1, 0.2)
    vendor.body = damaged_feed(wall_clock())
    with relay(mqtt_url, "test-vendor", Tls()) as wire:
        assert poller.poll_once(wire.publish) == 6
        vendor.body = feed(wall_clock())  # a feed with nothing in it
        assert poller.poll_once(wire.publish) == 0
    deadline_s = monotonic() + LIMIT_S
    while pipeline.state.counts.messages < 6 and monotonic() < deadline_s:
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
        assert rows.all() == [("amba-first", "-34.92"), ("amba-last", "-34.93")]
        reasons = connection.execute(text("SELECT reason, count(*) FROM rejected_messages GROUP BY 1 ORDER BY 1"))
        assert reasons.all() == [("field", 2), ("syntax", 2)]


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
    with pytest.raises(BrokerUnavailable):
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
    Poller(f"{vendor.url}?client_secret=hush", "amba").run(Sent(), 0.2, pauses)
    assert pauses.waits_s == [0.4, 0.8, 1.6, 3.2]
    assert len(vendor.asked) == 4
    assert "hush" not in caplog.text


def test_a_broker_that_is_not_there_is_said_to_be_away() -> None:
    with pytest.raises(BrokerUnavailable), relay("mqtt://127.0.0.1:1", "nobody", Tls()):
        pass


def damaged_feed(at: datetime) -> bytes:
    """Good vehicles beside one without latitude, one without a name, one whose bytes are damaged and a huge one."""
    message = FeedMessage.FromString(feed(at, first=-34.92, last=-34.93))
    message.header.ClearField("gtfs_realtime_version")
    message.entity[0].ClearField("id")
    placeless = message.entity.add(id="placeless").vehicle
    placeless.vehicle.id, placeless.position.longitude = "placeless", -57.95
    message.entity.add(id="nameless").vehicle.position.latitude = -34.92
    huge = message.entity.add(id="huge").vehicle
    huge.vehicle.id = "h" * 100_000
    return bytes(message.SerializePartialToString()) + b"\x12\x03\x22\xff\xff"


def test_bad_vehicles_become_rejections_and_the_good_ones_beside_them_arrive(vendor: Vendor, poller: Poller) -> None:
    send, now = Sent(), wall_clock()
    vendor.body = damaged_feed(now)
    assert [poller.poll_once(send), poller.poll_once(send)] == [6, 0]
    assert max(len(payload) for _, payload in send.messages) < 32_000
    items = [item for topic, payload in send.messages for item in decode(Message(topic, payload, now), "laplata")]
    assert [item.device for item in items if isinstance(item, Reading)] == ["amba-first", "amba-last"]
    rejected = [item for item in items if isinstance(item, Rejected)]
    assert [item.reason for item in rejected] == [Reason.FIELD, Reason.FIELD, Reason.SYNTAX, Reason.SYNTAX]
    assert "latitude" in rejected[0].detail


def test_a_feed_of_nothing_but_entities_is_refused_before_they_are_parsed(vendor: Vendor, poller: Poller) -> None:
    vendor.body = b"\x12\x00" * (poll.MOST_ENTITIES + 1)
    with pytest.raises(BadAnswer, match="entities"):
        poller.poll_once(Sent())


def test_a_packed_answer_is_read(vendor: Vendor, poller: Poller) -> None:
    vendor.body, vendor.headers = gzip.compress(feed(wall_clock(), bus1=-34.92)), {"Content-Encoding": "gzip"}
    assert poller.poll_once(Sent()) == 1
    assert vendor.accepted == ["gzip"]


def zeros(mebibytes: int) -> bytes:
    """Packed zeros, a thousandth of their size."""
    packer, block = zlib.compressobj(9, wbits=31), bytes(1 << 20)
    return b"".join([*(packer.compress(block) for _ in range(mebibytes)), packer.flush()])


@pytest.mark.parametrize("encoding", ["gzip", "gzip, gzip", "br", "deflate"])
def test_an_answer_that_unpacks_without_end_is_refused_before_it_is_unpacked(
    vendor: Vendor, poller: Poller, encoding: str
) -> None:
    bomb = zeros(64)
    vendor.body = gzip.compress(bomb) if encoding == "gzip, gzip" else bomb
    vendor.headers = {"Content-Encoding": encoding}
    tracemalloc.start()
    try:
        with pytest.raises(BadAnswer):
            poller.poll_once(Sent())
        assert tracemalloc.get_traced_memory()[1] < 3 * poll.LARGEST_BYTES
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("body", "match"), [(b"no gzip", "is not"), (gzip.compress(b"x" * 99, mtime=0)[:-9], "cut short")]
)
def test_an_answer_that_is_no_whole_gzip_is_refused(vendor: Vendor, poller: Poller, body: bytes, match: str) -> None:
    vendor.body, vendor.headers = body, {"Content-Encoding": "gzip"}
    with pytest.raises(BadAnswer, match=match):
        poller.poll_once(Sent())


def test_an_answer_that_drips_ends_at_the_deadline(
    vendor: Vendor, poller: Poller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(poll, "FETCH_TIMEOUT_S", 0.5)
    vendor.pace_s = 0.02
    with pytest.raises(TimeoutError):
        poller.poll_once(Sent())


def test_a_redirect_is_followed_within_its_host_only(vendor: Vendor, poller: Poller) -> None:
    with serving(Vendor(body=feed(wall_clock(), bus1=-34.92))) as other:
        vendor.status, vendor.headers = 302, {"Location": other.url}
        with pytest.raises(BadAnswer, match="another host"):
            poller.poll_once(Sent())
        assert other.asked == []
        other.status, other.headers = 301, {"Location": "/elsewhere"}
        with pytest.raises(BadAnswer, match="status 301"):
            Poller(other.url, "amba").poll_once(Sent())
        assert len(other.asked) == poll.MOST_REDIRECTS + 1


@pytest.mark.parametrize(
    ("url", "redirect", "stays"),
    [
        ("http://a.test/x", "http://a.test/y", True),
        ("http://a.test/x", "https://a.test/x", True),
        ("https://a.test/x", "http://a.test/x", False),
        ("http://a.test/x", "http://a.test:9200/x", False),
        ("http://a.test/x", "https://a.test:9200/x", False),
        ("http://a.test/x", "http://169.254.169.254/", False),
    ],
)
def test_only_the_same_port_or_the_way_to_tls_is_the_same_host(url: str, redirect: str, stays: bool) -> None:
    if stays:
        assert poll._redirect_within_host(url, redirect) == redirect
    else:
        with pytest.raises(BadAnswer):
            poll._redirect_within_host(url, redirect)
