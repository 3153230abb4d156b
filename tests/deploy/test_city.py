"""The services of docker-compose.yml as processes, with the deployed broker, roles, commands and variables."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from services.runtime.clock import wall_clock
from tests.architecture.repository import ROOT
from tests.deploy.conftest import PASSWORDS, Mosquitto, create_secrets, free_port, password_variables
from tests.deploy.test_broker import Client
from tests.deploy.test_compose import BEATING, OURS
from tests.waiting import LIMIT_S

COMES_S = 60.0
STOPS_S = 60.0
READING = b'{"observed_at": %.3f, "boot": "b1", "seq": 1, "level_m": 0.42}'


def test_a_reading_goes_from_a_registered_gauge_to_the_api(
    broker: Callable[..., Mosquitto], urls: dict[str, str], tmp_path: Path
) -> None:
    gauge = "gato-ringuelet"
    server = broker(passwords=PASSWORDS | {gauge: "secret"})
    city = City(urls, server.port, free_port(), tmp_path)
    city.run("migrate", *OURS["migrate"]["command"])
    city.run("upkeep", "load")
    with ExitStack() as processes:
        for name in BEATING:
            processes.enter_context(city.process(name))
        city.wait_for(lambda: city.get("health/ready").status_code == 200)
        with Client(server, gauge, password="secret") as device:
            assert device.publish(f"vigia/v1/laplata/river/{gauge}", READING % wall_clock().timestamp()) == 0
        city.wait_for(lambda: city.get(f"stations/{gauge}/latest").json()["value"] == 0.42)
        for name in BEATING:
            city.wait_for(partial(city.is_healthy, name))
        city.wait_for(lambda: city.get("health").json()["dead"] == [])
        assert {one["process"] for one in city.get("health").json()["processes"]} == set(BEATING)


def test_a_process_that_does_not_work_is_unhealthy(tmp_path: Path, urls: dict[str, str]) -> None:
    city = City(urls, free_port(), free_port(), tmp_path)
    for name in ("pipeline-critical", "notifier", "upkeep", "poll", "api"):
        assert not city.is_healthy(name)
    for name, old_s, within_s in (("notifier", 40, 20), ("upkeep", 40, 20), ("poll", 1_000, 800)):
        file = city.alive_file(name)
        for age_s, healthy in ((old_s, False), (within_s, True)):
            file.touch()
            then_s = wall_clock().timestamp() - age_s
            os.utime(file, (then_s, then_s))
            assert city.is_healthy(name) is healthy


class City:
    """The environment each service has in docker-compose.yml, with the test's addresses and passwords."""

    def __init__(self, urls: dict[str, str], mqtt_port: int, api_port: int, folder: Path, webhook: str = "") -> None:
        self.urls = urls
        self.address = f"http://127.0.0.1:{api_port}"
        self.folder = folder
        passwords = {role: str(urlsplit(url).password) for role, url in urls.items()}
        brokers = {f"MQTT_{lane.upper()}_PASSWORD": PASSWORDS[f"pipeline-{lane}"] for lane in ("critical", "bulk")}
        self.secrets = create_secrets(folder, password_variables(passwords) | brokers | {"WEBHOOK_URL": webhook})
        database = urlsplit(urls["vigia_owner"])
        for file in self.secrets.glob("*_url"):
            address = file.read_text(encoding="utf-8")
            address = address.replace("@database:5432/vigia", f"@{database.hostname}:{database.port}{database.path}")
            file.chmod(0o600)
            file.write_text(address.replace("@broker:1883", f"@127.0.0.1:{mqtt_port}"), encoding="utf-8")
        self.real = {
            "0.0.0.0": "127.0.0.1",
            "8013": str(api_port),
            "/run/secrets/": f"{self.secrets}/",
            "${PUBLIC_URL:?set PUBLIC_URL in .env}": self.address,
            "${FOREIGN_BUSES:-}": "",
            "${BACKUP_WITHIN_H:-}": "",
        }

    def environment(self, name: str) -> dict[str, str]:
        """The variables of a service, with all placeholders filled in."""
        variables: dict[str, str] = {key: str(value) for key, value in OURS[name]["environment"].items()}
        for placeholder, real in self.real.items():
            variables = {key: value.replace(placeholder, real) for key, value in variables.items()}
        assert "$" not in str(variables)
        return (
            {key: value for key, value in os.environ.items() if not key.startswith("VIGIA_")}
            | variables
            | {"VIGIA_ALIVE_FILE": str(self.alive_file(name))}
        )

    def alive_file(self, name: str) -> Path:
        """What stands for /dev/shm/alive in the container of a service."""
        return self.folder / f"{name}.alive"

    def is_healthy(self, name: str) -> bool:
        """Run the service's own health check."""
        _, *check = OURS[name]["healthcheck"]["test"]
        replaced = {
            "/dev/shm/alive": str(self.alive_file(name)),
            "127.0.0.1:8013": self.address.removeprefix("http://"),
        }
        for path, real in replaced.items():
            check = [word.replace(path, real) for word in check]
        command = [sys.executable, *check[1:]] if check[0] == "python" else ["/bin/sh", "-c", *check]
        return subprocess.run(command, check=False, capture_output=True, timeout=COMES_S).returncode == 0

    def get(self, path: str) -> httpx.Response:
        """The answer of the API."""
        return httpx.get(f"{self.address}/api/v1/{path}", timeout=LIMIT_S)

    def run(self, name: str, *words: str, status: int = 0) -> str:
        """Run a command to its end as the service of that name. Raises AssertionError with its output."""
        command = [sys.executable, "-m", "services", *words]
        done = subprocess.run(
            command, cwd=ROOT, env=self.environment(name), capture_output=True, text=True, timeout=COMES_S, check=False
        )
        assert done.returncode == status, done.stderr
        return done.stdout

    @contextmanager
    def process(self, name: str) -> Iterator[None]:
        """A service for the time of the `with`. It must run until the end and stop on a signal."""
        command = [sys.executable, "-m", "services", *OURS[name]["command"]]
        with (self.folder / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(command, cwd=ROOT, env=self.environment(name), stdout=log, stderr=log)
            try:
                yield
                assert process.poll() is None, f"{name} ended by itself:\n{self.said(name)}"
                process.terminate()
                assert process.wait(STOPS_S) == 0, f"{name}:\n{self.said(name)}"
            finally:
                process.kill()
                process.wait()

    def said(self, name: str) -> str:
        """The end of a service's log."""
        return (self.folder / f"{name}.log").read_text(encoding="utf-8")[-4000:]

    def wait_for(self, happened: Callable[[], bool]) -> None:
        """Wait for a condition. Raises AssertionError with the logs of all services where it does not come in time."""
        deadline = time.monotonic() + COMES_S
        while time.monotonic() < deadline:
            try:
                if happened():
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.2)
        raise AssertionError("\n".join(f"{path.name}:\n{self.said(path.stem)}" for path in self.folder.glob("*.log")))
