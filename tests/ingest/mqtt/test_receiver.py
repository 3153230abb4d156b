"""The receiver with real brokers: the embedded one, and Mosquitto if it is installed."""

import logging
import random
import secrets
import select
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from threading import Thread
from time import monotonic, sleep
from urllib.parse import urlsplit

import pytest

from ingest.mqtt import receiver as broker_module
from ingest.mqtt.receiver import Receiver, Tls
from models.reading import Message
from services.embedded.mqtt_broker import embedded_broker
from services.self_check.broker_check import AGAIN_AND_AGAIN
from simulators.bulk_publisher import BulkPublisher
from simulators.publisher import Publisher
from tests.waiting import LIMIT_S, wait_until

NOW = datetime(2013, 4, 2, 16, tzinfo=UTC)
MOSQUITTO = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
needs_mosquitto = pytest.mark.skipif(MOSQUITTO is None, reason="mosquitto is not installed")
needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")


class Mosquitto:
    """A Mosquitto of our own on loopback that can be killed and started again."""

    def __init__(self, folder: Path, *lines: str, host: str = "127.0.0.1") -> None:
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
            probe.bind((host, 0))
            self.port = int(probe.getsockname()[1])
        self.host = host
        self.folder = folder
        configuration = [
            f"listener {self.port} {host}",
            "allow_anonymous true",
            "max_queued_messages 0",
            "persistence true",
            f"persistence_location {folder}/",
            "user root",
            *lines,
        ]
        (folder / "mosquitto.conf").write_text("\n".join(configuration))
        self.start()

    @property
    def url(self) -> str:
        return f"mqtt://[{self.host}]:{self.port}" if ":" in self.host else f"mqtt://{self.host}:{self.port}"

    def start(self) -> None:
        assert MOSQUITTO is not None
        with (self.folder / "mosquitto.log").open("ab") as log:
            program = [MOSQUITTO, "-c", str(self.folder / "mosquitto.conf")]
            self.process = subprocess.Popen(program, stdout=log, stderr=log)
        deadline = monotonic() + LIMIT_S
        while monotonic() < deadline:
            try:
                socket.create_connection((self.host, self.port), timeout=1).close()
                return
            except OSError:
                sleep(0.02)
        raise AssertionError((self.folder / "mosquitto.log").read_text())

    def end(self, number: signal.Signals) -> None:
        self.process.send_signal(number)
        self.process.wait()


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Mosquitto]:
    server = Mosquitto(tmp_path)
    yield server
    server.end(signal.SIGKILL)


@pytest.fixture(params=["embedded", pytest.param("mosquitto", marks=needs_mosquitto)])
def url(request: pytest.FixtureRequest) -> str:
    """Both brokers, in turn."""
    if request.param == "embedded":
        return str(request.getfixturevalue("mqtt_url"))
    server: Mosquitto = request.getfixturevalue("mosquitto")
    return server.url


class Field:
    """One test's own client id and topic."""

    def __init__(self) -> None:
        self.name = secrets.token_hex(4)
        self.topic = f"test/{self.name}/a"
        self.brokers: list[Receiver] = []

    def receiver(self, url: str, receive_maximum: int = 100, tls: Tls | None = None) -> Receiver:
        receiver = Receiver(
            url,
            client_id=self.name,
            filters=[f"test/{self.name}/#"],
            now=lambda: NOW,
            receive_maximum=receive_maximum,
            tls=tls,
        )
        self.brokers.append(receiver)
        return receiver

    def publish(self, url: str, payloads: list[bytes]) -> None:
        with BulkPublisher(url, client_id=f"load-{self.name}") as load:
            load.send((self.topic, payload) for payload in payloads)
            load.drain()


@pytest.fixture
def field() -> Iterator[Field]:
    made = Field()
    yield made
    for receiver in made.brokers:
        receiver.close()


def subscribe(receiver: Receiver, wait_s: float = LIMIT_S) -> None:
    """Connect and give the subscription time to be made."""
    deadline = monotonic() + wait_s
    while not receiver.connected and monotonic() < deadline:
        assert receiver.receive(1, 0.05) == []
    assert receiver.connected
    assert receiver.receive(1, 0.1) == []


