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

SEATS = 62
"""With those who stand: nobody more gets on."""
KEPT_S = 300.0
"""How far back a bus knows where it was."""


class Doing(StrEnum):
    """What a bus is doing."""

    IN_PROGRESS = "in_progress"
    LAYOVER = "layover"
    DEADHEAD = "deadhead"
    AT_BASE = "at_base"
    OFF_ROUTE = "off_route"
    BROKEN = "broken"


Reason = Literal["not_run", "no_vehicle", "broke_down", "flooded", "detour"]


@dataclass(frozen=True, slots=True)
class Passing:
    """A bus at a stop of its journey. It did not stop where nobody wanted to, or where it was full."""

    vehicle: str
    journey: Journey
    position: int
    arrived_at: float
    departed_at: float
    stopped: bool


@dataclass(frozen=True, slots=True)
class Missed:
    """Stops of a journey, `first` to `last`, that no bus serves; known to the world since `at`."""

    vehicle: str
    journey: Journey
    first: int
    last: int
    reason: Reason
    at: float


Log = Callable[[Passing | Missed], None]
Line = tuple[tuple[Point, ...], tuple[float, ...]]
"""Points and how far along each lies."""


@dataclass(frozen=True, slots=True)
class Leg:
    """A bus moves evenly along a line, or stands, between two instants. `journey` is what it makes or waits to make."""

    begins: float
    ends: float
    doing: Doing
    line: Line
    from_m: float
    to_m: float
    journey: Journey | None = None
    position: int = 0

    def point(self, at: float) -> Point:
        """Where the bus is."""
        return point_at_distance(*self.line, self.distance_m(at))

    def distance_m(self, at: float) -> float:
        """How far along the leg's line."""
        if self.ends == inf or at <= self.begins:
            return self.from_m
        return self.from_m + (self.to_m - self.from_m) * min(1.0, (at - self.begins) / (self.ends - self.begins))

    @property
    def speed_ms(self) -> float:
        """Zero where it stands."""
        return 0.0 if self.ends in (inf, self.begins) else abs(self.to_m - self.from_m) / (self.ends - self.begins)


@dataclass(slots=True)
class Bus:
    """One vehicle. `legs` are its last ones, the present one last but for what it has already planned."""

    vehicle: str
    agency: str
    random: Random
    legs: deque[Leg] = field(default_factory=deque)
    load: int = 0
    block_id: str = ""

    def leg(self, at: float) -> Leg:
        """What it does at an instant not long past."""
        for leg in reversed(self.legs):
            if leg.begins <= at:
                return leg
        return self.legs[0]

    def go(self, leg: Leg) -> float:
        """Take a leg; when it ends."""
        while len(self.legs) > 1 and self.legs[0].ends < leg.begins - KEPT_S:
            self.legs.popleft()
        self.legs.append(leg)
        return leg.ends

    def stand(self, since: float, until: float, doing: Doing, where: Point, journey: Journey | None = None) -> float:
        """Wait somewhere; until when."""
        return self.go(Leg(since, until, doing, ((where,), (0.0,)), 0.0, 0.0, journey))
