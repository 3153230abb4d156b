"""What may be said to a rider: never a narrower time than is known, and never a bare one where no bus reports. Pure.

These are decisions, not words: the pages put them in Spanish and English, `sms` in 160 characters.
"""

from dataclasses import dataclass
from enum import StrEnum
from math import ceil, floor
from typing import assert_never

from services.transit.model.prediction import Basis

MINUTE_S = 60.0
ARRIVING_P50_S = 60.0
"""A median nearer than this is no number any more: the bus is there."""
ARRIVING_P90_S = 120.0
WIDEST_INTERVAL_MIN = 15
"""A wider interval helps nobody to decide: it is told as a rough time of day."""
ROUGH_STEP_S = 300.0
NOTABLE_LATE_S = 180.0
"""What is worth calling late."""
NOTABLE_EARLY_S = -120.0


@dataclass(frozen=True, slots=True)
class ArrivingNow:
    """Less than a minute away."""


@dataclass(frozen=True, slots=True)
class MinuteInterval:
    """From `low` to `high` minutes from now, rounded outward from P10 and P90: `low` <= `high`, `high` >= 1."""

    low: int
    high: int


@dataclass(frozen=True, slots=True)
class RoughTime:
    """About that time of day, Unix seconds, on a multiple of five minutes."""

    around_at: float


@dataclass(frozen=True, slots=True)
class ScheduledTime:
    """That very time by the timetable, Unix seconds: nothing more is known."""

    scheduled_at: float


@dataclass(frozen=True, slots=True)
class Headway:
    """One each so many minutes by the timetable, which promises no minute."""

    minutes: int


DisplayedTime = ArrivingNow | MinuteInterval | RoughTime | ScheduledTime | Headway


@dataclass(frozen=True, slots=True)
class Quantiles:
    """An estimated arrival, Unix seconds; `rider_time`: be at the stop by then."""

    p10: float
    p50: float
    p90: float
    rider_time: float


class ServiceState(StrEnum):
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
class DisplayedArrival:
    """One journey at a stop as a rider is told of it. Times are Unix seconds.

    `time` is None where no time can be shown honestly: the journey is not coming, or its bus has been silent for
    longer than it would have taken to arrive. `be_there_at`: the early-safe time. `last_report_at`: the last report of
    a bus that is silent now. `step_free`: None where the timetable does not say.
    """

    journey_key: tuple[str, str, int]
    destination: str
    scheduled_at: float
    basis: Basis
    time: DisplayedTime | None = None
    be_there_at: float | None = None
    last_report_at: float | None = None
    recent_buses: int = 0
    delay_s: float | None = None
    step_free: bool | None = None
    occupancy: int | None = None

    @property
    def is_coming(self) -> bool:
        """Whether it is still to be waited for."""
        return self.basis is not Basis.NOT_COMING


@dataclass(frozen=True, slots=True)
class LineAtStop:
    """One line at one stop: what comes, soonest first, what surely does not, and the next planned departure."""

    name: str
    service: ServiceState
    arrivals: tuple[DisplayedArrival, ...] = ()
    withdrawn: tuple[DisplayedArrival, ...] = ()
    next_departure_at: float | None = None

    @property
    def soonest_at(self) -> float:
        """What lines are put in order by, Unix seconds."""
        ats = [told.scheduled_at if told.be_there_at is None else told.be_there_at for told in self.arrivals]
        return min(ats, default=float("inf") if self.next_departure_at is None else self.next_departure_at)


def displayed_time(estimate: Quantiles, basis: Basis, now: float) -> DisplayedTime | None:
    """How long a rider is told to wait; None where nothing honest can be said."""
    match basis:
        case Basis.NOT_COMING:
            return None
        case Basis.NOT_REPORTING:
            # From where the bus was last, never to the minute.
            return RoughTime(rough_time(estimate.p50, now)) if estimate.p50 > now else None
        case Basis.LIVE | Basis.RECENT:
            if estimate.p50 - now < ARRIVING_P50_S and estimate.p90 - now <= ARRIVING_P90_S:
                return ArrivingNow()
            return _interval(estimate, now)
        case Basis.SCHEDULE:
            return _interval(estimate, now)
        case _:
            assert_never(basis)


def _interval(estimate: Quantiles, now: float) -> MinuteInterval | RoughTime:
    low = max(0, floor((estimate.p10 - now) / MINUTE_S))
    high = max(1, ceil((estimate.p90 - now) / MINUTE_S))
    return MinuteInterval(low, high) if high - low <= WIDEST_INTERVAL_MIN else RoughTime(rough_time(estimate.p50, now))


def rough_time(at: float, now: float) -> float:
    """The multiple of five minutes nearest to a time, but not one that is over, Unix seconds."""
    nearest = round(at / ROUGH_STEP_S) * ROUGH_STEP_S
    return nearest if nearest > now else ceil(now / ROUGH_STEP_S) * ROUGH_STEP_S


def floor_to_minute(at: float) -> float:
    """A time to be somewhere by: the minute it falls in, since a clock shows no seconds."""
    return floor(at / MINUTE_S) * MINUTE_S


def notable_delay_s(scheduled_at: float, estimate: Quantiles, basis: Basis) -> float | None:
    """How late a bus that reports will be, seconds, negative where early; None where not worth a word."""
    late = estimate.p50 - scheduled_at
    if basis not in {Basis.LIVE, Basis.RECENT} or NOTABLE_EARLY_S <= late < NOTABLE_LATE_S:
        return None
    return late
