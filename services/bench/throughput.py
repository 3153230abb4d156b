"""Throughput of the whole pipeline at full load, measured by the readings that it commits."""

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from time import monotonic, sleep

import psutil
from sqlalchemy import Engine, text

from services.bench.processes import POLL_S, START_S, BenchProcesses, start_fleet, wait_connected

MAX_IN_FLIGHT = 4_000
"""Messages published and not yet committed, at most."""
WARM_UP_S = 2.0


class CommittedReadings:
    """Counts the readings committed since its creation, by the live events that the pipeline writes with them."""

    def __init__(self, database: Engine) -> None:
        self._database, self.readings = database, 0
        with database.begin() as transaction:
            self._last = transaction.execute(text("SELECT coalesce(max(id), 0) FROM events")).scalar_one()

    def count_now(self) -> int:
        """The count up to now."""
        with self._database.begin() as transaction:
            last, fresh = transaction.execute(
                text(
                    "SELECT max(id), sum(json_array_length(data -> 'readings')) FROM events"
                    " WHERE id > :last AND event = 'readings'"
                ),
                {"last": self._last},
            ).one()
        if last is not None:
            self._last, self.readings = last, self.readings + int(fresh)
        return self.readings


@dataclass(frozen=True, slots=True)
class PipelineLoad:
    """Readings, duration and resources of the pipeline in the measured time."""

    readings: int
    seconds: float
    batch: float
    cpu_us_per_reading: Mapping[str, float]
    rss_mb: Mapping[str, float]

    @property
    def per_s(self) -> float:
        """Readings a second, from publish to acknowledgement after commit."""
        return self.readings / self.seconds


def measure_pipeline(running: BenchProcesses, *, seconds: float, per_message: int) -> PipelineLoad:
    """Publish as fast as readings are committed, at most MAX_IN_FLIGHT in flight, for `seconds` after a warm-up."""
    pipeline = running.start("pipeline", "services", "pipeline")
    wait_connected(running)
    progress = CommittedReadings(running.database)
    fleet = start_fleet(running, per_message)
    _publish(fleet, progress, per_message, WARM_UP_S)
    before, began_s, done = (
        {name: _cpu_s(one) for name, one in running.processes.items()},
        monotonic(),
        progress.readings,
    )
    batches = _batches(running.database)
    _publish(fleet, progress, per_message, seconds)
    elapsed_s, readings = monotonic() - began_s, progress.readings - done
    cpu = {name: 1e6 * (_cpu_s(one) - before[name]) / readings for name, one in running.processes.items()}
    memory = {name: _rss_mb(one) for name, one in running.processes.items()}
    batch = readings / max(1, _batches(running.database) - batches)
    fleet.communicate(timeout=START_S)
    running.stop(pipeline)
    for name in ("pipeline", "fleet"):
        del running.processes[name]
    return PipelineLoad(readings, elapsed_s, batch, cpu, memory)


def _publish(fleet: subprocess.Popen[bytes], progress: CommittedReadings, per_message: int, seconds: float) -> None:
    assert fleet.stdin is not None
    until_s = monotonic() + seconds
    while monotonic() < until_s:
        fleet.stdin.write(b"%d\n" % (progress.count_now() // per_message + MAX_IN_FLIGHT // per_message))
        fleet.stdin.flush()
        sleep(POLL_S)


def _batches(database: Engine) -> int:
    with database.begin() as transaction:
        return int(transaction.execute(text("SELECT count(*) FROM events WHERE event = 'readings'")).scalar_one())


def _cpu_s(process: psutil.Process) -> float:
    """Processor time of a process and its children so far, s. Children that have ended do not count."""
    total = 0.0
    for one in [process, *process.children(recursive=True)]:
        try:
            times = one.cpu_times()
            total += times.user + times.system
        except psutil.NoSuchProcess:
            continue
    return total


def _rss_mb(process: psutil.Process) -> float:
    """Resident memory of a process and its children, MB. Shared memory counts once where the system reports it."""
    total = 0
    for one in [process, *process.children(recursive=True)]:
        try:
            memory = one.memory_full_info()
            total += getattr(memory, "pss", memory.rss)
        except psutil.NoSuchProcess:
            continue
    return total / 1e6
