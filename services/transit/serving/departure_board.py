"""Arrivals at a stop, progress of a journey, lines, vehicles and nearby stops, read from a snapshot. Pure.

Every interface for riders and apps answers from this module, so that none contradicts another. An arrival is taken
from the best source there is: the vehicle that makes the journey, else the prediction for a journey without a vehicle,
else the timetable.
"""

from collections.abc import Iterable, Iterator
from enum import StrEnum
from itertools import takewhile
from math import inf

from msgspec import Struct

from models.geo import Point
from models.network import Agency, Journey, Pattern, Route, Stop
from services.transit.model.prediction import Basis, Phase, TripPrediction, VehiclePrediction
from services.transit.model.service_alert import InformedEntity, ServiceAlert
from services.transit.model.stop_index import MAX_RADIUS_M
from services.transit.serving.snapshot import HIDDEN_AFTER_S, SILENT_AFTER_S, Health, JourneyPrediction, TransitSnapshot
from services.transit.timetable.scheduled_arrivals import JourneyKey, ScheduledCall, scheduled_call

BEFORE_S = 300.0
AFTER_S = 2_100.0
LONGEST_AFTER_S = 24 * 3_600.0
MOST_ARRIVALS = 400
NO_PICKUP = 1


class Estimate(Struct, frozen=True, gc=False):
    """When the bus reaches a stop: quantiles, the early-safe time, and the departure. See `TripPrediction`."""

    p10: float
    p50: float
    p90: float
    rider_time: float
    departs_at: float


class Arrival(Struct, frozen=True, gc=False):
    """One journey at one position of its pattern. Instants are Unix seconds.

    `estimate`: None where only the timetable is known, and where the journey was withdrawn, so that no bus comes.
    `headway_s`: set for a frequency-based trip that promises only a headway and has no known bus; the entry then stands
    for all its starts. `vehicle_prediction`: of the vehicle that makes the journey. `stops_away`: 0 where this stop is
    the vehicle's next. `passed`: the vehicle was here already (only in the progress of a journey).
    """

    key: JourneyKey
    journey: Journey
    pattern: Pattern
    position: int
    scheduled_arrival: float
    scheduled_departure: float
    basis: Basis
    estimate: Estimate | None = None
    reason: str = ""
    recent_buses: int = 0
    vehicle_prediction: VehiclePrediction | None = None
    stops_away: int | None = None
    distance_away_m: float | None = None
    headway_s: int | None = None
    passed: bool = False

    @property
    def stop_id(self) -> str:
        """The stop."""
        return self.pattern.stop_ids[self.position]

    @property
    def expected_at(self) -> float:
        """The median arrival, else the scheduled one; at the first stop, the departure."""
        if self.position == 0:
            return self.scheduled_departure if self.estimate is None else self.estimate.departs_at
        return self.scheduled_arrival if self.estimate is None else self.estimate.p50

    @property
    def withdrawn(self) -> bool:
        """Whether the journey surely does not come. It must be shown as that, never as a bus."""
        return self.basis is Basis.NOT_COMING

    @property
    def terminates(self) -> bool:
        """Whether the trip ends here."""
        return self.position == len(self.pattern.stop_ids) - 1

    @property
    def allows_boarding(self) -> bool:
        """Whether riders may get on here."""
        return not self.terminates and not (self.pattern.pickup and self.pattern.pickup[self.position] == NO_PICKUP)

    @property
    def vehicle(self) -> str:
        """The vehicle that makes the journey; empty where none is known."""
        return self.vehicle_prediction.vehicle if self.vehicle_prediction else ""

    @property
    def last_report_at(self) -> float | None:
        """When that vehicle last reported."""
        return self.vehicle_prediction.matched_position.at if self.vehicle_prediction else None


class JourneyStatus(Struct, frozen=True, gc=False):
    """What is known of a journey. `next_position`: of its next stop. `delay_s`: at that stop, positive where late."""

    key: JourneyKey
    journey: Journey
    pattern: Pattern
    basis: Basis
    reason: str = ""
    recent_buses: int = 0
    vehicle_prediction: VehiclePrediction | None = None
    under_way: bool = False
    next_position: int | None = None
    delay_s: float | None = None


class JourneyProgress(Struct, frozen=True, gc=False):
    """A journey with all its calls, ordered by position."""

    status: JourneyStatus
    calls: tuple[Arrival, ...]


class TrackedVehicle(Struct, frozen=True, gc=False):
    """A vehicle as it last reported, with the journey it is matched to."""

    prediction: VehiclePrediction
    age_s: float
    silent: bool
    journey: Journey | None = None
    route: Route | None = None


