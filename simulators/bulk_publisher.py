"""Fast MQTT 5 publisher for load tests: many QoS 1 messages per write, with every PUBACK counted.

Source: OASIS, MQTT Version 5.0 (2019).
"""

import socket
from collections import deque
from collections.abc import Iterable
from struct import pack
from time import monotonic
from types import TracebackType
from typing import Self
from urllib.parse import unquote, urlsplit

READ_BYTES = 1 << 16
TIMEOUT_S = 30.0
KEEPALIVE_S = 600
MAX_PACKET_ID = 0xFFFF
NO_SUBSCRIBERS = 0x10
"""The reason code of a PUBACK for a message that nobody had subscribed to."""


class BulkPublisher:
    """One publisher with at most `window` unacknowledged messages.

    `sent` and `acknowledged` count messages since the start. `without_subscriber` and `refused` count those of the
    acknowledged messages that no subscriber received and that the broker refused.
    """

    def __init__(self, url: str, *, client_id: str, window: int = 1_000) -> None:
        """Connect to `mqtt://`. Raises OSError if there is no broker or it refuses, ValueError on a bad window."""
        if not 0 < window < MAX_PACKET_ID:
            raise ValueError("a window of 1 to 65534")
        self.sent = self.acknowledged = self.without_subscriber = self.refused = 0
        self._window = window
        self._unacknowledged: deque[int] = deque()
        self._unread = b""
        address = urlsplit(url)
        self._socket = socket.create_connection((address.hostname, address.port or 1883), timeout=TIMEOUT_S)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            self._connect(client_id, address.username, address.password)
        except OSError:
            self._socket.close()
            raise

    def __enter__(self) -> Self:
        """The publisher; it closes at the end of the block."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Close."""
        self.close()

    def send(self, messages: Iterable[tuple[str, bytes]]) -> None:
        """Send the messages, in as few writes as the window allows. Raises OSError, including TimeoutError."""
        batch: list[bytes] = []
        for topic, payload in messages:
            if len(self._unacknowledged) >= self._window:
                self._write(batch)
                self._read_acknowledgements()
            identifier = self.sent % MAX_PACKET_ID + 1
            batch.append(_publish_packet(topic.encode(), payload, identifier))
            self._unacknowledged.append(identifier)
            self.sent += 1
        self._write(batch)

    def drain(self, wait_s: float = TIMEOUT_S) -> None:
        """Wait until all messages are acknowledged. Raises TimeoutError."""
        deadline_s = monotonic() + wait_s
        while self._unacknowledged:
            if monotonic() > deadline_s:
                raise TimeoutError(f"{len(self._unacknowledged)} of {self.sent} messages were not acknowledged")
            self._read_acknowledgements()

    def close(self) -> None:
        """Send DISCONNECT and close the connection."""
        with self._socket:
            self._socket.sendall(b"\xe0\x00")

    def _write(self, batch: list[bytes]) -> None:
        if batch:
            self._socket.sendall(b"".join(batch))
            batch.clear()

    def _read_acknowledgements(self) -> None:
        """Read once and count the acknowledgements. MQTT requires them in the order of the messages."""
        data = self._socket.recv(READ_BYTES)
        if not data:
            raise ConnectionResetError(f"the broker closed the connection after {self.acknowledged} acknowledgements")
        buffer, at = self._unread + data, 0
        while at + 2 <= len(buffer) and at + 2 + buffer[at + 1] <= len(buffer):
            size = buffer[at + 1]
            if buffer[at] == 0x40:
                self._count_acknowledgement(buffer[at + 2 : at + 2 + size])
            at += 2 + size
        self._unread = buffer[at:]

    def _count_acknowledgement(self, body: bytes) -> None:
        if self._unacknowledged.popleft() != (body[0] << 8 | body[1]):
            raise ConnectionError("an acknowledgement out of order")
        reason = body[2] if len(body) > 2 else 0
        self.acknowledged += 1
        self.without_subscriber += reason == NO_SUBSCRIBERS
        self.refused += reason >= 0x80

    def _connect(self, client_id: str, username: str | None, password: str | None) -> None:
        login = [unquote(part) for part in (username, password) if part is not None]
        flags = (0x02, 0x82, 0xC2)[len(login)]
        body = _text("MQTT") + pack(">BBHB", 5, flags, KEEPALIVE_S, 0) + b"".join(map(_text, [client_id, *login]))
        self._socket.sendall(b"\x10" + _length(len(body)) + body)
        answer = self._socket.recv(READ_BYTES)
        if answer[:1] != b"\x20" or answer[3:4] != b"\x00":
            raise ConnectionRefusedError(f"the broker answered {answer[:4].hex() or 'nothing'}")


def _publish_packet(topic: bytes, payload: bytes, identifier: int) -> bytes:
    size = 5 + len(topic) + len(payload)
    head = bytes((0x32, size)) if size < 0x80 else b"\x32" + _length(size)
    return b"%b%b%b%b\x00%b" % (head, len(topic).to_bytes(2), topic, identifier.to_bytes(2), payload)


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
