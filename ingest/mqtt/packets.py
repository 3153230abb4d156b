"""The bytes of MQTT 5 and 3.1.1 that a receiver needs: a few packets to write, and a stream of packets to read.

Source: OASIS, MQTT Version 5.0 (2019) and MQTT Version 3.1.1 Plus Errata 01 (2015).
"""

from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum
from struct import pack

from models.reading import Message

PINGREQ_PACKET = b"\xc0\x00"
DISCONNECT_PACKET = b"\xe0\x00"
SERIAL_STEP = 1 << 16
"""A delivery's serial number is a running count times this, plus the packet identifier."""

_PUBLISH, _QOS_1_MASK, _QOS_2, _RETAIN, _DUPLICATE = 3, 0x06, 0x04, 0x01, 0x08
_QOS_1_GRANTED = 0x01
_SESSION_PRESENT = b"\x01"
_MAX_LENGTH_BYTES = 4


class ProtocolError(Exception):
    """The broker sent what MQTT does not allow, or refused us."""


class MqttVersion(IntEnum):
    """The protocol level, as CONNECT carries it."""

    MQTT_3_1_1 = 4
    MQTT_5 = 5


class PacketType(IntEnum):
    """The control packets a receiver meets besides PUBLISH."""

    CONNACK = 2
    SUBACK = 9
    PINGRESP = 13
    DISCONNECT = 14


@dataclass(frozen=True, slots=True)
class ConnectRequest:
    """What CONNECT says: who we are and how the session is kept. A clean start is never asked for."""

    client_id: str
    keepalive_s: int
    session_expiry_s: int
    receive_maximum: int
    username: str | None
    password: str | None

    def packet(self, version: MqttVersion) -> bytes:
        """The CONNECT packet. No topic aliases are offered, nor a largest packet: the broker would drop in silence."""
        flags = (0x80 if self.username is not None else 0) | (0x40 if self.password is not None else 0)
        properties = pack(">BIBH", 0x11, self.session_expiry_s, 0x21, self.receive_maximum)
        body = _text("MQTT") + pack(">BBH", version, flags, self.keepalive_s)
        body += _length(len(properties)) + properties if version is MqttVersion.MQTT_5 else b""
        body += _text(self.client_id)
        body += b"".join(_text(part) for part in (self.username, self.password) if part is not None)
        return b"\x10" + _length(len(body)) + body


def subscribe_packet(version: MqttVersion, filters: tuple[str, ...]) -> bytes:
    """SUBSCRIBE at QoS 1; in MQTT 5 kept messages are sent only where the subscription is new."""
    options = b"\x11" if version is MqttVersion.MQTT_5 else b"\x01"
    body = b"\x00\x01" + (b"\x00" if version is MqttVersion.MQTT_5 else b"")
    body += b"".join(_text(topic_filter) + options for topic_filter in filters)
    return b"\x82" + _length(len(body)) + body


def puback_packets(serials: list[int]) -> bytes:
    """One PUBACK for each serial, in their order; four bytes each, alike in both versions."""
    words = [0x4002] * (2 * len(serials))
    words[1::2] = [serial & 0xFFFF for serial in serials]
    return pack(f">{len(words)}H", *words)


def connack_reason(version: MqttVersion, body: bytes) -> int:
    """The reason code of a CONNACK: 0 is welcome. An MQTT 3.1.1 broker answers MQTT 5 with 1."""
    if len(body) < (3 if version is MqttVersion.MQTT_5 and body[1:2] == b"\x00" else 2):
        raise ProtocolError("CONNACK is too short")
    return body[1]


def suback_failures(version: MqttVersion, body: bytes) -> list[int]:
    """The reason codes of a SUBACK other than "QoS 1 granted": with less, a lost connection would lose messages."""
    start = 2
    if version is MqttVersion.MQTT_5:
        size, start = _read_length(body, 2)
        start += size
    return [code for code in body[start:] if code != _QOS_1_GRANTED]


