"""The broker's access rules and limits, with real clients of a real Mosquitto."""

import inspect
import queue
import signal
import ssl
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from ingest.mqtt.receiver import Receiver
from services.__main__ import main
from tests.deploy.conftest import PASSWORDS, Mosquitto, create_secrets, program, set_pipeline_passwords

WAIT_S = 60.0
NOTHING_COMES_S = 0.5
NOT_AUTHORIZED = 0x87
BAD_CREDENTIALS = 0x86

Start = Callable[..., Mosquitto]


class Client:
    """An MQTT client that records messages. It disconnects at the end of its `with`."""

    def __init__(
        self,
        broker: Mosquitto,
        name: str | None,
        *,
        password: str | None = None,
        client_id: str | None = None,
        keep: bool = False,
        port: int | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.connected: queue.Queue[tuple[Any, Any, Any]] = queue.Queue()
        self.published: queue.Queue[int] = queue.Queue()
        self.granted: queue.Queue[Any] = queue.Queue()
        self.heard: queue.Queue[str] = queue.Queue()
        self.left: queue.Queue[Any] = queue.Queue()
        self.client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=client_id or name, protocol=mqtt.MQTTv5)
        if name is not None:
            self.client.username_pw_set(name, PASSWORDS.get(name) if password is None else password)
        if tls is not None:
            self.client.tls_set_context(tls)
        self.client.on_connect = lambda _client, _data, *answer: self.connected.put(answer)
        self.client.on_publish = lambda _client, _data, _mid, code, _properties: self.published.put(code.value)
        self.client.on_subscribe = lambda _client, _data, _mid, codes, _properties: self.granted.put(codes)
        self.client.on_message = lambda _client, _data, message: self.heard.put(message.topic)
        self.client.on_disconnect = lambda _client, _data, _flags, code, _properties: self.left.put(code)
        self.client.reconnect_delay_set(60, 60)
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.SessionExpiryInterval = 3600 if keep else 0
        self.client.connect("127.0.0.1", port or broker.port, clean_start=not keep, properties=properties)
        self.client.loop_start()
        self.flags, self.code, self.properties = self.connected.get(timeout=WAIT_S)

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.client.disconnect()
        self.client.loop_stop()

    def listen(self, *filters: str) -> "Client":
        """Subscribe and wait for the broker's acknowledgement."""
        self.client.subscribe([(topic, SubscribeOptions(qos=1)) for topic in filters])
        self.granted.get(timeout=WAIT_S)
        return self

    def publish(self, topic: str, payload: bytes = b"{}") -> int:
        """The reason code of the acknowledgement."""
        self.client.publish(topic, payload, qos=1)
        return self.published.get(timeout=WAIT_S)

    def hears(self, count: int) -> list[str]:
        """The topics of the next messages; no further message may come."""
        topics = [self.heard.get(timeout=WAIT_S) for _ in range(count)]
        with pytest.raises(queue.Empty):
            self.heard.get(timeout=NOTHING_COMES_S)
        return topics


def test_a_device_publishes_its_own_readings_and_status_and_the_pipeline_receives_them(broker: Start) -> None:
    server = broker()
    with Client(server, "pipeline-critical").listen("vigia/v1/#") as pipeline, Client(server, "gauge-1") as gauge:
        assert gauge.publish("vigia/v1/laplata/river/gauge-1") == 0
        assert gauge.publish("vigia/v1/laplata/river/gauge-1/status") == 0
        assert pipeline.hears(2) == ["vigia/v1/laplata/river/gauge-1", "vigia/v1/laplata/river/gauge-1/status"]


@pytest.mark.parametrize(
    "topic",
    [
        "vigia/v1/laplata/river/gauge-2",
        "vigia/v1/laplata/river/gauge-2/status",
        "vigia/v1/laplata/river/gauge-1/command",
        "vigia/v1/laplata/river/gauge-1/status/more",
        "vigia/v1/laplata/gauge-1",
        "vigia/v2/laplata/river/gauge-1",
        "elsewhere/gauge-1",
    ],
)
def test_a_device_is_refused_everywhere_else(broker: Start, topic: str) -> None:
    server = broker()
    with Client(server, "pipeline-critical").listen("#") as pipeline, Client(server, "gauge-1") as gauge:
        assert gauge.publish(topic) == NOT_AUTHORIZED
        pipeline.hears(0)


def test_a_device_receives_only_its_own_commands(broker: Start) -> None:
    server = broker(more_rules="\nuser gauge-2\ntopic write vigia/v1/+/+/+/command\n")
    with Client(server, "gauge-1").listen("#") as gauge, Client(server, "gauge-2") as other:
        assert other.publish("vigia/v1/laplata/river/gauge-2") == 0
        assert other.publish("vigia/v1/laplata/river/gauge-2/command") == 0
        assert other.publish("vigia/v1/laplata/river/gauge-1/command") == 0
        assert gauge.hears(1) == ["vigia/v1/laplata/river/gauge-1/command"]


