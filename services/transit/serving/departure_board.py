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
from services.transit.serving.snapshot import GONE_S, SILENT_S, Due, Health, TransitSnapshot
from services.transit.timetable.scheduled_arrivals import Key, ScheduledCall, call_of

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
    rider: float
    leaves: float


class Arrival(Struct, frozen=True, gc=False):
    """One journey at one position of its pattern. Instants are Unix seconds.

    `estimate`: None where only the timetable speaks, and where the journey was withdrawn: then nothing comes.
    `headway_s`: of a frequency where only the headway is promised and no bus is known: this entry stands for all its
    starts. `outlook`: the vehicle that makes it. `stops_away`: 0 where this stop is its next. `passed`: it was there
    already (only in a trip's progress).
    """

    key: Key
    journey: Journey
    pattern: Pattern
    position: int
    scheduled_arrival: float
    scheduled_departure: float
    basis: Basis
    estimate: Estimate | None = None
    reason: str = ""
    buses: int = 0
    outlook: VehiclePrediction | None = None
    stops_away: int | None = None
    distance_away_m: float | None = None
    headway_s: int | None = None
    passed: bool = False

    @property
    def stop_id(self) -> str:
        """Where it is."""
        return self.pattern.stop_ids[self.position]

    @property
    def at(self) -> float:
        """When to expect it: the median arrival, else the planned one; at the first stop, the departure."""
        if self.position == 0:
            return self.scheduled_departure if self.estimate is None else self.estimate.leaves
        return self.scheduled_arrival if self.estimate is None else self.estimate.p50

    @property
    def withdrawn(self) -> bool:
        """Whether it surely does not come: to be told as that, never as a bus."""
        return self.basis is Basis.NOT_COMING

    @property
    def ends(self) -> bool:
        """Whether the trip ends here: it arrives and does not leave."""
        return self.position == len(self.pattern.stop_ids) - 1

    @property
    def boards(self) -> bool:
        """Whether riders may get on here."""
        return not self.ends and not (self.pattern.pickup and self.pattern.pickup[self.position] == NO_PICKUP)

    @property
    def vehicle(self) -> str:
        """The vehicle that makes it; empty where none is known."""
        return self.outlook.vehicle if self.outlook else ""

    @property
    def last_report_at(self) -> float | None:
        """When that vehicle was last heard."""
        return self.outlook.matched_position.at if self.outlook else None


class Status(Struct, frozen=True, gc=False):
    """What is known of a journey. `next`: the position of its next stop. `delay_s`: there, positive where late."""

    key: Key
    journey: Journey
    pattern: Pattern
    basis: Basis
    reason: str = ""
    buses: int = 0
    outlook: VehiclePrediction | None = None
    present: bool = False
    next: int | None = None
    delay_s: float | None = None


class Progress(Struct, frozen=True, gc=False):
    """A journey with all its calls, by position."""

    status: Status
    calls: tuple[Arrival, ...]


class Seen(Struct, frozen=True, gc=False):
    """A vehicle as it was last heard, with the journey it is believed to make."""

    outlook: VehiclePrediction
    age_s: float
    silent: bool
    journey: Journey | None = None
    route: Route | None = None


class Line(Struct, frozen=True, gc=False):
    """A line with the patterns it runs along and how many vehicles are heard on it."""

    route: Route
    agency: Agency | None
    patterns: tuple[Pattern, ...]
    vehicles: int
    health: Health


class Empty(StrEnum):
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
    view: TransitSnapshot, stop_id: str, now: float, before_s: float = BEFORE_S, after_s: float = AFTER_S
) -> list[Arrival]:
    """What comes to a stop from `before_s` ago until `after_s` ahead, seconds, by the time it is expected.

    Each visit of a journey to the stop appears once; what has passed already does not. At most MOST_ARRIVALS.
    """
    start, end = now - before_s, now + min(after_s, LONGEST_AFTER_S)
    found = list(_followed(view, stop_id, now, start, end))
    found.extend(_timetabled(view, stop_id, now, start, end))
    found.sort(key=lambda arrival: (arrival.at, arrival.key, arrival.position))
    return found[:MOST_ARRIVALS]


