"""Observations of a bus tracker, and the profile that says what it sends, as values."""

from dataclasses import dataclass
from enum import StrEnum
from math import atan2, cos, degrees, radians

from models.geo import Point
from models.network import Journey
from simulators.buses.bus import CAPACITY, BusActivity, Leg

LOOKAHEAD_S = 2.0


class TripDetail(StrEnum):
    """How much of its trip a tracker reports."""

    TRIP = "trip"
    ROUTE = "route"
    LINE = "line"
    BLOCK = "block"
    NOTHING = "nothing"


class BearingMode(StrEnum):
    """Which bearing a tracker reports: zero, none, or the true one."""

    ZERO = "zero"
    NONE = "none"
    TRUE = "true"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackerProfile:
    """What one tracker sends, and in which format.

    `boot` names this run of the tracker. `sends_arrays`: several observations in one message. `sends_hfp`: HFP instead
    of Vigía's own JSON.
    """

    boot: str
    trip_detail: TripDetail
    bearing_mode: BearingMode
    sends_speed: bool
    sends_arrays: bool
    sends_hfp: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackerObservation:
    """What a tracker observed at one time, and the journey that the console showed then."""

    at: float
    seq: int
    point: Point
    speed_ms: float
    leg: Leg
    journey: Journey | None
    block_id: str
    passengers: int

    @property
    def occupancy(self) -> int:
        """Passengers in percent of the capacity."""
        return min(100, round(100 * self.passengers / CAPACITY))

    @property
    def delay_s(self) -> float:
        """Delay against the journey on the console, at the last stop passed. A bus at a layover is not early."""
        if self.journey is None:
            return 0.0
        last = len(self.journey.trip.timing.arrivals_s) - 1
        delay_s = self.leg.starts_at - self.journey.departure_at(min(self.leg.position, last))
        return max(0.0, delay_s) if self.leg.activity is BusActivity.LAYOVER else delay_s

    @property
    def bearing_deg(self) -> float:
        """The direction of movement, degrees clockwise from north; 0 if the bus stands."""
        (lat_a, lon_a), (lat_b, lon_b) = self.leg.point_at(self.at), self.leg.point_at(self.at + LOOKAHEAD_S)
        east, north = (lon_b - lon_a) * cos(radians(lat_a)), lat_b - lat_a
        return degrees(atan2(east, north)) % 360 if east or north else 0.0
