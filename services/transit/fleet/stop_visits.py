"""Stop visits: when a vehicle reached and left a stop of its journey, as written to `stop_visits`."""

from msgspec import Struct

from models.network import Journey, Pattern
from services.transit.model.stop_passages import StopPassage

Key = tuple[str, str, int]
"""Key of a journey: trip, service date as YYYYMMDD, start."""


class StopVisit(Struct, frozen=True, gc=False):
    """A vehicle reached a stop of its journey. A later visit of the same stop and journey corrects the earlier one.

    `pattern`: index into the network's patterns. `position`: index of the stop in the pattern. `arrived_at`, `left_at`:
    Unix seconds; `left_at` is 0 if the departure was not observed.
    """

    vehicle: str
    trip_id: str
    service_date: str
    start_s: int
    pattern: int
    position: int
    stop_id: str
    arrived_at: float
    left_at: float = 0.0


class LastStopReached(Struct, frozen=True, gc=False):
    """The last stop reached on a journey: by which vehicle, its index in the pattern, and when, Unix seconds."""

    key: Key
    vehicle: str
    position: int
    reached_at: float


def stop_visit(vehicle: str, journey: Journey, pattern: Pattern, passage: StopPassage) -> StopVisit:
    """The visit that a passage of a stop stands for."""
    trip_id, service_date, start_s = journey.key
    return StopVisit(
        vehicle,
        trip_id,
        service_date,
        start_s,
        pattern.index,
        passage.position,
        pattern.stop_ids[passage.position],
        passage.at,
        passage.left_at,
    )
