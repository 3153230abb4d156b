"""deploy/README.md walked from an empty machine: its commands, as they stand there, by a shell with umask 077.

`docker` is tests/deploy/walk/docker.py: services are processes with the commands, settings, secrets, files and networks
of the Compose files. Only Docker has, and only the texts of the files are checked for: images and their build,
published ports, the users of containers, read-only file systems, capabilities and limits.
"""

import os
import re
import shutil
import ssl
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import psycopg
import pytest
import yaml
from psycopg.sql import SQL, Identifier

from services.runtime.clock import wall_clock
from tests.architecture.repository import ROOT
from tests.deploy.conftest import ROLES, Mosquitto, free_port, program
from tests.deploy.test_broker import Client
from tests.deploy.test_broker_whole import PLUGIN, PROGRAM
from tests.deploy.test_prometheus import counted_by_processes
from tests.deploy.test_proxy import certify
from tests.deploy.walk.composition import Composition
from tests.deploy.walk.docker import STOPS_AT
from tests.deploy.walk.machine import SUPERUSER, Machine
from tests.deploy.walk.page import blocks
from tests.simulation.named_server import START_TIMESCALEDB, timescaledb
from tests.waiting import wait_until

NAME = "vigia.example"
EXAMPLES = {"mqtt.example.gob.ar": "127.0.0.1"}
"""Names that the page shows and everybody replaces by their own."""
NOT_WALKED = {
    ("Devices", 2): "a company's list: test_devices.py",
    ("Devices", 4): "ends and renewal of certificates: test_devices.py",
    ("Roles", 1): "from one role to five: test_database_roles.py",
    ("Every day", 1): "retention and learning by hand: tests/storage",
    ("Backup", 2): "a line of cron",
    ("Monitoring", 1): "Prometheus itself; what it asks is asked here",
    ("Upgrade", 1): "needs two versions",
    ("Upgrade", 2): "a newer image of TimescaleDB",
}
WALKED = [
    ("First start", 1),
    ("Opening it to people", 1),
    ("Devices", 1),
    ("Devices", 3),
    ("Backup", 1),
    ("Backup", 3),
]
CERTIFICATES = ("broker-tls", "authority")
"""The broker's volumes that no start writes again."""
SEEN_LATER = {"clock_skew_s"}
"""What a pipeline tells once it has heard devices."""
READING = b'{"observed_at": %.3f, "boot": "b1", "seq": %d, "level_m": %.2f}'
LONGEST_S = 120


@dataclass(frozen=True)
class Place:
    """A checkout on a machine, and the operator's shell there."""

    checkout: Path
    machine: Machine
    trusted: ssl.SSLContext

    def sh(self, script: str, status: int = 0, **variables: str) -> str:
        """Run commands of the page. Raises AssertionError with what they said where the exit status is another."""
        for example, own in EXAMPLES.items():
            script = script.replace(example, own)
        done = subprocess.run(
            ["/bin/sh", "-e", "-c", f"umask 077\n{script}"],
            cwd=self.checkout,
            env=os.environ
            | {"PATH": f"{self.checkout.parent / 'bin'}:{os.environ['PATH']}"}
            | {"VIGIA_TEST_MACHINE": f"{self.machine.folder}/machine.json"}
            | variables,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=LONGEST_S,
            check=False,
        )
        assert done.returncode == status, f"{script}\n{done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    def browser(self, token: str = "") -> httpx.Client:
        """A client of the proxy, as an operator where there is a token."""
        headers = {"Host": NAME} | ({"Authorization": f"Bearer {token}"} if token else {})
        base_url = f"https://127.0.0.1:{self.machine.ports['proxy']}"
        # From an address that is not the machine's own, which sees the details of health.
        transport = httpx.HTTPTransport(verify=self.trusted, local_address="127.0.0.2")
        return httpx.Client(base_url=base_url, transport=transport, headers=headers, timeout=60)

    def levels(self, device: str) -> list[float]:
        """All stored readings of a gauge."""
        query = "SELECT level_m FROM river_readings JOIN devices ON devices.id = device_id WHERE code = %s ORDER BY seq"
        with psycopg.connect(self.machine.database_url()) as connection:
            return [level for (level,) in connection.execute(query, [device])]

    def publishes(self, given: Path, seq: int, level_m: float) -> None:
        """The gauge with the certificate in `given` publishes by TLS, and its reading becomes a row."""
        tls = ssl.create_default_context(cafile=given / "devices-ca.crt")
        tls.load_cert_chain(given / "gauge-9.crt", given / "gauge-9.key")
        payload = READING % (wall_clock().timestamp(), seq, level_m)
        broker = Mosquitto(Path(self.machine.folder), self.machine.ports["broker_tls"])
        with Client(broker, None, client_id="gauge-9", tls=tls) as gauge:
            assert gauge.publish("vigia/v1/laplata/river/gauge-9", payload) == 0
        wait_until(lambda: level_m in self.levels("gauge-9"), why=lambda: self.machine.said("pipeline-critical"))


