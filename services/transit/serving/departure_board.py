"""What riders and their apps are told: the arrivals of a stop, a trip's progress, lines, vehicles, stops near.

Every interface answers from here, so that none contradicts another. An arrival is told on the best ground there is: the
bus that makes the journey, else what is expected of a journey that no bus makes yet, else the bare timetable.
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
    """When the bus reaches a stop: quantiles, the rider's time, and when it leaves. See `estimate.TripPrediction`."""

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
        """Where it is."""
        return self.pattern.stop_ids[self.position]

    @property
    def expected_at(self) -> float:
        """When to expect it: the median arrival, else the planned one; at the first stop, the departure."""
        if self.position == 0:
            return self.scheduled_departure if self.estimate is None else self.estimate.departs_at
        return self.scheduled_arrival if self.estimate is None else self.estimate.p50

    @property
    def withdrawn(self) -> bool:
        """Whether it surely does not come: to be told as that, never as a bus."""
        return self.basis is Basis.NOT_COMING

    @property
    def terminates(self) -> bool:
        """Whether the trip ends here: it arrives and does not leave."""
        return self.position == len(self.pattern.stop_ids) - 1

    @property
    def allows_boarding(self) -> bool:
        """Whether riders may get on here."""
        return not self.terminates and not (self.pattern.pickup and self.pattern.pickup[self.position] == NO_PICKUP)

    @property
    def vehicle(self) -> str:
        """The vehicle that makes it; empty where none is known."""
        return self.vehicle_prediction.vehicle if self.vehicle_prediction else ""

    @property
    def last_report_at(self) -> float | None:
        """When that vehicle was last heard."""
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
    """A journey with all its calls, by position."""

    status: JourneyStatus
    calls: tuple[Arrival, ...]


class TrackedVehicle(Struct, frozen=True, gc=False):
    """A vehicle as it was last heard, with the journey it is believed to make."""

    prediction: VehiclePrediction
    age_s: float
    silent: bool
    journey: Journey | None = None
    route: Route | None = None


class LineSummary(Struct, frozen=True, gc=False):
    """A line with the patterns it runs along and how many vehicles are heard on it."""

    route: Route
    agency: Agency | None
    patterns: tuple[Pattern, ...]
    vehicles: int
    health: Health


class NoBusReason(StrEnum):
    """Why no bus can be told of at a stop."""

    NOT_SERVED = "not_served"
    """That line, or any line, does not call there."""
    NOT_SCHEDULED = "not_scheduled"
    """Nothing is planned in the time asked for."""
    NO_BUS = "no_bus"
    """Something is planned, but no bus is on its way."""
    NO_DATA = "no_data"
    """The buses are not heard at all: what is told is the timetable."""


def arrivals(
    snapshot: TransitSnapshot, stop_id: str, now: float, before_s: float = BEFORE_S, after_s: float = AFTER_S
) -> list[Arrival]:
    """What comes to a stop from `before_s` ago until `after_s` ahead, seconds, by the time it is expected.

    Each visit of a journey to the stop appears once; what has passed already does not. At most MOST_ARRIVALS.
    """
    start, end = now - before_s, now + min(after_s, LONGEST_AFTER_S)
    found = list(_predicted_arrivals(snapshot, stop_id, now, start, end))
    found.extend(_scheduled_arrivals(snapshot, stop_id, now, start, end))
    found.sort(key=lambda arrival: (arrival.expected_at, arrival.key, arrival.position))
    return found[:MOST_ARRIVALS]


def no_bus_reason(
    snapshot: TransitSnapshot, stop_id: str, found: Iterable[Arrival], now: float, route_id: str = ""
) -> NoBusReason | None:
    """Why a stop's arrivals, of one line where it is named, tell of no bus; None where they do tell of one."""
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
    """What is known of a journey; None where the timetable has none of that key."""
    journey_prediction = snapshot.current_prediction(key, now)
    journey = journey_prediction.journey if journey_prediction else snapshot.schedule.journey(key)
    if journey is None:
        return None
    pattern = snapshot.network.patterns[journey.trip.pattern]
    if journey_prediction is None:
        return JourneyStatus(key, journey, pattern, Basis.SCHEDULE)
    coming = journey_prediction.prediction
    return JourneyStatus(
        key,
        journey,
        pattern,
        coming.basis,
        reason=coming.reason,
        recent_buses=coming.recent_buses,
        vehicle_prediction=journey_prediction.vehicle_prediction,
        under_way=journey_prediction.vehicle_prediction is not None and journey_prediction.trips_ahead == 0,
        next_position=coming.first_position if coming.p50 else None,
        delay_s=_delay_s(journey, coming),
    )


