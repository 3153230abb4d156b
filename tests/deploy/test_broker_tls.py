"""Outside devices connect by TLS with their own certificates; revoked ones are refused."""

import socket
import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.deploy.conftest import free_port, program
from tests.deploy.test_broker import NOT_AUTHORIZED, Client, Start

AUTHORITY = """
[ca]
default_ca = here
[here]
database = {folder}/issued
crlnumber = {folder}/crlnumber
default_md = sha256
default_crl_days = 1
"""


@dataclass(frozen=True, slots=True)
class Authority:
    """A certificate authority in a folder, by the openssl program."""

    folder: Path

    def openssl(self, *arguments: str) -> None:
        """Run one command in the folder. Raises CalledProcessError."""
        subprocess.run([program("openssl"), *arguments], cwd=self.folder, check=True, capture_output=True)

    def found(self) -> None:
        """Create the authority and its empty list of revoked certificates."""
        (self.folder / "authority.conf").write_text(AUTHORITY.format(folder=self.folder), encoding="utf-8")
        (self.folder / "issued").touch()
        (self.folder / "crlnumber").write_text("01\n", encoding="utf-8")
        subject = ["-subj", "/CN=Devices of the test", "-keyout", "devices-ca.key", "-out", "devices-ca.crt"]
        self.openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", *subject)
        self.list_withdrawn()

    def certify(self, name: str) -> None:
        """Create a key and a certificate for a name, valid for the loopback."""
        request = ["-keyout", f"{name}.key", "-out", f"{name}.crt", "-subj", f"/CN={name}"]
        signed_by = ["-CA", "devices-ca.crt", "-CAkey", "devices-ca.key"]
        reached_at = ["-addext", "subjectAltName=IP:127.0.0.1"]
        self.openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", *request, *signed_by, *reached_at)

    def withdraw(self, name: str) -> None:
        """Revoke a certificate."""
        authority = ["-config", "authority.conf", "-keyfile", "devices-ca.key", "-cert", "devices-ca.crt"]
        self.openssl("ca", *authority, "-revoke", f"{name}.crt")
        self.list_withdrawn()

    def list_withdrawn(self) -> None:
        """Write the list of revoked certificates."""
        authority = ["-config", "authority.conf", "-keyfile", "devices-ca.key", "-cert", "devices-ca.crt"]
        self.openssl("ca", *authority, "-gencrl", "-out", "devices.crl")

    def context(self, name: str | None) -> ssl.SSLContext:
        """The TLS context of a device with this name's certificate, or without one."""
        context = ssl.create_default_context(cafile=str(self.folder / "devices-ca.crt"))
        if name is not None:
            context.load_cert_chain(self.folder / f"{name}.crt", self.folder / f"{name}.key")
        return context


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """An authority with certificates of the broker and of two gauges."""
    made = Authority(tmp_path)
    made.found()
    for name in ("broker", "gauge-1", "gauge-2"):
        made.certify(name)
    return made


def test_a_device_has_the_name_in_its_certificate(broker: Start, authority: Authority) -> None:
    port = free_port()
    server = broker(tls_port=port)
    listening = Client(server, "pipeline-critical").listen("vigia/v1/#")
    speaking = Client(server, None, port=port, tls=authority.context("gauge-1"))
    with listening as pipeline, speaking as gauge:
        assert gauge.publish("vigia/v1/laplata/river/gauge-1") == 0
        assert gauge.publish("vigia/v1/laplata/river/gauge-2") == NOT_AUTHORIZED
        assert pipeline.hears(1) == ["vigia/v1/laplata/river/gauge-1"]


def test_a_client_without_a_certificate_or_with_a_revoked_one_is_refused(broker: Start, authority: Authority) -> None:
    authority.withdraw("gauge-2")
    port = free_port()
    broker(tls_port=port)
    assert admitted(port, authority.context("gauge-1"))
    assert not admitted(port, authority.context("gauge-2"))
    assert not admitted(port, authority.context(None))


def admitted(port: int, context: ssl.SSLContext) -> bool:
    """Whether the broker keeps the connection after the handshake; it closes that of an unknown client."""
    with socket.create_connection(("127.0.0.1", port), timeout=1) as plain:
        try:
            with context.wrap_socket(plain, server_hostname="127.0.0.1") as secured:
                return secured.recv(1) != b""
        except TimeoutError:
            return True
        except (ssl.SSLError, ConnectionError):
            return False
