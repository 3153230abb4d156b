"""Messages of the publishers, received through the receiver."""

import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic

import pytest

from ingest.mqtt.receiver import Receiver
from models.reading import Message
from simulators.bulk_publisher import BulkPublisher
from simulators.publisher import BrokerUnavailable, Publisher
from tests.waiting import LIMIT_S, wait_until

NOW = datetime(2013, 4, 2, 16, tzinfo=UTC)
ROOT = Path(__file__).parents[2]


class Ear:
    """A receiver of one test's topics."""

    def __init__(self, url: str) -> None:
        self.name = secrets.token_hex(4)
        self.broker = Receiver(url, client_id=self.name, filters=[f"test/{self.name}/#"], now=lambda: NOW)
        wait_until(lambda: self.broker.receive(1, 0.2) or self.broker.connected)
        self.broker.receive(1, 0.2)

    def hear(self, count: int, wait_s: float = LIMIT_S) -> list[Message]:
        heard: list[Message] = []
        deadline = monotonic() + wait_s
        while len(heard) < count and monotonic() < deadline:
            fresh = self.broker.receive(1_000, 0.2)
            self.broker.acknowledge(fresh)
            heard += fresh
        return heard


@pytest.fixture
def ear(mqtt_url: str) -> Iterator[Ear]:
    made = Ear(mqtt_url)
    yield made
    made.broker.close()


def test_every_reading_arrives_in_order(mqtt_url: str, ear: Ear) -> None:
    payloads = [b"%d" % number for number in range(300)]
    with Publisher(mqtt_url, client_id=f"p-{ear.name}", in_flight=7) as publisher:
        for payload in payloads[:-1]:
            publisher.publish(f"test/{ear.name}/a", payload)
        publisher.publish(f"test/{ear.name}/a", payloads[-1], wait=True)
    assert [message.payload for message in ear.hear(300)] == payloads


def test_a_device_is_born_and_a_killed_one_leaves_its_will(mqtt_url: str, ear: Ear) -> None:
    topic = f"test/{ear.name}/status"
    program = f"""
import sys, time
from simulators.publisher import Publisher
Publisher({mqtt_url!r}, client_id="d-{ear.name}", will=({topic!r}, b"offline"), birth=({topic!r}, b"online"))
print("up", flush=True)
time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE) as device:
        assert device.stdout is not None
        assert device.stdout.readline() == b"up\n"
        assert [message.payload for message in ear.hear(1)] == [b"online"]
        device.send_signal(signal.SIGKILL)
    assert [message.payload for message in ear.hear(1)] == [b"offline"]


def test_a_device_that_says_goodbye_leaves_no_will(mqtt_url: str, ear: Ear) -> None:
    topic = f"test/{ear.name}/status"
    Publisher(mqtt_url, client_id=f"d-{ear.name}", will=(topic, b"offline")).close()
    assert ear.hear(1, 1.0) == []


def test_a_broker_that_is_away_or_refuses_is_said() -> None:
    with pytest.raises(BrokerUnavailable):
        Publisher("mqtt://127.0.0.1:1", client_id="x")
    with pytest.raises(ValueError, match="mqtt://host:port"):
        Publisher("http://127.0.0.1", client_id="x")


def test_a_load_counts_what_the_broker_acknowledged_and_all_of_it_arrives(mqtt_url: str, ear: Ear) -> None:
    with BulkPublisher(mqtt_url, client_id=f"l-{ear.name}", window=500) as load:
        load.send((f"test/{ear.name}/{number % 7}", b"%d" % number) for number in range(70_000))
        load.drain()
    assert (load.sent, load.acknowledged, load.refused) == (70_000, 70_000, 0)
    heard = ear.hear(70_000)
    assert [int(message.payload) for message in heard] == list(range(70_000))


def test_a_load_that_is_not_welcome_is_told(mqtt_url: str) -> None:
    stranger = mqtt_url.replace("vigia:", "stranger:")
    with pytest.raises(ConnectionError):
        BulkPublisher(stranger, client_id="stranger")
