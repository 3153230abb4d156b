"""Embedded MQTT broker (rumqttd) from a wheel, for trials and tests. A city runs Mosquitto."""

import os
import signal
import socket
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep

from services.embedded.child_process import HOST, POLL_S, free_port, read_or_create_secret, start_supervised, stop_child
from services.embedded.owned_server import NAME, START_S, ServerStartError, owned_or_shared, process_id

PORT_TRIES = 3
MAX_PAYLOAD_BYTES = 1 << 20
SEGMENT_BYTES = 16 << 20
SEGMENTS = 16
"""The broker holds the newest messages of each topic filter in memory, read or not. Beyond this many segments it drops
the oldest without notice. Topics and payloads count. With its own records the broker takes about 2.5 times as much."""
IN_FLIGHT = 100
"""Messages that the broker sends to a client before their acknowledgements; a fixed limit of the broker."""
_BROKER_PROGRAM = """
import logging, sys
from iotcore import IotCoreBroker
logging.getLogger("rumqttd").setLevel(logging.CRITICAL)  # it logs every message as an error
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
max_payload_size = {max_payload_bytes}
max_inflight_count = {in_flight}
dynamic_filters = false
[{version}.1.connections.auth]
{user} = "{password}"
"""


@contextmanager
def embedded_broker(folder: Path, port: int = 1883) -> Iterator["MqttBroker"]:
    """An MQTT broker with sessions in memory; on another port where `port` is in use. Raises ServerStartError."""
    server = MqttBroker(folder, port)
    with owned_or_shared(server, folder / "broker.lock"):
        yield server


class MqttBroker:
    """rumqttd on loopback, with a password and sessions in memory. MQTT 5 at `url`, MQTT 3.1.1 at `url_3_1_1`."""

    def __init__(self, folder: Path, port: int) -> None:
        """Starts nothing; the folder need not exist."""
        self.url = self.url_3_1_1 = ""
        self._folder = folder.resolve()
        self._configuration = self._folder / "broker.toml"
        self._ports = (port, 0)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def password_file(self) -> Path:
        """The file that holds the password; only its owner reads it."""
        return self._folder / "broker.password"

    @property
    def where(self) -> str:
        """How to reach it, for people, without the password: address by version, user, and the password's file."""
        new, old = (url.rpartition("@")[2] for url in (self.url, self.url_3_1_1))
        return f"{new} (MQTT 5), {old} (MQTT 3.1.1), user {NAME}, password in {self.password_file}"

    @property
    def pid(self) -> int:
        """Process number of the broker. Raises ProcessLookupError where another process owns it."""
        return process_id(self._process)

    def start(self) -> None:
        """Start and wait until both ports answer. Raises ServerStartError."""
        deadline_s = monotonic() + START_S
        for _ in range(PORT_TRIES):
            if not self.url:
                self._ports = (free_port(self._ports[0]), free_port(self._ports[1]))
            self._write_configuration()
            program = [sys.executable, "-P", "-c", _BROKER_PROGRAM, str(self._configuration)]
            self._process = start_supervised(program, self._folder / "broker.log", os.geteuid(), signal.SIGTERM)
            while self._process.poll() is None and monotonic() < deadline_s:
                if self.find():
                    return
                sleep(POLL_S)
            self.stop()
        raise ServerStartError(f"the broker did not start: see {self._folder / 'broker.log'}")

    def stop(self) -> None:
        """Stop at once: the broker stores nothing."""
        stop_child(self._process, signal.SIGTERM)
        self._process = None

    def restart(self) -> None:
        """Start again at the same address, without its sessions."""
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

    def _write_configuration(self) -> None:
        text = _BROKER_CONFIGURATION.format(segment_bytes=SEGMENT_BYTES, segments=SEGMENTS)
        for version, port in zip(("v5", "v4"), self._ports, strict=True):
            text += _LISTENER_CONFIGURATION.format(
                version=version,
                host=HOST,
                port=port,
                max_payload_bytes=MAX_PAYLOAD_BYTES,
                in_flight=IN_FLIGHT,
                user=NAME,
                password=read_or_create_secret(self.password_file),
            )
        self._configuration.touch(mode=0o600)
        self._configuration.write_text(text)
