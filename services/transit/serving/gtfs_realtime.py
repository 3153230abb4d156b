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
from services.transit.serving.departure_board import Seen
from services.transit.serving.snapshot import Due, TransitSnapshot

VERSION = "2.0"
ON_SHAPE_M = 100.0
"""A vehicle farther from where its trip is said to be is told without that trip."""
BEYOND_M = 1_000.0
"""A vehicle farther than this from all stops is not told: it is not in service."""
MOST_TRIPS = 50_000
CROWDED = (
    (5, gtfs_rt.VehiclePosition.EMPTY),
    (40, gtfs_rt.VehiclePosition.MANY_SEATS_AVAILABLE),
    (70, gtfs_rt.VehiclePosition.FEW_SEATS_AVAILABLE),
    (90, gtfs_rt.VehiclePosition.STANDING_ROOM_ONLY),
)
"""Occupancy in percent up to which a word holds; above the last one it is full."""


class Part(StrEnum):
    """Which of the feeds."""

    TRIP_UPDATES = "trip-updates"
    VEHICLE_POSITIONS = "vehicle-positions"
    ALERTS = "alerts"


def message(view: TransitSnapshot, part: Part, now: float) -> gtfs_rt.FeedMessage:
    """One feed as it is at `now`, Unix seconds."""
    feed = gtfs_rt.FeedMessage()
    feed.header.gtfs_realtime_version = VERSION
    feed.header.incrementality = gtfs_rt.FeedHeader.FULL_DATASET
    feed.header.timestamp = int(now)
    match part:
        case Part.TRIP_UPDATES:
            _add_trips(feed, view, now)
        case Part.VEHICLE_POSITIONS:
            _add_vehicles(feed, view, now)
        case Part.ALERTS:
            for alert in view.alerts:
                _add_alert(feed, view, alert, now)
    return feed


def _add_trips(feed: gtfs_rt.FeedMessage, view: TransitSnapshot, now: float) -> None:
    told = {seen.outlook.vehicle for seen in _on_trips(view, now)}
    dues = (due for key in sorted(view.dues) if (due := view.due(key, now)) is not None)
    for due, _ in zip(dues, range(MOST_TRIPS), strict=False):
        _add_trip(feed, view, due, told, now)


def _add_trip(feed: gtfs_rt.FeedMessage, view: TransitSnapshot, due: Due, told: set[str], now: float) -> None:
    """A trip's update; none where there is nothing to say of any stop, nor of one less where no minute is promised."""
    coming, pattern = due.coming, view.network.patterns[due.journey.trip.pattern]
    cancelled = coming.basis is Basis.NOT_COMING and due.outlook is None
    unpromised = cancelled and departure_board.headway_s(due.journey) is not None
    if unpromised or (not cancelled and _is_over(coming, pattern, now)):
        return
    entity = feed.entity.add(id=_name(due.journey))
    update = entity.trip_update
    _describe(update.trip, due.journey, pattern)
    if due.outlook is not None and due.turn == 0 and due.outlook.vehicle in told:
        update.vehicle.id = due.outlook.vehicle
    update.timestamp = int(min(now, due.outlook.matched_position.at if due.outlook else now))
    if cancelled:
        update.trip.schedule_relationship = gtfs_rt.TripDescriptor.CANCELED
    elif coming.basis is Basis.NOT_COMING or not coming.p50:
        _add_silence(update, due.journey, pattern, coming.first_position)
    else:
        _add_stops(update, due.journey, pattern, coming)


def _is_over(coming: TripPrediction, pattern: Pattern, now: float) -> bool:
    """Whether there is no stop left, or nothing but what should have happened already."""
    if coming.first_position >= len(pattern.stop_ids):
        return True
    return coming.basis is not Basis.NOT_COMING and bool(coming.departures) and coming.departures[-1] < now


def _add_silence(update: gtfs_rt.TripUpdate, journey: Journey, pattern: Pattern, first: int) -> None:
    """From that position on, nothing is said of the trip."""
    stop = update.stop_time_update.add()
    stop.stop_sequence = journey.trip.stop_sequence(first)
    stop.stop_id = pattern.stop_ids[first]
    stop.schedule_relationship = gtfs_rt.TripUpdate.StopTimeUpdate.NO_DATA


def _add_stops(update: gtfs_rt.TripUpdate, journey: Journey, pattern: Pattern, coming: TripPrediction) -> None:
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
            _time(stop.arrival, arrival, planned, uncertainty)
        if position < last:
            planned = None if headway else journey.departure_at(position)
            _time(stop.departure, departure, planned, uncertainty)
        before = departure


def _time(event: gtfs_rt.TripUpdate.StopTimeEvent, at: int, planned: float | None, uncertainty: int) -> None:
    event.time = at
    event.uncertainty = uncertainty
    if planned is not None:
        event.delay = at - round(planned)


def _add_vehicles(feed: gtfs_rt.FeedMessage, view: TransitSnapshot, now: float) -> None:
    on_trips = {seen.outlook.vehicle for seen in _on_trips(view, now)}
    seen = [one for one in departure_board.vehicles(view, now) if _in_city(view, one)]
    # In the order of their trips, as the trip updates are: of a repeated trip, readers that go by its id alone then
    # find the same vehicle last in both.
    for one in sorted(seen, key=lambda one: (one.journey.key if one.journey else ("", "", 0), one.outlook.vehicle)):
        _add_vehicle(feed, view, one, now, on_trip=one.outlook.vehicle in on_trips)


