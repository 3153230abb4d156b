"""HTTP load: requests over a few persistent connections as fast as the server answers, at little cost of processor."""

import selectors
import socket
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import cycle
from statistics import quantiles
from time import monotonic
from urllib.parse import urlsplit

CONNECTIONS = 16
READ_BYTES = 1 << 18
WAIT_S = 10.0
_END = b"\r\n\r\n"
_LENGTH = b"content-length:"


@dataclass(slots=True)
class LoadResult:
    """Answers of a server: duration, waits and sizes of bodies."""

    seconds: float = 0.0
    waits_ms: list[float] = field(default_factory=list)
    body_bytes: int = 0

    def __add__(self, other: "LoadResult") -> "LoadResult":
        """The sum of two measurements."""
        return LoadResult(
            self.seconds + other.seconds, self.waits_ms + other.waits_ms, self.body_bytes + other.body_bytes
        )

    @property
    def per_s(self) -> float:
        """Answers a second."""
        return len(self.waits_ms) / self.seconds

    @property
    def p99_ms(self) -> float:
        """99th percentile of the waits, with CONNECTIONS requests at once."""
        return quantiles(self.waits_ms, n=100)[98]

    @property
    def bytes(self) -> float:
        """Mean size of a body."""
        return self.body_bytes / len(self.waits_ms)


@dataclass(slots=True)
class _Connection:
    sock: socket.socket
    asked_s: float = 0.0
    heard: bytearray = field(default_factory=bytearray)
    length: int = -1

    def send(self, request: bytes) -> None:
        self.asked_s, self.length = monotonic(), -1
        self.heard.clear()
        self.sock.sendall(request)

    def receive(self) -> int | None:
        """Read once. The body's length when it is complete, else None. Raises ConnectionError on any status but 200."""
        part = self.sock.recv(READ_BYTES)
        if not part:
            raise ConnectionError("the server hung up")
        self.heard += part
        if self.length < 0:
            end = self.heard.find(_END)
            if end < 0:
                return None
            head = bytes(self.heard[:end]).lower()
            if b" 200 " not in head[:15]:
                raise ConnectionError(head[:80].decode(errors="replace"))
            start = head.index(_LENGTH) + len(_LENGTH)
            self.length = end + len(_END) + int(head[start:].split(b"\r\n", 1)[0])
        if len(self.heard) < self.length:
            return None
        return self.length - self.heard.index(_END) - len(_END)


def send_requests(url: str, paths: Sequence[str], seconds: float) -> LoadResult:
    """Request the paths in turn over CONNECTIONS connections, each again as soon as it is answered."""
    address = urlsplit(url)
    host, port = str(address.hostname), int(address.port or 80)
    requests = cycle([f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode() for path in paths])
    answered = LoadResult()
    with selectors.DefaultSelector() as ready, ExitStack() as last:
        connections = [_Connection(last.enter_context(_connect(host, port))) for _ in range(CONNECTIONS)]
        for one in connections:
            ready.register(one.sock, selectors.EVENT_READ, one)
            one.send(next(requests))
        began_s = now_s = monotonic()
        while now_s - began_s < seconds:
            for key, _ in ready.select(WAIT_S):
                connection: _Connection = key.data
                length = connection.receive()
                if length is not None:
                    answered.waits_ms.append(1e3 * (monotonic() - connection.asked_s))
                    answered.body_bytes += length
                    connection.send(next(requests))
            now_s = monotonic()
        answered.seconds = now_s - began_s
    return answered


def _connect(host: str, port: int) -> socket.socket:
    return socket.create_connection((host, port), timeout=WAIT_S)