class LineSummary(Struct, frozen=True, gc=False):
    """A line with its patterns and the number of vehicles that report on it."""

    route: Route
    agency: Agency | None
    patterns: tuple[Pattern, ...]
    vehicles: int
    health: Health


class NoBusReason(StrEnum):
    """Why the arrivals of a stop hold no bus."""

    __qualname__ = "Empty"  # the name of its schema in the published OpenAPI document

    NOT_SERVED = "not_served"
    """The line, or any line, does not call at the stop."""
    NOT_SCHEDULED = "not_scheduled"
    """Nothing is scheduled in the requested period."""
    NO_BUS = "no_bus"
    """Journeys are scheduled, but no bus is on its way."""
    NO_DATA = "no_data"
    """No bus reports at all: only the timetable is known."""


def arrivals(
    snapshot: TransitSnapshot, stop_id: str, now: float, before_s: float = BEFORE_S, after_s: float = AFTER_S
) -> list[Arrival]:
    """The arrivals at a stop from `before_s` ago to `after_s` ahead, seconds, ordered by expected time.

    Each visit of a journey to the stop is one entry; visits already passed are left out. At most MOST_ARRIVALS.
    """
    start, end = now - before_s, now + min(after_s, LONGEST_AFTER_S)
    found = list(_predicted_arrivals(snapshot, stop_id, now, start, end))
    found.extend(_scheduled_arrivals(snapshot, stop_id, now, start, end))
    found.sort(key=lambda arrival: (arrival.expected_at, arrival.key, arrival.position))
    return found[:MOST_ARRIVALS]


def no_bus_reason(
    snapshot: TransitSnapshot, stop_id: str, found: Iterable[Arrival], now: float, route_id: str = ""
) -> NoBusReason | None:
    """Why the arrivals of a stop, or of one of its lines, hold no bus; None where one of them does."""
    routes = routes_at(snapshot, stop_id)
    if not any(route_id in ("", route.id) for route in routes):
        return NoBusReason.NOT_SERVED
    wanted = [one for one in found if not one.withdrawn and (not route_id or one.pattern.route_id == route_id)]
    if any(one.vehicle_prediction is not None for one in wanted):
        return None
    if all(snapshot.health(now, route.agency_id) is not Health.LIVE for route in routes if route_id in ("", route.id)):
        return NoBusReason.NO_DATA
    return NoBusReason.NO_BUS if wanted else NoBusReason.NOT_SCHEDULED


def journey_status(snapshot: TransitSnapshot, key: JourneyKey, now: float) -> JourneyStatus | None:
    """What is known of a journey; None where the timetable has no journey with that key."""
    predicted = snapshot.current_prediction(key, now)
    journey = predicted.journey if predicted else snapshot.schedule.journey(key)
    if journey is None:
        return None
    pattern = snapshot.network.patterns[journey.trip.pattern]
    if predicted is None:
        return JourneyStatus(key, journey, pattern, Basis.SCHEDULE)
    prediction = predicted.trip
    return JourneyStatus(
        key,
        journey,
        pattern,
        prediction.basis,
        reason=prediction.reason,
        recent_buses=prediction.recent_buses,
        vehicle_prediction=predicted.vehicle,
        under_way=predicted.vehicle is not None and predicted.trips_ahead == 0,
        next_position=prediction.first_position if prediction.p50 else None,
        delay_s=_delay_s(journey, prediction),
    )


def journey_progress(snapshot: TransitSnapshot, key: JourneyKey, now: float) -> JourneyProgress | None:
    """All calls of a journey, passed ones too; None where the timetable has no journey with that key."""
    status = journey_status(snapshot, key, now)
    if status is None:
        return None
    predicted, pattern = snapshot.current_prediction(key, now), status.pattern
    positions = range(len(pattern.stop_ids))
    if predicted is None:
        return JourneyProgress(
            status, tuple(_scheduled_arrival(scheduled_call(status.journey, pattern, at)) for at in positions)
        )
    return JourneyProgress(status, tuple(_predicted_arrival(predicted, pattern, at) for at in positions))


def vehicles(snapshot: TransitSnapshot, now: float, route_id: str = "") -> list[TrackedVehicle]:
    """The vehicles that reported within HIDDEN_AFTER_S, of all lines or of one, ordered by name."""
    tracked = (
        _tracked_vehicle(snapshot, vehicle_prediction, now)
        for vehicle_prediction in snapshot.vehicle_predictions.values()
        if now - vehicle_prediction.matched_position.at <= HIDDEN_AFTER_S
    )
    wanted = (one for one in tracked if not route_id or (one.route is not None and one.route.id == route_id))
    return sorted(wanted, key=lambda one: one.prediction.vehicle)