def take(receiver: Receiver, count: int, wait_s: float = LIMIT_S) -> list[Message]:
    """All of `count` messages, or as many as came in time."""
    messages: list[Message] = []
    deadline = monotonic() + wait_s
    while len(messages) < count and monotonic() < deadline:
        messages += receiver.receive(count - len(messages), 0.1)
    return messages


def payloads(messages: list[Message]) -> list[bytes]:
    return [message.payload for message in messages]


NUMBERS = [b"%d" % number for number in range(50)]


def test_what_is_published_is_taken_in_order_and_once_acknowledged_never_again(url: str, field: Field) -> None:
    receiver = field.receiver(url)
    subscribe(receiver)
    assert receiver.session_present is False
    field.publish(url, NUMBERS)
    messages = take(receiver, 50)
    assert payloads(messages) == NUMBERS
    assert {(message.topic, message.received_at, message.retained) for message in messages} == {
        (field.topic, NOW, False)
    }
    assert receiver.unacknowledged == 50
    receiver.acknowledge(messages)
    assert receiver.unacknowledged == 0
    receiver.close()
    again = field.receiver(url)
    assert take(again, 1, 0.5) == []
    assert again.session_present is True


def test_what_was_not_acknowledged_comes_again_to_the_next_process(url: str, field: Field) -> None:
    receiver = field.receiver(url)
    subscribe(receiver)
    field.publish(url, NUMBERS)
    messages = take(receiver, 50)
    receiver.acknowledge(messages[:20])
    receiver.close()
    assert payloads(take(field.receiver(url), 30)) == NUMBERS[20:]


def test_what_is_published_while_nobody_listens_waits(url: str, field: Field) -> None:
    receiver = field.receiver(url)
    subscribe(receiver)
    receiver.close()
    field.publish(url, NUMBERS)
    assert payloads(take(field.receiver(url), 50)) == NUMBERS


def test_a_late_acknowledgement_hits_no_message_of_the_next_connection(url: str, field: Field) -> None:
    receiver = field.receiver(url)
    subscribe(receiver)
    field.publish(url, NUMBERS)
    old = take(receiver, 50)
    receiver.close()
    new = take(receiver, 50)
    assert payloads(new) == NUMBERS
    receiver.acknowledge(old)
    assert receiver.unacknowledged == 50
    receiver.close()
    third = take(receiver, 50)
    assert payloads(third) == NUMBERS
    receiver.acknowledge(third)
    receiver.close()
    assert take(receiver, 1, 0.5) == []
    assert receiver.reconnects == 3


def test_acknowledging_twice_or_out_of_order_releases_each_message_once_and_in_order(url: str, field: Field) -> None:
    receiver = field.receiver(url)
    subscribe(receiver)
    field.publish(url, NUMBERS)
    messages = take(receiver, 50)
    receiver.acknowledge(messages[25:])
    assert receiver.unacknowledged == 50
    receiver.acknowledge(messages[:10])
    receiver.acknowledge(messages[:10])
    assert receiver.unacknowledged == 40
    receiver.acknowledge(messages[10:25][::-1])
    assert receiver.unacknowledged == 0
    field.publish(url, [b"next"])
    last = take(receiver, 1)
    receiver.acknowledge(messages)
    assert receiver.unacknowledged == 1
    receiver.acknowledge(last)
    assert receiver.unacknowledged == 0


def test_memory_is_bounded_whatever_window_the_broker_believes_in(url: str, field: Field) -> None:
    receiver = field.receiver(url, receive_maximum=10)
    subscribe(receiver)
    field.publish(url, NUMBERS)
    held = take(receiver, 50, 1.0)
    assert len(held) == receiver.unacknowledged == 10
    assert receiver.receive(50, 0.05) == []
    kept: list[Message] = []
    while held:
        kept += held[:5]
        receiver.acknowledge(held[:5])
        held = held[5:] + receiver.receive(50, 0.3)
        assert receiver.unacknowledged == len(held) <= 10
    assert payloads(kept) == NUMBERS


