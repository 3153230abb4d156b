"""How a trip is going: where its bus is on it, or where the timetable would have it."""

from bisect import bisect_left, bisect_right
from dataclasses import dataclass

from models.geo import point_at_distance
from models.network import Journey, Pattern
from services.transit.model.prediction import Basis, Phase
from services.transit.serving import departure_board
from services.transit.serving.departure_board import JourneyStatus
from services.transit.serving.snapshot import TransitSnapshot
from services.web.oba.elements.headings import orientation_deg
from services.web.oba.elements.index import Index
from services.web.oba.elements.schema import Location, StopTime
from services.web.oba.elements.vehicles import TripSchedule, TripStatus

UNKNOWN_COUNT = -1
CANCELED = "CANCELED"
DEFAULT = "default"
PHASES = {
    Phase.IN_PROGRESS: "in_progress",
    Phase.LAYOVER: "layover_during",
    Phase.DEADHEAD: "deadhead_during",
    Phase.AT_BASE: "at_base",
    Phase.OFF_ROUTE: "in_progress",
    Phase.UNKNOWN: "",
}
OCCUPANCY = ((5, "EMPTY"), (50, "MANY_SEATS_AVAILABLE"), (80, "FEW_SEATS_AVAILABLE"), (95, "STANDING_ROOM_ONLY"))
"""Up to how many per cent full; FULL above."""


def ms(seconds: float) -> int:
    """Unix seconds as OneBusAway writes them."""
    return round(seconds * 1000)


def is_predicted(basis: Basis) -> bool:
    """Whether a bus that reports stands behind it: what OneBusAway calls predicted, here and nowhere else decided."""
    return basis in (Basis.LIVE, Basis.RECENT)


def status_word(basis: Basis) -> str:
    """`CANCELED` for what surely does not come, which apps strike out."""
    return CANCELED if basis is Basis.NOT_COMING else DEFAULT


def occupancy_status(percent: int | None) -> str:
    """How full, in GTFS-realtime's words; empty where it is not known."""
    if percent is None:
        return ""
    return next((word for most, word in OCCUPANCY if percent <= most), "FULL")


def scheduled_distance_m(journey: Journey, pattern: Pattern, at: float) -> float:
    """How far along its shape the timetable has a journey at an instant, metres."""
    timing, ran_s = journey.trip.timing, at - journey.start_at
    after = bisect_right(timing.departures_s, ran_s)
    if after == 0:
        return pattern.stop_m[0]
    if after == len(pattern.stop_m):
        return pattern.stop_m[-1]
    left_s, due_s = timing.departures_s[after - 1], timing.arrivals_s[after]
    share = min(1.0, (ran_s - left_s) / (due_s - left_s)) if due_s > left_s else 1.0
    return pattern.stop_m[after - 1] + share * (pattern.stop_m[after] - pattern.stop_m[after - 1])


def scheduled_next_position(journey: Journey, at: float) -> int:
    """The position the timetable has it drive to, or stand at, at an instant."""
    departures_s = journey.trip.timing.departures_s
    return min(bisect_left(departures_s, at - journey.start_at), len(departures_s) - 1)


@dataclass(frozen=True, slots=True)
class ActiveTrip:
    """The trip that the bus of a journey makes now, or the journey itself where none is known; and where on it.

    `nearest_position`, `next_position`: positions of the stop nearest along the way, and of the next one.
    """

    status: JourneyStatus
    distance_m: float
    nearest_position: int
    next_position: int
    delay_s: float

    def offset_s(self, position: int, now: float) -> int:
        """How long until a position is reached, seconds; negative where it was."""
        return round(self.status.journey.arrival_at(position) + self.delay_s - now)


def locate_active_trip(snapshot: TransitSnapshot, status: JourneyStatus, now: float) -> ActiveTrip:
    """Where the bus of a journey is, on this or an earlier trip of its block; without a bus, where it should be."""
    vehicle_prediction = status.vehicle_prediction
    if vehicle_prediction is None:
        distance_m = scheduled_distance_m(status.journey, status.pattern, now)
        stop = nearest_position(status.pattern, distance_m)
        return ActiveTrip(status, distance_m, stop, scheduled_next_position(status.journey, now), 0.0)
    place, active = vehicle_prediction.matched_position, status
    if not status.under_way:
        key = (place.trip_id, place.service_date, place.start_s)
        active = departure_board.journey_status(snapshot, key, now) or status
    pattern, along = active.pattern, active.pattern.stop_m
    # Before it begins, a bus still is at the end of another trip, or nowhere.
    begun = place.pattern == pattern.index and place.trip_id == active.journey.trip.id
    distance_m = min(max(place.distance_m, along[0]), along[-1]) if begun else along[0]
    told = active if active.vehicle_prediction is vehicle_prediction else status
    following = active.next_position if told is active else None
    ahead = min(bisect_left(along, distance_m), len(along) - 1) if following is None else following
    return ActiveTrip(active, distance_m, nearest_position(pattern, distance_m), ahead, told.delay_s or 0.0)


