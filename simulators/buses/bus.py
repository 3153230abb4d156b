"""One simulated bus: where it is at any instant, and what happens to it, as values."""

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
"""With those who stand: nobody more gets on."""
HISTORY_S = 300.0
"""How far back a bus knows where it was."""


class BusActivity(StrEnum):
    """What a bus is doing."""

    IN_PROGRESS = "in_progress"
    LAYOVER = "layover"
    DEADHEAD = "deadhead"
    AT_BASE = "at_base"
    OFF_ROUTE = "off_route"
    BROKEN = "broken"


MissedReason = Literal["not_run", "no_vehicle", "broke_down", "flooded", "detour"]


@dataclass(frozen=True, slots=True)
class StopVisit:
    """A bus at a stop of its journey. It did not stop where nobody wanted to, or where it was full."""

    vehicle: str
    journey: Journey
    position: int
    arrived_at: float
    departed_at: float
    stopped: bool


@dataclass(frozen=True, slots=True)
class MissedStops:
    """Stops of a journey, `first` to `last`, that no bus serves; known to the world since `known_at`."""

    vehicle: str
    journey: Journey
    first: int
    last: int
    reason: MissedReason
    known_at: float


EventLog = Callable[[StopVisit | MissedStops], None]
Polyline = tuple[tuple[Point, ...], tuple[float, ...]]
"""Points and how far along each lies."""


@dataclass(frozen=True, slots=True)
class Leg:
    """A bus moves evenly along a line, or stands, between two instants. `journey` is what it makes or waits to make."""

    starts_at: float
    ends_at: float
    activity: BusActivity
    line: Polyline
    from_m: float
    to_m: float
    journey: Journey | None = None
    position: int = 0

    def point_at(self, at: float) -> Point:
        """Where the bus is."""
        return point_at_distance(*self.line, self.distance_at_m(at))

    def distance_at_m(self, at: float) -> float:
        """How far along the leg's line."""
        if self.ends_at == inf or at <= self.starts_at:
            return self.from_m
        return self.from_m + (self.to_m - self.from_m) * min(
            1.0, (at - self.starts_at) / (self.ends_at - self.starts_at)
        )

    @property
    def speed_ms(self) -> float:
        """Zero where it stands."""
        return (
            0.0
            if self.ends_at in (inf, self.starts_at)
            else abs(self.to_m - self.from_m) / (self.ends_at - self.starts_at)
        )


@dataclass(slots=True)
class Bus:
    """One vehicle. `legs` are its last ones, the present one last but for what it has already planned."""

    vehicle: str
    agency: str
    random: Random
    legs: deque[Leg] = field(default_factory=deque)
    passengers: int = 0
    block_id: str = ""

    def leg_at(self, at: float) -> Leg:
        """What it does at an instant not long past."""
        for leg in reversed(self.legs):
            if leg.starts_at <= at:
                return leg
        return self.legs[0]

    def add_leg(self, leg: Leg) -> float:
        """Take a leg; when it ends."""
        while len(self.legs) > 1 and self.legs[0].ends_at < leg.starts_at - HISTORY_S:
            self.legs.popleft()
        self.legs.append(leg)
        return leg.ends_at

    def stay(
        self, since: float, until: float, doing: BusActivity, where: Point, journey: Journey | None = None
    ) -> float:
        """Wait somewhere; until when."""
        return self.add_leg(Leg(since, until, doing, ((where,), (0.0,)), 0.0, 0.0, journey))
