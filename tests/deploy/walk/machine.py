"""A machine on which services of Compose run as processes: its volumes, ports and processes, kept in a folder."""

import json
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import psycopg
from psycopg.sql import SQL, Identifier, Literal

HEALTHY_S = 60.0
STOPS_S = 30.0
SUPERUSER = "vigia_walk_superuser"
"""Stands for `postgres`, whose password a test must not change on a server of others."""
DATABASE = "database"


class ServiceError(Exception):
    """A service did not start or did not succeed; the message has the end of its log."""


@dataclass(frozen=True)
class Machine:
    """`folder`: all that the machine keeps. `server`: URL of a PostgreSQL's superuser; `database`: the city's there.

    `ports`: of broker, broker_tls, api, proxy and proxy_plain. `mosquitto` and `plugins` name a 2.1, or are empty.
    """

    folder: str
    server: str
    database: str
    ports: dict[str, int]
    mosquitto: str = ""
    plugins: str = ""

    def write(self) -> None:
        """Store what `docker` needs to know of it."""
        self.path("machine.json").write_text(json.dumps(asdict(self)), encoding="utf-8")

    def path(self, *names: str) -> Path:
        """A place in the folder, whose own folder is there."""
        path = Path(self.folder).joinpath(*names)
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def volume(self, name: str) -> Path:
        """The folder of a named volume."""
        path = self.path("volumes", name)
        path.mkdir(exist_ok=True, mode=0o755)
        return path

    def alive_file(self, name: str) -> Path:
        """What stands for /dev/shm/alive in the container of a service."""
        return self.path("alive", name)

    def said(self, name: str) -> str:
        """The end of a service's log."""
        return self.path("logs", f"{name}.log").read_text(encoding="utf-8", errors="replace")[-3000:]

    def start(self, name: str, definition: str, words: list[str], environment: dict[str, str]) -> None:
        """Start a service, in place of one with another definition."""
        self.stop(name)
        with self.path("logs", f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                words,
                cwd=self.path("logs").parent,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.path("processes", name).write_text(str(process.pid), encoding="utf-8")
        self.note("processes", f"{name}.json", definition)

    def create_database(self, password: str) -> None:
        """What the image does at the first start, on a server that is there: the superuser and the empty database."""
        with psycopg.connect(self.server, autocommit=True) as server:
            known = server.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [SUPERUSER]).fetchone()
            change = SQL("ALTER ROLE {} PASSWORD {}" if known else "CREATE ROLE {} LOGIN SUPERUSER PASSWORD {}")
            server.execute(change.format(Identifier(SUPERUSER), Literal(password)))
            server.execute(SQL("CREATE DATABASE {}").format(Identifier(self.database)))
            loaded = server.execute("SELECT current_setting('shared_preload_libraries')").fetchone()
        if loaded and "timescaledb" in loaded[0]:
            with psycopg.connect(self.database_url()) as city:
                city.execute("CREATE EXTENSION IF NOT EXISTS timescaledb")
        (self.volume(DATABASE) / "PG_VERSION").write_text("18\n", encoding="utf-8")

    def runs(self, name: str, definition: str) -> bool:
        """Whether the service runs, and as its definition says now."""
        if name == DATABASE:
            return (self.volume(DATABASE) / "PG_VERSION").exists()
        return self.has_noted("processes", f"{name}.json", definition) and self.process(name) is not None

    def has_completed(self, name: str, definition: str) -> bool:
        """Whether the service ran to its end since the last `up`. Docker runs it again, which changes nothing."""
        return self.has_noted("completed", name, definition)

    def forget_completed(self) -> None:
        """Let every service run again."""
        shutil.rmtree(self.path("completed"), ignore_errors=True)

    def note(self, what: str, name: str, definition: str) -> None:
        """Remember with which definition a service was started or ran to its end."""
        self.path(what, name).write_text(definition, encoding="utf-8")

    def has_noted(self, what: str, name: str, definition: str) -> bool:
        """Whether it was this definition."""
        noted = self.path(what, name)
        return noted.exists() and noted.read_text(encoding="utf-8") == definition

    def process(self, name: str) -> psutil.Process | None:
        """The process of a service; None where it does not run."""
        try:
            process = psutil.Process(int(self.path("processes", name).read_text(encoding="utf-8")))
            return None if process.status() == psutil.STATUS_ZOMBIE else process
        except (OSError, psutil.NoSuchProcess):
            return None

    def stop(self, *names: str) -> None:
        """Stop services as Compose does, at once."""
        processes = [process for process in map(self.process, names) if process is not None]
        for process in processes:
            process.send_signal(signal.SIGTERM)
        _, alive = psutil.wait_procs(processes, STOPS_S)
        for process in alive:
            process.kill()

    def stop_all(self) -> None:
        """Stop everything that was started, first the parts that use the broker."""
        names = [path.stem for path in self.path("processes", "x").parent.glob("*.json")]
        self.stop(*(name for name in names if name != "broker"))
        self.stop("broker")

    def wait_until_healthy(self, name: str, check: list[str]) -> None:
        """Raises ServiceError with its log where its health check does not pass in time."""
        deadline = time.monotonic() + HEALTHY_S
        while name != DATABASE and not self.is_healthy(name, check):
            if time.monotonic() > deadline or self.process(name) is None:
                raise ServiceError(f"{name} does not become healthy:\n{self.said(name)}")
            time.sleep(0.1)

    def is_healthy(self, name: str, check: list[str]) -> bool:
        """Run the health check of a service, as it stands in the Compose file."""
        connects = f"import socket; socket.create_connection(('127.0.0.1', {self.ports['broker']}), 1)"
        real = {
            "/dev/shm/alive": str(self.alive_file(name)),
            "127.0.0.1:8013": f"127.0.0.1:{self.ports['api']}",
            "127.0.0.1:8080": f"127.0.0.1:{self.ports['proxy_plain']}",
            "nc -z 127.0.0.1 1883": f'{sys.executable} -c "{connects}"',  # not everywhere is there a netcat
        }
        for theirs, ours in real.items():
            check = [word.replace(theirs, ours) for word in check]
        command = [sys.executable, *check[2:]] if check[1] == "python" else ["/bin/sh", "-c", *check[1:]]
        return subprocess.run(command, check=False, capture_output=True, timeout=HEALTHY_S).returncode == 0

    def is_ready(self) -> bool:
        """Whether the API answers on the private network."""
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{self.ports['api']}/api/v1/health/ready", timeout=5).close()
        except (urllib.error.URLError, OSError):
            return False
        return True

    def database_url(self) -> str:
        """The city's database, for the superuser of the server."""
        return urlsplit(self.server)._replace(path=f"/{self.database}").geturl()