def nearest_position(pattern: Pattern, distance_m: float) -> int:
    """The position of the stop nearest to a place along a pattern's shape."""
    along = pattern.stop_m
    after = min(bisect_left(along, distance_m), len(along) - 1)
    before = max(after - 1, 0)
    return before if distance_m - along[before] < along[after] - distance_m else after


def trip_status_element(
    index: Index, status: JourneyStatus, there: ActiveTrip, now: float, *, predicted: bool, situations: list[str]
) -> TripStatus:
    """How a journey is going. Late or early only where it is predicted."""
    vehicle_prediction, active, pattern = status.vehicle_prediction, there.status, there.status.pattern
    start_m, shape = pattern.stop_m[0], pattern.shape
    position = point_at_distance(shape.points, shape.along_m, there.distance_m)
    heading = orientation_deg(shape, there.distance_m)
    heard_at = ms(vehicle_prediction.matched_position.at) if vehicle_prediction else 0
    return TripStatus(
        active_trip_id=index.trip_id(active.journey.trip),
        block_trip_sequence=index.block_sequence(active.journey),
        closest_stop=index.stop_id(pattern.stop_ids[there.nearest_position]),
        closest_stop_time_offset=there.offset_s(there.nearest_position, now),
        distance_along_trip=there.distance_m - start_m,
        frequency=None,
        last_known_distance_along_trip=there.distance_m - start_m if vehicle_prediction else 0.0,
        last_known_location=Location(
            lat=vehicle_prediction.matched_position.latitude, lon=vehicle_prediction.matched_position.longitude
        )
        if vehicle_prediction
        else None,
        last_known_orientation=heading if vehicle_prediction else 0.0,
        last_location_update_time=heard_at,
        last_update_time=heard_at,
        next_stop=index.stop_id(pattern.stop_ids[there.next_position]),
        next_stop_time_offset=there.offset_s(there.next_position, now),
        occupancy_capacity=UNKNOWN_COUNT,
        occupancy_count=UNKNOWN_COUNT,
        occupancy_status=occupancy_status(vehicle_prediction.occupancy) if vehicle_prediction else "",
        orientation=heading,
        phase=PHASES[vehicle_prediction.matched_position.phase] if vehicle_prediction else "",
        position=Location(lat=position[0], lon=position[1]),
        predicted=predicted,
        schedule_deviation=round(there.delay_s) if predicted else 0,
        scheduled_distance_along_trip=scheduled_distance_m(active.journey, pattern, now) - start_m,
        service_date=index.service_date_ms(active.journey),
        situation_ids=situations,
        status=status_word(status.basis),
        total_distance_along_trip=pattern.length_m,
        vehicle_id=index.vehicle_id(vehicle_prediction.vehicle, status.journey.trip) if vehicle_prediction else "",
    )


def schedule_element(index: Index, journey: Journey) -> TripSchedule:
    """A journey's calls, and what its block does before and after."""
    before, after = index.block_neighbours(journey)
    return TripSchedule(
        frequency=None,
        headway_seconds=headway_s(journey),
        previous_trip_id=index.trip_id(before) if before else "",
        next_trip_id=index.trip_id(after) if after else "",
        stop_times=stop_time_elements(index, journey),
        time_zone=index.network.zone.key,
    )


def stop_time_elements(index: Index, journey: Journey) -> list[StopTime]:
    """A journey's calls as planned."""
    pattern, timing = index.network.patterns[journey.trip.pattern], journey.trip.timing
    return [
        StopTime(
            stop_id=index.stop_id(stop_id),
            arrival_time=journey.start_s + timing.arrivals_s[position],
            departure_time=journey.start_s + timing.departures_s[position],
            distance_along_trip=pattern.stop_m[position] - pattern.stop_m[0],
            stop_headsign="",
            historical_occupancy="",
        )
        for position, stop_id in enumerate(pattern.stop_ids)
    ]


def headway_s(journey: Journey) -> int | None:
    """The headway of a journey that repeats, seconds."""
    repeats = (one for one in journey.trip.frequencies if one.start_s <= journey.start_s < one.end_s)
    return next((one.headway_s for one in repeats), None)
