"""OneBusAway trip status: where the bus is on its trip, or where the timetable has it."""

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
"""The most percent for each status; FULL above the last."""


def ms(seconds: float) -> int:
    """Unix seconds as Unix milliseconds, as OneBusAway writes them."""
    return round(seconds * 1000)


def is_predicted(basis: Basis) -> bool:
    """Whether a bus that reports is behind the prediction. OneBusAway's `predicted` is decided only here."""
    return basis in (Basis.LIVE, Basis.RECENT)


def status_word(basis: Basis) -> str:
    """`CANCELED` for a journey that surely does not come; apps strike it out."""
    return CANCELED if basis is Basis.NOT_COMING else DEFAULT


def occupancy_status(percent: int | None) -> str:
    """The occupancy in the words of GTFS-realtime; empty where not known."""
    if percent is None:
        return ""
    return next((word for most, word in OCCUPANCY if percent <= most), "FULL")


def scheduled_distance_m(journey: Journey, pattern: Pattern, at: float) -> float:
    """How far along its shape the timetable has a journey at a time, metres."""
    timing, elapsed_s = journey.trip.timing, at - journey.start_at
    after = bisect_right(timing.departures_s, elapsed_s)
    if after == 0:
        return pattern.stop_m[0]
    if after == len(pattern.stop_m):
        return pattern.stop_m[-1]
    departed_s, arrives_s = timing.departures_s[after - 1], timing.arrivals_s[after]
    share = min(1.0, (elapsed_s - departed_s) / (arrives_s - departed_s)) if arrives_s > departed_s else 1.0
    return pattern.stop_m[after - 1] + share * (pattern.stop_m[after] - pattern.stop_m[after - 1])


def scheduled_next_position(journey: Journey, at: float) -> int:
    """The position the timetable has a journey drive to, or stand at, at a time."""
    departures_s = journey.trip.timing.departures_s
    return min(bisect_left(departures_s, at - journey.start_at), len(departures_s) - 1)


@dataclass(frozen=True, slots=True)
class ActiveTrip:
    """The trip that the bus of a journey makes now, or the journey itself without a bus; and where on it.

    `nearest_position`, `next_position`: of the stop nearest along the shape, and of the next one.
    """

    status: JourneyStatus
    distance_m: float
    nearest_position: int
    next_position: int
    delay_s: float

    def offset_s(self, position: int, now: float) -> int:
        """Seconds until a position is reached; negative where it was passed."""
        return round(self.status.journey.arrival_at(position) + self.delay_s - now)


def locate_active_trip(snapshot: TransitSnapshot, status: JourneyStatus, now: float) -> ActiveTrip:
    """Where the bus of a journey is, on this or an earlier trip of its block; without a bus, by the timetable."""
    vehicle_prediction = status.vehicle_prediction
    if vehicle_prediction is None:
        distance_m = scheduled_distance_m(status.journey, status.pattern, now)
        stop = nearest_position(status.pattern, distance_m)
        return ActiveTrip(status, distance_m, stop, scheduled_next_position(status.journey, now), 0.0)
    matched, active = vehicle_prediction.matched_position, status
    if not status.under_way:
        key = (matched.trip_id, matched.service_date, matched.start_s)
        active = departure_board.journey_status(snapshot, key, now) or status
    pattern, stop_m = active.pattern, active.pattern.stop_m
    # Before the trip begins, the bus is at the end of another trip, or nowhere.
    has_begun = matched.pattern == pattern.index and matched.trip_id == active.journey.trip.id
    distance_m = min(max(matched.distance_m, stop_m[0]), stop_m[-1]) if has_begun else stop_m[0]
    timed_status = active if active.vehicle_prediction is vehicle_prediction else status
    next_position = active.next_position if timed_status is active else None
    position = min(bisect_left(stop_m, distance_m), len(stop_m) - 1) if next_position is None else next_position
    return ActiveTrip(active, distance_m, nearest_position(pattern, distance_m), position, timed_status.delay_s or 0.0)


def nearest_position(pattern: Pattern, distance_m: float) -> int:
    """The position of the stop nearest to a distance along the shape of a pattern."""
    stop_m = pattern.stop_m
    after = min(bisect_left(stop_m, distance_m), len(stop_m) - 1)
    before = max(after - 1, 0)
    return before if distance_m - stop_m[before] < stop_m[after] - distance_m else after


def trip_status_element(
    index: Index, status: JourneyStatus, active_trip: ActiveTrip, now: float, *, predicted: bool, situations: list[str]
) -> TripStatus:
    """The status of a journey. Its deviation is given only where it is predicted."""
    vehicle_prediction, active, pattern = status.vehicle_prediction, active_trip.status, active_trip.status.pattern
    start_m, shape = pattern.stop_m[0], pattern.shape
    position = point_at_distance(shape.points, shape.along_m, active_trip.distance_m)
    heading = orientation_deg(shape, active_trip.distance_m)
    reported_at_ms = ms(vehicle_prediction.matched_position.at) if vehicle_prediction else 0
    return TripStatus(
        active_trip_id=index.trip_id(active.journey.trip),
        block_trip_sequence=index.block_sequence(active.journey),
        closest_stop=index.stop_id(pattern.stop_ids[active_trip.nearest_position]),
        closest_stop_time_offset=active_trip.offset_s(active_trip.nearest_position, now),
        distance_along_trip=active_trip.distance_m - start_m,
        frequency=None,
        last_known_distance_along_trip=active_trip.distance_m - start_m if vehicle_prediction else 0.0,
        last_known_location=Location(
            lat=vehicle_prediction.matched_position.latitude, lon=vehicle_prediction.matched_position.longitude
        )
        if vehicle_prediction
        else None,
        last_known_orientation=heading if vehicle_prediction else 0.0,
        last_location_update_time=reported_at_ms,
        last_update_time=reported_at_ms,
        next_stop=index.stop_id(pattern.stop_ids[active_trip.next_position]),
        next_stop_time_offset=active_trip.offset_s(active_trip.next_position, now),
        occupancy_capacity=UNKNOWN_COUNT,
        occupancy_count=UNKNOWN_COUNT,
        occupancy_status=occupancy_status(vehicle_prediction.occupancy) if vehicle_prediction else "",
        orientation=heading,
        phase=PHASES[vehicle_prediction.matched_position.phase] if vehicle_prediction else "",
        position=Location(lat=position[0], lon=position[1]),
        predicted=predicted,
        schedule_deviation=round(active_trip.delay_s) if predicted else 0,
        scheduled_distance_along_trip=scheduled_distance_m(active.journey, pattern, now) - start_m,
        service_date=index.service_date_ms(active.journey),
        situation_ids=situations,
        status=status_word(status.basis),
        total_distance_along_trip=pattern.length_m,
        vehicle_id=index.vehicle_id(vehicle_prediction.vehicle, status.journey.trip) if vehicle_prediction else "",
    )


def schedule_element(index: Index, journey: Journey) -> TripSchedule:
    """The calls of a journey, and the trips before and after it in its block."""
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
    """The calls of a journey as scheduled."""
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
    """The headway of a repeated journey, seconds."""
    repeats = (one for one in journey.trip.frequencies if one.start_s <= journey.start_s < one.end_s)
    return next((one.headway_s for one in repeats), None)
