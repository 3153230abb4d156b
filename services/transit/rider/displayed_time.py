"""What time is shown to riders: minutes, an interval, a rough time or the scheduled time. Pure.

The time shown is never narrower than the prediction is sure, and no bare number is shown where no bus reports. The
module decides; `services.web.pages` puts the result into Spanish and English, `sms` into 160 characters.
"""

from dataclasses import dataclass
from enum import StrEnum
from math import ceil, floor
from typing import assert_never

from services.transit.model.prediction import Basis

MINUTE_S = 60.0
ARRIVING_P50_S = 60.0
"""A median nearer than this is shown as arriving, without a number."""
ARRIVING_P90_S = 120.0
WIDEST_INTERVAL_MIN = 15
"""A wider interval does not help to decide: a rough time of day is shown instead."""
ROUGH_STEP_S = 300.0
NOTABLE_LATE_S = 180.0
"""A delay from here on is mentioned."""
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
    """About this time of day: Unix seconds, a multiple of five minutes."""

    around_at: float


@dataclass(frozen=True, slots=True)
class ScheduledTime:
    """Exactly the scheduled time, Unix seconds: nothing more is known."""

    scheduled_at: float


DisplayedTime = ArrivingNow | MinuteInterval | RoughTime | ScheduledTime


@dataclass(frozen=True, slots=True)
class Headway:
    """One bus each so many minutes, from `least` to `most` by branch: all that the timetable promises of a line.

    It is said once for the line, and no scheduled time of it beside. `next_at`: the next scheduled one, Unix seconds,
    which serves to sort lines and is never shown.
    """

    least: int
    most: int
    next_at: float


@dataclass(frozen=True, slots=True)
class Quantiles:
    """A predicted arrival, Unix seconds. `rider_time`: the early-safe time to be at the stop."""

    p10: float
    p50: float
    p90: float
    rider_time: float


class ServiceState(StrEnum):
    """The state of a line at a stop. Riders must be able to tell each from the others."""

    RUNNING = "running"
    """A bus that reports is on its way."""
    NO_BUS = "no_bus"
    """Journeys are scheduled soon, but no bus that reports makes them."""
    NOT_NOW = "not_now"
    """No journey is scheduled soon."""
    NO_DATA = "no_data"
    """The company's buses should be on the road, but none of them reports."""


@dataclass(frozen=True, slots=True)
class DisplayedArrival:
    """One journey at a stop as a rider is told of it. Times are Unix seconds.

    `time` is None where no time can be shown honestly: the journey is not coming, or its bus has been silent for
    longer than it would have taken to arrive. `be_there_at`: the early-safe time. `last_report_at`: the last report of
    a bus that is silent now. `stops_away`: stops where the bus calls before this one, None where that is not known.
    `step_free`: None where the timetable does not say.
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
    stops_away: int | None = None
    step_free: bool | None = None
    occupancy: int | None = None

    @property
    def is_coming(self) -> bool:
        """Whether riders should still wait for it."""
        return self.basis is not Basis.NOT_COMING


@dataclass(frozen=True, slots=True)
class LineAtStop:
    """One line at one stop: arrivals, soonest first, withdrawn journeys, and the next scheduled departure.

    `headway`: of the line's journeys without a bus, where only that is promised.
    """

    name: str
    service: ServiceState
    arrivals: tuple[DisplayedArrival, ...] = ()
    withdrawn: tuple[DisplayedArrival, ...] = ()
    next_departure_at: float | None = None
    headway: Headway | None = None

    @property
    def soonest_at(self) -> float:
        """The sort key of lines, Unix seconds: the earliest time to be at the stop."""
        times = [
            arrival.scheduled_at if arrival.be_there_at is None else arrival.be_there_at for arrival in self.arrivals
        ]
        times += [self.headway.next_at] if self.headway else []
        return min(times, default=float("inf") if self.next_departure_at is None else self.next_departure_at)


def displayed_time(estimate: Quantiles, basis: Basis, now: float) -> DisplayedTime | None:
    """The time to show for a prediction; None where no time can be shown honestly."""
    match basis:
        case Basis.NOT_COMING:
            return None
        case Basis.NOT_REPORTING:
            # Predicted from where the bus last was: never to the minute.
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
    """The nearest multiple of five minutes that is not in the past, Unix seconds."""
    nearest = round(at / ROUGH_STEP_S) * ROUGH_STEP_S
    return nearest if nearest > now else ceil(now / ROUGH_STEP_S) * ROUGH_STEP_S


def floor_to_minute(at: float) -> float:
    """A time to be at the stop by, rounded down to the minute, since a clock shows no seconds."""
    return floor(at / MINUTE_S) * MINUTE_S


def notable_delay_s(scheduled_at: float, estimate: Quantiles, basis: Basis) -> float | None:
    """The delay of a bus that reports, seconds, negative where early; None where too small to mention."""
    delay_s = estimate.p50 - scheduled_at
    if basis not in {Basis.LIVE, Basis.RECENT} or NOTABLE_EARLY_S <= delay_s < NOTABLE_LATE_S:
        return None
    return delay_s
