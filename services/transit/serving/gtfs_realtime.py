"""GTFS-realtime of what is known: TripUpdates, VehiclePositions and Alerts, each a FULL_DATASET. Pure.

`uncertainty` is half of what lies between P10 and P90, seconds; the specification leaves its meaning open. A vehicle
stands in at most one trip update and the trip it makes in at most one vehicle's position, so that the two agree.
"""

from collections.abc import Iterator
from enum import StrEnum

from google.transit import gtfs_realtime_pb2 as gtfs_rt

from models.geo import distance_m, point_at_distance
from models.network import Journey, Pattern
from services.transit.model.prediction import Basis, Phase, TripPrediction
from services.transit.model.service_alert import ActivePeriod, InformedEntity, ServiceAlert, Translated
from services.transit.serving import departure_board
from services.transit.serving.departure_board import TrackedVehicle
from services.transit.serving.snapshot import JourneyPrediction, TransitSnapshot

VERSION = "2.0"
MOST_OFF_SHAPE_M = 100.0
"""A vehicle farther from where its trip is said to be is told without that trip."""
MOST_FROM_STOP_M = 1_000.0
"""A vehicle farther than this from all stops is not told: it is not in service."""
MOST_TRIPS = 50_000
OCCUPANCY_LEVELS = (
    (5, gtfs_rt.VehiclePosition.EMPTY),
    (40, gtfs_rt.VehiclePosition.MANY_SEATS_AVAILABLE),
    (70, gtfs_rt.VehiclePosition.FEW_SEATS_AVAILABLE),
    (90, gtfs_rt.VehiclePosition.STANDING_ROOM_ONLY),
)
"""Occupancy in percent up to which a word holds; above the last one it is full."""


class FeedKind(StrEnum):
    """Which of the feeds."""

    TRIP_UPDATES = "trip-updates"
    VEHICLE_POSITIONS = "vehicle-positions"
    ALERTS = "alerts"


def feed_message(snapshot: TransitSnapshot, part: FeedKind, now: float) -> gtfs_rt.FeedMessage:
    """One feed as it is at `now`, Unix seconds."""
    feed = gtfs_rt.FeedMessage()
    feed.header.gtfs_realtime_version = VERSION
    feed.header.incrementality = gtfs_rt.FeedHeader.FULL_DATASET
    feed.header.timestamp = int(now)
    match part:
        case FeedKind.TRIP_UPDATES:
            _add_trip_updates(feed, snapshot, now)
        case FeedKind.VEHICLE_POSITIONS:
            _add_vehicles(feed, snapshot, now)
        case FeedKind.ALERTS:
            for alert in snapshot.alerts:
                _add_alert(feed, snapshot, alert, now)
    return feed


def _add_trip_updates(feed: gtfs_rt.FeedMessage, snapshot: TransitSnapshot, now: float) -> None:
    told = {seen.prediction.vehicle for seen in _vehicles_with_trips(snapshot, now)}
    journey_predictions = (
        journey_prediction
        for key in sorted(snapshot.journey_predictions)
        if (journey_prediction := snapshot.current_prediction(key, now)) is not None
    )
    for journey_prediction, _ in zip(journey_predictions, range(MOST_TRIPS), strict=False):
        _add_trip_update(feed, snapshot, journey_prediction, told, now)


def _add_trip_update(
    feed: gtfs_rt.FeedMessage,
    snapshot: TransitSnapshot,
    journey_prediction: JourneyPrediction,
    told: set[str],
    now: float,
) -> None:
    """A trip's update; none where there is nothing to say of any stop, nor of one less where no minute is promised."""
    coming, pattern = journey_prediction.prediction, snapshot.network.patterns[journey_prediction.journey.trip.pattern]
    cancelled = coming.basis is Basis.NOT_COMING and journey_prediction.vehicle_prediction is None
    unpromised = cancelled and departure_board.headway_s(journey_prediction.journey) is not None
    if unpromised or (not cancelled and _is_over(coming, pattern, now)):
        return
    entity = feed.entity.add(id=_entity_id(journey_prediction.journey))
    update = entity.trip_update
    _set_trip(update.trip, journey_prediction.journey, pattern)
    if (
        journey_prediction.vehicle_prediction is not None
        and journey_prediction.trips_ahead == 0
        and journey_prediction.vehicle_prediction.vehicle in told
    ):
        update.vehicle.id = journey_prediction.vehicle_prediction.vehicle
    update.timestamp = int(
        min(
            now,
            journey_prediction.vehicle_prediction.matched_position.at if journey_prediction.vehicle_prediction else now,
        )
    )
    if cancelled:
        update.trip.schedule_relationship = gtfs_rt.TripDescriptor.CANCELED
    elif coming.basis is Basis.NOT_COMING or not coming.p50:
        _add_no_data(update, journey_prediction.journey, pattern, coming.first_position)
    else:
        _add_stop_times(update, journey_prediction.journey, pattern, coming)