def why_empty(
    view: TransitSnapshot, stop_id: str, found: Iterable[Arrival], now: float, route_id: str = ""
) -> Empty | None:
    """Why a stop's arrivals, of one line where it is named, tell of no bus; None where they do tell of one."""
    routes = routes_at(view, stop_id)
    if not any(route_id in ("", route.id) for route in routes):
        return Empty.NOT_SERVED
    wanted = [one for one in found if not one.withdrawn and (not route_id or one.pattern.route_id == route_id)]
    if any(one.outlook is not None for one in wanted):
        return None
    if all(view.health(now, route.agency_id) is not Health.LIVE for route in routes if route_id in ("", route.id)):
        return Empty.NO_DATA
    return Empty.NO_BUS if wanted else Empty.NOT_SCHEDULED


def journey_status(view: TransitSnapshot, key: Key, now: float) -> Status | None:
    """What is known of a journey; None where the timetable has none of that key."""
    due = view.due(key, now)
    journey = due.journey if due else view.planned.journey(key)
    if journey is None:
        return None
    pattern = view.network.patterns[journey.trip.pattern]
    if due is None:
        return Status(key, journey, pattern, Basis.SCHEDULE)
    coming = due.coming
    return Status(
        key,
        journey,
        pattern,
        coming.basis,
        reason=coming.reason,
        buses=coming.recent_buses,
        outlook=due.outlook,
        present=due.outlook is not None and due.turn == 0,
        next=coming.first_position if coming.p50 else None,
        delay_s=_delay_s(journey, coming),
    )


def trip_progress(view: TransitSnapshot, key: Key, now: float) -> Progress | None:
    """A journey's calls, passed ones too; None where the timetable has none of that key."""
    status = journey_status(view, key, now)
    if status is None:
        return None
    due, pattern = view.due(key, now), status.pattern
    positions = range(len(pattern.stop_ids))
    if due is None:
        return Progress(status, tuple(_planned(call_of(status.journey, pattern, at)) for at in positions))
    return Progress(status, tuple(_told(due, pattern, at) for at in positions))


def vehicles(view: TransitSnapshot, now: float, route_id: str = "") -> list[Seen]:
    """The vehicles heard within GONE_S, of one line where it is named, by their names."""
    seen = (
        _seen(view, outlook, now) for outlook in view.outlooks.values() if now - outlook.matched_position.at <= GONE_S
    )
    wanted = (one for one in seen if not route_id or (one.route is not None and one.route.id == route_id))
    return sorted(wanted, key=lambda one: one.outlook.vehicle)


def vehicle(view: TransitSnapshot, name: str, now: float) -> Seen | None:
    """One vehicle as it was last heard, however long ago; None where it is not known."""
    outlook = view.outlooks.get(name)
    return None if outlook is None else _seen(view, outlook, now)


def lines(view: TransitSnapshot, now: float) -> list[Line]:
    """Every line, as people count: 7 before 10, and Norte after both."""
    counts: dict[str, int] = {}
    for one in vehicles(view, now):
        if one.route is not None:
            counts[one.route.id] = counts.get(one.route.id, 0) + 1
    found = [_line(view, route, counts.get(route.id, 0), now) for route in view.network.routes.values()]
    return sorted(found, key=lambda line: _as_counted(line.route))


def line(view: TransitSnapshot, route_id: str, now: float) -> Line | None:
    """One line; None where there is none of that id."""
    route = view.network.routes.get(route_id)
    return None if route is None else _line(view, route, len(vehicles(view, now, route_id)), now)


def stops_near(view: TransitSnapshot, point: Point, radius_m: float, limit: int) -> list[tuple[float, Stop]]:
    """The nearest stops with their distances, metres; `radius_m` up to `near.MAX_RADIUS_M`."""
    return view.near.stops_within(point, min(radius_m, MAX_RADIUS_M))[:limit]


def routes_at(view: TransitSnapshot, stop_id: str) -> list[Route]:
    """The lines that call at a stop, as people count."""
    ids = {view.network.patterns[index].route_id for index, _ in view.network.calls_by_stop.get(stop_id, ())}
    return sorted((view.network.routes[route_id] for route_id in ids), key=_as_counted)