def journey_progress(snapshot: TransitSnapshot, key: JourneyKey, now: float) -> JourneyProgress | None:
    """A journey's calls, passed ones too; None where the timetable has none of that key."""
    status = journey_status(snapshot, key, now)
    if status is None:
        return None
    journey_prediction, pattern = snapshot.current_prediction(key, now), status.pattern
    positions = range(len(pattern.stop_ids))
    if journey_prediction is None:
        return JourneyProgress(
            status, tuple(_scheduled_arrival(scheduled_call(status.journey, pattern, at)) for at in positions)
        )
    return JourneyProgress(status, tuple(_predicted_arrival(journey_prediction, pattern, at) for at in positions))


def vehicles(snapshot: TransitSnapshot, now: float, route_id: str = "") -> list[TrackedVehicle]:
    """The vehicles heard within GONE_S, of one line where it is named, by their names."""
    seen = (
        _tracked_vehicle(snapshot, vehicle_prediction, now)
        for vehicle_prediction in snapshot.vehicle_predictions.values()
        if now - vehicle_prediction.matched_position.at <= HIDDEN_AFTER_S
    )
    wanted = (one for one in seen if not route_id or (one.route is not None and one.route.id == route_id))
    return sorted(wanted, key=lambda one: one.prediction.vehicle)


def vehicle(snapshot: TransitSnapshot, name: str, now: float) -> TrackedVehicle | None:
    """One vehicle as it was last heard, however long ago; None where it is not known."""
    vehicle_prediction = snapshot.vehicle_predictions.get(name)
    return None if vehicle_prediction is None else _tracked_vehicle(snapshot, vehicle_prediction, now)


def lines(snapshot: TransitSnapshot, now: float) -> list[LineSummary]:
    """Every line, as people count: 7 before 10, and Norte after both."""
    counts: dict[str, int] = {}
    for one in vehicles(snapshot, now):
        if one.route is not None:
            counts[one.route.id] = counts.get(one.route.id, 0) + 1
    found = [_line_summary(snapshot, route, counts.get(route.id, 0), now) for route in snapshot.network.routes.values()]
    return sorted(found, key=lambda line: _natural_order(line.route))


def line(snapshot: TransitSnapshot, route_id: str, now: float) -> LineSummary | None:
    """One line; None where there is none of that id."""
    route = snapshot.network.routes.get(route_id)
    return None if route is None else _line_summary(snapshot, route, len(vehicles(snapshot, now, route_id)), now)


def stops_near(snapshot: TransitSnapshot, point: Point, radius_m: float, limit: int) -> list[tuple[float, Stop]]:
    """The nearest stops with their distances, metres; `radius_m` up to `near.MAX_RADIUS_M`."""
    return snapshot.stop_index.stops_within(point, min(radius_m, MAX_RADIUS_M))[:limit]


def routes_at(snapshot: TransitSnapshot, stop_id: str) -> list[Route]:
    """The lines that call at a stop, as people count."""
    ids = {snapshot.network.patterns[index].route_id for index, _ in snapshot.network.calls_by_stop.get(stop_id, ())}
    return sorted((snapshot.network.routes[route_id] for route_id in ids), key=_natural_order)


def alerts_for(
    snapshot: TransitSnapshot, now: float, *, stop_id: str = "", route_ids: Iterable[str] = ()
) -> list[ServiceAlert]:
    """The service alerts in force that concern a stop or lines, the newest first."""
    routes = frozenset(route_ids)
    agencies = {
        snapshot.network.routes[route_id].agency_id for route_id in routes if route_id in snapshot.network.routes
    }
    return [
        alert
        for alert in snapshot.alerts
        if alert.is_active(now) and any(_concerns(one, stop_id, routes, agencies) for one in alert.informed)
    ]


def headway_s(journey: Journey) -> int | None:
    """The headway of a journey of which only that is promised, seconds; None of one with planned times."""
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
    """What buses, or what is expected in their absence, say of a stop between two instants."""
    for index, position in snapshot.network.calls_by_stop.get(stop_id, ()):
        pattern = snapshot.network.patterns[index]
        for journey_prediction in snapshot.predictions_along(index, now):
            arrives, leaves = _expected_times(journey_prediction, position)
            if arrives <= end and leaves >= start:
                yield _predicted_arrival(journey_prediction, pattern, position)