def _is_over(coming: TripPrediction, pattern: Pattern, now: float) -> bool:
    """Whether there is no stop left, or nothing but what should have happened already."""
    if coming.first_position >= len(pattern.stop_ids):
        return True
    return coming.basis is not Basis.NOT_COMING and bool(coming.departures) and coming.departures[-1] < now


def _add_no_data(update: gtfs_rt.TripUpdate, journey: Journey, pattern: Pattern, first: int) -> None:
    """From that position on, nothing is said of the trip."""
    stop = update.stop_time_update.add()
    stop.stop_sequence = journey.trip.stop_sequence(first)
    stop.stop_id = pattern.stop_ids[first]
    stop.schedule_relationship = gtfs_rt.TripUpdate.StopTimeUpdate.NO_DATA


def _add_stop_times(update: gtfs_rt.TripUpdate, journey: Journey, pattern: Pattern, coming: TripPrediction) -> None:
    """When each coming stop is reached and left: whole seconds that rise from stop to stop."""
    headway = departure_board.headway_s(journey) is not None
    relationship = gtfs_rt.TripUpdate.StopTimeUpdate
    before, last = 0, len(pattern.stop_ids) - 1
    for position, (p10, p50, p90, leaves) in enumerate(
        zip(coming.p10, coming.p50, coming.p90, coming.departures, strict=True), coming.first_position
    ):
        arrival = max(round(p50), before + 1)
        departure = max(round(leaves), arrival)
        stop = update.stop_time_update.add()
        stop.stop_sequence = journey.trip.stop_sequence(position)
        stop.stop_id = pattern.stop_ids[position]
        stop.schedule_relationship = relationship.UNSCHEDULED if headway else relationship.SCHEDULED
        uncertainty = round((p90 - p10) / 2)
        if position > 0:
            planned = None if headway else journey.arrival_at(position)
            _set_event(stop.arrival, arrival, planned, uncertainty)
        if position < last:
            planned = None if headway else journey.departure_at(position)
            _set_event(stop.departure, departure, planned, uncertainty)
        before = departure


def _set_event(event: gtfs_rt.TripUpdate.StopTimeEvent, at: int, planned: float | None, uncertainty: int) -> None:
    event.time = at
    event.uncertainty = uncertainty
    if planned is not None:
        event.delay = at - round(planned)


def _add_vehicles(feed: gtfs_rt.FeedMessage, snapshot: TransitSnapshot, now: float) -> None:
    on_trips = {seen.prediction.vehicle for seen in _vehicles_with_trips(snapshot, now)}
    seen = [one for one in departure_board.vehicles(snapshot, now) if _near_network(snapshot, one)]
    # In the order of their trips, as the trip updates are: of a repeated trip, readers that go by its id alone then
    # find the same vehicle last in both.
    for one in sorted(seen, key=lambda one: (one.journey.key if one.journey else ("", "", 0), one.prediction.vehicle)):
        _add_vehicle(feed, snapshot, one, now, on_trip=one.prediction.vehicle in on_trips)


def _add_vehicle(
    feed: gtfs_rt.FeedMessage, snapshot: TransitSnapshot, seen: TrackedVehicle, now: float, *, on_trip: bool
) -> None:
    vehicle_prediction = seen.prediction
    vehicle = feed.entity.add(id=vehicle_prediction.vehicle).vehicle
    vehicle.vehicle.id = vehicle_prediction.vehicle
    vehicle.timestamp = int(min(now, vehicle_prediction.matched_position.at))
    vehicle.position.latitude = vehicle_prediction.matched_position.latitude
    vehicle.position.longitude = vehicle_prediction.matched_position.longitude
    if vehicle_prediction.bearing_deg is not None:
        vehicle.position.bearing = vehicle_prediction.bearing_deg
    if vehicle_prediction.speed_ms is not None:
        vehicle.position.speed = vehicle_prediction.speed_ms
    if vehicle_prediction.occupancy is not None:
        vehicle.occupancy_percentage = vehicle_prediction.occupancy
        vehicle.occupancy_status = _occupancy_status(vehicle_prediction.occupancy)
    if not on_trip or seen.journey is None:
        return
    pattern = snapshot.network.patterns[seen.journey.trip.pattern]
    _set_trip(vehicle.trip, seen.journey, pattern)
    journey_prediction = snapshot.current_prediction(seen.journey.key, now)
    if journey_prediction is not None and journey_prediction.prediction.first_position < len(pattern.stop_ids):
        vehicle.current_stop_sequence = seen.journey.trip.stop_sequence(journey_prediction.prediction.first_position)
        vehicle.stop_id = pattern.stop_ids[journey_prediction.prediction.first_position]
        vehicle.current_status = gtfs_rt.VehiclePosition.IN_TRANSIT_TO