@pytest.mark.seeds(1, 2, 3)
def test_cuts_at_any_moment_lose_nothing(seed: int, url: str, field: Field, monkeypatch: pytest.MonkeyPatch) -> None:
    """Connections break, commits fail, and acknowledgements come late, twice and out of turn."""
    monkeypatch.setattr(broker_module, "STABLE_AFTER_S", 0.0)
    chance = random.Random(seed)
    receiver = field.receiver(url, receive_maximum=chance.choice([20, 100, 700]))
    subscribe(receiver)
    total = 4_000
    publisher = Thread(target=field.publish, args=(url, [b"%d" % number for number in range(total)]))
    publisher.start()
    kept: set[bytes] = set()
    late: list[Message] = []
    deadline = monotonic() + 100
    while len(kept) < total and monotonic() < deadline:
        messages = receiver.receive(chance.randint(1, 100), 0.1)
        if chance.random() < 0.5:
            receiver.acknowledge(late)
        if chance.random() < 0.03 and receiver._socket is not None:
            receiver._socket.shutdown(socket.SHUT_RDWR)
        if chance.random() < 0.2:  # the commit failed
            receiver.close()
            continue
        kept.update(payloads(messages))
        receiver.acknowledge(messages)
        if chance.random() < 0.3:
            late += messages[::-1]
            receiver.acknowledge(late)
    publisher.join(LIMIT_S)
    assert len(kept) == total
    assert receiver.reconnects > 0


def test_a_message_of_quality_0_needs_no_acknowledgement(url: str, field: Field) -> None:
    receiver = field.receiver(url)
    subscribe(receiver)
    client = raw_client(url, f"raw-{field.name}")
    topic = field.topic.encode()
    client.sendall(bytes([0x30, len(topic) + 4, 0, len(topic)]) + topic + b"\x00" + b"0")
    messages = take(receiver, 1)
    receiver.acknowledge(messages)
    client.close()
    assert payloads(messages) == [b"0"]
    assert receiver.unacknowledged == 0


def raw_client(url: str, client_id: str) -> socket.socket:
    """A connection that has said CONNECT and may now say anything."""
    load = BulkPublisher(url, client_id=client_id)
    return load._socket


def test_a_kept_message_says_so_and_a_fresh_one_does_not(url: str, field: Field) -> None:
    with Publisher(url, client_id=f"kept-{field.name}") as publisher:
        publisher.publish(field.topic, b"old", retain=True, wait=True)
        receiver = field.receiver(url)
        kept = take(receiver, 1)
        publisher.publish(field.topic, b"new", retain=True, wait=True)
        fresh = take(receiver, 1)
    assert [(message.payload, message.retained) for message in kept + fresh] == [(b"old", True), (b"new", False)]


def test_a_wrong_password_is_no_exception_and_the_right_one_is_needed(mqtt_url: str, field: Field) -> None:
    parts = urlsplit(mqtt_url)
    receiver = field.receiver(f"mqtt://vigia:wrong@127.0.0.1:{parts.port}")
    assert take(receiver, 1, 1.0) == []
    assert not receiver.connected


def test_a_broker_without_mqtt_5_is_spoken_to_in_3_1_1(tmp_path: Path, field: Field) -> None:
    with embedded_broker(tmp_path, 0) as server:
        receiver = field.receiver(server.url_3_1_1)
        subscribe(receiver)
        field.publish(server.url, NUMBERS)
        messages = take(receiver, 50)
        assert payloads(messages) == NUMBERS
        receiver.acknowledge(messages[:20])
        receiver.close()
        assert payloads(take(receiver, 30)) == NUMBERS[20:]


def test_a_broker_that_is_away_is_waited_for(field: Field) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        receiver = field.receiver(f"mqtt://127.0.0.1:{probe.getsockname()[1]}")
    assert receiver.receive(10, 0.5) == []
    receiver.acknowledge([Message("t", b"", NOW, False, (1, 65_537))])
    assert not receiver.connected