def _scheduled_arrivals(
    snapshot: TransitSnapshot, stop_id: str, now: float, start: float, end: float
) -> Iterator[Arrival]:
    """What only the timetable says of a stop; of a headway service one entry, the next."""
    told: set[tuple[str, int, int]] = set()
    for call in snapshot.schedule.calls(stop_id, start, end):
        if snapshot.current_prediction(call.key, now) is not None:
            continue
        every_s = headway_s(call.journey)
        if every_s is not None:
            same = (call.journey.trip.id, call.position, every_s)
            if call.scheduled_at < now or same in told:
                continue
            told.add(same)
        yield _scheduled_arrival(call, every_s)


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


def _predicted_arrival(journey_prediction: JourneyPrediction, pattern: Pattern, position: int) -> Arrival:
    coming, journey = journey_prediction.prediction, journey_prediction.journey
    passed = position < coming.first_position
    stops_away, distance_m = (None, None) if passed else _distance_away(journey_prediction, pattern, position)
    return Arrival(
        journey_prediction.key,
        journey,
        pattern,
        position,
        journey.arrival_at(position),
        journey.departure_at(position),
        coming.basis,
        estimate=_estimate_at(coming, position),
        reason=coming.reason,
        recent_buses=coming.recent_buses,
        vehicle_prediction=journey_prediction.vehicle_prediction,
        stops_away=stops_away,
        distance_away_m=distance_m,
        passed=passed,
    )


def _estimate_at(coming: TripPrediction, position: int) -> Estimate | None:
    at = position - coming.first_position
    if coming.basis is Basis.NOT_COMING or not 0 <= at < len(coming.p50):
        return None
    return Estimate(coming.p10[at], coming.p50[at], coming.p90[at], coming.rider_times[at], coming.departures[at])


def _distance_away(
    journey_prediction: JourneyPrediction, pattern: Pattern, position: int
) -> tuple[int | None, float | None]:
    """Stops and metres between the vehicle and a stop of the journey it makes now; None of later ones."""
    if (
        journey_prediction.vehicle_prediction is None
        or journey_prediction.trips_ahead
        or journey_prediction.vehicle_prediction.matched_position.trip_id != journey_prediction.prediction.trip_id
    ):
        return None, None
    distance_m = pattern.stop_m[position] - journey_prediction.vehicle_prediction.matched_position.distance_m
    return position - journey_prediction.prediction.first_position, max(0.0, distance_m)


def _expected_times(journey_prediction: JourneyPrediction, position: int) -> tuple[float, float]:
    """When it is at a position: as estimated, else as planned; never, where it has passed already."""
    coming, at = journey_prediction.prediction, position - journey_prediction.prediction.first_position
    if at < 0:
        return inf, -inf
    if coming.basis is Basis.NOT_COMING or at >= len(coming.p50):
        return journey_prediction.journey.arrival_at(position), journey_prediction.journey.departure_at(position)
    return (coming.p50[at] if position else coming.departures[at]), coming.departures[at]


def _delay_s(journey: Journey, coming: TripPrediction) -> float | None:
    if not coming.p50 or coming.basis is Basis.NOT_COMING:
        return None
    if coming.first_position == 0:
        return coming.departures[0] - journey.departure_at(0)
    return coming.p50[0] - journey.arrival_at(coming.first_position)


def _tracked_vehicle(snapshot: TransitSnapshot, vehicle_prediction: VehiclePrediction, now: float) -> TrackedVehicle:
    age_s = max(0.0, now - vehicle_prediction.matched_position.at)
    place, network = vehicle_prediction.matched_position, snapshot.network
    known = vehicle_prediction.version == network.version and place.trip_id and place.phase is not Phase.OFF_ROUTE
    journey = snapshot.schedule.journey((place.trip_id, place.service_date, place.start_s)) if known else None
    route = network.routes[network.patterns[journey.trip.pattern].route_id] if journey else None
    return TrackedVehicle(vehicle_prediction, age_s, age_s > SILENT_AFTER_S, journey, route)


def _line_summary(snapshot: TransitSnapshot, route: Route, count: int, now: float) -> LineSummary:
    patterns = tuple(snapshot.network.patterns[index] for index in snapshot.network.patterns_by_route.get(route.id, ()))
    agency = snapshot.network.agencies.get(route.agency_id)
    return LineSummary(route, agency, patterns, count, snapshot.health(now, route.agency_id))


def _natural_order(route: Route) -> tuple[bool, int, str, str]:
    digits = "".join(takewhile(str.isdigit, route.short_name))
    return (not digits, int(digits or 0), route.short_name, route.id)