def _vehicles_with_trips(snapshot: TransitSnapshot, now: float) -> Iterator[TrackedVehicle]:
    """The vehicles that are told with their trips: each makes the journey surest of all, and stands on its shape."""
    for seen in departure_board.vehicles(snapshot, now):
        place, journey = seen.prediction.matched_position, seen.journey
        if (
            journey is None
            or place.phase not in {Phase.IN_PROGRESS, Phase.LAYOVER}
            or not _near_network(snapshot, seen)
        ):
            continue
        shape = snapshot.network.patterns[journey.trip.pattern].shape
        point = point_at_distance(shape.points, shape.along_m, place.distance_m)
        if distance_m(point, (place.latitude, place.longitude)) > MOST_OFF_SHAPE_M:
            continue
        journey_prediction = snapshot.current_prediction(journey.key, now)
        if (
            journey_prediction is not None
            and journey_prediction.trips_ahead == 0
            and journey_prediction.vehicle_prediction is seen.prediction
        ):
            yield seen


def _near_network(snapshot: TransitSnapshot, seen: TrackedVehicle) -> bool:
    """Whether a vehicle is where the network's buses may be."""
    return snapshot.stop_index.covers(
        (seen.prediction.matched_position.latitude, seen.prediction.matched_position.longitude), MOST_FROM_STOP_M
    )


def _set_trip(trip: gtfs_rt.TripDescriptor, journey: Journey, pattern: Pattern) -> None:
    trip.trip_id = journey.trip.id
    trip.route_id = pattern.route_id
    if pattern.direction_id is not None:
        trip.direction_id = pattern.direction_id
    trip.start_date = f"{journey.service_date:%Y%m%d}"
    if journey.frequency_based:
        trip.start_time = f"{journey.start_s // 3600:02}:{journey.start_s // 60 % 60:02}:{journey.start_s % 60:02}"
    headway = departure_board.headway_s(journey) is not None
    trip.schedule_relationship = gtfs_rt.TripDescriptor.UNSCHEDULED if headway else gtfs_rt.TripDescriptor.SCHEDULED


def _entity_id(journey: Journey) -> str:
    trip_id, day, start_s = journey.key
    return f"{trip_id}:{day}:{start_s}"


def _occupancy_status(percent: int) -> gtfs_rt.VehiclePosition.OccupancyStatus:
    return next((word for most, word in OCCUPANCY_LEVELS if percent <= most), gtfs_rt.VehiclePosition.FULL)


def _add_alert(feed: gtfs_rt.FeedMessage, snapshot: TransitSnapshot, alert: ServiceAlert, now: float) -> None:
    """An alert in force or to come; what is over, or concerns nobody in this timetable, is not told."""
    periods = [one for one in alert.periods if one.end is None or one.end > now]
    informed = [one for one in alert.informed if _in_timetable(snapshot, one)]
    if (alert.periods and not periods) or not informed:
        return
    told = feed.entity.add(id=alert.id).alert
    # Some clients take an alert without a period for one that does not hold.
    for period in periods or [ActivePeriod(start=alert.changed_at)]:
        bounds = {"start": period.start, "end": period.end}
        told.active_period.add(**{name: int(at) for name, at in bounds.items() if at is not None})
    for one in informed:
        whom = told.informed_entity.add(**{name: value for name, value in _selectors(one).items() if value})
        if one.direction_id is not None:
            whom.direction_id = one.direction_id
    told.cause = gtfs_rt.Alert.Cause.Value(alert.cause.name)
    told.effect = gtfs_rt.Alert.Effect.Value(alert.effect.name)
    _add_translations(told.header_text, alert.header)
    _add_translations(told.description_text, alert.description)
    if alert.url:
        told.url.translation.add(text=alert.url, language="es")


def _selectors(informed: InformedEntity) -> dict[str, str]:
    return {"agency_id": informed.agency_id, "route_id": informed.route_id, "stop_id": informed.stop_id}


def _in_timetable(snapshot: TransitSnapshot, informed: InformedEntity) -> bool:
    network = snapshot.network
    return (
        informed.agency_id in ("", *network.agencies)
        and (not informed.route_id or informed.route_id in network.routes)
        and (not informed.stop_id or informed.stop_id in network.stops)
    )


def _add_translations(told: gtfs_rt.TranslatedString, words: Translated) -> None:
    for language, text in (("es", words.es), ("en", words.en)):
        if text:
            told.translation.add(text=text, language=language)