def _add_vehicle(feed: gtfs_rt.FeedMessage, view: TransitSnapshot, seen: Seen, now: float, *, on_trip: bool) -> None:
    outlook = seen.outlook
    vehicle = feed.entity.add(id=outlook.vehicle).vehicle
    vehicle.vehicle.id = outlook.vehicle
    vehicle.timestamp = int(min(now, outlook.matched_position.at))
    vehicle.position.latitude = outlook.matched_position.latitude
    vehicle.position.longitude = outlook.matched_position.longitude
    if outlook.bearing_deg is not None:
        vehicle.position.bearing = outlook.bearing_deg
    if outlook.speed_ms is not None:
        vehicle.position.speed = outlook.speed_ms
    if outlook.occupancy is not None:
        vehicle.occupancy_percentage = outlook.occupancy
        vehicle.occupancy_status = _crowded(outlook.occupancy)
    if not on_trip or seen.journey is None:
        return
    pattern = view.network.patterns[seen.journey.trip.pattern]
    _describe(vehicle.trip, seen.journey, pattern)
    due = view.due(seen.journey.key, now)
    if due is not None and due.coming.first_position < len(pattern.stop_ids):
        vehicle.current_stop_sequence = seen.journey.trip.stop_sequence(due.coming.first_position)
        vehicle.stop_id = pattern.stop_ids[due.coming.first_position]
        vehicle.current_status = gtfs_rt.VehiclePosition.IN_TRANSIT_TO


def _on_trips(view: TransitSnapshot, now: float) -> Iterator[Seen]:
    """The vehicles that are told with their trips: each makes the journey surest of all, and stands on its shape."""
    for seen in departure_board.vehicles(view, now):
        place, journey = seen.outlook.matched_position, seen.journey
        if journey is None or place.phase not in {Phase.IN_PROGRESS, Phase.LAYOVER} or not _in_city(view, seen):
            continue
        shape = view.network.patterns[journey.trip.pattern].shape
        point = point_at_distance(shape.points, shape.along_m, place.distance_m)
        if distance_m(point, (place.latitude, place.longitude)) > ON_SHAPE_M:
            continue
        due = view.due(journey.key, now)
        if due is not None and due.turn == 0 and due.outlook is seen.outlook:
            yield seen


def _in_city(view: TransitSnapshot, seen: Seen) -> bool:
    """Whether a vehicle is where the network's buses may be."""
    return view.near.covers((seen.outlook.matched_position.latitude, seen.outlook.matched_position.longitude), BEYOND_M)


def _describe(trip: gtfs_rt.TripDescriptor, journey: Journey, pattern: Pattern) -> None:
    trip.trip_id = journey.trip.id
    trip.route_id = pattern.route_id
    if pattern.direction_id is not None:
        trip.direction_id = pattern.direction_id
    trip.start_date = f"{journey.service_date:%Y%m%d}"
    if journey.frequency_based:
        trip.start_time = f"{journey.start_s // 3600:02}:{journey.start_s // 60 % 60:02}:{journey.start_s % 60:02}"
    headway = departure_board.headway_s(journey) is not None
    trip.schedule_relationship = gtfs_rt.TripDescriptor.UNSCHEDULED if headway else gtfs_rt.TripDescriptor.SCHEDULED


def _name(journey: Journey) -> str:
    trip_id, day, start_s = journey.key
    return f"{trip_id}:{day}:{start_s}"


def _crowded(percent: int) -> gtfs_rt.VehiclePosition.OccupancyStatus:
    return next((word for most, word in CROWDED if percent <= most), gtfs_rt.VehiclePosition.FULL)


def _add_alert(feed: gtfs_rt.FeedMessage, view: TransitSnapshot, alert: ServiceAlert, now: float) -> None:
    """An alert in force or to come; what is over, or concerns nobody in this timetable, is not told."""
    periods = [one for one in alert.periods if one.end is None or one.end > now]
    informed = [one for one in alert.informed if _is_known(view, one)]
    if (alert.periods and not periods) or not informed:
        return
    told = feed.entity.add(id=alert.id).alert
    # Some clients take an alert without a period for one that does not hold.
    for period in periods or [ActivePeriod(start=alert.changed_at)]:
        bounds = {"start": period.start, "end": period.end}
        told.active_period.add(**{name: int(at) for name, at in bounds.items() if at is not None})
    for one in informed:
        whom = told.informed_entity.add(**{name: value for name, value in _named(one).items() if value})
        if one.direction_id is not None:
            whom.direction_id = one.direction_id
    told.cause = gtfs_rt.Alert.Cause.Value(alert.cause.name)
    told.effect = gtfs_rt.Alert.Effect.Value(alert.effect.name)
    _add_words(told.header_text, alert.header)
    _add_words(told.description_text, alert.description)
    if alert.url:
        told.url.translation.add(text=alert.url, language="es")


def _named(informed: InformedEntity) -> dict[str, str]:
    return {"agency_id": informed.agency_id, "route_id": informed.route_id, "stop_id": informed.stop_id}


def _is_known(view: TransitSnapshot, informed: InformedEntity) -> bool:
    network = view.network
    return (
        informed.agency_id in ("", *network.agencies)
        and (not informed.route_id or informed.route_id in network.routes)
        and (not informed.stop_id or informed.stop_id in network.stops)
    )


def _add_words(told: gtfs_rt.TranslatedString, words: Translated) -> None:
    for language, text in (("es", words.es), ("en", words.en)):
        if text:
            told.translation.add(text=text, language=language)
