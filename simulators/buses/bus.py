"""A simulated bus: its movement as legs, so that its position is known at any time, and its events as values."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from math import inf
from random import Random
from typing import Literal

from models.geo import Point, point_at_distance
from models.network import Journey

CAPACITY = 62
"""Seats and standing places. Nobody boards a full bus."""
HISTORY_S = 300.0
"""How long past legs of a bus are kept."""


class BusActivity(StrEnum):
    """The activity of a bus."""

    IN_PROGRESS = "in_progress"
    LAYOVER = "layover"
    DEADHEAD = "deadhead"
    AT_BASE = "at_base"
    OFF_ROUTE = "off_route"
    BROKEN = "broken"


MissedReason = Literal["not_run", "no_vehicle", "broke_down", "flooded", "detour"]


@dataclass(frozen=True, slots=True)
class StopVisit:
    """A bus at a stop of its journey. `stopped` is false if nobody wanted to get on or off, or if the bus was full."""

    vehicle: str
    journey: Journey
    position: int
    arrived_at: float
    departed_at: float
    stopped: bool


@dataclass(frozen=True, slots=True)
class MissedStops:
    """Stops of a journey, from `first` to `last`, that no bus serves. `known_at`: when that was certain."""

    vehicle: str
    journey: Journey
    first: int
    last: int
    reason: MissedReason
    known_at: float


EventLog = Callable[[StopVisit | MissedStops], None]
Polyline = tuple[tuple[Point, ...], tuple[float, ...]]
"""Points, and the distance of each along the line, metres."""


@dataclass(frozen=True, slots=True)
class Leg:
    """A bus moves along a line at constant speed, or stands, between two times. `journey`: the present or next one."""

    starts_at: float
    ends_at: float
    activity: BusActivity
    line: Polyline
    from_m: float
    to_m: float
    journey: Journey | None = None
    position: int = 0

    def point_at(self, at: float) -> Point:
        """The position of the bus."""
        return point_at_distance(*self.line, self.distance_at_m(at))

    def distance_at_m(self, at: float) -> float:
        """The distance along the line of the leg."""
        if self.ends_at == inf or at <= self.starts_at:
            return self.from_m
        return self.from_m + (self.to_m - self.from_m) * min(
            1.0, (at - self.starts_at) / (self.ends_at - self.starts_at)
        )

    @property
    def speed_ms(self) -> float:
        """The speed; zero if the bus stands."""
        return (
            0.0
            if self.ends_at in (inf, self.starts_at)
            else abs(self.to_m - self.from_m) / (self.ends_at - self.starts_at)
        )


@dataclass(slots=True)
class Bus:
    """One vehicle. `legs`: its recent legs in order, with the present one and any already planned at the end."""

    vehicle: str
    agency: str
    random: Random
    legs: deque[Leg] = field(default_factory=deque)
    passengers: int = 0
    block_id: str = ""

    def leg_at(self, at: float) -> Leg:
        """The leg at a time that is at most HISTORY_S ago."""
        for leg in reversed(self.legs):
            if leg.starts_at <= at:
                return leg
        return self.legs[0]

    def add_leg(self, leg: Leg) -> float:
        """Add a leg. Returns its end."""
        while len(self.legs) > 1 and self.legs[0].ends_at < leg.starts_at - HISTORY_S:
            self.legs.popleft()
        self.legs.append(leg)
        return leg.ends_at

    def stay(
        self, since: float, until: float, doing: BusActivity, where: Point, journey: Journey | None = None
    ) -> float:
        """Add a leg that stands at a place. Returns its end."""
        return self.add_leg(Leg(since, until, doing, ((where,), (0.0,)), 0.0, 0.0, journey))