@contextmanager
def place(folder: Path, server: str, name: str) -> Iterator[Place]:
    """A checkout made with umask 077 on a machine without volumes; `docker` and `sudo` are imitated."""
    ports = {one: free_port() for one in ("broker", "broker_tls", "api", "proxy", "proxy_plain")}
    database = f"vigia_walk_{name}_{os.getpid()}"
    machine = Machine(
        str(folder / "machine"), server, database, ports, PROGRAM, str(Path(PLUGIN).parent) if PLUGIN else ""
    )
    (folder / "machine").mkdir()
    machine.write()
    for source in (ROOT / ".env.example", ROOT / "deploy", *ROOT.glob("docker-compose*.yml")):
        copy_closed(source, folder / "vigia" / source.name)
    write_programs(folder / "bin")
    (folder / "tls").mkdir()
    try:
        yield Place(folder / "vigia", machine, certify(folder / "tls"))
    finally:
        machine.stop_all()
        with psycopg.connect(server, autocommit=True) as superuser:
            superuser.execute(SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(Identifier(database)))


def copy_closed(source: Path, target: Path) -> None:
    """Copy as `git clone` writes with umask 077."""
    target.parent.mkdir(exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target)
    else:
        shutil.copy(source, target)
    for path in (target, *target.rglob("*")):
        path.chmod(0o700 if path.is_dir() else 0o600)


def write_programs(folder: Path) -> None:
    """`docker`, `sudo`, and a `mv` that kills the script that calls it where it is told to."""
    folder.mkdir()
    programs = {
        "docker": f'PYTHONPATH={ROOT} exec {sys.executable} -m tests.deploy.walk.docker "$@"',
        "sudo": '[ "$1" != chown ] || [ "$(id -u)" = 0 ] || exit 0\nexec "$@"',
        "mv": 'case $2 in */"${VIGIA_TEST_KILLS_AT:-none}") kill -KILL $PPID; exit 1;; esac\nexec /bin/mv "$@"',
    }
    for name, script in programs.items():
        (folder / name).write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        (folder / name).chmod(0o755)


@pytest.fixture(scope="module")
def server(request: pytest.FixtureRequest) -> Iterator[str]:
    """A PostgreSQL for the databases of both machines: one with TimescaleDB where a program that starts it is named."""
    if START_TIMESCALEDB:
        with TemporaryDirectory(prefix="vigia-") as folder, timescaledb(Path(folder)) as started:
            yield started.url
        return
    url = str(request.getfixturevalue("database_url"))
    yield url
    with psycopg.connect(url, autocommit=True) as superuser:
        for role in (*ROLES, SUPERUSER):
            superuser.execute(SQL("DROP ROLE IF EXISTS {}").format(Identifier(role)))


