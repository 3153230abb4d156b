"""Observed history of one link, and the values that are learnt from it and expected of it.

A link is the way between two successive stops on the ground. Its history is stored by link, not by trip or route, so
that the history survives a change of timetable.
"""

from collections.abc import Sequence
from math import exp

from msgspec import Struct, field

from services.transit.travel_times.network_delay import FADE_S
from services.transit.travel_times.source_weights import RegressionSlope, RunningMean
from services.transit.travel_times.terminal_departures import LatenessCounts
from services.transit.travel_times.time_of_day import DAY_S, Bins

MAX_RECENT = 4
"""How many of the last traversals of a link are kept one by one."""
RECENT_S = 5_400.0
"""A traversal older than this says nothing of how the link runs now."""
ERROR_OFFSET_S = 20.0
"""Added to a link's time before an error is divided by it: on a short link a few seconds are not a large error."""
DAY_PART_S = 14_400.0
"""Lateness of departures is counted separately for each part of the day, of this length."""


class LinkHistory(Struct, rename={"holding": "held", "departure_lateness": "left"}):
    """History of one link, as stored in `link_history`.

    `bins`: sums of traversal times by day type and half hour (see `time_of_day.Bins`).
    `recent`: the last traversals as (end, seconds), the oldest first; the end is in Unix seconds.
    `holding`: which share of its lead an early bus spends waiting on the link.
    `dwell`: mean dwell at the link's first stop, seconds.
    `departure_lateness`: for a link on which trips begin, counts of their lateness by part of the day.
    """

    bins: Bins = field(default_factory=dict)
    recent: list[tuple[float, float]] = field(default_factory=list)
    holding: RegressionSlope = field(default_factory=RegressionSlope)
    dwell: RunningMean = field(default_factory=lambda: RunningMean(0.0, 0.0))
    departure_lateness: dict[int, LatenessCounts] = field(default_factory=dict)


class LearnedTraversal(Struct, frozen=True, gc=False):
    """What one traversal added to the history of its link. With it the traversal can be removed again.

    `at`: end of the traversal, Unix seconds. `took_s`: its time without holding and outliers; `expected_s`: the time
    that was expected. `squares`, `products`: what it added to the regression of holding.
    """

    link_id: str
    bin: int
    day: float
    at: float
    took_s: float
    expected_s: float
    squares: float
    products: float


class LearnedDeparture(Struct, frozen=True, gc=False):
    """Where one departure from a terminal was counted. With it the departure can be removed again."""

    link_id: str
    day_part: int
    lateness_bin: int


class ExpectedTraversal(Struct, frozen=True, gc=False):
    """Expected time of one link for a bus that enters it now.

    `expected_s`: seconds without holding. `usual_s`: the same without regard to recent buses.
    `recent_excess`: how much longer than usual recent buses took, relative. `recent_buses`: how many they were.
    `dwell_s`: the part of the time that a bus stands at the link's first stop.
    `holding_share_near`, `holding_share_far`: the share of its lead that an early bus waits on the link, if the link
    lies near the first stop of the trip, or further on.
    """

    expected_s: float
    usual_s: float
    recent_excess: float
    recent_buses: int
    dwell_s: float
    holding_share_near: float
    holding_share_far: float


def day_part(since_day_start_s: float) -> int:
    """The part of the day that an instant falls in. `since_day_start_s`: seconds after the start of the service day."""
    return int(since_day_start_s % DAY_S // DAY_PART_S)


def insert_recent(recent: list[tuple[float, float]], traversal: tuple[float, float]) -> None:
    """Insert a traversal in order of time, and keep the last MAX_RECENT."""
    recent.append(traversal)
    if len(recent) > 1 and recent[-2] > traversal:
        recent.sort()
    del recent[:-MAX_RECENT]


def recent_excess(recent: Sequence[tuple[float, float]], at: float, usual_s: float) -> tuple[int, float]:
    """The number of recent traversals, and how much longer than usual they took, relative.

    The second figure is shrunk towards 0 while there are few of them.
    """
    count, weight, excess_s = 0, float(MAX_RECENT), 0.0
    for end, took_s in reversed(recent):
        if at - end > RECENT_S:
            break
        own_weight = exp(min(0.0, end - at) / FADE_S)
        count += 1
        weight += own_weight
        excess_s += own_weight * (took_s - usual_s)
    return count, excess_s / (weight * (usual_s + ERROR_OFFSET_S))