def test_the_gateway_of_a_fleet_publishes_only_for_buses_and_the_bulk_lane_receives_it(broker: Start) -> None:
    server = broker()
    topics = ["vigia/v1/laplata/bus/bus-7", "/hfp/v2/journey/ongoing/vp/bus/0022/00817", "/gtfsrt/vp/amba/"]
    heard = ("vigia/v1/#", "/hfp/v2/#", "/gtfsrt/vp/#")
    with Client(server, "pipeline-bulk").listen(*heard) as pipeline, Client(server, "fleet") as gateway:
        assert [gateway.publish(topic) for topic in topics] == [0, 0, 0]
        assert gateway.publish("vigia/v1/laplata/river/gauge-1") == NOT_AUTHORIZED
        assert gateway.publish("vigia/v1/laplata/bus/bus-7/command") == NOT_AUTHORIZED
        assert pipeline.hears(3) == topics


@pytest.mark.parametrize("topic", ["/hfp/v2/journey/ongoing/vp/bus/0022/00817", "/gtfsrt/vp/amba/"])
def test_a_device_cannot_publish_for_others_on_foreign_topics(broker: Start, topic: str) -> None:
    with Client(broker(), "gauge-1") as gauge:
        assert gauge.publish(topic) == NOT_AUTHORIZED


def test_the_pipeline_cannot_publish(broker: Start) -> None:
    server = broker()
    with Client(server, "pipeline-bulk") as pipeline:
        assert pipeline.publish("vigia/v1/laplata/river/gauge-1") == NOT_AUTHORIZED


@pytest.mark.parametrize(
    ("name", "password"), [(None, None), ("gauge-1", "wrong"), ("gauge-1", ""), ("nobody", "first-secret"), ("", "")]
)
def test_a_client_without_a_known_name_and_its_password_is_refused(
    broker: Start, name: str | None, password: str | None
) -> None:
    with Client(broker(), name, password=password, client_id="stranger") as stranger:
        assert stranger.code.value in {NOT_AUTHORIZED, BAD_CREDENTIALS}


def test_with_an_empty_password_file_every_client_is_refused(broker: Start) -> None:
    with Client(broker(passwords={}), "gauge-1") as gauge:
        assert gauge.code.value in {NOT_AUTHORIZED, BAD_CREDENTIALS}


def test_empty_access_rules_allow_nothing(broker: Start) -> None:
    with Client(broker(rules=""), "gauge-1") as gauge:
        assert gauge.publish("vigia/v1/laplata/river/gauge-1") == NOT_AUTHORIZED


def test_no_client_takes_over_the_pipelines_session_by_its_client_id(broker: Start) -> None:
    server = broker()
    with Client(server, "pipeline-critical").listen("vigia/v1/#") as pipeline:
        with Client(server, "gauge-1", client_id="pipeline-critical") as thief:
            assert thief.publish("vigia/v1/laplata/river/gauge-1") == 0
        assert pipeline.hears(1) == ["vigia/v1/laplata/river/gauge-1"]
        assert pipeline.left.empty()


def test_the_queue_of_an_absent_pipeline_holds_more_than_a_thousand_messages(broker: Start) -> None:
    server = broker()
    with Client(server, "pipeline-critical", keep=True).listen("vigia/v1/#"):
        pass
    with Client(server, "gauge-1") as gauge:
        for _ in range(1500):
            gauge.client.publish("vigia/v1/laplata/river/gauge-1", b"{}", qos=1)
        assert {gauge.published.get(timeout=WAIT_S) for _ in range(1500)} <= {0}
    with Client(server, "pipeline-critical", keep=True) as pipeline:
        assert pipeline.flags.session_present
        assert len(pipeline.hears(1500)) == 1500


def test_the_broker_refuses_packets_that_the_pipeline_would_cut(broker: Start) -> None:
    with Client(broker(), "gauge-1") as gauge:
        largest = gauge.properties.MaximumPacketSize
    # On its way to the pipeline a packet gains a few bytes of properties.
    assert largest + 1024 <= inspect.signature(Receiver).parameters["largest_bytes"].default


def test_a_removed_device_is_disconnected_when_the_files_are_reloaded(broker: Start) -> None:
    server = broker()
    passwords = server.folder / "passwords"
    with Client(server, "gauge-1") as gauge:
        subprocess.run([program("mosquitto_passwd"), "-D", passwords, "gauge-1"], check=True)
        assert server.process is not None
        server.process.send_signal(signal.SIGHUP)
        assert gauge.left.get(timeout=WAIT_S).is_failure
    with Client(server, "gauge-1") as gauge:
        assert gauge.code.value in {NOT_AUTHORIZED, BAD_CREDENTIALS}


def test_the_pipelines_get_passwords_and_the_devices_keep_theirs(broker: Start) -> None:
    server = broker(passwords={"gauge-1": PASSWORDS["gauge-1"], "pipeline-bulk": "an old one"})
    passwords = server.folder / "passwords"
    set_pipeline_passwords(server.folder)
    server.stop()
    server.start()
    for name in ("pipeline-critical", "pipeline-bulk", "gauge-1"):
        with Client(server, name) as client:
            assert client.code.value == 0, name
    assert passwords.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("missing", ["mqtt_critical_password", "mqtt_bulk_password"])
@pytest.mark.parametrize("empty", [True, False])
def test_no_pipeline_gets_an_empty_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: str, empty: bool
) -> None:
    secrets = create_secrets(tmp_path, {})
    (secrets / missing).unlink()
    if empty:
        (secrets / missing).touch()
    monkeypatch.setenv("VIGIA_BROKER_DIR", str(tmp_path))
    assert main(["devices", "setup", "--secrets", str(secrets)]) == 2
    assert not (tmp_path / "passwords").exists()