@pytest.fixture(scope="module")
def city(server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Place, str]]:
    """The page up to the first device with a certificate, with a first start that is stopped twice; an API key."""
    for needed in ("mosquitto", "nginx", "openssl"):
        program(needed)
    with place(tmp_path_factory.mktemp("first"), server, "first") as here:
        copy_closed(ROOT / "models" / "seed" / "laplata", here.checkout / "my-city")
        (here.checkout / "names.txt").write_text("gauge-1\ngauge-2\n", encoding="utf-8")
        example, secrets, build, first_person, load, up = blocks()["First start", 1].splitlines()
        here.sh(example)
        fill_in(here, {"PUBLIC_URL": f"https://{NAME}", "PROXY_TLS_DIR": str(here.checkout.parent / "tls")})
        here.sh(secrets, 137, VIGIA_TEST_KILLS_AT="database_pipeline_password")
        assert "database_pipeline_password" in here.sh(first_person, 1)
        here.sh(f"{secrets}\n{build}")
        here.sh(first_person, 137, **{STOPS_AT: "roles"})
        assert re.search(r"^ana: \S{16}$", here.sh(first_person), re.MULTILINE)
        printed = here.sh("docker compose run --rm upkeep token Pantalla")
        here.sh(f"{load}\n{up}")
        for block in (("Opening it to people", 1), ("Devices", 1), ("Devices", 3)):
            here.sh(blocks()[block])
        wait_until(here.machine.is_ready, why=lambda: here.machine.said("api"))
        yield here, next(word for word in printed.split() if word.startswith("vigia_"))


def fill_in(here: Place, values: dict[str, str]) -> None:
    """What an operator writes into .env with an editor."""
    file = here.checkout / ".env"
    text = file.read_text(encoding="utf-8")
    for name, value in values.items():
        assert f"\n{name}=\n" in text
        text = text.replace(f"\n{name}=\n", f"\n{name}={value}\n")
    file.write_text(text, encoding="utf-8")


def mode(path: Path) -> int:
    """The rights of a file."""
    return stat.S_IMODE(path.stat().st_mode)


def rights(machine: Machine) -> dict[str, tuple[int, int]]:
    """Mode and owner of everything in the volumes of certificates."""
    files = [path for name in CERTIFICATES for path in (machine.volume(name), *machine.volume(name).rglob("*"))]
    return {str(path.relative_to(machine.path("volumes"))): (mode(path), path.stat().st_uid) for path in files}


def test_every_block_of_commands_on_the_page_is_walked_or_named() -> None:
    assert {*WALKED} & NOT_WALKED.keys() == set()
    assert {*WALKED} | NOT_WALKED.keys() == set(blocks())


def test_secrets_are_for_the_operator_and_mounted_files_for_every_container(city: tuple[Place, str]) -> None:
    here, _ = city
    assert mode(here.checkout / ".env") == 0o600
    assert mode(here.checkout / "secrets") == 0o700
    assert {mode(file) for file in (here.checkout / "secrets").iterdir()} == {0o444}
    assert mode(here.checkout / "passwords.csv") == 0o600
    composition = Composition(here.checkout)
    for name, service in composition.services.items():
        for volume in service.get("volumes", []):
            mounted = here.checkout / volume.split(":")[0]
            if volume.startswith("./deploy/"):
                assert mode(mounted) & 0o444 == 0o444, (name, volume)


def test_after_a_first_start_that_was_stopped_twice_every_part_is_healthy(city: tuple[Place, str]) -> None:
    here, token = city
    composition = Composition(here.checkout)
    for name in composition.started():
        service = composition.service(name)
        if service.get("restart") != "no":
            here.machine.wait_until_healthy(name, service["healthcheck"]["test"])
    with here.browser(token) as operator:
        wait_until(lambda: operator.get("/api/v1/health").json()["dead"] == [])
        assert operator.get("/estacion/gato-ringuelet").status_code == 200


