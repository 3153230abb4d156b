"""MQTT subscriber: receives messages from a persistent session and acknowledges them only when told to.

Single-threaded. The CONNECT packet asks for a long keep-alive. `receive` sends a ping every `PING_INTERVAL_S` to notice
a silent broker sooner. The caller may stay away for one and a half keep-alives. After that the broker drops the
connection, `receive` opens a new one, and the broker sends all unacknowledged messages again. Only `acknowledge`
acknowledges.
"""

import logging
import random
import select
import socket
import ssl
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from time import monotonic, sleep
from urllib.parse import unquote, urlsplit

from ingest.mqtt.broker_events import BrokerEvents
from ingest.mqtt.packets import (
    DISCONNECT_PACKET,
    PINGREQ_PACKET,
    ConnectRequest,
    MqttVersion,
    PacketStream,
    PacketType,
    ProtocolError,
    connack_reason,
    puback_packets,
    suback_failures,
    subscribe_packet,
)
from models.reading import Message

log = logging.getLogger(__name__)

KEEPALIVE_S = 60
PING_INTERVAL_S = 10.0
ANSWER_TIMEOUT_S = 10.0
CONNECT_TIMEOUT_S = 5.0
SEND_TIMEOUT_S = 10.0
CLOSE_TIMEOUT_S = 1.0
FIRST_BACKOFF_S = 0.1
MAX_BACKOFF_S = 10.0
STABLE_AFTER_S = 10.0
SESSION_EXPIRY_S = 7 * 86_400
READ_BYTES = 1 << 16
BURST_MESSAGES = 16
"""With so many messages at once, the broker is sending as fast as it may."""
BURST_WAIT_S = 0.002
"""How long to wait for more messages in a burst, for a fuller batch."""
WINDOW_RECEIVES = 50
"""Calls of `receive` after which the inflight window of the broker is estimated again."""
MAX_SILENT_REFUSALS = 2
"""How often a broker may close the connection after CONNECT without an answer before the other version is tried."""
_VERSION_REFUSALS = frozenset({0x01, 0x84})
_PORTS = {"mqtt": 1883, "mqtts": 8883}


@dataclass(frozen=True, slots=True)
class Tls:
    """PEM files for `mqtts`: the authority that signed the certificate of the broker, and our certificate and key."""

    authority: Path | None = None
    certificate: Path | None = None
    key: Path | None = None

    def context(self) -> ssl.SSLContext:
        """What a connection is made with. Raises OSError where a file cannot be read."""
        context = ssl.create_default_context(cafile=self.authority)
        if self.certificate:
            context.load_cert_chain(self.certificate, self.key)
        return context


@dataclass(frozen=True, slots=True)
class BrokerAddress:
    """The address of a broker: `mqtt://user:password@host:port` or `mqtts://`. IPv6 hosts are in brackets."""

    host: str
    port: int
    encrypted: bool
    username: str | None
    password: str | None

    @classmethod
    def parse(cls, url: str) -> "BrokerAddress":
        """Parse a URL. Raises ValueError if it is neither mqtt nor mqtts, or has no host."""
        parts = urlsplit(url)
        if parts.scheme not in _PORTS or not parts.hostname:
            raise ValueError("a broker's address reads mqtt://host:port or mqtts://host:port")
        username, password = (None if part is None else unquote(part) for part in (parts.username, parts.password))
        port = parts.port or _PORTS[parts.scheme]
        return cls(parts.hostname, port, parts.scheme == "mqtts", username, password)


