"""Visitors who load one page of a server again and again, each on a new connection: `python -m ... URL COUNT`.

Runs in a process of its own, so that it takes no time from the server's, until it gets SIGTERM or for LONGEST_S. Then
prints one JSON object: see `Crowd`.
"""

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic
from urllib.parse import urlsplit

from tests.architecture.repository import ROOT

ADDRESSES = 200
"""Visitors come from so many loopback addresses, as a city's do from many."""
LONGEST_S = 600.0
ANSWER_TIMEOUT_S = 30.0
NO_ANSWER = 0
"""Status of a visit whose connection was closed or never opened."""


@dataclass(frozen=True, slots=True)
class Crowd:
    """Seconds of each visit, by status."""

    took_s: dict[int, list[float]]

    @property
    def visits(self) -> int:
        """How many visits ended."""
        return sum(map(len, self.took_s.values()))

    def share_served(self, within_s: float) -> float:
        """Share of visits that got the page within so many seconds."""
        return sum(one <= within_s for one in self.took_s.get(200, [])) / max(self.visits, 1)


@contextmanager
def visiting(url: str, count: int) -> Iterator[subprocess.Popen[str]]:
    """A crowd at work. `crowd_of` waits for its end."""
    command = [sys.executable, "-m", __name__, url, str(count)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def crowd_of(process: subprocess.Popen[str]) -> Crowd:
    """End the visits of `visiting`, and say what the visitors met."""
    process.terminate()
    said, _ = process.communicate()
    return Crowd({int(status): took_s for status, took_s in json.loads(said).items()})


async def _visit(url: str, source: str) -> int:
    parts = urlsplit(url)
    try:
        async with asyncio.timeout(ANSWER_TIMEOUT_S):
            reader, writer = await asyncio.open_connection(parts.hostname, parts.port, local_addr=(source, 0))
            try:
                writer.write(f"GET {parts.path or '/'} HTTP/1.1\r\nHost: {parts.netloc}\r\n\r\n".encode())
                head = await reader.readuntil(b"\r\n\r\n")
                length = next(
                    int(line[15:]) for line in head.lower().splitlines() if line.startswith(b"content-length:")
                )
                await reader.readexactly(length)
                return int(head.split(maxsplit=2)[1])
            finally:
                writer.close()
    except (OSError, TimeoutError, asyncio.IncompleteReadError):
        return NO_ANSWER


async def _visitor(url: str, source: str, stop: asyncio.Event, took_s: dict[int, list[float]]) -> None:
    while not stop.is_set():
        began_s = monotonic()
        status = await _visit(url, source)
        took_s.setdefault(status, []).append(monotonic() - began_s)


async def _crowd(url: str, count: int) -> dict[int, list[float]]:
    took_s: dict[int, list[float]] = {}
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    loop.call_later(LONGEST_S, stop.set)
    sources = (f"127.0.1.{1 + number % ADDRESSES}" for number in range(count))
    await asyncio.gather(*(_visitor(url, source, stop, took_s) for source in sources))
    return took_s


if __name__ == "__main__":
    address, how_many = sys.argv[1:]
    print(json.dumps(asyncio.run(_crowd(address, int(how_many)))))
