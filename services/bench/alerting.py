"""`vigia bench alerts`: from the crossing of a threshold to the screen and to the first notice, idle and under load."""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import median
from time import monotonic, sleep

import httpx

from ingest.mqtt.receiver import BrokerAddress, Tls
from services.bench.latency import open_stream, percentiles_ms
from services.bench.processes import (
    EMBEDDED,
    POLL_S,
    START_S,
    BenchProcesses,
    NamedParts,
    bench_processes,
    start_fleet,
    wait_connected,
)
from services.people.accounts import ensure_first_administrator
from services.runtime.clock import wall_clock
from services.runtime.mqtt_client import new_client

CITY_PER_S = 90
"""Messages a second of a city like La Plata: some 400 buses, 60 radars and cameras, and its gauges in a storm."""
TIMES_THE_CITY = 10
CALM_GAUGES = 100
"""Gauges that send the load, none of which crosses a threshold."""
CROSSINGS = 100
"""Gauges that cross in each half of a run, so that the 99th percentile is the second slowest."""
WARM_UP = 10
"""Gauges that cross first and are not measured."""
PAUSE_S = 0.1
"""Between two crossings."""
SETTLE_S = 3.0
"""The load runs for so long before the first crossing."""
RUNS = 5
PLACES = ("screen", "notice")
"""Where a crossing arrives: the event at an open page, and the notice handed to a channel."""
AMARILLO_M = 1.2
"""A level above the first threshold of the bench town."""


@dataclass(slots=True)
class Arrivals:
    """When each crossing was published, seen on a screen and handed to a channel: monotonic s by station."""

    published: dict[str, float] = field(default_factory=dict)
    screen: dict[str, float] = field(default_factory=dict)
    notice: dict[str, float] = field(default_factory=dict)

    def waits_ms(self, seen: Mapping[str, float]) -> list[float]:
        """Milliseconds from publishing to each arrival."""
        return [1e3 * (seen[name] - at) for name, at in self.published.items()]

    @property
    def complete(self) -> bool:
        """Whether every crossing reached the screen and the channel."""
        return self.published.keys() <= self.screen.keys() and self.published.keys() <= self.notice.keys()


def measure_alerting(folder: Path, *, runs: int = RUNS, named: NamedParts = EMBEDDED) -> dict[str, object]:
    """The figures of `vigia bench alerts`: p50 and p99 of each run, and the median of the runs' p99 ratios.

    Raises TimeoutError where a crossing reached no screen or no channel.
    """
    measured = [_one_run(folder / str(number), named) for number in range(runs)]
    return {
        "load_per_s": CITY_PER_S * TIMES_THE_CITY,
        **{f"run_{number}_ms": waits_ms for number, waits_ms in enumerate(measured, 1)},
        **{f"p99_ratio_{where}": round(median(_ratio(one, where) for one in measured), 2) for where in PLACES},
    }


def _ratio(waits_ms: Mapping[str, float], where: str) -> float:
    return waits_ms[f"{where} loaded p99"] / waits_ms[f"{where} idle p99"]


def _one_run(folder: Path, named: NamedParts) -> dict[str, float]:
    """Percentiles of one half without load and one with it, ms, by where the crossing arrived."""
    folder.mkdir()
    with (
        bench_processes(folder, named, CALM_GAUGES + WARM_UP + 2 * CROSSINGS) as running,
        _webhook_receiver() as (address, noticed),
    ):
        running.settings["VIGIA_WEBHOOK_URL"] = address
        with running.database.begin() as transaction:
            ensure_first_administrator(transaction, wall_clock())  # else the API would print its token
        for name in ("pipeline", "notifier", "api"):
            running.start(name, "services", name)
        wait_connected(running)
        with _screen(running) as seen:
            first = CALM_GAUGES + WARM_UP
            _cross(running, range(CALM_GAUGES, first), Arrivals(screen=seen, notice=noticed))
            idle = _cross(running, range(first, first + CROSSINGS), Arrivals(screen=seen, notice=noticed))
            with _load(running):
                last = range(first + CROSSINGS, first + 2 * CROSSINGS)
                loaded = _cross(running, last, Arrivals(screen=seen, notice=noticed))
    return _percentiles("idle", idle) | _percentiles("loaded", loaded)


@contextmanager
def _load(running: BenchProcesses) -> Iterator[None]:
    """TIMES_THE_CITY times a city's load, from calm gauges, while the block runs."""
    lasts_s = SETTLE_S + CROSSINGS * PAUSE_S + START_S
    pace = ("--rate", str(CITY_PER_S * TIMES_THE_CITY), "--seconds", str(lasts_s), "--devices", str(CALM_GAUGES))
    fleet = start_fleet(running, 1, *pace)
    sleep(SETTLE_S)
    try:
        yield
    finally:
        running.stop(fleet)
        del running.processes["fleet"]


def _cross(running: BenchProcesses, gauges: range, arrivals: Arrivals) -> Arrivals:
    """Let these gauges cross, one after the other, and wait until each has arrived. Raises TimeoutError."""
    with _publisher(running.mqtt_url) as publish:
        for number in gauges:
            name = f"gauge-{number}"
            reading = json.dumps({"observed_at": wall_clock().timestamp(), "level_m": AMARILLO_M})
            arrivals.published[name] = monotonic()
            publish(f"vigia/v1/bench/river/{name}", reading)
            sleep(PAUSE_S)
    deadline_s = monotonic() + START_S
    while not arrivals.complete:
        if monotonic() > deadline_s:
            raise TimeoutError("a crossing reached no screen or no channel")
        sleep(POLL_S)
    return arrivals


@contextmanager
def _publisher(url: str) -> Iterator[Callable[[str, str], None]]:
    """Publishes a payload on a topic, QoS 1, over one connection."""
    address = BrokerAddress.parse(url)
    client = new_client(address, "bench-crossings", Tls())
    client.connect(address.host, address.port)
    client.loop_start()

    def publish(topic: str, payload: str) -> None:
        client.publish(topic, payload, qos=1)

    try:
        yield publish
    finally:
        client.disconnect()
        client.loop_stop()


def _percentiles(load: str, arrivals: Arrivals) -> dict[str, float]:
    seen = dict(zip(PLACES, (arrivals.screen, arrivals.notice), strict=True))
    return {
        f"{where} {load} {name}": value
        for where in PLACES
        for name, value in percentiles_ms(arrivals.waits_ms(seen[where])).items()
    }


@contextmanager
def _screen(running: BenchProcesses) -> Iterator[dict[str, float]]:
    """A client of the live stream; gives the time at which each station's transition arrived, monotonic s."""
    seen: dict[str, float] = {}
    url = f"http://127.0.0.1:{running.api_port}/api/v1/live?events=transition"
    with httpx.Client(timeout=START_S) as client, open_stream(client, url) as lines:
        reader = threading.Thread(target=_read_stream, args=(lines, seen), daemon=True)
        reader.start()
        yield seen


def _read_stream(lines: Iterator[str], seen: dict[str, float]) -> None:
    try:
        for line in lines:
            if line.startswith("data:") and '"subject"' in line:
                seen.setdefault(json.loads(line.removeprefix("data:"))["subject"], monotonic())
    except httpx.HTTPError:
        return  # the measurement ended


@contextmanager
def _webhook_receiver() -> Iterator[tuple[str, dict[str, float]]]:
    """A receiver of notices on the loopback: its address, and when each station's first notice came, monotonic s."""
    noticed: dict[str, float] = {}

    class Receiver(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            noticed.setdefault(body["station"], monotonic())
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/notices", noticed
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