class Receiver:
    """MQTT subscriber with a fixed client id. Its session survives its connections and its process.

    It holds at most `receive_maximum` unacknowledged messages, whatever window the broker uses: beyond that it does not
    read the socket. A packet longer than `largest_bytes` is cut there. Only one process may use a client id: the broker
    disconnects the older of two connections.
    """

    def __init__(
        self,
        url: str,
        *,
        client_id: str,
        filters: Sequence[str],
        now: Callable[[], datetime],
        receive_maximum: int = 2_000,
        largest_bytes: int = 1 << 16,
        tls: Tls | None = None,
    ) -> None:
        """Configure only: `receive` connects, and tries again after failures. Raises ValueError on a bad argument."""
        if not (filters and client_id and 0 < receive_maximum <= 0xFFFF and largest_bytes > 0):
            raise ValueError("a client id, topic filters and a receive maximum of 1 to 65535 are needed")
        self._address = BrokerAddress.parse(url)
        self._filters = tuple(filters)
        self._now = now
        self._receive_maximum = receive_maximum
        self._largest = largest_bytes
        self._tls = tls or Tls()
        login = (self._address.username, self._address.password)
        self._connect = ConnectRequest(client_id, KEEPALIVE_S, SESSION_EXPIRY_S, receive_maximum, *login)
        self._socket: socket.socket | None = None
        self._poll = select.poll()
        self._stream = PacketStream(MqttVersion.MQTT_5, 0, largest_bytes)
        self._acknowledged: set[int] = set()
        self._inflight_window = 0
        self._receives = 0
        self._version = MqttVersion.MQTT_5
        self._only_version: MqttVersion | None = None
        self._silent_refusals = 0
        self._failures = 0
        self._retry_at_s = 0.0
        self._opened_at_s = 0.0
        self._sent_at_s = 0.0
        self._awaiting_answer_since_s: float | None = None
        self._connected = False
        self._session_present: bool | None = None
        self._generation = 0
        self._connections = 0
        self.events = BrokerEvents()

    @property
    def connected(self) -> bool:
        """Whether the broker has accepted the present connection."""
        return self._connected

    @property
    def session_present(self) -> bool | None:
        """Session flag of the last CONNACK. False after the first connection: the broker has lost the session."""
        return self._session_present

    @property
    def generation(self) -> int:
        """The number of the present connection attempt. Acknowledgements of earlier attempts are ignored."""
        return self._generation

    @property
    def unacknowledged(self) -> int:
        """Number of messages received and not yet acknowledged to the broker."""
        return len(self._stream.unacknowledged)

    @property
    def inflight_window(self) -> int:
        """Estimate of how many messages the broker sends before it waits for acknowledgements; 0 while unknown."""
        return self._inflight_window

    @property
    def reconnects(self) -> int:
        """How often the broker has accepted a connection after the first one."""
        return max(0, self._connections - 1)

    def receive(self, limit: int, wait_s: float) -> list[Message]:
        """Receive at most `limit` messages; waits up to `wait_s` for the first.

        Empty if nothing arrived, if the broker is unreachable, or if `receive_maximum` messages are unacknowledged.
        Opening a connection may take `CONNECT_TIMEOUT_S` longer. Never raises for errors of the network or the broker.
        """
        deadline_s = monotonic() + wait_s
        try:
            return self._receive_batch(limit, deadline_s) if self._open(deadline_s) else []
        except (OSError, ProtocolError) as error:
            self._drop_connection(error)
            return []

    def acknowledge(self, messages: Sequence[Message]) -> None:
        """Acknowledge stored messages to the broker, in arrival order: a message waits until all before it are stored.

        Messages of an earlier connection are ignored: their packet identifiers may now belong to other messages, and
        the broker sends them again. A message may be acknowledged twice.
        """
        unacknowledged, acknowledged, generation = self._stream.unacknowledged, self._acknowledged, self._generation
        if not unacknowledged or self._socket is None:
            return
        oldest = unacknowledged[0]
        serials = [message.delivery[1] for message in messages if message.delivery[0] == generation]
        acknowledged.update(serial for serial in serials if serial >= oldest)
        due = _pop_acknowledged(unacknowledged, acknowledged)
        if due:
            try:
                self._send(puback_packets(due))
            except OSError as error:
                self._drop_connection(error)

    def close(self) -> None:
        """Disconnect. The broker keeps the session and sends unacknowledged messages again on the next connection."""
        if self._socket is not None and self._connected:
            try:
                self._send(DISCONNECT_PACKET)
                _shut_down(self._socket)
            except OSError as error:
                log.debug("the connection was lost before DISCONNECT: %s", error, extra={"action": "close"})
        self._close()

    def _receive_batch(self, limit: int, deadline_s: float) -> list[Message]:
        messages: list[Message] = []
        self._ping_when_due()
        self._receives = (self._receives + 1) % WINDOW_RECEIVES
        if not self._receives:
            self._inflight_window = 0  # estimate again: the broker may have had no more messages then
        while (room := min(limit - len(messages), self._receive_maximum - self.unacknowledged)) > 0:
            new = self._stream.read_messages(room)
            messages += new
            self._handle_controls()
            if len(new) == room:
                return messages
            wait_until_s = self._wait_until_s(len(messages), deadline_s)
            if not self._read_once(wait_until_s):
                if messages and wait_until_s:  # nothing more came: this is all the broker sends
                    self._inflight_window = max(self._inflight_window, self.unacknowledged)
                return messages
        sleep(max(0.0, deadline_s - monotonic()))
        return messages

    def _wait_until_s(self, received: int, deadline_s: float) -> float:
        """Until when to wait for more messages, in monotonic time; 0 for not at all.

        Without any message, wait until the deadline. In a burst, wait shortly for the next read. With few messages, or
        once the inflight window is full, do not wait: the broker sends no more before acknowledgements.
        """
        if not received:
            return deadline_s
        if received < BURST_MESSAGES or self.unacknowledged >= self._inflight_window > 0:
            return 0.0
        return monotonic() + BURST_WAIT_S

    def _read_once(self, deadline_s: float) -> bool:
        """Read once. False if nothing arrived in time. Raises OSError if the connection is lost or silent."""
        connection = self._connected_socket()
        while True:
            try:
                data = connection.recv(READ_BYTES)
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                pass
            else:
                if not data:
                    raise ConnectionResetError("the broker closed the connection")
                self._stream.add_bytes(data, self._now())
                self._awaiting_answer_since_s = None
                return True
            self._ping_when_due()
            now_s = monotonic()
            if self._awaiting_answer_since_s is not None and now_s - self._awaiting_answer_since_s > ANSWER_TIMEOUT_S:
                raise TimeoutError(f"the broker has not answered for {ANSWER_TIMEOUT_S:.0f} s")
            if now_s >= deadline_s:
                return False
            self._poll.poll(1000 * min(deadline_s - now_s, 1.0))

    def _ping_when_due(self) -> None:
        if self._connected and monotonic() - self._sent_at_s >= PING_INTERVAL_S:
            self._send(PINGREQ_PACKET)
            if self._awaiting_answer_since_s is None:
                self._awaiting_answer_since_s = self._sent_at_s

    def _send(self, data: bytes) -> None:
        connection = self._connected_socket()
        connection.settimeout(SEND_TIMEOUT_S)
        try:
            connection.sendall(data)
        finally:
            connection.settimeout(0.0)
        self._sent_at_s = monotonic()

    def _connected_socket(self) -> socket.socket:
        if self._socket is None:
            raise ConnectionError("not connected to the broker")
        return self._socket

    def _handle_controls(self) -> None:
        """Handle the control packets received between messages."""
        for kind, body in self._stream.controls:
            match kind:
                case PacketType.CONNACK:
                    self._handle_connack(body)
                case PacketType.SUBACK:
                    if refusals := suback_failures(self._version, body):
                        raise ProtocolError(f"the broker refused a subscription with reason 0x{refusals[0]:02x}")
                case PacketType.PINGRESP:
                    pass
                case PacketType.DISCONNECT:
                    raise ProtocolError(f"the broker ended the connection with reason 0x{body[0] if body else 0:02x}")
                case _:
                    raise ProtocolError(f"a packet of type {kind} was not expected")
        self._stream.controls.clear()

    def _handle_connack(self, body: bytes) -> None:
        reason = connack_reason(self._version, body)
        if reason in _VERSION_REFUSALS and self._version is MqttVersion.MQTT_5:
            self._only_version = MqttVersion.MQTT_3_1_1
        if reason:
            raise ProtocolError(f"the broker refused the connection with reason 0x{reason:02x}")
        self._connected = True
        self.events.gain_connection()
        self._connections += 1
        self._silent_refusals = 0
        self._session_present = bool(body[0] & 1)
        if self.reconnects and not self._session_present:
            self.events.lose_session()
            log.error("the broker lost our session: what it had queued is gone", extra={"action": "session-lost"})
        log.info(
            "connected to the broker",
            extra={"action": "connect", "mqtt": self._version.name, "session_present": self._session_present},
        )
        self._send(subscribe_packet(self._version, self._filters))

    def _open(self, deadline_s: float) -> bool:
        """Open a socket and send CONNECT, if there is none. False if it is too early to try again."""
        if self._socket is not None:
            return True
        if (pause_s := self._retry_at_s - monotonic()) > 0:
            sleep(max(0.0, min(pause_s, deadline_s - monotonic())))
            if monotonic() < self._retry_at_s:
                return False
        self._generation += 1
        self._version = self._choose_version()
        self._stream = PacketStream(self._version, self._generation, self._largest, max_repeats=self._receive_maximum)
        self._acknowledged.clear()
        self._opened_at_s = monotonic()
        self._socket = self._open_socket()
        self._poll = select.poll()
        self._poll.register(self._socket, select.POLLIN)
        self._send(self._connect.packet(self._version))
        self._awaiting_answer_since_s = self._sent_at_s
        return True

    def _open_socket(self) -> socket.socket:
        raw_socket = socket.create_connection((self._address.host, self._address.port), timeout=CONNECT_TIMEOUT_S)
        raw_socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if not self._address.encrypted:
            return raw_socket
        try:
            return self._tls.context().wrap_socket(raw_socket, server_hostname=self._address.host)
        except OSError:
            raw_socket.close()
            raise

    def _choose_version(self) -> MqttVersion:
        """MQTT 5, unless the broker refused it or closed the connection more than once."""
        if self._only_version:
            return self._only_version
        return MqttVersion.MQTT_3_1_1 if self._silent_refusals // MAX_SILENT_REFUSALS % 2 else MqttVersion.MQTT_5

    def _drop_connection(self, error: Exception) -> None:
        """Close the connection and set the time of the next attempt: exponential backoff with random jitter."""
        if self._socket is not None and not self._connected and isinstance(error, OSError):
            self._silent_refusals += 1
        if self._connected:
            self.events.lose_connection()
        stable = self._connected and monotonic() - self._opened_at_s > STABLE_AFTER_S
        self._failures = 0 if stable else self._failures
        pause_s = min(MAX_BACKOFF_S, FIRST_BACKOFF_S * 2 ** min(self._failures, 16)) * random.uniform(0.5, 1.0)  # noqa: S311
        self._failures += 1
        log.warning(
            "no broker: %s", error, extra={"action": "lose", "failures": self._failures, "retry_s": round(pause_s, 2)}
        )
        self._close()
        self._retry_at_s = monotonic() + pause_s

    def _close(self) -> None:
        if self._socket is not None:
            self._socket.close()
        self._socket = None
        self._connected = False
        self._awaiting_answer_since_s = None
        self._stream.unacknowledged.clear()
        self._acknowledged.clear()


def _shut_down(connection: socket.socket) -> None:
    """Read to the end before closing. Unread bytes would cause a reset, and our last acknowledgements could be lost."""
    connection.settimeout(CLOSE_TIMEOUT_S)
    connection.shutdown(socket.SHUT_WR)
    deadline_s = monotonic() + CLOSE_TIMEOUT_S
    while connection.recv(READ_BYTES) and monotonic() < deadline_s:
        pass


def _pop_acknowledged(unacknowledged: deque[int], acknowledged: set[int]) -> list[int]:
    """Remove the acknowledged serial numbers from the head of the queue, and return them."""
    due: list[int] = []
    while unacknowledged and unacknowledged[0] in acknowledged:
        serial = unacknowledged.popleft()
        acknowledged.remove(serial)
        due.append(serial)
    return due
