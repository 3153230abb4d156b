"""What a tracker sees and how it speaks, as values."""

from dataclasses import dataclass
from enum import StrEnum
from math import atan2, cos, degrees, radians

from models.geo import Point
from models.network import Journey
from simulators.buses.bus import SEATS, Doing, Leg

AHEAD_S = 2.0


class Claim(StrEnum):
    """How much a tracker claims of what its bus is doing."""

    TRIP = "trip"
    ROUTE = "route"
    LINE = "line"
    BLOCK = "block"
    NOTHING = "nothing"


class Bearing(StrEnum):
    """What a tracker says of its bearing: zero, nothing, or the truth."""

    ZERO = "zero"
    NONE = "none"
    TRUE = "true"


@dataclass(frozen=True, slots=True, kw_only=True)
class Voice:
    """How a tracker writes. `boot` names this run of it; `array`: several looks a message; `hfp`: not our own JSON."""

    boot: str
    claim: Claim
    bearing: Bearing
    speed: bool
    array: bool
    hfp: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What a tracker saw at one instant, and the journey that the console showed then."""

    at: float
    seq: int
    point: Point
    speed_ms: float
    leg: Leg
    journey: Journey | None
    block_id: str
    load: int

    @property
    def occupancy(self) -> int:
        """How full, percent."""
        return min(100, round(100 * self.load / SEATS))

    @property
    def late_s(self) -> float:
        """Against the plan of what the console shows, at the last stop passed; a bus that rests is not early."""
        if self.journey is None:
            return 0.0
        last = len(self.journey.trip.timing.arrivals_s) - 1
        late_s = self.leg.begins - self.journey.departure_at(min(self.leg.position, last))
        return max(0.0, late_s) if self.leg.doing is Doing.LAYOVER else late_s

    @property
    def bearing_deg(self) -> float:
        """Which way the bus goes; 0 where it stands."""
        (lat_a, lon_a), (lat_b, lon_b) = self.leg.point(self.at), self.leg.point(self.at + AHEAD_S)
        east, north = (lon_b - lon_a) * cos(radians(lat_a)), lat_b - lat_a
        return degrees(atan2(east, north)) % 360 if east or north else 0.0
