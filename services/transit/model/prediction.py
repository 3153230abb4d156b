"""Vehicle position on a trip, and arrival predictions for its stops: the values that matching and prediction hand on.

Each vehicle is stored as one compact JSON row, so a field is an array over the coming stops, not an object for each
stop. Instants are Unix seconds. Where a field was renamed, `rename` keeps its name in the stored JSON.
"""

from enum import StrEnum

from msgspec import Struct


class Phase(StrEnum):
    """What a vehicle is doing."""

    IN_PROGRESS = "in_progress"
    LAYOVER = "layover"
    DEADHEAD = "deadhead"
    AT_BASE = "at_base"
    OFF_ROUTE = "off_route"
    UNKNOWN = "unknown"


class Basis(StrEnum):
    """What a prediction rests on. It is published to riders and machines."""

    LIVE = "live"
    """The vehicle reports; travel times come from the timetable and the past."""
    RECENT = "recent"
    """The vehicle reports, and buses just before it showed the present travel times: `recent_buses` of them."""
    SCHEDULE = "schedule"
    """No vehicle is known on this trip yet: the timetable, and how it is usually kept."""
    NOT_REPORTING = "not_reporting"
    """The vehicle of this trip fell silent: predicted from its last position, with growing uncertainty."""
    NOT_COMING = "not_coming"
    """The trip will not come: well past its departure and no vehicle makes it, or cancelled, or off its route."""


class MatchedPosition(Struct, frozen=True, gc=False, rename={"stationary_s": "still_s", "no_progress_s": "paused_s"}):
    """The most probable trip of a vehicle and its position along it.

    `pattern` is an index into the patterns of the network of `version`; -1 without a trip. `distance_m` is measured
    along the pattern's shape. `probability` is that of this journey against all others, 0 to 1. `stationary_s`: for how
    long the vehicle has not moved. `no_progress_s`: for how long it has not got further, GPS noise ignored.
    """

    phase: Phase
    at: float
    latitude: float
    longitude: float
    trip_id: str = ""
    service_date: str = ""
    start_s: int = 0
    pattern: int = -1
    distance_m: float = 0.0
    probability: float = 0.0
    stationary_s: float = 0.0
    no_progress_s: float = 0.0


_STORED_TRIP = {"first_position": "first", "rider_times": "rider", "departures": "leaves", "recent_buses": "buses"}


class TripPrediction(Struct, frozen=True, gc=False, rename=_STORED_TRIP):
    """Predicted arrivals of one journey: arrays over the stops from `first_position` to the pattern's last.

    `p10`, `p50`, `p90`: quantiles of the arrival. `rider_times`: what four arrivals in five come at or after; riders
    are told `be_there_at`. `departures`: median departure, equal to the arrival where the bus does not wait. No array
    ever falls along the trip, and p10 <= p50 <= p90. `recent_buses`: how many recent buses the prediction rests on.
    `reason`: more detail where the basis is NOT_COMING or NOT_REPORTING ("off_route", "standing", "no_vehicle",
    "cancelled", "silent").
    """

    trip_id: str
    service_date: str
    start_s: int
    pattern: int
    first_position: int
    p10: tuple[float, ...]
    p50: tuple[float, ...]
    p90: tuple[float, ...]
    rider_times: tuple[float, ...]
    departures: tuple[float, ...]
    basis: Basis
    recent_buses: int = 0
    reason: str = ""

    def be_there_at(self, index: int) -> float:
        """When a rider should be at a stop, Unix seconds: never later than the earliest time told beside it, P10."""
        return min(self.rider_times[index], self.p10[index])


class VehiclePrediction(Struct, frozen=True, gc=False, rename={"matched_position": "place", "trips": "coming"}):
    """One vehicle's position and its predicted trips, the present one first."""

    vehicle: str
    version: str
    matched_position: MatchedPosition
    trips: tuple[TripPrediction, ...] = ()
    speed_ms: float | None = None
    bearing_deg: float | None = None
    occupancy: int | None = None
