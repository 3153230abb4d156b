"""MQTT publisher of simulated devices: QoS 1, with a limited number of unacknowledged messages."""

import ssl
from threading import Condition, Event
from types import TracebackType
from typing import Self
from urllib.parse import unquote, urlsplit

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

MAX_IN_FLIGHT = 100
KEEPALIVE_S = 30
TIMEOUT_S = 30.0


class BrokerUnavailable(ConnectionError):
    """The broker refused the connection, or did not accept or acknowledge in time."""


class Publisher:
    """The connection of one device, or of a gateway for many devices.

    `will`: topic and payload that the broker publishes if the connection is lost. `birth`: topic and payload published
    after each connection. Both are retained. It reconnects by itself and sends unacknowledged messages again.
    """

    def __init__(
        self,
        url: str,
        *,
        client_id: str,
        will: tuple[str, bytes] | None = None,
        birth: tuple[str, bytes] | None = None,
        in_flight: int = MAX_IN_FLIGHT,
    ) -> None:
        """Connect to `mqtt://` or `mqtts://`. Raises BrokerUnavailable, or ValueError on a bad address."""
        address = urlsplit(url)
        if address.scheme not in {"mqtt", "mqtts"} or not address.hostname:
            raise ValueError("a broker's address reads mqtt://host:port or mqtts://host:port")
        encrypted = address.scheme == "mqtts"
        self._birth = birth
        self._in_flight = in_flight
        self._unacknowledged: set[int] = set()
        self._acknowledged_early: set[int] = set()
        self._condition = Condition()
        self._connected = Event()
        self._refusal = ""
        self._client = self._new_client(client_id, in_flight)
        if address.username is not None:
            self._client.username_pw_set(unquote(address.username), unquote(address.password or ""))
        if encrypted:
            self._client.tls_set_context(ssl.create_default_context())
        if will is not None:
            self._client.will_set(will[0], will[1], qos=1, retain=True)
        try:
            self._client.connect(address.hostname, address.port or (8883 if encrypted else 1883), KEEPALIVE_S)
        except OSError as error:
            raise BrokerUnavailable(f"no broker at {address.hostname}: {error}") from error
        self._client.loop_start()
        if not self._connected.wait(TIMEOUT_S) or self._refusal:
            self._client.loop_stop()
            raise BrokerUnavailable(f"the broker did not welcome us: {self._refusal or 'no answer'}")

    def __enter__(self) -> Self:
        """The publisher; it closes at the end of the block."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Close."""
        self.close()

    def publish(self, topic: str, payload: bytes, *, retain: bool = False, wait: bool = False) -> None:
        """Publish one message. Blocks while `in_flight` are unacknowledged; with `wait`, until it is acknowledged.

        Raises BrokerUnavailable when that takes longer than `TIMEOUT_S`.
        """
        with self._condition:
            if not self._condition.wait_for(lambda: len(self._unacknowledged) < self._in_flight, TIMEOUT_S):
                raise BrokerUnavailable(f"nothing was acknowledged for {TIMEOUT_S:.0f} s")
        number = self._send(topic, payload, retain)
        if wait:
            with self._condition:
                if not self._condition.wait_for(lambda: number not in self._unacknowledged, TIMEOUT_S):
                    raise BrokerUnavailable(f"{topic} was not acknowledged for {TIMEOUT_S:.0f} s")

    def drain(self, wait_s: float = TIMEOUT_S) -> None:
        """Wait until all messages are acknowledged. Raises BrokerUnavailable when that takes longer."""
        with self._condition:
            if not self._condition.wait_for(lambda: not self._unacknowledged, wait_s):
                raise BrokerUnavailable(
                    f"{len(self._unacknowledged)} messages were not acknowledged for {wait_s:.0f} s"
                )

    def close(self) -> None:
        """Disconnect, which cancels the will. Unacknowledged messages are lost: call `drain` before."""
        self._client.disconnect()
        self._client.loop_stop()

    def _new_client(self, client_id: str, in_flight: int) -> Client:
        client = Client(CallbackAPIVersion.VERSION2, client_id=client_id, protocol=MQTTv5)
        client.max_inflight_messages_set(in_flight)
        client.reconnect_delay_set(min_delay=1, max_delay=10)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_publish = self._on_publish
        return client

    def _on_connect(self, _c: Client, _d: object, _f: ConnectFlags, reason: ReasonCode, _p: Properties | None) -> None:
        self._refusal = str(reason) if reason.is_failure else ""
        if self._birth is not None and not self._refusal:
            self._send(*self._birth, retain=True)
        self._connected.set()

    def _on_disconnect(
        self, _c: Client, _d: object, _f: DisconnectFlags, _r: ReasonCode, _p: Properties | None
    ) -> None:
        self._connected.clear()

    def _send(self, topic: str, payload: bytes, retain: bool) -> int:
        """Publish with paho. Its callback may run before `publish` returns, and takes the lock: do not hold it here."""
        number = self._client.publish(topic, payload, qos=1, retain=retain).mid
        with self._condition:
            if number in self._acknowledged_early:
                self._acknowledged_early.remove(number)
            else:
                self._unacknowledged.add(number)
        return number

    def _on_publish(self, _c: Client, _d: object, number: int, _r: ReasonCode, _p: Properties) -> None:
        with self._condition:
            if number in self._unacknowledged:
                self._unacknowledged.remove(number)
            else:
                self._acknowledged_early.add(number)
            self._condition.notify_all()