def vehicle(snapshot: TransitSnapshot, name: str, now: float) -> TrackedVehicle | None:
    """One vehicle as it last reported, however long ago; None where it is not known."""
    vehicle_prediction = snapshot.vehicle_predictions.get(name)
    return None if vehicle_prediction is None else _tracked_vehicle(snapshot, vehicle_prediction, now)


def lines(snapshot: TransitSnapshot, now: float) -> list[LineSummary]:
    """All lines in natural order of their names: 7 before 10, and Norte after both."""
    counts: dict[str, int] = {}
    for one in vehicles(snapshot, now):
        if one.route is not None:
            counts[one.route.id] = counts.get(one.route.id, 0) + 1
    found = [_line_summary(snapshot, route, counts.get(route.id, 0), now) for route in snapshot.network.routes.values()]
    return sorted(found, key=lambda line: natural_order(line.route))


def line(snapshot: TransitSnapshot, route_id: str, now: float) -> LineSummary | None:
    """One line; None where there is none with that id."""
    route = snapshot.network.routes.get(route_id)
    return None if route is None else _line_summary(snapshot, route, len(vehicles(snapshot, now, route_id)), now)


def stops_near(snapshot: TransitSnapshot, point: Point, radius_m: float, limit: int) -> list[tuple[float, Stop]]:
    """The nearest stops with their distances, metres, within `radius_m`, at most MAX_RADIUS_M."""
    return snapshot.stop_index.stops_within(point, min(radius_m, MAX_RADIUS_M))[:limit]


def routes_at(snapshot: TransitSnapshot, stop_id: str) -> list[Route]:
    """The lines that call at a stop, in natural order of their names."""
    ids = {snapshot.network.patterns[index].route_id for index, _ in snapshot.network.calls_by_stop.get(stop_id, ())}
    return sorted((snapshot.network.routes[route_id] for route_id in ids), key=natural_order)


def alerts_for(
    snapshot: TransitSnapshot, now: float, *, stop_id: str = "", route_ids: Iterable[str] = ()
) -> list[ServiceAlert]:
    """The active service alerts that concern a stop or lines, the newest first."""
    wanted_routes = frozenset(route_ids)
    agencies = {
        snapshot.network.routes[route_id].agency_id for route_id in wanted_routes if route_id in snapshot.network.routes
    }
    return [
        alert
        for alert in snapshot.alerts
        if alert.is_active(now) and any(_concerns(one, stop_id, wanted_routes, agencies) for one in alert.informed)
    ]


def headway_s(journey: Journey) -> int | None:
    """The headway, seconds, of a journey that promises only a headway; None where its times are scheduled."""
    for one in journey.trip.frequencies:
        if not one.exact and one.start_s <= journey.start_s < one.end_s:
            return one.headway_s
    return None


def _concerns(informed: InformedEntity, stop_id: str, route_ids: frozenset[str], agency_ids: set[str]) -> bool:
    return (
        informed.stop_id in ("", stop_id)
        and (not informed.route_id or informed.route_id in route_ids)
        and (not informed.agency_id or informed.agency_id in agency_ids)
    )


def _predicted_arrivals(
    snapshot: TransitSnapshot, stop_id: str, now: float, start: float, end: float
) -> Iterator[Arrival]:
    """The arrivals at a stop between two instants that have a prediction."""
    for index, position in snapshot.network.calls_by_stop.get(stop_id, ()):
        pattern = snapshot.network.patterns[index]
        for predicted in snapshot.predictions_along(index, now):
            arrives_at, departs_at = _expected_times(predicted, position)
            if arrives_at <= end and departs_at >= start:
                yield _predicted_arrival(predicted, pattern, position)


def _scheduled_arrivals(
    snapshot: TransitSnapshot, stop_id: str, now: float, start: float, end: float
) -> Iterator[Arrival]:
    """The arrivals known from the timetable only; of a headway-only trip one entry, the next."""
    seen: set[tuple[str, int, int]] = set()
    for call in snapshot.schedule.calls(stop_id, start, end):
        if snapshot.current_prediction(call.key, now) is not None:
            continue
        journey_headway_s = headway_s(call.journey)
        if journey_headway_s is not None:
            entry = (call.journey.trip.id, call.position, journey_headway_s)
            if call.scheduled_at < now or entry in seen:
                continue
            seen.add(entry)
        yield _scheduled_arrival(call, journey_headway_s)


