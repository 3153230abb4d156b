"""`vigia bench transit`: positions followed and committed, and arrivals answered beside an empty answer."""

import gc
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from time import monotonic, process_time, sleep

import httpx
from sqlalchemy import Engine, text

from models.kind import Lane
from models.migrations import upgrade
from models.network import service_day_start
from models.reading import Message
from services.bench.grid import ZONE, Bus, city, fleet
from services.bench.requests import LoadResult, send_requests
from services.embedded.child_process import free_port
from services.embedded.postgres import embedded_postgres
from services.pipeline.road import Pipeline
from services.runtime.clock import PeriodicTimer, wall_clock
from services.runtime.database import open_database
from services.transit.fleet.fleet_updater import TICK_S, FleetUpdater
from services.transit.timetable import versions

FEW, USUAL, MANY = 100, 1_000, 10_000
PERIOD_S = 30
BATCH = 100
REQUESTS_S = 4.0
START_S = 60.0
POLL_S = 0.1
API_PORT = 8723
TIMETABLE_MARGIN_S = 4_500
"""The timetable has trips for this long before and after now."""
SPARE = 1.2
_CONFIGURE = "INSERT INTO configuration (version, city) VALUES (1, :city) ON CONFLICT DO NOTHING"
_TRUNCATE = (
    "TRUNCATE bus_readings, device_memories, sequence_gaps, devices, vehicle_outlooks, expected_journeys, stop_visits,"
    " link_history, transit_trust, estimate_scores CASCADE"
)


@dataclass(frozen=True, slots=True)
class FollowingLoad:
    """Cost of following a number of buses."""

    positions: int
    seconds: float
    cpu_s: float

    @property
    def per_s(self) -> float:
        """Positions a second from the message to the commit."""
        return self.positions / self.seconds

    @property
    def cpu_us(self) -> float:
        """Processor time of this process for one position, µs."""
        return 1e6 * self.cpu_s / self.positions


def measure_transit(folder: Path) -> dict[str, object]:
    """All figures that `vigia bench transit` prints."""
    with embedded_postgres(folder) as server:
        database = open_database(server.url, name="bench")
        with database.begin() as transaction:
            upgrade(transaction)
        few = _measure_following(BenchCity(database, FEW), warm=4, rounds=20)
        many = _measure_following(BenchCity(database, MANY), warm=3, rounds=1)
        bench_city = BenchCity(database, USUAL)
        usual = _measure_following(bench_city, warm=4, rounds=8)
        with _api(server.url, folder) as url:
            served = _measure_arrivals(url, bench_city)
        database.dispose()
    arrivals, empty = served
    return {
        "positions_per_s": round(usual.per_s),
        "cpu_us_per_position": {str(n): round(one.cpu_us) for n, one in ((FEW, few), (USUAL, usual), (MANY, many))},
        "growth": round(many.cpu_us / few.cpu_us, 3),
        "arrivals_per_s": round(arrivals.per_s),
        "arrivals_p99_ms": round(arrivals.p99_ms, 2),
        "arrivals_bytes": round(arrivals.bytes),
        "empty_per_s": round(empty.per_s),
        "arrivals_ratio": round(arrivals.per_s / empty.per_s, 3),
    }


class BenchCity:
    """A city with its timetable in force in the database. The timetable needs more buses than there are, by SPARE."""

    def __init__(self, database: Engine, buses: int) -> None:
        """Deletes the rows of the city before it."""
        self.database, self.now = database, wall_clock()
        day = self.now.astimezone(ZONE).date()
        since_s = int(self.now.timestamp() - service_day_start(day, ZONE))
        network = city(day, since_s - TIMETABLE_MARGIN_S, since_s + TIMETABLE_MARGIN_S, round(SPARE * buses))
        with database.begin() as transaction:
            transaction.execute(text(_TRUNCATE))
            transaction.execute(
                text(_CONFIGURE), {"city": json.dumps({"id": "grid", "name": "Grid", "zone": ZONE.key})}
            )
            self.network = versions.store(transaction, network, "grid", self.now).network
        self.buses = fleet(self.network, day, self.now.timestamp(), buses)


