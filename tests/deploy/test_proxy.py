"""The shipped reverse proxy in front of the real API: Debian's nginx with deploy/nginx, skipped where there is none."""

import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from sqlalchemy import Engine

from services.web.http.wrong_tokens import MAX_WRONG_TOKENS
from tests.architecture.repository import ROOT
from tests.deploy.conftest import free_port, program
from tests.services.web.api.conftest import City, city_on
from tests.waiting import LIMIT_S, wait_until

CONFIGURATION = ROOT / "deploy" / "nginx" / "nginx.conf"
NAME = "vigia.example"
HALF_A_HEAD = b"GET / HTTP/1.1\r\nHost: x\r\n"
HALF_A_BODY = b"POST /api/v1/sms HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{"


@dataclass(frozen=True, slots=True)
class Proxied:
    """A city behind its proxy."""

    city: City
    port: int
    plain_port: int
    trusted: ssl.SSLContext

    def client(self) -> httpx.Client:
        """A browser that trusts the proxy's certificate and knows the city's name."""
        headers = {"Host": NAME}
        return httpx.Client(base_url=f"https://127.0.0.1:{self.port}", verify=self.trusted, headers=headers, timeout=60)

    def connect(self) -> ssl.SSLSocket:
        """A connection by TLS."""
        plain = socket.create_connection(("127.0.0.1", self.port), timeout=LIMIT_S)
        return self.trusted.wrap_socket(plain, server_hostname="127.0.0.1")


def configured(folder: Path, replaced: dict[str, str]) -> Path:
    """The shipped configuration with ports, paths and times of a test."""
    text = CONFIGURATION.read_text(encoding="utf-8")
    for before, after in (replaced | {"/run/nginx": f"{folder}/nginx", "/etc/nginx/tls/": f"{folder}/"}).items():
        assert before in text, before
        text = text.replace(before, after)
    path = folder / "nginx.conf"
    path.write_text(text, encoding="utf-8")
    return path


def certify(folder: Path) -> ssl.SSLContext:
    """Write a self-signed certificate for the loopback; a context that trusts it."""
    command = [program("openssl"), "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=vigia"]
    names = ["-addext", "subjectAltName=IP:127.0.0.1"]
    files = ["-keyout", str(folder / "vigia.key"), "-out", str(folder / "vigia.crt")]
    subprocess.run([*command, *names, *files], check=True, capture_output=True)
    return ssl.create_default_context(cafile=folder / "vigia.crt")


@pytest.fixture
def proxied(database: Engine, tmp_path: Path) -> Iterator[Proxied]:
    """The API behind nginx, with the shipped limits but shorter times."""
    nginx = program("nginx")
    trusted, port, plain_port, log = certify(tmp_path), free_port(), free_port(), tmp_path / "log"
    with city_on(database, public_url=f"https://{NAME}", trusted_proxies="127.0.0.1") as city:
        replaced = {
            "server api:8013;": f"server 127.0.0.1:{city.client.base_url.port};",
            "listen [::]:8080;": "",
            "listen [::]:8443 ssl http2;": "",
            "listen 8080;": f"listen 127.0.0.1:{plain_port};",
            "listen 8443 ssl http2;": f"listen 127.0.0.1:{port} ssl http2;",
            "client_header_timeout 10s;": "client_header_timeout 1s;",
            "client_body_timeout 10s;": "client_body_timeout 1s;",
        }
        command = [nginx, "-c", str(configured(tmp_path, replaced)), "-p", str(tmp_path), "-g", "daemon off;"]
        with log.open("wb") as output:
            process = subprocess.Popen(command, stdout=output, stderr=output)
        try:
            wait_until(lambda: is_listening(port) or process.poll() is not None, why=log.read_text)
            assert process.poll() is None, log.read_text()
            yield Proxied(city, port, plain_port, trusted)
        finally:
            process.terminate()
            process.wait(LIMIT_S)


def is_listening(port: int) -> bool:
    """Whether somebody listens."""
    with closing(socket.socket()) as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_the_shipped_configuration_is_understood_as_it_is(tmp_path: Path) -> None:
    nginx = program("nginx")
    certify(tmp_path)
    path = configured(tmp_path, {"server api:8013;": "server 127.0.0.1:1;"})
    found = subprocess.run([nginx, "-t", "-c", path, "-p", tmp_path], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr


def test_people_come_by_tls_only_and_their_browsers_remember_it(proxied: Proxied) -> None:
    plain = httpx.get(f"http://127.0.0.1:{proxied.plain_port}/alerta/1", headers={"Host": NAME})
    assert (plain.status_code, plain.headers["location"]) == (301, f"https://{NAME}/alerta/1")
    with proxied.client() as client:
        for path, status in (("/", 200), ("/alerta/77", 404)):
            page = client.get(path)
            assert page.status_code == status
            assert page.headers["strict-transport-security"] == "max-age=31536000"
            assert "default-src 'self'" in page.headers["content-security-policy"]


def test_an_operator_logs_in_and_acts_through_the_proxy(proxied: Proxied) -> None:
    number = proxied.city.flood()
    with proxied.client() as client:
        here = {"Origin": f"https://{NAME}"}
        entered = client.post("/entrar", data={"token": proxied.city.token}, headers=here)
        cookie = entered.headers["set-cookie"].split(";")[0]
        assert cookie.startswith("__Host-")
        acting = here | {"Cookie": cookie}
        assert client.post(f"/alerta/{number}/comentar", data={"note": "voy"}, headers=acting).status_code == 303
        foreign = acting | {"Origin": f"http://{NAME}"}
        assert client.post(f"/alerta/{number}/comentar", data={"note": "no"}, headers=foreign).status_code == 403


def test_live_events_are_not_held_back(proxied: Proxied) -> None:
    with proxied.client() as client, client.stream("GET", "/api/v1/live") as stream:
        lines = stream.iter_lines()
        while next(lines) != "event: pulse":
            pass
        proxied.city.send(0, 0.4)
        while next(lines) != "event: readings":
            pass


def test_the_address_of_a_client_is_passed_on_and_cannot_be_invented(proxied: Proxied) -> None:
    with proxied.client() as client:
        for number in range(MAX_WRONG_TOKENS + 1):
            headers = {"Authorization": "Bearer vigia_wrong", "X-Forwarded-For": f"192.0.2.{number}"}
            answer = client.post("/api/v1/alerts/1/acknowledge", json={"version": 1}, headers=headers)
    assert answer.status_code == 429


def test_large_bodies_and_slow_requests_are_ended_by_the_proxy(proxied: Proxied) -> None:
    with proxied.client() as client:
        assert client.post("/api/v1/sms", content=b"x" * (256 * 1024 + 1)).status_code == 413
    for said in (HALF_A_HEAD, HALF_A_BODY):
        with proxied.connect() as slow:
            slow.sendall(said)
            received = slow.recv(1000)
            assert not received or received.startswith(b"HTTP/1.1 408")


def test_metrics_are_not_passed_on(proxied: Proxied) -> None:
    with proxied.client() as client:
        for prefix in ("", "/api/v1"):
            assert client.get(f"{prefix}/metrics", headers=proxied.city.operator).status_code == 404
