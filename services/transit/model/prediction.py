"""Where a bus is believed to be and when it comes to its stops: the values that match and predict hand on.

They are written as JSON, one compact row a vehicle, so every field is an array over the coming stops rather than an
object a stop. Instants are Unix seconds.
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
    """Why an estimate says what it says: riders and machines are told."""

    LIVE = "live"
    """This bus reports, and what it will take is known from the timetable and the past."""
    RECENT = "recent"
    """This bus reports, and buses just before it showed how the road runs: `buses` says how many."""
    SCHEDULE = "schedule"
    """No bus is known to make this journey yet: the timetable, and how it is usually kept."""
    NOT_REPORTING = "not_reporting"
    """The bus that makes this journey fell silent: told from where it was last, ever less certainly."""
    NOT_COMING = "not_coming"
    """Surely not coming: well past its departure and no bus makes it, or it was cancelled or left its route."""


class MatchedPosition(Struct, frozen=True, gc=False):
    """Where a bus is on which journey, with how sure that is.

    `pattern` is an index into the network of `version`; -1 with no journey. `distance_m` is measured along its shape.
    `probability` is that of this journey against all others, 0 to 1. `still_s`: how long the vehicle has not moved.
    `paused_s`: since when it has made no way worth the name, however its receiver trembles.
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
    still_s: float = 0.0
    paused_s: float = 0.0


class TripPrediction(Struct, frozen=True, gc=False):
    """When one journey's coming stops will be reached: arrays over positions from `first` to the pattern's last.

    `p10`, `p50`, `p90`: quantiles of the arrival. `rider`: the early-safe time told to people: be there by then.
    `leaves`: median of the departure (equal to the arrival where the bus only passes). None of them ever falls along
    the trip, and p10 <= p50 <= p90. `buses`: how many recent buses stand behind it. `reason`: a word more where the
    basis is NOT_COMING or NOT_REPORTING ("off_route", "standing", "no_vehicle", "cancelled", "silent").
    """

    trip_id: str
    service_date: str
    start_s: int
    pattern: int
    first: int
    p10: tuple[float, ...]
    p50: tuple[float, ...]
    p90: tuple[float, ...]
    rider: tuple[float, ...]
    leaves: tuple[float, ...]
    basis: Basis
    buses: int = 0
    reason: str = ""


class VehiclePrediction(Struct, frozen=True, gc=False):
    """All that is believed of one vehicle: its place, and its coming journeys, the present one first."""

    vehicle: str
    version: str
    place: MatchedPosition
    coming: tuple[TripPrediction, ...] = ()
    speed_ms: float | None = None
    bearing_deg: float | None = None
    occupancy: int | None = None
