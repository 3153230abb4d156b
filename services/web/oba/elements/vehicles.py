"""msgspec structs of OneBusAway answers about vehicles: trip status, trip details, arrivals."""

from msgspec import UnsetType

from services.web.oba.elements.schema import CamelCaseStruct, Location, StopTime


class TripStatus(CamelCaseStruct, frozen=True):
    """The status of a trip. Where no bus reports, `predicted` is false and the rest is from the timetable.

    `orientation`: degrees counterclockwise from east. `scheduleDeviation`: seconds, positive late. Offsets: seconds.
    """

    active_trip_id: str
    block_trip_sequence: int
    closest_stop: str
    closest_stop_time_offset: int
    distance_along_trip: float
    frequency: str | None
    last_known_distance_along_trip: float
    last_known_location: Location | None
    last_known_orientation: float
    last_location_update_time: int
    last_update_time: int
    next_stop: str
    next_stop_time_offset: int
    occupancy_capacity: int
    occupancy_count: int
    occupancy_status: str
    orientation: float
    phase: str
    position: Location
    predicted: bool
    schedule_deviation: int
    scheduled_distance_along_trip: float
    service_date: int
    situation_ids: list[str]
    status: str
    total_distance_along_trip: float
    vehicle_id: str


class TripSchedule(CamelCaseStruct, frozen=True):
    """A trip's calls, and the block's trips before and after it."""

    frequency: str | None
    headway_seconds: int | None
    next_trip_id: str
    previous_trip_id: str
    stop_times: list[StopTime]
    time_zone: str


class TripDetails(CamelCaseStruct, frozen=True):
    """A trip on a day. `schedule` null and `status` absent where they were not requested."""

    trip_id: str
    service_date: int
    frequency: str | None
    situation_ids: list[str]
    schedule: TripSchedule | None
    status: TripStatus | UnsetType


class Estimate(CamelCaseStruct, frozen=True):
    """An addition of ours: the quantiles of the arrival, and what they are based on.

    `basis`: live, recent (from `buses` buses just before), schedule, not_reporting or not_coming. `rider`: the
    early-safe time to tell people, be there by then. All times are 0 where there is no estimate.
    """

    basis: str
    reason: str
    buses: int
    arrival_p10: int
    arrival_p50: int
    arrival_p90: int
    rider: int


class ArrivalAndDeparture(CamelCaseStruct, frozen=True):
    """A trip at a stop. Predicted times are medians, and 0, never the timetable's, where `predicted` is false."""

    stop_id: str
    trip_id: str
    service_date: int
    route_id: str
    route_short_name: str
    route_long_name: str
    trip_headsign: str
    vehicle_id: str
    stop_sequence: int
    total_stops_in_trip: int
    block_trip_sequence: int
    arrival_enabled: bool
    departure_enabled: bool
    scheduled_arrival_time: int
    scheduled_departure_time: int
    predicted_arrival_time: int
    predicted_departure_time: int
    scheduled_arrival_interval: str | None
    scheduled_departure_interval: str | None
    predicted_arrival_interval: str | None
    predicted_departure_interval: str | None
    predicted: bool
    last_update_time: int
    number_of_stops_away: int
    distance_from_stop: float
    frequency: str | None
    headway_seconds: int | None
    status: str
    scheduled_track: str
    actual_track: str
    historical_occupancy: str
    predicted_occupancy: str
    occupancy_status: str
    situation_ids: list[str]
    trip_status: TripStatus
    estimate: Estimate


class ArrivalsAtStop(CamelCaseStruct, frozen=True):
    """Arrivals at one stop. `feedHealth`, ours: live; silent: no bus reports; blind: the server cannot read."""

    stop_id: str
    arrivals_and_departures: list[ArrivalAndDeparture]
    nearby_stop_ids: list[str]
    situation_ids: list[str]
    feed_health: str


class NearbyStop(CamelCaseStruct, frozen=True):
    """A stop and its distance from the requested place, metres."""

    stop_id: str
    distance_from_query: float


class ArrivalsNear(CamelCaseStruct, frozen=True):
    """Arrivals at the stops around a place."""

    stop_ids: list[str]
    arrivals_and_departures: list[ArrivalAndDeparture]
    nearby_stop_ids: list[NearbyStop]
    situation_ids: list[str]
    limit_exceeded: bool


class VehicleStatus(CamelCaseStruct, frozen=True):
    """A bus and its trip; `tripStatus` absent where it makes none."""

    vehicle_id: str
    last_update_time: int
    last_location_update_time: int
    location: Location
    trip_id: str
    trip_status: TripStatus | UnsetType
    occupancy_capacity: int
    occupancy_count: int
    occupancy_status: str
    phase: str
    status: str