def _measure_following(bench_city: BenchCity, *, warm: int, rounds: int) -> FollowingLoad:
    """Carry rounds of reports, the last one now, as a pipeline does; the first, unmeasured, find the journeys."""
    buses, moment = bench_city.buses, [bench_city.now]
    pipeline = Pipeline(bench_city.database, lambda: moment[0], Lane.BULK, fleet=FleetUpdater())
    spent_s = cpu_s = 0.0
    tick = PeriodicTimer(TICK_S)
    for number in range(warm + rounds):
        at = bench_city.now - timedelta(seconds=PERIOD_S * (warm + rounds - 1 - number))
        batches = list(_batches(buses, at))
        gc.collect()
        began_s, cpu_began_s = monotonic(), process_time()
        for batch in batches:
            moment[0] = batch[-1].received_at
            pipeline.process_messages(batch)
            if tick.due():  # under full load, time passes no faster than it does
                pipeline.tick_buses()
        if number >= warm:
            spent_s, cpu_s = spent_s + monotonic() - began_s, cpu_s + process_time() - cpu_began_s
    status = pipeline.state.fleet.status if pipeline.state.fleet else None
    pipeline.close()
    assert status is not None
    assert status.bus_faults == 0, "following failed: see the log"
    assert status.bus_positions == (warm + rounds) * len(buses), f"{status.bus_positions} positions were followed"
    return FollowingLoad(rounds * len(buses), spent_s, cpu_s)


def _batches(buses: Sequence[Bus], at: datetime) -> Iterator[list[Message]]:
    """One report of each bus, spread over the seconds before `at`."""
    random = Random(int(at.timestamp()))  # noqa: S311
    messages = []
    for number, bus in enumerate(buses):
        said_at = at.timestamp() - PERIOD_S * (1 - number / len(buses))
        body = json.dumps(bus.position(said_at, random)).encode()
        messages.append(Message(f"vigia/v1/grid/bus/{bus.name}", body, datetime.fromtimestamp(said_at + 0.5, UTC)))
    return (messages[start : start + BATCH] for start in range(0, len(messages), BATCH))


@contextmanager
def _api(database_url: str, folder: Path) -> Iterator[str]:
    """The API as a process, with an additional empty endpoint."""
    port = free_port(API_PORT)
    environment = os.environ | {
        "VIGIA_DATABASE_URL": database_url,
        "VIGIA_API_PORT": str(port),
        "VIGIA_LOG_LEVEL": "WARNING",
    }
    with (folder / "api.log").open("wb") as log:
        child = subprocess.Popen(
            [sys.executable, "-m", "services.bench.serving"], env=environment, stdout=log, stderr=log
        )
    url = f"http://127.0.0.1:{port}"
    try:
        _wait(f"{url}/empty")
        yield url
    finally:
        child.terminate()
        child.wait(START_S)


def _wait(url: str) -> None:
    deadline_s = monotonic() + START_S
    while monotonic() < deadline_s:
        try:
            if httpx.get(url, timeout=2.0).is_success:
                return
        except httpx.HTTPError:
            sleep(POLL_S)
    raise TimeoutError(f"{url} did not answer")


def _measure_arrivals(url: str, bench_city: BenchCity) -> tuple[LoadResult, LoadResult]:
    """Measure arrivals and empty answers in turns, so that other load of the machine affects both."""
    with bench_city.database.begin() as transaction:
        live = transaction.execute(text("SELECT count(*) FROM vehicle_outlooks WHERE outlook LIKE '%in_progress%'"))
        assert live.scalar_one() > USUAL // 2, "hardly a bus is on its way"
    stops = sorted(bench_city.network.stops)
    Random(3).shuffle(stops)  # noqa: S311
    paths = [f"/api/v1/transit/stops/{stop}/arrivals" for stop in stops]
    answer = httpx.get(f"{url}{paths[0]}", timeout=10.0).raise_for_status()
    assert answer.json()["arrivals"], "nothing comes to the stop"
    send_requests(url, paths, 1.0)
    turns = [
        (send_requests(url, ["/empty"], REQUESTS_S / 2), send_requests(url, paths, REQUESTS_S / 2)) for _ in range(2)
    ]
    return sum((one for _, one in turns), LoadResult()), sum((one for one, _ in turns), LoadResult())