def alerts_for(
    view: TransitSnapshot, now: float, *, stop_id: str = "", route_ids: Iterable[str] = ()
) -> list[ServiceAlert]:
    """The service alerts in force that concern a stop or lines, the newest first."""
    routes = frozenset(route_ids)
    agencies = {view.network.routes[route_id].agency_id for route_id in routes if route_id in view.network.routes}
    return [
        alert
        for alert in view.alerts
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


def _followed(view: TransitSnapshot, stop_id: str, now: float, start: float, end: float) -> Iterator[Arrival]:
    """What buses, or what is expected in their absence, say of a stop between two instants."""
    for index, position in view.network.calls_by_stop.get(stop_id, ()):
        pattern = view.network.patterns[index]
        for due in view.dues_along(index, now):
            arrives, leaves = _when(due, position)
            if arrives <= end and leaves >= start:
                yield _told(due, pattern, position)


def _timetabled(view: TransitSnapshot, stop_id: str, now: float, start: float, end: float) -> Iterator[Arrival]:
    """What only the timetable says of a stop; of a headway service one entry, the next."""
    told: set[tuple[str, int, int]] = set()
    for call in view.planned.calls(stop_id, start, end):
        if view.due(call.key, now) is not None:
            continue
        every_s = headway_s(call.journey)
        if every_s is not None:
            same = (call.journey.trip.id, call.position, every_s)
            if call.at < now or same in told:
                continue
            told.add(same)
        yield _planned(call, every_s)


def _planned(call: ScheduledCall, headway_s: int | None = None) -> Arrival:
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


def _told(due: Due, pattern: Pattern, position: int) -> Arrival:
    coming, journey = due.coming, due.journey
    passed = position < coming.first_position
    stops_away, distance_m = (None, None) if passed else _away(due, pattern, position)
    return Arrival(
        due.key,
        journey,
        pattern,
        position,
        journey.arrival_at(position),
        journey.departure_at(position),
        coming.basis,
        estimate=_estimate(coming, position),
        reason=coming.reason,
        buses=coming.recent_buses,
        outlook=due.outlook,
        stops_away=stops_away,
        distance_away_m=distance_m,
        passed=passed,
    )


def _estimate(coming: TripPrediction, position: int) -> Estimate | None:
    at = position - coming.first_position
    if coming.basis is Basis.NOT_COMING or not 0 <= at < len(coming.p50):
        return None
    return Estimate(coming.p10[at], coming.p50[at], coming.p90[at], coming.rider_times[at], coming.departures[at])


def _away(due: Due, pattern: Pattern, position: int) -> tuple[int | None, float | None]:
    """Stops and metres between the vehicle and a stop of the journey it makes now; None of later ones."""
    if due.outlook is None or due.turn or due.outlook.matched_position.trip_id != due.coming.trip_id:
        return None, None
    distance_m = pattern.stop_m[position] - due.outlook.matched_position.distance_m
    return position - due.coming.first_position, max(0.0, distance_m)


def _when(due: Due, position: int) -> tuple[float, float]:
    """When it is at a position: as estimated, else as planned; never, where it has passed already."""
    coming, at = due.coming, position - due.coming.first_position
    if at < 0:
        return inf, -inf
    if coming.basis is Basis.NOT_COMING or at >= len(coming.p50):
        return due.journey.arrival_at(position), due.journey.departure_at(position)
    return (coming.p50[at] if position else coming.departures[at]), coming.departures[at]


def _delay_s(journey: Journey, coming: TripPrediction) -> float | None:
    if not coming.p50 or coming.basis is Basis.NOT_COMING:
        return None
    if coming.first_position == 0:
        return coming.departures[0] - journey.departure_at(0)
    return coming.p50[0] - journey.arrival_at(coming.first_position)


def _seen(view: TransitSnapshot, outlook: VehiclePrediction, now: float) -> Seen:
    age_s = max(0.0, now - outlook.matched_position.at)
    place, network = outlook.matched_position, view.network
    known = outlook.version == network.version and place.trip_id and place.phase is not Phase.OFF_ROUTE
    journey = view.planned.journey((place.trip_id, place.service_date, place.start_s)) if known else None
    route = network.routes[network.patterns[journey.trip.pattern].route_id] if journey else None
    return Seen(outlook, age_s, age_s > SILENT_S, journey, route)


def _line(view: TransitSnapshot, route: Route, count: int, now: float) -> Line:
    patterns = tuple(view.network.patterns[index] for index in view.network.patterns_by_route.get(route.id, ()))
    agency = view.network.agencies.get(route.agency_id)
    return Line(route, agency, patterns, count, view.health(now, route.agency_id))


def _as_counted(route: Route) -> tuple[bool, int, str, str]:
    digits = "".join(takewhile(str.isdigit, route.short_name))
    return (not digits, int(digits or 0), route.short_name, route.id)
