"""Processes under measurement: embedded servers with a town of river gauges, and child processes by name."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic, sleep
from zoneinfo import ZoneInfo

import psutil
from sqlalchemy import Engine, text

from models.migrations import upgrade
from models.place import City, Device, Municipality, Station
from models.rule import Fault, Rule, Silence, Stage
from services.bench.named_parts import bench_broker, bench_database, local_process
from services.city.load import load
from services.city.seed import Seed
from services.embedded.child_process import free_port
from services.embedded.mqtt_broker import embedded_broker
from services.embedded.postgres import embedded_postgres
from services.runtime.clock import wall_clock
from services.runtime.database import open_database

DEVICES = 200
START_S = 30.0
POLL_S = 0.05
API_PORT = 8713
UNHEARD_TOPIC = "aside"
"""Topic prefix to which the pipeline does not subscribe."""
UTC_ZONE = ZoneInfo("UTC")


def bench_city(devices: int) -> Seed:
    """A town of river gauges, each with rules of level, silence and fault like a real one."""
    names = [f"gauge-{number}" for number in range(devices)]
    stations = tuple(
        Station(id=name, municipality="bench", kind="river", name=name, latitude=-34.9, longitude=-57.9)
        for name in names
    )
    judgements = (Stage(thresholds_m=(1.0, 1.5, 2.0), period_s=60), Silence(period_s=60), Fault())
    return Seed(
        city=City(
            id="bench",
            name="Bench",
            zone=UTC_ZONE,
            municipalities=(Municipality(id="bench", name="Bench", latitude=-34.9, longitude=-57.9),),
            basins=(),
            stations=stations,
            devices=tuple(
                Device(municipality="bench", kind="river", code=name, station=name, period_s=60) for name in names
            ),
        ),
        rules=tuple(
            Rule(f"{name}.{type(judgement).__name__.lower()}", 1, "river", name, judgement)
            for name in names
            for judgement in judgements
        ),
    )


@dataclass(slots=True)
class BenchProcesses:
    """Addresses of the servers, the measured processes by name, and a connection pool."""

    folder: Path
    database_url: str
    mqtt_url: str
    database: Engine
    api_port: int
    processes: dict[str, psutil.Process] = field(default_factory=dict)
    children: list[subprocess.Popen[bytes]] = field(default_factory=list)
    settings: dict[str, str] = field(default_factory=dict)
    """More settings of the child processes, by the name of their variable."""

    @property
    def environment(self) -> dict[str, str]:
        """The environment of child processes."""
        return (
            os.environ
            | {
                "VIGIA_DATABASE_URL": self.database_url,
                "VIGIA_MQTT_URL": self.mqtt_url,
                "VIGIA_API_PORT": str(self.api_port),
                "VIGIA_LOG_LEVEL": "WARNING",
            }
            | self.settings
        )

    def start(self, name: str, *arguments: str) -> subprocess.Popen[bytes]:
        """Start a Python module as a process to be measured."""
        child = subprocess.Popen(
            [sys.executable, "-m", *arguments], env=self.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self.children.append(child)
        self.processes[name] = psutil.Process(child.pid)
        return child

    def stop(self, child: subprocess.Popen[bytes]) -> None:
        """Stop a process with SIGTERM and wait for its end."""
        child.terminate()
        child.wait(START_S)


@dataclass(frozen=True, slots=True)
class NamedParts:
    """What is measured instead of the embedded servers, as URLs; None: the embedded one."""

    database: str | None = None
    broker: str | None = None
    beside_data: bool = False
    """Measure although the named database holds tables."""


EMBEDDED = NamedParts()


@contextmanager
def bench_processes(folder: Path, named: NamedParts = EMBEDDED, devices: int = DEVICES) -> Iterator[BenchProcesses]:
    """Embedded or named servers, migrated, with the bench town loaded. All processes end with the context.

    Raises UnsuitablePart. Named servers are as before at the end.
    """
    with ExitStack() as parts:
        processes: dict[str, psutil.Process | None] = {}
        if named.broker is None:
            broker = parts.enter_context(embedded_broker(folder))
            mqtt_url, processes["broker"] = broker.url, psutil.Process(broker.pid)
        else:
            mqtt_url = parts.enter_context(bench_broker(named.broker))
            processes["broker"] = local_process(mqtt_url)
        if named.database is None:
            postgres = parts.enter_context(embedded_postgres(folder))
            url, processes["postgres"] = postgres.url, psutil.Process(postgres.pid)
        else:
            url = parts.enter_context(bench_database(named.database, beside_data=named.beside_data))
            processes["postgres"] = local_process(url)
        yield from _with_town(
            BenchProcesses(folder, url, mqtt_url, open_database(url, name="bench"), free_port(API_PORT)),
            processes,
            devices,
        )


def _with_town(
    running: BenchProcesses, processes: dict[str, psutil.Process | None], devices: int
) -> Iterator[BenchProcesses]:
    running.processes |= {name: process for name, process in processes.items() if process is not None}
    try:
        with running.database.begin() as transaction:
            upgrade(transaction)
            load(transaction, bench_city(devices), wall_clock())
        yield running
    finally:
        for child in running.children:
            if child.poll() is None:
                running.stop(child)
        running.database.dispose()


def start_fleet(running: BenchProcesses, per_message: int, *more: str) -> subprocess.Popen[bytes]:
    return running.start(
        "fleet",
        *("simulators.gauge_load", running.mqtt_url, "--per-message", str(per_message), "--devices", str(DEVICES)),
        *("--ahead", f"{wall_clock().timestamp() - monotonic():.6f}", *more),
    )


def wait_connected(running: BenchProcesses) -> None:
    query = text("SELECT count(*) FROM heartbeats WHERE status ->> 'connected' = 'true'")
    deadline_s = monotonic() + START_S
    while monotonic() < deadline_s:
        with running.database.begin() as transaction:
            if transaction.execute(query).scalar_one():
                return
        sleep(POLL_S)
    raise TimeoutError("the pipeline did not connect to the broker")
