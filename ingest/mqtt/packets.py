"""MQTT 5 and 3.1.1 packets of a subscriber: encode the packets it sends, and parse the stream it receives.

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
"""The serial number of a delivery is a running count times this, plus the packet identifier."""

_PUBLISH, _QOS_1_MASK, _QOS_2, _RETAIN, _DUPLICATE = 3, 0x06, 0x04, 0x01, 0x08
_QOS_1_GRANTED = 0x01
_SESSION_PRESENT = b"\x01"
_MAX_LENGTH_BYTES = 4


class ProtocolError(Exception):
    """The broker sent bytes that MQTT does not allow, or refused the connection or a subscription."""


class MqttVersion(IntEnum):
    """The protocol level, as CONNECT carries it."""

    MQTT_3_1_1 = 4
    MQTT_5 = 5


class PacketType(IntEnum):
    """The packet types a subscriber receives besides PUBLISH."""

    CONNACK = 2
    SUBACK = 9
    PINGRESP = 13
    DISCONNECT = 14


@dataclass(frozen=True, slots=True)
class ConnectRequest:
    """The content of CONNECT: client, login and session. It never asks for a clean start."""

    client_id: str
    keepalive_s: int
    session_expiry_s: int
    receive_maximum: int
    username: str | None
    password: str | None

    def packet(self, version: MqttVersion) -> bytes:
        """Encode CONNECT. Without topic aliases; without a maximum packet size, since a broker drops larger ones."""
        flags = (0x80 if self.username is not None else 0) | (0x40 if self.password is not None else 0)
        properties = pack(">BIBH", 0x11, self.session_expiry_s, 0x21, self.receive_maximum)
        body = _text("MQTT") + pack(">BBH", version, flags, self.keepalive_s)
        body += _length(len(properties)) + properties if version is MqttVersion.MQTT_5 else b""
        body += _text(self.client_id)
        body += b"".join(_text(part) for part in (self.username, self.password) if part is not None)
        return b"\x10" + _length(len(body)) + body


def subscribe_packet(version: MqttVersion, filters: tuple[str, ...]) -> bytes:
    """Encode SUBSCRIBE at QoS 1. In MQTT 5, retained messages are sent only for a new subscription."""
    options = b"\x11" if version is MqttVersion.MQTT_5 else b"\x01"
    body = b"\x00\x01" + (b"\x00" if version is MqttVersion.MQTT_5 else b"")
    body += b"".join(_text(topic_filter) + options for topic_filter in filters)
    return b"\x82" + _length(len(body)) + body


def puback_packets(serials: list[int]) -> bytes:
    """Encode one PUBACK of four bytes for each serial number, in their order. Equal in both versions."""
    words = [0x4002] * (2 * len(serials))
    words[1::2] = [serial & 0xFFFF for serial in serials]
    return pack(f">{len(words)}H", *words)


def connack_reason(version: MqttVersion, body: bytes) -> int:
    """The reason code of a CONNACK; 0 means accepted. An MQTT 3.1.1 broker answers MQTT 5 with 1."""
    if len(body) < (3 if version is MqttVersion.MQTT_5 and body[1:2] == b"\x00" else 2):
        raise ProtocolError("CONNACK is too short")
    return body[1]


def suback_failures(version: MqttVersion, body: bytes) -> list[int]:
    """The reason codes of a SUBACK other than "QoS 1 granted". At QoS 0 a lost connection would lose messages."""
    start = 2
    if version is MqttVersion.MQTT_5:
        size, start = _read_length(body, 2)
        start += size
    return [code for code in body[start:] if code != _QOS_1_GRANTED]


class PacketStream:
    """Parser of the byte stream of one connection: bytes in, messages and control packets out.

    A packet longer than `largest_bytes` becomes a message cut to that length and not an error: the broker would send
    a refused packet again without end. The buffer is limited by the read size and `largest_bytes`.
    """

    def __init__(self, version: MqttVersion, generation: int, largest_bytes: int, max_repeats: int = 0) -> None:
        """`max_repeats`: how many of the first messages of a resumed session may be redeliveries."""
        self.version = version
        self.controls: list[tuple[int, bytes]] = []
        self.unacknowledged: deque[int] = deque()
        self._largest = largest_bytes
        self._generation = generation
        self._serial = 0
        self._max_repeats = max_repeats
        self._repeats_until = 0
        self._buffer = b""
        self._position = 0
        self._received_at = datetime.min.replace(tzinfo=UTC)

    def add_bytes(self, data: bytes, received_at: datetime) -> None:
        """Add the bytes of one read. All messages that end in them get the time `received_at`."""
        unread = self._buffer[self._position :]
        self._position = max(0, self._position - len(self._buffer))
        self._buffer = unread + data
        self._received_at = received_at

    def read_messages(self, limit: int) -> list[Message]:  # noqa: C901 - one loop without calls: this is the hot path
        """Parse up to `limit` complete messages. Control packets between them are added to `controls`.

        Raises ProtocolError if the bytes are not MQTT.
        """
        buffer, position, end = self._buffer, self._position, len(self._buffer)
        generation, received_at, serial = self._generation, self._received_at, self._serial
        largest, properties_follow = self._largest, self.version is MqttVersion.MQTT_5
        repeats_until = self._repeats_until
        add_unacknowledged = self.unacknowledged.append
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
                ):  # messages may follow in the same read
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
                add_unacknowledged(delivery)
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
    """A variable byte integer and the position after it; (0, 0) if it is incomplete."""
    value = 0
    for index in range(_MAX_LENGTH_BYTES):
        if at + index >= len(buffer):
            return 0, 0
        byte = buffer[at + index]
        value |= (byte & 0x7F) << 7 * index
        if not byte & 0x80:
            return value, at + index + 1
    raise ProtocolError("a length of more than four bytes")