def _scheduled_arrival(call: ScheduledCall, headway_s: int | None = None) -> Arrival:
    return Arrival(
        call.key,
        call.journey,
        call.pattern,
        call.position,
        call.arrival,
        call.departure,
        Basis.SCHEDULE,
        headway_s=headway_s,
    )


def _predicted_arrival(predicted: JourneyPrediction, pattern: Pattern, position: int) -> Arrival:
    prediction, journey = predicted.trip, predicted.journey
    passed = position < prediction.first_position
    stops_away, distance_m = (None, None) if passed else _distance_away(predicted, pattern, position)
    return Arrival(
        predicted.key,
        journey,
        pattern,
        position,
        journey.arrival_at(position),
        journey.departure_at(position),
        prediction.basis,
        estimate=_estimate_at(prediction, position),
        reason=prediction.reason,
        recent_buses=prediction.recent_buses,
        vehicle_prediction=predicted.vehicle,
        stops_away=stops_away,
        distance_away_m=distance_m,
        passed=passed,
    )


def _estimate_at(prediction: TripPrediction, position: int) -> Estimate | None:
    offset = position - prediction.first_position
    if prediction.basis is Basis.NOT_COMING or not 0 <= offset < len(prediction.p50):
        return None
    return Estimate(
        prediction.p10[offset],
        prediction.p50[offset],
        prediction.p90[offset],
        prediction.be_there_at(offset),
        prediction.departures[offset],
    )


def _distance_away(predicted: JourneyPrediction, pattern: Pattern, position: int) -> tuple[int | None, float | None]:
    """Stops and metres from the vehicle to a stop of its present journey; None for later journeys."""
    if (
        predicted.vehicle is None
        or predicted.trips_ahead
        or predicted.vehicle.matched_position.trip_id != predicted.trip.trip_id
    ):
        return None, None
    distance_m = pattern.stop_m[position] - predicted.vehicle.matched_position.distance_m
    return position - predicted.trip.first_position, max(0.0, distance_m)


def _expected_times(predicted: JourneyPrediction, position: int) -> tuple[float, float]:
    """Predicted arrival and departure, else the scheduled ones; (inf, -inf) where the position was passed."""
    prediction, offset = predicted.trip, position - predicted.trip.first_position
    if offset < 0:
        return inf, -inf
    if prediction.basis is Basis.NOT_COMING or offset >= len(prediction.p50):
        return predicted.journey.arrival_at(position), predicted.journey.departure_at(position)
    return (prediction.p50[offset] if position else prediction.departures[offset]), prediction.departures[offset]


def _delay_s(journey: Journey, prediction: TripPrediction) -> float | None:
    if not prediction.p50 or prediction.basis is Basis.NOT_COMING:
        return None
    if prediction.first_position == 0:
        return prediction.departures[0] - journey.departure_at(0)
    return prediction.p50[0] - journey.arrival_at(prediction.first_position)


def _tracked_vehicle(snapshot: TransitSnapshot, vehicle_prediction: VehiclePrediction, now: float) -> TrackedVehicle:
    age_s = max(0.0, now - vehicle_prediction.matched_position.at)
    position, network = vehicle_prediction.matched_position, snapshot.network
    is_on_journey = (
        vehicle_prediction.version == network.version and position.trip_id and position.phase is not Phase.OFF_ROUTE
    )
    journey = (
        snapshot.schedule.journey((position.trip_id, position.service_date, position.start_s))
        if is_on_journey
        else None
    )
    route = network.routes[network.patterns[journey.trip.pattern].route_id] if journey else None
    return TrackedVehicle(vehicle_prediction, age_s, age_s > SILENT_AFTER_S, journey, route)


def _line_summary(snapshot: TransitSnapshot, route: Route, count: int, now: float) -> LineSummary:
    patterns = tuple(snapshot.network.patterns[index] for index in snapshot.network.patterns_by_route.get(route.id, ()))
    agency = snapshot.network.agencies.get(route.agency_id)
    return LineSummary(route, agency, patterns, count, snapshot.health(now, route.agency_id))


def natural_order(route: Route) -> tuple[bool, int, str, str]:
    """A sort key of lines: 7 before 10, and Norte after both."""
    digits = "".join(takewhile(str.isdigit, route.short_name))
    return (not digits, int(digits or 0), route.short_name, route.id)