@needs_mosquitto
def test_a_killed_broker_is_found_again_and_its_queue_with_it(mosquitto: Mosquitto, field: Field) -> None:
    receiver = field.receiver(mosquitto.url)
    subscribe(receiver)
    field.publish(mosquitto.url, NUMBERS)
    held = take(receiver, 50)
    mosquitto.process.send_signal(signal.SIGUSR1)  # save now
    wait_until((mosquitto.folder / "mosquitto.db").exists)
    mosquitto.end(signal.SIGKILL)
    assert receiver.receive(1, 0.2) == []
    receiver.acknowledge(held)
    mosquitto.start()
    again = take(receiver, 50)
    assert payloads(again) == NUMBERS
    assert receiver.session_present is True
    assert receiver.reconnects == 1
    assert receiver.unacknowledged == 50


@needs_mosquitto
def test_a_broker_that_lost_its_memory_is_told_of(
    tmp_path: Path, field: Field, caplog: pytest.LogCaptureFixture
) -> None:
    server = Mosquitto(tmp_path, "persistence false")
    receiver = field.receiver(server.url)
    subscribe(receiver)
    server.end(signal.SIGKILL)
    server.start()
    with caplog.at_level(logging.ERROR):
        wait_until(lambda: receiver.receive(1, 0.1) or caplog.records)
    server.end(signal.SIGKILL)
    assert receiver.session_present is False
    assert [record.__dict__["action"] for record in caplog.records] == ["session-lost"]
    report = receiver.events.report()
    assert (report["sessions_lost"], report["connections_lost"]) == (1, 1)
    assert "session_lost_age_s" in report


def test_two_clients_that_fight_for_one_client_id_are_noticed_by_both(mosquitto: Mosquitto, field: Field) -> None:
    receivers = [field.receiver(mosquitto.url) for _ in range(2)]

    def fights() -> bool:
        for receiver in receivers:
            receiver.receive(1, 0.05)
        return all(
            int(str(receiver.events.report()["connections_lost_recent"])) >= AGAIN_AND_AGAIN for receiver in receivers
        )

    wait_until(fights)


def test_a_caller_away_for_longer_than_the_broker_waits_gets_everything_again(
    url: str, field: Field, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(broker_module, "KEEPALIVE_S", 3)
    receiver = field.receiver(url)
    subscribe(receiver)
    field.publish(url, NUMBERS)
    old = take(receiver, 50)
    select.select([receiver._connected_socket()], [], [], LIMIT_S)  # the broker hangs up
    again = take(receiver, 50)
    receiver.acknowledge(old)
    assert payloads(again) == NUMBERS
    assert receiver.reconnects == 1
    assert receiver.unacknowledged == 50


@needs_mosquitto
def test_pings_keep_an_idle_connection(mosquitto: Mosquitto, field: Field, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broker_module, "KEEPALIVE_S", 3)
    monkeypatch.setattr(broker_module, "PING_INTERVAL_S", 0.5)
    receiver = field.receiver(mosquitto.url)
    subscribe(receiver)
    assert receiver.receive(1, 6.0) == []
    assert receiver.connected
    assert receiver.reconnects == 0


@needs_mosquitto
def test_a_broker_that_falls_silent_is_left(
    mosquitto: Mosquitto, field: Field, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(broker_module, "PING_INTERVAL_S", 0.3)
    monkeypatch.setattr(broker_module, "ANSWER_TIMEOUT_S", 0.3)
    receiver = field.receiver(mosquitto.url)
    subscribe(receiver)
    mosquitto.process.send_signal(signal.SIGSTOP)
    wait_until(lambda: receiver.receive(1, 0.1) or not receiver.connected)
    monkeypatch.setattr(broker_module, "ANSWER_TIMEOUT_S", LIMIT_S)
    mosquitto.process.send_signal(signal.SIGCONT)
    subscribe(receiver)
    assert receiver.reconnects == 1


@needs_mosquitto
def test_a_broker_on_ipv6_is_reached(tmp_path: Path, field: Field) -> None:
    try:
        server = Mosquitto(tmp_path, host="::1")
    except OSError:
        pytest.skip("this machine has no IPv6")
    receiver = field.receiver(server.url)
    subscribe(receiver)
    server.end(signal.SIGKILL)


@needs_mosquitto
@needs_openssl
def test_tls_checks_the_broker_and_shows_our_certificate(tmp_path: Path, field: Field) -> None:
    files = certificates(tmp_path)
    lines = [f"cafile {files.authority}", f"certfile {tmp_path}/server.pem", f"keyfile {tmp_path}/server.key"]
    server = Mosquitto(tmp_path, *lines, "require_certificate true")
    url = server.url.replace("mqtt://", "mqtts://")
    try:
        receiver = field.receiver(url, tls=files)
        subscribe(receiver)
        assert receiver.receive(1, 0.3) == []
        for wrong in (Tls(authority=files.authority), Tls(certificate=files.certificate, key=files.key)):
            stranger = field.receiver(url, tls=wrong)
            assert take(stranger, 1, 0.5) == []
            assert not stranger.connected
    finally:
        server.end(signal.SIGKILL)


def certificates(folder: Path) -> Tls:
    """An authority, a server and a client certificate for 127.0.0.1, valid for a day."""

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], check=True, cwd=folder, capture_output=True)

    new = ["req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj"]
    openssl(*new, "/CN=test authority", "-x509", "-days", "1", "-keyout", "ca.key", "-out", "ca.pem")
    (folder / "names").write_text("subjectAltName=IP:127.0.0.1")
    for name in ("server", "client"):
        openssl(*new, f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.csr")
        signed = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "1", "-extfile", "names"]
        openssl("x509", "-req", "-in", f"{name}.csr", *signed, "-out", f"{name}.pem")
    return Tls(folder / "ca.pem", folder / "client.pem", folder / "client.key")


