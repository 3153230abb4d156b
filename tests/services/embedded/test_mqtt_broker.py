"""The embedded MQTT broker: ports, kills and both protocol versions."""

import os
import signal
import socket
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from urllib.parse import urlsplit

from ingest.mqtt.receiver import Receiver
from services.embedded.mqtt_broker import embedded_broker
from tests.waiting import LIMIT_S


def test_a_killed_broker_restarts_at_the_same_address(tmp_path: Path) -> None:
    with embedded_broker(tmp_path, 0) as server:
        url = server.url
        os.kill(server.pid, signal.SIGKILL)
        server.restart()
        assert server.url == url
        socket.create_connection(("127.0.0.1", urlsplit(url).port or 0), timeout=1).close()


def test_a_port_in_use_is_replaced_by_another(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with embedded_broker(tmp_path, port) as server:
            assert urlsplit(server.url).port != port


def test_the_requested_port_is_used_if_it_is_free(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with embedded_broker(tmp_path, port) as server:
        assert urlsplit(server.url).port == port


def test_the_broker_accepts_both_protocol_versions(tmp_path: Path) -> None:
    with embedded_broker(tmp_path, 0) as server:
        for url in (server.url, server.url_3_1_1):
            receiver = Receiver(url, client_id="both", filters=["#"], now=lambda: datetime(2013, 4, 2, tzinfo=UTC))
            deadline = monotonic() + LIMIT_S
            while not receiver.connected and monotonic() < deadline:
                receiver.receive(1, 0.1)
            assert receiver.connected
            receiver.close()
