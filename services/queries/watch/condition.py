"""Condition of stations and of the data flow: trend, silence, urgency, outage. Pure functions."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from alerts.current_level.level import STEADY_M_H
from services.queries.city.processes import Process, dead_processes, lost_kinds, oldest_pipeline_age_s
from services.queries.stations.current import CurrentStation
from services.queries.watch.chart import Sample

TREND_SPAN = timedelta(minutes=15)
TREND_TOLERANCE = timedelta(minutes=10)
FAST_M_H = 0.60
"""0.15 m in 15 min: the rise before most recorded flash floods."""
_OUTAGE_KINDS = ("river", "rain")


class Course(StrEnum):
    """Direction of a water level. The value is the key of its words."""

    RISING_FAST = "rising_fast"
    RISING = "rising"
    STEADY = "steady"
    FALLING = "falling"

    @property
    def arrow(self) -> str:
        """An arrow for the direction."""
        return _ARROWS[self]


_ARROWS = {Course.RISING_FAST: "⇈", Course.RISING: "↑", Course.STEADY: "→", Course.FALLING: "↓"}


@dataclass(frozen=True, slots=True)
class Trend:
    """The measured change of a level over about the last 15 minutes, m/h."""

    rate_m_h: float
    course: Course


def trend(samples: Sequence[Sample]) -> Trend | None:
    """The change to the last sample from the one nearest to 15 min before; None across a gap or without data."""
    if not samples:
        return None
    last = samples[-1]
    before = min(samples, key=lambda sample: abs(last.at - TREND_SPAN - sample.at))
    if abs(last.at - TREND_SPAN - before.at) > TREND_TOLERANCE or before is last:
        return None
    rate = (last.mean - before.mean) / ((last.at - before.at) / timedelta(hours=1))
    return Trend(rate, _course(rate))


def _course(rate_m_h: float) -> Course:
    if rate_m_h >= FAST_M_H:
        return Course.RISING_FAST
    if rate_m_h >= STEADY_M_H:
        return Course.RISING
    return Course.FALLING if rate_m_h <= -STEADY_M_H else Course.STEADY


class Health(StrEnum):
    """Whether a station's value is current. The value is the key of its words."""

    FRESH = "fresh"
    SILENT = "silent"
    LATCHED = "latched"
    """Silent at amarillo or above: the level is held, since missing readings do not mean that the water fell."""
    NEVER = "never"


def health(station: CurrentStation, now: datetime) -> Health:
    """FRESH while the newest trusted value is not older than the station's silence rule allows."""
    if station.value_at is not None and now - station.value_at <= station.silent_after:
        return Health.FRESH
    if station.nar:
        return Health.LATCHED
    return Health.NEVER if station.value_at is None else Health.SILENT


def urgency(station: CurrentStation, now: datetime, course: Course | None) -> tuple[object, ...]:
    """Sort key, the most urgent first: highest level, then stations without a current value, then the fastest rise."""
    is_stale = health(station, now) is not Health.FRESH
    courses = list(Course)
    return (-station.nar, not is_stale, courses.index(course) if course else len(courses), station.name)


class Outage(StrEnum):
    """Why the page does not show the current state. The value is the key of its words."""

    PIPELINE = "pipeline"
    READINGS = "readings"


@dataclass(frozen=True, slots=True)
class DataFlow:
    """The data flow. `since`: time of the newest value, None where there was never one.

    `pipeline_at`: the oldest heartbeat of the expected pipelines, None where one of them never wrote any; before it,
    where one has no broker. `dead`: what should run and does not, or (`restarting`) starts again and
    again. `silent_areas`: names of municipalities and basins
    of which nothing is known, since no river or rain station there has a current value. `unconfirmed`: stations with a
    colour that nothing else supports, highest first.
    """

    outage: Outage | None
    since: datetime | None
    newest_at: datetime | None
    pipeline_at: datetime | None
    dead: tuple[str, ...]
    restarting: frozenset[str]
    silent: tuple[CurrentStation, ...]
    silent_areas: frozenset[str]
    unconfirmed: tuple[CurrentStation, ...]
    total: int


def data_flow(
    stations: Sequence[CurrentStation],
    processes: Sequence[Process],
    now: datetime,
    *,
    clock_factor: float = 1.0,
    expected: Collection[str] = (),
) -> DataFlow:
    """Assess the data flow. `clock_factor`: speed of the clock relative to real time, 1 outside simulations.

    It is an outage where the pipeline of river or rain readings is dead, or where no river or rain station has a
    current value. `expected`: the processes that the setting names.
    """
    dead = dead_processes(processes, expected)
    age_s = oldest_pipeline_age_s(processes, expected)
    newest_at = max((station.value_at for station in stations if station.value_at), default=None)
    silent = tuple(station for station in stations if health(station, now) is not Health.FRESH)
    unconfirmed = sorted((station for station in stations if station.nar > station.confirmed_nar), key=_highest_first)
    watched = [station for station in stations if station.kind.name in _OUTAGE_KINDS]
    outage = None
    if lost_kinds(processes, expected).intersection(_OUTAGE_KINDS):
        outage = Outage.PIPELINE
    elif watched and all(health(station, now) is not Health.FRESH for station in watched):
        outage = Outage.READINGS
    return DataFlow(
        outage=outage,
        since=newest_at,
        newest_at=newest_at,
        pipeline_at=None if age_s is None else now - timedelta(seconds=age_s * clock_factor),
        dead=dead,
        restarting=frozenset(one.process for one in processes if one.restarting),
        silent=silent,
        silent_areas=_silent_areas(watched, silent),
        unconfirmed=tuple(unconfirmed),
        total=len(stations),
    )


def _silent_areas(watched: Sequence[CurrentStation], silent: Sequence[CurrentStation]) -> frozenset[str]:
    """The names of areas all of whose stations are silent."""
    known = {area for one in watched if one not in silent for area in (one.municipality, one.basin)}
    return frozenset(area for one in watched for area in (one.municipality, one.basin) if area and area not in known)


def _highest_first(station: CurrentStation) -> tuple[int, str]:
    return -station.nar, station.name
