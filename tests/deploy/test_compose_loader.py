"""Docker Compose's own loader reads the three files.

Runs where `VIGIA_TEST_COMPOSE_LOADER` names the program that `go build` makes of `tests/deploy/compose_loader`.
"""

import json
import os
import subprocess
from typing import Any

import pytest

from tests.architecture.repository import ROOT
from tests.deploy.test_compose import EXAMPLE, SERVICES, WITH_PROXY

LOADER = os.environ.get("VIGIA_TEST_COMPOSE_LOADER", "")
FILES = ["docker-compose.yml", "docker-compose.tls.yml", "docker-compose.proxy.yml"]
LOAD_S = 60

pytestmark = pytest.mark.skipif(not LOADER, reason="no loader of Compose files is named")


def load(*files: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Load files of the repository with these variables and no others of .env."""
    environment = {name: value for name, value in os.environ.items() if name not in EXAMPLE} | variables
    return subprocess.run(
        [LOADER, *files], cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=LOAD_S
    )


def test_compose_reads_the_three_files_as_one_project() -> None:
    loaded = load(*FILES, PUBLIC_URL="https://vigia.test", PROXY_TLS_DIR="/tls")
    assert loaded.returncode == 0, loaded.stderr
    project: dict[str, Any] = json.loads(loaded.stdout)
    services = project["services"]
    assert set(services) == set(SERVICES) | set(WITH_PROXY)
    assert {service["image"] for service in services.values()} == {
        service["image"] for service in (SERVICES | WITH_PROXY).values()
    }
    for name, service in services.items():
        assert int(service["mem_limit"]) > 0, name
        assert service["read_only"], name
        assert service["cap_drop"] == ["ALL"], name
    ports = {(port["published"], port.get("host_ip")) for one in services.values() for port in one.get("ports", [])}
    assert {port for port, address in ports if address != "127.0.0.1"} == {"80", "443", "8883"}
    assert services["access"]["pid"] == services["access"]["network_mode"] == "service:broker"


def test_the_private_file_leaves_only_the_ways_in_by_tls_and_monitoring_stays_on_this_machine() -> None:
    private = [FILES[0], "docker-compose.private.yml", *FILES[1:], "docker-compose.monitoring.yml"]
    loaded = load(*private, PUBLIC_URL="https://vigia.test", PROXY_TLS_DIR="/tls")
    assert loaded.returncode == 0, loaded.stderr
    services = json.loads(loaded.stdout)["services"]
    ports = [(name, port) for name, service in services.items() for port in service.get("ports", [])]
    assert sorted((name, port["published"], port.get("host_ip", "")) for name, port in ports) == [
        ("broker", "8883", ""),
        ("prometheus", "9090", "127.0.0.1"),
        ("proxy", "443", ""),
        ("proxy", "80", ""),
    ]
    assert set(services["api"]["networks"]) == {"inside", "edge", "monitoring"}


def test_compose_starts_nothing_without_the_public_address() -> None:
    refused = load(FILES[0])
    assert refused.returncode == 1
    assert "PUBLIC_URL" in refused.stderr
