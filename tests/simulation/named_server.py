"""A PostgreSQL of its own, with TimescaleDB, that a test may kill and start again."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic, sleep

import psutil
import psycopg

from services.embedded.child_process import free_port, stop_child, stop_process

START_TIMESCALEDB = os.environ.get("VIGIA_TEST_TIMESCALEDB")
"""A program that is called with a folder, a port and a Python, starts a server there and prints its URL."""
WAIT_S = 60.0
POLL_S = 0.1


class NamedServer:
    """A running server, found by its URL: its process, and how to start that again."""

    def __init__(self, url: str) -> None:
        """Look at the server. Raises psycopg.OperationalError where none answers."""
        self.url = url
        with psycopg.connect(url) as connection:  # its process ends with it
            self.pid = psutil.Process(connection.info.backend_pid).ppid()
        process = psutil.Process(self.pid)
        self._child: subprocess.Popen[bytes] | None = None
        self._command, self._user, self._group = process.cmdline(), process.uids().real, process.gids().real

    def restart(self) -> None:
        """Start it as before, after its processes are gone. Raises TimeoutError."""
        deadline_s = monotonic() + WAIT_S
        while monotonic() < deadline_s:
            if self._child is not None:
                self._child.poll()  # PostgreSQL takes an ended child that nobody has waited for for a running server
            if not psutil.pid_exists(self.pid):
                self._start()
            with suppress(psycopg.OperationalError), psycopg.connect(self.url, connect_timeout=2):
                return
            sleep(POLL_S)
        raise TimeoutError("the server did not come back")

    def stop(self) -> None:
        """Stop it in any state."""
        if self._child is None:
            stop_process(self.pid, signal.SIGINT)
        else:
            stop_child(self._child, signal.SIGINT)

    def _start(self) -> None:
        self._child = subprocess.Popen(
            self._command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            user=self._user,
            group=self._group,
            extra_groups=[] if os.geteuid() == 0 else None,
            start_new_session=True,
        )
        self.pid = self._child.pid


@contextmanager
def timescaledb(folder: Path) -> Iterator[NamedServer]:
    """A new server with TimescaleDB; it stops at the end of the block."""
    folder.chmod(0o711)  # it may run as another user
    command = [str(START_TIMESCALEDB), str(folder / "server"), str(free_port(0)), sys.executable]
    url = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, timeout=WAIT_S).stdout.strip()
    server = NamedServer(url)
    try:
        yield server
    finally:
        server.stop()
