"""Processes of the system: their last heartbeats, which of them are expected, and which are dead."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from pydantic import Field
from sqlalchemy import ColumnElement, Connection, func, select

from models.kind import Lane
from models.kinds import KINDS
from models.tables.operations import heartbeats
from services.runtime.heartbeat import KEPT_STARTS

DEAD_AFTER_S = 15.0
"""A process writes a heartbeat every second. One that wrote none for so long, or never, is dead. Real time by the
database's clock: long enough for a slow commit, and short enough that page and stream show it within 30 s."""
LOOP_S = 300.0
"""A process that started for the last KEPT_STARTS times within so long starts again and again, and counts as dead."""
CALM_S = 90.0
"""A process that has run for so long does not start again and again any more. Longer than a supervisor's pause."""
DEAF_AFTER_S = 5.0
"""A pipeline without its broker for so long receives nothing. A silent broker is noticed within 20 s."""
MAX_PROCESSES = 100
API = "api"
CANARY_AGE = "canary_age_s"
"""Status of the API: seconds since one of Vigía's own test messages reached its live stream."""
BROKER = "broker"
"""What is dead where no pipeline can reach its broker."""
PIPELINE = "pipeline-"
UNDIVIDED = f"{PIPELINE}all"
"""The one pipeline of a system without lanes."""
LANES = frozenset(f"{PIPELINE}{lane}" for lane in Lane)


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """A process by its last heartbeat. `age_s`: real time by the database's clock. `status`: what it reports.

    `restarting`: it starts again and again.
    """

    process: Annotated[str, Field(examples=["pipeline-critical"])]
    at: datetime
    started_at: datetime
    age_s: Annotated[float, Field(examples=[0.7])]
    restarting: Annotated[bool, Field(description="Whether it starts again and again")] = False
    status: Annotated[dict[str, Any], Field(examples=[{"connected": True, "readings": 48113}])]

    @property
    def alive(self) -> bool:
        """Whether its last heartbeat is new, and it runs on. One from the future: the database's clock was set back."""
        return self.beats and not self.restarting

    @property
    def beats(self) -> bool:
        """Whether its last heartbeat is new, though it may start again and again."""
        return abs(self.age_s) <= DEAD_AFTER_S

    @property
    def deaf(self) -> bool:
        """Whether it has no connection to its broker."""
        return self._disconnected_s >= DEAF_AFTER_S

    @property
    def silent_s(self) -> float:
        """For how long nothing is known to have come in by it: since its heartbeat, or since it lost its broker."""
        return max(abs(self.age_s), self._disconnected_s if self.deaf else 0.0)

    @property
    def _disconnected_s(self) -> float:
        disconnected_s = self.status.get("disconnected_s")
        return float(disconnected_s) if isinstance(disconnected_s, int | float) else 0.0


def list_processes(connection: Connection) -> list[Process]:
    """All processes that ever wrote a heartbeat."""
    starts = heartbeats.c.recent_starts
    columns = (heartbeats.c.process, heartbeats.c.at, heartbeats.c.started_at, heartbeats.c.status)
    seconds = (_age_s(heartbeats.c.written_at), _age_s(starts[1]), _age_s(starts[KEPT_STARTS]))
    rows = connection.execute(select(*columns, *seconds).order_by(heartbeats.c.process).limit(MAX_PROCESSES))
    return [
        Process(
            process=process,
            at=at,
            started_at=started_at,
            age_s=float(age_s),
            restarting=oldest_s is not None and newest_s < CALM_S and oldest_s - newest_s < LOOP_S,
            status=status,
        )
        for process, at, started_at, status, age_s, newest_s, oldest_s in rows
    ]


def _age_s(at: ColumnElement[datetime]) -> ColumnElement[Any]:
    return func.extract("epoch", func.clock_timestamp() - at)


def expected_processes(processes: Sequence[Process], named: Collection[str] = ()) -> frozenset[str]:
    """The processes that must live: those named by the setting, or else all that ever lived.

    Of the pipelines then: both lanes where the newest heartbeat of a pipeline is that of a lane, else the whole one.
    """
    if named:
        return frozenset(named)
    pipelines = [one for one in processes if one.process.startswith(PIPELINE)]
    newest = min(pipelines, key=lambda one: abs(one.age_s), default=None)
    lanes = LANES if newest is not None and newest.process in LANES else {UNDIVIDED}
    return frozenset(one.process for one in processes if one not in pipelines) | lanes


def dead_processes(processes: Sequence[Process], named: Collection[str] = ()) -> tuple[str, ...]:
    """The expected processes without a new heartbeat, those that never wrote one, and pipelines without their broker.

    Where all pipelines that live are without it: also the broker. `named`: by the setting.
    """
    expected = expected_processes(processes, named)
    alive = [one for one in processes if one.alive]
    pipelines = [one for one in alive if one.process in expected and one.process.startswith(PIPELINE)]
    broker = {BROKER} if pipelines and all(one.deaf for one in pipelines) else set()
    return tuple(sorted(expected - {one.process for one in alive if not one.deaf} | broker))


def oldest_pipeline_age_s(processes: Sequence[Process], named: Collection[str] = ()) -> float | None:
    """For how long the longest silent of the expected pipelines is silent; None where one never wrote a heartbeat."""
    ages: Mapping[str, float] = {one.process: one.silent_s for one in processes}
    expected = [name for name in expected_processes(processes, named) if name.startswith(PIPELINE)]
    if not expected or any(name not in ages for name in expected):
        return None
    return max(ages[name] for name in expected)


def lost_kinds(processes: Sequence[Process], named: Collection[str] = ()) -> frozenset[str]:
    """The kinds of sensor whose readings no pipeline processes now. One that starts again and again does at times."""
    lost = expected_processes(processes, named) - {one.process for one in processes if one.beats and not one.deaf}
    return frozenset(kind.name for kind in KINDS if UNDIVIDED in lost or f"{PIPELINE}{kind.lane}" in lost)
