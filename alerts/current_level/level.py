"""The current level of a stream: distance to the thresholds, when the forecast crosses one, and order of danger."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Protocol

from models.alert import NAR
from models.rule import ColourThresholds

STEADY_M_H = 0.06
"""A change below this rate, m/h, counts as none."""
OLD_AFTER = timedelta(hours=2)
"""An alert of a rain gauge says nothing of the present when it last changed so long ago."""


class Quantiles(Protocol):
    """Quantiles of the forecast level at one instant, m."""

    @property
    def at(self) -> datetime: ...
    @property
    def p10(self) -> float: ...
    @property
    def p50(self) -> float: ...
    @property
    def p90(self) -> float: ...


@dataclass(frozen=True, slots=True)
class Crossing:
    """When the forecast reaches a threshold: expected, and between the earliest and the latest of 80 %.

    `latest` is None where one forecast in ten does not reach it while the forecast lasts.
    """

    expected: datetime
    earliest: datetime
    latest: datetime | None


@dataclass(frozen=True, slots=True)
class CurrentLevel:
    """The last trusted level of a stream and what follows from it. Levels in m, `rate_m_h` None where unknown.

    `reached`: the highest colour whose threshold the level is at or above, and `above_m` by how much. `next_up`: the
    next colour, None at rojo, and `missing_m` how much is missing. `crossing`: of the threshold of `next_up`.
    `fresh`: whether the value is recent enough to count as the level.
    """

    level_m: float
    at: datetime
    fresh: bool
    rate_m_h: float | None
    reached: NAR
    above_m: float | None
    next_up: NAR | None
    missing_m: float | None
    crossing: Crossing | None

    @property
    def rising(self) -> bool:
        """Whether the level rises, or is expected to reach the next threshold."""
        return self.crossing is not None or (self.rate_m_h is not None and self.rate_m_h >= STEADY_M_H)

    @property
    def falling(self) -> bool:
        """Whether the level falls, and no threshold ahead is expected to be reached."""
        return not self.rising and self.rate_m_h is not None and self.rate_m_h <= -STEADY_M_H


def current_level(
    level_m: float,
    at: datetime,
    *,
    thresholds: ColourThresholds | None,
    rate_m_h: float | None,
    forecast: Sequence[Quantiles],
    fresh: bool,
) -> CurrentLevel:
    """What follows from a level measured at `at`. A level that is not fresh has neither rate nor crossing."""
    limits = thresholds or ()
    passed = sum(level_m >= limit for limit in limits)
    next_up = NAR(passed + 1) if passed < len(limits) else None
    return CurrentLevel(
        level_m=level_m,
        at=at,
        fresh=fresh,
        rate_m_h=rate_m_h if fresh else None,
        reached=NAR(passed),
        above_m=level_m - limits[passed - 1] if passed else None,
        next_up=next_up,
        missing_m=limits[passed] - level_m if next_up else None,
        crossing=_crossing(level_m, at, limits[passed], forecast) if next_up and fresh else None,
    )


def danger(nar: NAR, level: CurrentLevel | None, *, silent: bool = False) -> tuple[object, ...]:
    """Sort key, the most dangerous first: over the red line, the colour held, not current, rising, soonest to cross.

    Over the red line by its last value, a stream without a current one comes after those that are over it now. Without
    a level (rain gauges), after what rises and before what falls. `silent`: a stream without a current value.
    """
    if level is None:
        return (2, -nar, 0 if silent else 2, 0.0, 0.0)
    silent = silent or not level.fresh
    if silent:
        course = 0
    elif level.rising:
        course = 1
    else:
        course = 3 if level.falling else 2
    over = (1 if silent else 0) if level.reached is NAR.ROJO else 2
    soonest = level.crossing.expected.timestamp() if level.crossing else float("inf")
    return (over, -nar, course, soonest, -(level.rate_m_h or 0.0))


def can_wait(level: CurrentLevel | None, changed: timedelta) -> bool:
    """Whether an alert may stand below the others: its stream falls, or, without a stream, it last changed long ago.

    Never above the red line, nor without a current value. `changed`: how long ago its last change was.
    """
    if level is None:
        return changed > OLD_AFTER
    return level.falling and level.reached is not NAR.ROJO


def _crossing(level_m: float, at: datetime, limit: float, forecast: Sequence[Quantiles]) -> Crossing | None:
    ahead = [one for one in forecast if one.at > at]
    expected = _first_reach([(at, level_m), *((one.at, one.p50) for one in ahead)], limit)
    if expected is None:
        return None
    earliest = _first_reach([(at, level_m), *((one.at, one.p90) for one in ahead)], limit)
    latest = _first_reach([(at, level_m), *((one.at, one.p10) for one in ahead)], limit)
    return Crossing(expected, min(earliest or expected, expected), latest)


def _first_reach(course: Sequence[tuple[datetime, float]], limit: float) -> datetime | None:
    """When the straight lines between the points first reach `limit` from below; None where they do not."""
    for (start, before), (end, after) in pairwise(course):
        if before < limit <= after:
            return start + (end - start) * ((limit - before) / (after - before))
    return None
