"""Servers in a data folder that one process owns and others share, with start and stop by a file lock.

The process that locks the folder first owns the server: it starts and stops it. Other processes on the same folder use
the server that runs there. A file lock ends with its process, so no lock is ever stale. A server left behind by a
killed owner is stopped before another one starts. On Linux the kernel stops the servers when the owner dies. Start them
from the main thread: the kernel takes the end of the starting thread as the owner's death.
"""

import fcntl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep
from typing import IO, Protocol

from services.embedded.child_process import POLL_S

NAME = "vigia"
"""The user and the database in PostgreSQL, and the user at the broker."""
START_S = 30.0
"""Longest wait for a server to answer."""


class ServerStartError(RuntimeError):
    """An embedded server did not start; its log says why."""


class Server(Protocol):
    """An embedded server. Its `url` stays the same while it is started, killed and started again."""

    url: str

    def start(self) -> None:
        """Start and wait until it answers. Raises ServerStartError."""

    def stop(self) -> None:
        """Stop within a few seconds, by force if need be."""

    def find(self) -> bool:
        """Whether the server of another process answers; its address is then in `url`."""


@contextmanager
def owned_or_shared(server: Server, lock_file: Path) -> Iterator[None]:
    """Own the server where nobody holds the lock, else share the one that runs. Raises ServerStartError."""
    lock_file.parent.mkdir(parents=True, exist_ok=True)
    deadline_s = monotonic() + START_S
    with lock_file.open("w") as file:
        while not _lock(file):
            if server.find():
                yield
                return
            if monotonic() > deadline_s:
                raise ServerStartError(f"another process holds {lock_file} and its server does not answer")
            sleep(POLL_S)
        try:
            server.start()
            yield
        finally:
            server.stop()


def process_id(process: subprocess.Popen[bytes] | None) -> int:
    """The process number of a server that we own. Raises ProcessLookupError where we own none."""
    if process is None:
        raise ProcessLookupError("the server is not running, or belongs to another process")
    return process.pid


def _lock(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