class PacketStream:
    """Bytes of one connection in, messages and control packets out.

    A packet longer than `largest_bytes` comes out as a message cut to that length, never as an error: refused, it
    would come again for ever. What it holds is bounded by the read size and `largest_bytes`.
    """

    def __init__(self, version: MqttVersion, generation: int, largest_bytes: int, repeats: int = 0) -> None:
        """`repeats`: in a session that goes on, so many of the first messages may be ones not acknowledged before."""
        self.version = version
        self.controls: list[tuple[int, bytes]] = []
        self.unacknowledged: deque[int] = deque()
        self._largest = largest_bytes
        self._generation = generation
        self._serial = 0
        self._max_repeats = repeats
        self._repeats_until = 0
        self._buffer = b""
        self._position = 0
        self._received_at = datetime.min.replace(tzinfo=UTC)

    def add_bytes(self, data: bytes, received_at: datetime) -> None:
        """Add what one read brought. All messages that end in it are stamped `received_at`."""
        rest = self._buffer[self._position :]
        self._position = max(0, self._position - len(self._buffer))
        self._buffer = rest + data
        self._received_at = received_at

    def read_messages(self, limit: int) -> list[Message]:  # noqa: C901 - one loop without calls: this is the hot path
        """Up to `limit` whole messages; the control packets met on the way go to `controls`.

        Raises ProtocolError where the bytes are not MQTT.
        """
        buffer, position, end = self._buffer, self._position, len(self._buffer)
        generation, received_at, serial = self._generation, self._received_at, self._serial
        largest, properties_follow = self._largest, self.version is MqttVersion.MQTT_5
        repeats_until = self._repeats_until
        note = self.unacknowledged.append
        messages: list[Message] = []
        while len(messages) < limit and end - position >= 2:
            head, size, start = buffer[position], buffer[position + 1], position + 2
            if size & 0x80:
                size, start = _read_length(buffer, position + 1)
                if start == 0:
                    break
            stop = start + size if size <= largest else start + largest
            if stop > end:
                break
            position = start + size
            if head >> 4 != _PUBLISH:
                body = buffer[start:stop]
                self.controls.append((head >> 4, body))
                if head >> 4 == PacketType.CONNACK and body.startswith(
                    _SESSION_PRESENT
                ):  # its messages may follow at once
                    self._repeats_until = repeats_until = (self._max_repeats + 1) * SERIAL_STEP
                continue
            topic_at = start + 2
            at = topic_at + (buffer[start] << 8 | buffer[start + 1]) if size > 1 else stop + 1
            topic = buffer[topic_at:at]
            delivery = 0
            if head & _QOS_1_MASK:
                if head & _QOS_2 or at + 2 > stop:
                    raise ProtocolError("PUBLISH with a QoS that was not subscribed, or cut short")
                serial += SERIAL_STEP
                delivery = serial | buffer[at] << 8 | buffer[at + 1]
                note(delivery)
                at += 2
            if properties_follow and at < stop:
                length = buffer[at]
                at += 1
                if length & 0x80:
                    length, at = _read_length(buffer, at - 1)
                at = at + length if at else stop + 1
            if at > stop:
                raise ProtocolError("PUBLISH whose topic or properties are longer than the packet")
            try:
                name = topic.decode()
            except UnicodeDecodeError:
                name = topic.decode(errors="backslashreplace")
            repeated = serial < repeats_until or head & _DUPLICATE != 0
            messages.append(
                Message(name, buffer[at:stop], received_at, head & _RETAIN != 0, (generation, delivery), repeated)
            )
        self._position, self._serial = position, serial
        return messages


def _text(value: str) -> bytes:
    data = value.encode()
    return pack(">H", len(data)) + data


def _length(value: int) -> bytes:
    """A variable byte integer: seven bits a byte, the least significant first."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _read_length(buffer: bytes, at: int) -> tuple[int, int]:
    """A variable byte integer and where it ends; (0, 0) while some of it is missing."""
    value = 0
    for index in range(_MAX_LENGTH_BYTES):
        if at + index >= len(buffer):
            return 0, 0
        byte = buffer[at + index]
        value |= (byte & 0x7F) << 7 * index
        if not byte & 0x80:
            return value, at + index + 1
    raise ProtocolError("a length of more than four bytes")