@contextmanager
def scripted(*answers: bytes) -> Iterator[tuple[str, list[bytes]]]:
    """A broker that answers each connection's CONNECT with the next of some fixed bytes, and hangs up at the end."""
    greetings: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            for answer in answers:
                connection, _ = server.accept()
                with connection:
                    greetings.append(connection.recv(1_000))
                    connection.sendall(answer)
                    connection.settimeout(1)
                    try:
                        while connection.recv(1_000):
                            pass
                    except TimeoutError:
                        pass

        thread = Thread(target=serve, daemon=True)
        thread.start()
        yield f"mqtt://127.0.0.1:{server.getsockname()[1]}", greetings
        thread.join(5)


WELCOME, WELCOME_3_1_1, SUBSCRIBED = b"\x20\x03\x00\x00\x00", b"\x20\x02\x00\x00", b"\x90\x04\x00\x01\x00\x01"


@pytest.mark.parametrize("refusal", [b"\x20\x02\x00\x01", b"\x20\x03\x00\x84\x00"])
def test_a_broker_that_refuses_the_version_is_asked_for_3_1_1_at_once(refusal: bytes, field: Field) -> None:
    with scripted(refusal, WELCOME_3_1_1) as (url, greetings):
        subscribe(field.receiver(url))
    assert [greeting[8] for greeting in greetings] == [5, 4]


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"\x20\x03\x00\x87\x00", "refused the connection with reason 0x87"),
        (WELCOME + b"\xe0\x02\x8e\x00", "ended the connection with reason 0x8e"),
        (WELCOME + b"\x90\x04\x00\x01\x00\x87", "refused a subscription with reason 0x87"),
        (WELCOME + b"\x90\x04\x00\x01\x00\x00", "refused a subscription with reason 0x00"),
        (WELCOME + SUBSCRIBED + b"\xff\xff\xff\xff\xff", "a length of more than four bytes"),
        (WELCOME + SUBSCRIBED + b"\x50\x02\x00\x01", "a packet of type 5 was not expected"),
    ],
)
def test_a_refusal_is_said_clearly_and_tried_again(
    answer: bytes, said: str, field: Field, caplog: pytest.LogCaptureFixture
) -> None:
    with scripted(answer, WELCOME + SUBSCRIBED) as (url, greetings):
        receiver = field.receiver(url)
        with caplog.at_level(logging.WARNING):
            deadline = monotonic() + LIMIT_S
            while len(greetings) < 2 and monotonic() < deadline:
                receiver.receive(1, 0.1)
        assert said in caplog.text
        assert len(greetings) == 2
        receiver.close()


@pytest.mark.parametrize("bad", ["http://localhost", "localhost:1883", "mqtt://"])
def test_a_bad_address_is_refused(bad: str, field: Field) -> None:
    with pytest.raises(ValueError, match="mqtt://host:port"):
        field.receiver(bad)
