"""What may be said to a rider: never a narrower time than is known, and never a bare one where no bus reports. Pure.

These are decisions, not words: the pages put them in Spanish and English, `sms` in 160 characters.
"""

from dataclasses import dataclass
from enum import StrEnum
from math import ceil, floor
from typing import assert_never

from services.transit.model.prediction import Basis

MINUTE_S = 60.0
ARRIVING_S = 60.0
"""A median nearer than this is no number any more: the bus is there."""
ARRIVING_P90_S = 120.0
WIDEST_MIN = 15
"""A wider interval helps nobody to decide: it is told as a rough time of day."""
ROUGH_S = 300.0
LATE_S = 180.0
"""What is worth calling late."""
EARLY_S = -120.0


@dataclass(frozen=True, slots=True)
class Arriving:
    """Less than a minute away."""


@dataclass(frozen=True, slots=True)
class Minutes:
    """From `low` to `high` minutes from now, rounded outward from P10 and P90: `low` <= `high`, `high` >= 1."""

    low: int
    high: int


@dataclass(frozen=True, slots=True)
class Around:
    """About that time of day, Unix seconds, on a multiple of five minutes."""

    at: float


@dataclass(frozen=True, slots=True)
class Planned:
    """That very time by the timetable, Unix seconds: nothing more is known."""

    at: float


@dataclass(frozen=True, slots=True)
class Every:
    """One each so many minutes by the timetable, which promises no minute."""

    minutes: int


Wait = Arriving | Minutes | Around | Planned | Every


@dataclass(frozen=True, slots=True)
class Quantiles:
    """An estimated arrival, Unix seconds; `rider`: be at the stop by then."""

    p10: float
    p50: float
    p90: float
    rider: float


class Service(StrEnum):
    """How a line stands at a stop: one word each for what riders must not mistake for another."""

    RUNNING = "running"
    """A bus that reports is on its way."""
    NO_BUS = "no_bus"
    """Journeys are planned soon, and no bus that reports makes them."""
    NOT_NOW = "not_now"
    """Nothing is planned soon."""
    NO_DATA = "no_data"
    """The company's buses should be on the road and none of them reports."""


@dataclass(frozen=True, slots=True)
class Told:
    """One journey at a stop as a rider is told of it. Times are Unix seconds.

    `wait` is None where there is no honest number: the journey is not coming, or its bus has been silent for longer
    than it would have taken. `be_there_at` is the early-safe time. `heard_at`: its bus's last report, told where it is
    silent. `step_free` is None where nobody said.
    """

    journey: tuple[str, str, int]
    destination: str
    planned_at: float
    basis: Basis
    wait: Wait | None = None
    be_there_at: float | None = None
    heard_at: float | None = None
    buses: int = 0
    late_s: float | None = None
    step_free: bool | None = None
    occupancy: int | None = None

    @property
    def comes(self) -> bool:
        """Whether it is still to be waited for."""
        return self.basis is not Basis.NOT_COMING


@dataclass(frozen=True, slots=True)
class LineHere:
    """One line at one stop: what comes, soonest first, what surely does not, and the next planned departure."""

    name: str
    service: Service
    coming: tuple[Told, ...] = ()
    withdrawn: tuple[Told, ...] = ()
    next_at: float | None = None

    @property
    def soonest_at(self) -> float:
        """What lines are put in order by, Unix seconds."""
        ats = [told.planned_at if told.be_there_at is None else told.be_there_at for told in self.coming]
        return min(ats, default=float("inf") if self.next_at is None else self.next_at)


def wait(estimate: Quantiles, basis: Basis, now: float) -> Wait | None:
    """How long a rider is told to wait; None where nothing honest can be said."""
    match basis:
        case Basis.NOT_COMING:
            return None
        case Basis.NOT_REPORTING:
            # From where the bus was last, never to the minute.
            return Around(rough(estimate.p50, now)) if estimate.p50 > now else None
        case Basis.LIVE | Basis.RECENT:
            if estimate.p50 - now < ARRIVING_S and estimate.p90 - now <= ARRIVING_P90_S:
                return Arriving()
            return _interval(estimate, now)
        case Basis.SCHEDULE:
            return _interval(estimate, now)
        case _:
            assert_never(basis)


def _interval(estimate: Quantiles, now: float) -> Minutes | Around:
    low = max(0, floor((estimate.p10 - now) / MINUTE_S))
    high = max(1, ceil((estimate.p90 - now) / MINUTE_S))
    return Minutes(low, high) if high - low <= WIDEST_MIN else Around(rough(estimate.p50, now))


def rough(at: float, now: float) -> float:
    """The multiple of five minutes nearest to a time, but not one that is over, Unix seconds."""
    nearest = round(at / ROUGH_S) * ROUGH_S
    return nearest if nearest > now else ceil(now / ROUGH_S) * ROUGH_S


def whole_minute(at: float) -> float:
    """A time to be somewhere by: the minute it falls in, since a clock shows no seconds."""
    return floor(at / MINUTE_S) * MINUTE_S


def lateness_s(planned_at: float, estimate: Quantiles, basis: Basis) -> float | None:
    """How late a bus that reports will be, seconds, negative where early; None where not worth a word."""
    late = estimate.p50 - planned_at
    if basis not in {Basis.LIVE, Basis.RECENT} or EARLY_S <= late < LATE_S:
        return None
    return late
