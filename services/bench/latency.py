"""Latency from publish to the live event at a client, and the minimum that this machine allows."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from statistics import median, quantiles
from time import monotonic, sleep

import httpx
from sqlalchemy import text

from ingest.mqtt.receiver import Receiver
from services.bench.processes import POLL_S, START_S, UNHEARD_TOPIC, BenchProcesses, start_fleet, wait_connected
from services.people.accounts import ensure_first_administrator
from services.runtime.clock import wall_clock

LATENCY_S = 8.0
BARE_RATE = 100
BARE_S = 4.0


def measure_latency(running: BenchProcesses, *, rate: float, per_message: int) -> list[float]:
    """Milliseconds from publish to the live event at a client, for readings at a steady rate."""
    pipeline = running.start("pipeline", "services", "pipeline")
    with running.database.begin() as transaction:
        ensure_first_administrator(transaction, wall_clock())  # else the API would print its token
    api = running.start("api", "services", "api")
    try:
        wait_connected(running)
        return _event_latencies_ms(running, rate=rate, per_message=per_message)
    finally:
        for name, child in (("pipeline", pipeline), ("api", api)):
            running.stop(child)
            del running.processes[name]


def _event_latencies_ms(running: BenchProcesses, *, rate: float, per_message: int) -> list[float]:
    waits_ms: list[float] = []
    url = f"http://127.0.0.1:{running.api_port}/api/v1/live"
    with httpx.Client(timeout=START_S) as client, open_stream(client, url) as lines:
        pace_options = ("--rate", f"{rate / per_message:.3f}", "--seconds", str(LATENCY_S))
        fleet = start_fleet(running, per_message, *pace_options)
        until_s = monotonic() + LATENCY_S
        for line in lines:
            if line.startswith("data:") and '"readings"' in line:
                now = wall_clock()
                readings = json.loads(line[5:])["readings"]
                waits_ms += [
                    1e3 * (now - datetime.fromisoformat(one["observed_at"])).total_seconds() for one in readings
                ]
            if monotonic() > until_s:
                break
        fleet.communicate(timeout=START_S)
        del running.processes["fleet"]
    return waits_ms


@contextmanager
def open_stream(client: httpx.Client, url: str) -> Iterator[Iterator[str]]:
    """The lines of a live stream, as soon as the server listens. Raises httpx.ConnectError after START_S."""
    deadline_s = monotonic() + START_S
    while True:
        try:
            with client.stream("GET", url) as answer:
                yield answer.iter_lines()
                return
        except httpx.ConnectError:
            if monotonic() > deadline_s:
                raise
            sleep(POLL_S)


def measure_minimum_latency(running: BenchProcesses) -> list[float]:
    """Milliseconds from publish to the commit of one row, by a receiver that does nothing else."""
    broker = Receiver(running.mqtt_url, client_id="bench-bare", filters=(f"{UNHEARD_TOPIC}/#",), now=wall_clock)
    while not broker.connected:
        broker.receive(1, POLL_S)
    waits_ms: list[float] = []
    insert = text("INSERT INTO events (at, event, data) VALUES (now(), 'bare', '{}')")
    fleet = start_fleet(running, 1, "--prefix", UNHEARD_TOPIC, "--rate", str(BARE_RATE), "--seconds", str(BARE_S))
    with running.database.connect() as connection:
        while fleet.poll() is None or len(waits_ms) == 0:
            for message in broker.receive(1, POLL_S):
                with connection.begin():
                    connection.execute(insert)
                published_s = json.loads(message.payload)["observed_at"]
                waits_ms.append(1e3 * (wall_clock().timestamp() - published_s))
                broker.acknowledge([message])
    fleet.communicate(timeout=START_S)
    del running.processes["fleet"]
    broker.close()
    return waits_ms


def percentiles_ms(waits_ms: list[float]) -> dict[str, float]:
    """Median and 99th percentile, ms."""
    return {"p50": round(median(waits_ms), 2), "p99": round(quantiles(waits_ms, n=100)[98], 2)}