def test_people_come_by_tls_and_see_no_details_that_an_operator_sees(city: tuple[Place, str]) -> None:
    here, token = city
    with here.browser() as visitor, here.browser(token) as operator:
        assert visitor.get("/").headers["strict-transport-security"]
        assert "processes" not in visitor.get("/api/v1/health").json()
        assert operator.get("/api/v1/health").json()["backup"] is None
        assert visitor.get("/metrics").status_code == operator.get("/metrics").status_code == 404


def test_prometheus_is_answered_on_its_network_and_finds_all_that_its_rules_look_at(city: tuple[Place, str]) -> None:
    here, _ = city
    token = (here.checkout / "secrets" / "metrics_token").read_text(encoding="utf-8")
    (scrape,) = yaml.safe_load((here.checkout / "deploy/prometheus/prometheus.yml").read_text())["scrape_configs"]
    address = f"http://127.0.0.1:{here.machine.ports['api']}{scrape['metrics_path']}"
    headers = {"Host": scrape["static_configs"][0]["targets"][0], "Authorization": f"Bearer {token}"}

    def missing() -> set[str]:
        with httpx.Client(transport=httpx.HTTPTransport(local_address="127.0.0.2")) as prometheus:
            answer = prometheus.get(address, headers=headers)
        assert answer.status_code == 200, answer.text
        counted = set(re.findall(r'what="(\w+)"', answer.text))
        return {one for one in counted_by_processes() - SEEN_LATER if not any(what.startswith(one) for what in counted)}

    wait_until(lambda: not missing(), why=missing)


def test_what_a_device_of_the_page_publishes_by_tls_is_a_row_before_and_after_a_restore(
    city: tuple[Place, str], server: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    here, token = city
    given = here.checkout / "given" / "new"
    here.publishes(given, 1, 0.41)
    if os.geteuid() == 0:  # as in the image, whose broker's files are its user's
        subprocess.run(["chown", "-R", "1883:1883", *map(here.machine.volume, CERTIFICATES)], check=True)
    before = rights(here.machine)
    here.sh(blocks()["Backup", 1])
    with here.browser(token) as operator:
        (backup,) = (here.checkout / "backups").iterdir()
        assert operator.get("/api/v1/health").json()["backup"]["folder"].endswith(f"/{backup.name}")
    here.machine.stop_all()
    with place(tmp_path_factory.mktemp("second"), server, "second") as there:
        (there.checkout / "backups").mkdir()
        subprocess.run(["cp", "-a", backup, there.checkout / "backups"], check=True)
        there.sh(blocks()["Backup", 3].replace("20261128T031500Z", backup.name))
        wait_until(there.machine.is_ready, why=lambda: there.machine.said("api"))
        assert before.items() <= rights(there.machine).items()
        assert {mode(file) for file in (there.checkout / "secrets").iterdir()} == {0o444}
        assert there.levels("gauge-9") == [0.41]
        there.publishes(given, 2, 0.42)
        assert there.levels("gauge-9") == [0.41, 0.42]


def test_secrets_of_a_script_that_was_stopped_are_completed_by_a_user_who_is_not_root() -> None:
    with TemporaryDirectory(prefix="vigia-") as name:
        folder = Path(name)
        (folder / "deploy").mkdir()
        script = shutil.copy(ROOT / "deploy" / "secrets.sh", folder / "deploy")
        write_programs(folder / "bin")
        user = None
        if os.geteuid() == 0:
            user = "nobody"
            for path in (folder, *folder.rglob("*")):
                shutil.chown(path, user)

        def run(**variables: str) -> int:
            environment = {"PATH": f"{folder / 'bin'}:{os.environ['PATH']}"} | variables
            command = ["/bin/sh", script]
            return subprocess.run(command, env=environment, user=user, capture_output=True, check=False).returncode

        assert run(VIGIA_TEST_KILLS_AT="database_pipeline_password") == -9
        first = {path.name: path.read_bytes() for path in (folder / "secrets").glob("[a-z]*")}
        assert run() == 0
        then = {path.name: path.read_bytes() for path in (folder / "secrets").iterdir()}
        assert first.items() <= then.items()
        assert "poll_url" in then.keys() - first.keys()
