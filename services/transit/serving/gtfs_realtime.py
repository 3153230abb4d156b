"""GTFS-realtime feeds from a snapshot: TripUpdates, VehiclePositions and Alerts, each a FULL_DATASET. Pure.

`uncertainty` is half the difference between P10 and P90, seconds; the specification leaves its meaning open. A vehicle
is in at most one trip update, and the trip it makes is in at most one vehicle position, so that both feeds agree.
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
"""A vehicle farther from its matched position on the shape is published without a trip."""
MOST_FROM_STOP_M = 1_000.0
"""A vehicle farther than this from all stops is not published: it is not in service."""
MOST_TRIPS = 50_000
OCCUPANCY_LEVELS = (
    (5, gtfs_rt.VehiclePosition.EMPTY),
    (40, gtfs_rt.VehiclePosition.MANY_SEATS_AVAILABLE),
    (70, gtfs_rt.VehiclePosition.FEW_SEATS_AVAILABLE),
    (90, gtfs_rt.VehiclePosition.STANDING_ROOM_ONLY),
)
"""The most percent of occupancy for each status; above the last one, the vehicle is FULL."""


class FeedKind(StrEnum):
    """The kind of feed."""

    TRIP_UPDATES = "trip-updates"
    VEHICLE_POSITIONS = "vehicle-positions"
    ALERTS = "alerts"


def feed_message(snapshot: TransitSnapshot, part: FeedKind, now: float) -> gtfs_rt.FeedMessage:
    """One feed as of `now`, Unix seconds."""
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
    with_trips = {vehicle.prediction.vehicle for vehicle in _vehicles_with_trips(snapshot, now)}
    journey_predictions = (
        predicted
        for key in sorted(snapshot.journey_predictions)
        if (predicted := snapshot.current_prediction(key, now)) is not None
    )
    for predicted, _ in zip(journey_predictions, range(MOST_TRIPS), strict=False):
        _add_trip_update(feed, snapshot, predicted, with_trips, now)


def _add_trip_update(
    feed: gtfs_rt.FeedMessage,
    snapshot: TransitSnapshot,
    predicted: JourneyPrediction,
    with_trips: set[str],
    now: float,
) -> None:
    """Add a trip update; none where nothing is known of any stop, or for a cancelled headway-only journey."""
    prediction, pattern = predicted.trip, snapshot.network.patterns[predicted.journey.trip.pattern]
    cancelled = prediction.basis is Basis.NOT_COMING and predicted.vehicle is None
    headway_only = cancelled and departure_board.headway_s(predicted.journey) is not None
    if headway_only or (not cancelled and _is_over(prediction, pattern, now)):
        return
    entity = feed.entity.add(id=_entity_id(predicted.journey))
    update = entity.trip_update
    _set_trip(update.trip, predicted.journey, pattern)
    if predicted.vehicle is not None and predicted.trips_ahead == 0 and predicted.vehicle.vehicle in with_trips:
        update.vehicle.id = predicted.vehicle.vehicle
    update.timestamp = int(
        min(
            now,
            predicted.vehicle.matched_position.at if predicted.vehicle else now,
        )
    )
    if cancelled:
        update.trip.schedule_relationship = gtfs_rt.TripDescriptor.CANCELED
    elif prediction.basis is Basis.NOT_COMING or not prediction.p50:
        _add_no_data(update, predicted.journey, pattern, prediction.first_position)
    else:
        _add_stop_times(update, predicted.journey, pattern, prediction)


def _is_over(prediction: TripPrediction, pattern: Pattern, now: float) -> bool:
    """Whether no stop is left, or the last departure is in the past."""
    if prediction.first_position >= len(pattern.stop_ids):
        return True
    return prediction.basis is not Basis.NOT_COMING and bool(prediction.departures) and prediction.departures[-1] < now


def _add_no_data(update: gtfs_rt.TripUpdate, journey: Journey, pattern: Pattern, first: int) -> None:
    """Mark the trip as NO_DATA from a position on."""
    stop = update.stop_time_update.add()
    stop.stop_sequence = journey.trip.stop_sequence(first)
    stop.stop_id = pattern.stop_ids[first]
    stop.schedule_relationship = gtfs_rt.TripUpdate.StopTimeUpdate.NO_DATA


def _add_stop_times(update: gtfs_rt.TripUpdate, journey: Journey, pattern: Pattern, prediction: TripPrediction) -> None:
    """Add the predicted times of the coming stops: whole seconds that rise from stop to stop."""
    headway = departure_board.headway_s(journey) is not None
    relationship = gtfs_rt.TripUpdate.StopTimeUpdate
    previous, last = 0, len(pattern.stop_ids) - 1
    for position, (p10, p50, p90, departs_at) in enumerate(
        zip(prediction.p10, prediction.p50, prediction.p90, prediction.departures, strict=True),
        prediction.first_position,
    ):
        arrival = max(round(p50), previous + 1)
        departure = max(round(departs_at), arrival)
        stop = update.stop_time_update.add()
        stop.stop_sequence = journey.trip.stop_sequence(position)
        stop.stop_id = pattern.stop_ids[position]
        stop.schedule_relationship = relationship.UNSCHEDULED if headway else relationship.SCHEDULED
        uncertainty = round((p90 - p10) / 2)
        if position > 0:
            scheduled = None if headway else journey.arrival_at(position)
            _set_event(stop.arrival, arrival, scheduled, uncertainty)
        if position < last:
            scheduled = None if headway else journey.departure_at(position)
            _set_event(stop.departure, departure, scheduled, uncertainty)
        previous = departure


def _set_event(event: gtfs_rt.TripUpdate.StopTimeEvent, at: int, scheduled: float | None, uncertainty: int) -> None:
    event.time = at
    event.uncertainty = uncertainty
    if scheduled is not None:
        event.delay = at - round(scheduled)


def _add_vehicles(feed: gtfs_rt.FeedMessage, snapshot: TransitSnapshot, now: float) -> None:
    on_trips = {vehicles.prediction.vehicle for vehicles in _vehicles_with_trips(snapshot, now)}
    vehicles = [vehicle for vehicle in departure_board.vehicles(snapshot, now) if _near_network(snapshot, vehicle)]
    # Sorted by trip, as the trip updates are: readers that identify a repeated trip by its id alone then find the
    # same vehicle last in both feeds.
    for vehicle in sorted(
        vehicles,
        key=lambda vehicle: (vehicle.journey.key if vehicle.journey else ("", "", 0), vehicle.prediction.vehicle),
    ):
        _add_vehicle(feed, snapshot, vehicle, now, on_trip=vehicle.prediction.vehicle in on_trips)


def _add_vehicle(
    feed: gtfs_rt.FeedMessage, snapshot: TransitSnapshot, tracked: TrackedVehicle, now: float, *, on_trip: bool
) -> None:
    vehicle_prediction = tracked.prediction
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
    if not on_trip or tracked.journey is None:
        return
    pattern = snapshot.network.patterns[tracked.journey.trip.pattern]
    _set_trip(vehicle.trip, tracked.journey, pattern)
    predicted = snapshot.current_prediction(tracked.journey.key, now)
    if predicted is not None and predicted.trip.first_position < len(pattern.stop_ids):
        vehicle.current_stop_sequence = tracked.journey.trip.stop_sequence(predicted.trip.first_position)
        vehicle.stop_id = pattern.stop_ids[predicted.trip.first_position]
        vehicle.current_status = gtfs_rt.VehiclePosition.IN_TRANSIT_TO


def _vehicles_with_trips(snapshot: TransitSnapshot, now: float) -> Iterator[TrackedVehicle]:
    """The vehicles published with a trip: the most credible for their journey, and near its shape."""
    for tracked in departure_board.vehicles(snapshot, now):
        place, journey = tracked.prediction.matched_position, tracked.journey
        if (
            journey is None
            or place.phase not in {Phase.IN_PROGRESS, Phase.LAYOVER}
            or not _near_network(snapshot, tracked)
        ):
            continue
        shape = snapshot.network.patterns[journey.trip.pattern].shape
        point = point_at_distance(shape.points, shape.along_m, place.distance_m)
        if distance_m(point, (place.latitude, place.longitude)) > MOST_OFF_SHAPE_M:
            continue
        predicted = snapshot.current_prediction(journey.key, now)
        if predicted is not None and predicted.trips_ahead == 0 and predicted.vehicle is tracked.prediction:
            yield tracked


def _near_network(snapshot: TransitSnapshot, tracked: TrackedVehicle) -> bool:
    """Whether a vehicle is within MOST_FROM_STOP_M of a stop."""
    return snapshot.stop_index.covers(
        (tracked.prediction.matched_position.latitude, tracked.prediction.matched_position.longitude), MOST_FROM_STOP_M
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
    """Add an alert that is active or to come; none where it is over or concerns nothing in this timetable."""
    periods = [entity for entity in alert.periods if entity.end is None or entity.end > now]
    informed = [entity for entity in alert.informed if _in_timetable(snapshot, entity)]
    if (alert.periods and not periods) or not informed:
        return
    element = feed.entity.add(id=alert.id).alert
    # Some clients treat an alert without a period as inactive.
    for period in periods or [ActivePeriod(start=alert.changed_at)]:
        bounds = {"start": period.start, "end": period.end}
        element.active_period.add(**{name: int(at) for name, at in bounds.items() if at is not None})
    for entity in informed:
        selector = element.informed_entity.add(**{name: value for name, value in _selectors(entity).items() if value})
        if entity.direction_id is not None:
            selector.direction_id = entity.direction_id
    element.cause = gtfs_rt.Alert.Cause.Value(alert.cause.name)
    element.effect = gtfs_rt.Alert.Effect.Value(alert.effect.name)
    _add_translations(element.header_text, alert.header)
    _add_translations(element.description_text, alert.description)
    if alert.url:
        element.url.translation.add(text=alert.url, language="es")


def _selectors(informed: InformedEntity) -> dict[str, str]:
    return {"agency_id": informed.agency_id, "route_id": informed.route_id, "stop_id": informed.stop_id}


def _in_timetable(snapshot: TransitSnapshot, informed: InformedEntity) -> bool:
    network = snapshot.network
    return (
        informed.agency_id in ("", *network.agencies)
        and (not informed.route_id or informed.route_id in network.routes)
        and (not informed.stop_id or informed.stop_id in network.stops)
    )


def _add_translations(translated: gtfs_rt.TranslatedString, words: Translated) -> None:
    for language, text in (("es", words.es), ("en", words.en)):
        if text:
            translated.translation.add(text=text, language=language)
