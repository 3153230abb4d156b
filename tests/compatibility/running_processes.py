"""Run the API, a pipeline and the notifier as processes and read their metrics, live events and CSV."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import httpx
from paho.mqtt.enums import MQTTProtocolVersion
from paho.mqtt.publish import multiple

from services.embedded.child_process import free_port
from services.runtime.clock import wall_clock
from tests.architecture.repository import ROOT

VIGIA = (sys.executable, "-m", "services")
"""The command `vigia`, run from the repository."""
GAUGE = "gato-143-524"
"""A river gauge of the default seed."""
TOPIC = f"vigia/v1/laplata/river/{GAUGE}"
LEVELS_M = (0.4, 0.75, 1.1, 1.45, 1.8, 2.15, 2.5)
"""River levels a minute apart. They pass through every attention level up to rojo."""
EVENTS = frozenset({"readings", "device", "transition", "alert", "attention", "declaration_notice", "notice", "pulse"})
ROJO = 3
WAIT_S = 60.0
STOP_S = 10.0


@dataclass(frozen=True, slots=True)
class ObservedOutput:
    """What a client reads from the running processes."""

    metrics: str
    csv: str
    resync_event: str
    """The name of the first live event for a client whose `Last-Event-ID` is unknown."""
    events: Mapping[str, list[Any]] = field(default_factory=dict)
    """The data of every live event, by event name."""


def observe_city(database_url: str, mqtt_url: str) -> ObservedOutput:
    """Start the processes on an empty database, publish a flood and read the output. Takes some seconds."""
    address = f"http://127.0.0.1:{(port := free_port(0))}"
    environment = {
        **os.environ,
        "VIGIA_DATABASE_URL": database_url,
        "VIGIA_MQTT_URL": mqtt_url,
        "VIGIA_API_PORT": str(port),
    }
    with ExitStack() as stack:
        for command in ("api", "pipeline", "notifier"):
            stack.enter_context(_running(command, environment))
        _run("load", environment=environment)
        token = _run("token", "Ana", environment=environment)
        headers = {"Authorization": f"Bearer {token}"}
        client = stack.enter_context(httpx.Client(base_url=address, timeout=WAIT_S, headers=headers))
        _wait_until(lambda: all(process in _metrics(client) for process in ("pipeline-all", "notifier")))
        events = _flood_events(client, mqtt_url)
        with client.stream("GET", "/api/v1/live", headers={"Last-Event-ID": "nowhere"}) as answer:
            resync, _ = next(_events(answer.iter_lines()))
        csv = client.get(f"/estacion/{GAUGE}.csv").text
        return ObservedOutput(_metrics(client), csv, resync, events)


def _run(*words: str, environment: Mapping[str, str]) -> str:
    completed = subprocess.run([*VIGIA, *words], env=environment, cwd=ROOT, check=True, capture_output=True, text=True)
    return completed.stdout.strip()


@contextmanager
def _running(command: str, environment: Mapping[str, str]) -> Iterator[None]:
    process = subprocess.Popen(
        [*VIGIA, command], env=environment, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        yield
    finally:
        process.terminate()
        assert process.wait(STOP_S) == 0, f"vigia {command} ended with {process.returncode}"


def _metrics(client: httpx.Client) -> str:
    """The metrics, which name every process with a heartbeat. Empty while the API does not listen."""
    with suppress(httpx.TransportError):
        return client.get("/api/v1/metrics").text
    return ""


def _wait_until(is_done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not is_done():
        assert time.monotonic() < deadline, "the processes did not start"
        time.sleep(0.1)


def _flood_events(client: httpx.Client, mqtt_url: str) -> dict[str, list[Any]]:
    """Live events while a gauge registers, rises to rojo and an operator comments its alert."""
    received: dict[str, list[Any]] = {}
    with client.stream("GET", "/api/v1/live") as answer:
        publishing = threading.Thread(target=_publish, args=(mqtt_url, wall_clock()))
        publishing.start()
        deadline = time.monotonic() + WAIT_S
        for name, data in _events(answer.iter_lines()):
            received.setdefault(name, []).append(data)
            assert time.monotonic() < deadline, f"only {sorted(received)} were received"
            if name == "notice" and data["after"] == ROJO:
                client.post(f"/api/v1/alerts/{data['alert_id']}/comment", json={"note": "Seen"}).raise_for_status()
            if received.keys() >= EVENTS:
                break
        publishing.join()
    return received


def _publish(mqtt_url: str, now: datetime) -> None:
    start = now - timedelta(minutes=len(LEVELS_M))
    messages: list[tuple[str, str]] = [(f"{TOPIC}/status", "online"), (TOPIC, "no reading")]
    for minute, level_m in enumerate(LEVELS_M):
        observed_at = (start + timedelta(minutes=minute)).isoformat()
        messages.append((TOPIC, json.dumps({"observed_at": observed_at, "level_m": level_m, "battery_v": 3.6})))
    url = httpx.URL(mqtt_url)
    multiple(
        [{"topic": topic, "payload": payload, "qos": 1} for topic, payload in messages],
        hostname=url.host,
        port=url.port or 1883,
        auth={"username": url.username, "password": url.password} if url.username else None,
        protocol=MQTTProtocolVersion.MQTTv5,
    )


def _events(lines: Iterable[str]) -> Iterator[tuple[str, Any]]:
    event_fields: dict[str, str] = {}
    for line in lines:
        if line:
            name, _, value = line.partition(": ")
            event_fields[name] = value
        else:
            if "event" in event_fields:
                yield event_fields["event"], json.loads(event_fields["data"])
            event_fields = {}
