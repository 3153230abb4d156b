"""A stop as its riders see it: line by line what comes, what surely does not, and why there is nothing. Pure."""

from collections.abc import Iterable, Sequence

from models.network import DAY_S, Network, Pattern, Route
from services.transit.model.prediction import Basis
from services.transit.rider.displayed_time import (
    DisplayedArrival,
    DisplayedTime,
    Headway,
    LineAtStop,
    Quantiles,
    RoughTime,
    ScheduledTime,
    ServiceState,
    displayed_time,
    floor_to_minute,
    notable_delay_s,
)
from services.transit.serving import departure_board
from services.transit.serving.departure_board import Arrival
from services.transit.serving.snapshot import FEED_SILENT_AFTER_S, Health, TransitSnapshot

LOOKAHEAD_S = 90 * 60.0
"""How far ahead riders are told of buses."""
MISSED_WINDOW_S = 20 * 60.0
"""How long ago a journey may have been planned for its not coming to matter still."""
FIRST_REPORT_GRACE_S = 2 * 60.0
"""A bus this long on its way should have been heard."""
OVERDUE_GRACE_S = 60.0
"""A bus not seen to pass this long after the last time it could was there, or its reports are late."""
MOST_ARRIVALS = 3
MOST_WITHDRAWN = 2
LOOKAHEAD_DAYS = 8
"""A week and a day: what does not run within it is not in service."""
STEP_FREE_BY_WHEELCHAIR = {1: True, 2: False}
"""GTFS wheelchair_accessible."""


def lines_at(snapshot: TransitSnapshot, stop_id: str, now: float) -> list[LineAtStop]:
    """Every line that calls at a stop and takes riders there, those that come first before the others."""
    found = departure_board.arrivals(snapshot, stop_id, now, before_s=MISSED_WINDOW_S, after_s=LOOKAHEAD_S)
    here = [
        _line_at_stop(snapshot, stop_id, name, routes, found, now)
        for name, routes in routes_by_line_name(snapshot.network, stop_id).items()
    ]
    return sorted(here, key=lambda line: line.soonest_at)


def routes_by_line_name(network: Network, stop_id: str) -> dict[str, list[Route]]:
    """The lines that take riders at a stop by the name people use; several routes may share one."""
    routes = {}
    for index, position in network.calls_by_stop.get(stop_id, ()):
        pattern = network.patterns[index]
        if position < len(pattern.stop_ids) - 1:
            routes[pattern.route_id] = network.routes[pattern.route_id]
    names: dict[str, list[Route]] = {}
    for route in routes.values():
        names.setdefault(line_name(route), []).append(route)
    return names


def destinations_at(network: Network, stop_id: str, line: str | None = None) -> list[str]:
    """Where the lines, or one of them, take riders from a stop: what tells the two sides of a street apart."""
    ids = {
        route.id
        for name, routes in routes_by_line_name(network, stop_id).items()
        if line in (None, name)
        for route in routes
    }
    found: dict[str, int] = {}
    for index, position in network.calls_by_stop.get(stop_id, ()):
        pattern = network.patterns[index]
        trips = network.trips_by_pattern[index]
        if pattern.route_id in ids and trips and position < len(pattern.stop_ids) - 1:
            where = trips[0].headsign or network.stops[pattern.stop_ids[-1]].name
            found[where] = found.get(where, 0) + len(trips)
    return sorted(found, key=lambda where: (-found[where], where))


def line_name(route: Route) -> str:
    """What people call a route."""
    return route.short_name or route.long_name or route.id


def _line_at_stop(
    snapshot: TransitSnapshot, stop_id: str, name: str, routes: Sequence[Route], found: Iterable[Arrival], now: float
) -> LineAtStop:
    ids = {route.id for route in routes}
    mine = [one for one in found if one.pattern.route_id in ids and one.allows_boarding and not one.passed]
    coming = [one for one in mine if _still_expected(one, now)]
    service = _service_state(snapshot, stop_id, routes, coming, mine, now)
    withdrawn = sorted((one for one in mine if one.withdrawn), key=lambda one: one.scheduled_departure)
    told = [displayed_arrival(snapshot.network, one, now) for one in coming]
    next_at = None if coming else _next_departure_at(snapshot.network, stop_id, ids, now, {one.key for one in mine})
    return LineAtStop(
        name,
        service,
        tuple(told[:MOST_ARRIVALS]),
        tuple(displayed_arrival(snapshot.network, one, now) for one in withdrawn[:MOST_WITHDRAWN]),
        next_at,
    )


def _still_expected(arrival: Arrival, now: float) -> bool:
    """Whether it is still to be waited for: not withdrawn, nor over by the timetable or by all that was expected."""
    if arrival.withdrawn:
        return False
    if arrival.estimate is None:
        return arrival.expected_at >= now
    # One that fell silent stays for as long as it is told at all: it may stand in a jam nobody hears of.
    return arrival.basis is Basis.NOT_REPORTING or arrival.estimate.p90 >= now - OVERDUE_GRACE_S


