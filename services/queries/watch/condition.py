"""What the numbers mean to the person on watch: trend, silence, urgency, outage. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from services.queries.city.city import Heartbeat
from services.queries.stations.current import CurrentStation
from services.queries.watch.chart import Sample

TREND_SPAN = timedelta(minutes=15)
TREND_TOLERANCE = timedelta(minutes=10)
STEADY_M_H = 0.06
FAST_M_H = 0.60
"""0.15 m in 15 min: the rise that precedes most flash floods on record."""
MAX_PIPELINE_SILENCE = timedelta(seconds=30)
_OUTAGE_KINDS = ("river", "rain")


class Course(StrEnum):
    """Where the water is going; the value is the key of its words."""

    RISING_FAST = "rising_fast"
    RISING = "rising"
    STEADY = "steady"
    FALLING = "falling"

    @property
    def arrow(self) -> str:
        """A sign that says the same without words."""
        return _ARROWS[self]


_ARROWS = {Course.RISING_FAST: "⇈", Course.RISING: "↑", Course.STEADY: "→", Course.FALLING: "↓"}


@dataclass(frozen=True, slots=True)
class Trend:
    """The measured change of a level over about the last quarter of an hour, m/h."""

    rate_m_h: float
    course: Course


def trend(samples: Sequence[Sample]) -> Trend | None:
    """The change from the sample nearest to 15 min before the last one; None across a gap or with too little data."""
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
    """How far a station's value can be believed now; the value is the key of its words."""

    FRESH = "fresh"
    SILENT = "silent"
    LATCHED = "latched"
    """Silent at or above amarillo: the level is held, because water does not go down by not being measured."""
    NEVER = "never"


def health(station: CurrentStation, now: datetime) -> Health:
    """Fresh while its newest trusted value is young enough by the station's own silence rule."""
    if station.value_at is not None and now - station.value_at <= station.silent_after:
        return Health.FRESH
    if station.nar:
        return Health.LATCHED
    return Health.NEVER if station.value_at is None else Health.SILENT


def urgency(station: CurrentStation, now: datetime, course: Course | None) -> tuple[object, ...]:
    """Sorts the most urgent first: highest level, then what cannot be seen, then what rises fastest."""
    unseen = health(station, now) is not Health.FRESH
    courses = list(Course)
    return (-station.nar, not unseen, courses.index(course) if course else len(courses), station.name)


class Outage(StrEnum):
    """Why the page cannot vouch for the city; the value is the key of its words."""

    PIPELINE = "pipeline"
    READINGS = "readings"


@dataclass(frozen=True, slots=True)
class DataFlow:
    """Whether data flows. `since`: the last moment anything was known, None where nothing ever was."""

    outage: Outage | None
    since: datetime | None
    newest_at: datetime | None
    pipeline_at: datetime | None
    silent: tuple[CurrentStation, ...]
    total: int


def data_flow(stations: Sequence[CurrentStation], beats: Sequence[Heartbeat], now: datetime, pace: float) -> DataFlow:
    """Judge the flow of data. `pace`: how many times as fast as real time the clock runs, 1 outside simulations.

    An outage is a pipeline that is silent, or no river or rain station with a fresh value.
    """
    pipelines = [beat.at for beat in beats if beat.process.startswith("pipeline")]
    pipeline_at = max(pipelines, default=None)
    newest_at = max((station.value_at for station in stations if station.value_at), default=None)
    silent = tuple(station for station in stations if health(station, now) is not Health.FRESH)
    watched = [station for station in stations if station.kind.name in _OUTAGE_KINDS]
    trouble = None
    if pipeline_at is None or now - pipeline_at > MAX_PIPELINE_SILENCE * max(pace, 1.0):
        trouble = Outage.PIPELINE
    elif watched and all(health(station, now) is not Health.FRESH for station in watched):
        trouble = Outage.READINGS
    return DataFlow(trouble, newest_at, newest_at, pipeline_at, silent, len(stations))