def _service_state(
    snapshot: TransitSnapshot,
    stop_id: str,
    routes: Sequence[Route],
    coming: Sequence[Arrival],
    mine: Sequence[Arrival],
    now: float,
) -> ServiceState:
    if any(one.vehicle_prediction is not None for one in coming):
        return ServiceState.RUNNING
    deaf = all(snapshot.health(now, route.agency_id) is not Health.LIVE for route in routes)
    if deaf and _should_report(snapshot, stop_id, {route.id for route in routes}, now):
        return ServiceState.NO_DATA
    return ServiceState.NO_BUS if mine else ServiceState.NOT_NOW


def _should_report(snapshot: TransitSnapshot, stop_id: str, route_ids: set[str], now: float) -> bool:
    """Whether one of the lines' buses was to be on the road of late: silence before the first one is no failure."""
    calls = snapshot.schedule.calls(stop_id, now - LOOKAHEAD_S, now + LOOKAHEAD_S)
    return any(
        call.pattern.route_id in route_ids
        and call.journey.start_at + FIRST_REPORT_GRACE_S <= now <= call.journey.end_at + FEED_SILENT_AFTER_S
        for call in calls
    )


def displayed_arrival(network: Network, arrival: Arrival, now: float) -> DisplayedArrival:
    """One arrival as a rider is told of it."""
    trip, vehicle_prediction, at = arrival.journey.trip, arrival.vehicle_prediction, _quantiles(arrival)
    scheduled_at = arrival.scheduled_departure if arrival.position == 0 else arrival.scheduled_arrival
    silent = arrival.basis is Basis.NOT_REPORTING
    waiting = _displayed_time(arrival, at, now)
    return DisplayedArrival(
        arrival.key,
        trip.headsign or network.stops[arrival.pattern.stop_ids[-1]].name,
        scheduled_at,
        arrival.basis,
        waiting,
        be_there_at=_be_there_at(arrival, at, waiting, now),
        last_report_at=arrival.last_report_at if silent else None,
        recent_buses=arrival.recent_buses,
        delay_s=notable_delay_s(scheduled_at, at, arrival.basis) if at else None,
        step_free=STEP_FREE_BY_WHEELCHAIR.get(trip.wheelchair),
        occupancy=vehicle_prediction.occupancy if vehicle_prediction and not silent else None,
    )


def _quantiles(arrival: Arrival) -> Quantiles | None:
    """When it may be boarded: at its first stop when it leaves, elsewhere when it arrives."""
    estimate = arrival.estimate
    if estimate is None:
        return None
    standing_s = estimate.departs_at - estimate.p50 if arrival.position == 0 else 0.0
    return Quantiles(
        estimate.p10 + standing_s,
        estimate.p50 + standing_s,
        estimate.p90 + standing_s,
        estimate.rider_time + standing_s,
    )


def _displayed_time(arrival: Arrival, at: Quantiles | None, now: float) -> DisplayedTime | None:
    if arrival.withdrawn:
        return None
    if at is not None:
        return displayed_time(at, arrival.basis, now)
    if arrival.headway_s is not None:
        return Headway(max(1, round(arrival.headway_s / 60)))
    return ScheduledTime(arrival.scheduled_departure if arrival.position == 0 else arrival.scheduled_arrival)


def _be_there_at(arrival: Arrival, at: Quantiles | None, waiting: DisplayedTime | None, now: float) -> float | None:
    """The early-safe time on a clock, which is never over already; None where there is none to tell."""
    match waiting:
        case None | Headway():
            return None
        case ScheduledTime(scheduled_at):
            return floor_to_minute(scheduled_at)
        case RoughTime(around_at) if at is not None and arrival.basis is not Basis.NOT_REPORTING:
            return min(around_at, floor_to_minute(max(at.rider_time, now)))  # not to be there after about when it comes
        case _:
            assert at is not None
            return None if arrival.basis is Basis.NOT_REPORTING else floor_to_minute(max(at.rider_time, now))


def _next_departure_at(
    network: Network, stop_id: str, route_ids: set[str], now: float, told: set[tuple[str, str, int]]
) -> float | None:
    """The next departure the timetable has that was not spoken of already, Unix seconds; None within DAYS_AHEAD."""
    calls = [
        (network.patterns[index], position)
        for index, position in network.calls_by_stop[stop_id]
        if network.patterns[index].route_id in route_ids and position < len(network.patterns[index].stop_ids) - 1
    ]
    for day in range(LOOKAHEAD_DAYS):
        start = now + day * DAY_S
        found = [at for pattern, position in calls for at in _departures(network, pattern, position, start, told)]
        if found:
            return min(found)
    return None


def _departures(
    network: Network, pattern: Pattern, position: int, start: float, told: set[tuple[str, str, int]]
) -> Iterable[float]:
    """When the journeys on the road within a day from `start` leave a position after `start`, Unix seconds."""
    return (
        journey.departure_at(position)
        for journey in network.journeys_between(pattern.index, start, start + DAY_S)
        if journey.key not in told and journey.departure_at(position) > start
    )
