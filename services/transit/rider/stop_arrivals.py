"""Lines at a stop as shown to riders: what comes, what was withdrawn, and why there is no bus. Pure."""

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
"""How far ahead buses are shown."""
MISSED_WINDOW_S = 20 * 60.0
"""A withdrawn journey scheduled longer ago than this is not shown any more."""
FIRST_REPORT_GRACE_S = 2 * 60.0
"""A bus this long on its way should have reported."""
OVERDUE_GRACE_S = 60.0
"""A bus not seen to pass this long after its P90 was there already, or its reports are late: it is not shown."""
MOST_ARRIVALS = 3
MOST_WITHDRAWN = 2
LOOKAHEAD_DAYS = 8
"""A week and a day: a line that does not run within it is not in service."""
STEP_FREE_BY_WHEELCHAIR = {1: True, 2: False}
"""By the value of GTFS wheelchair_accessible."""


def lines_at(snapshot: TransitSnapshot, stop_id: str, now: float) -> list[LineAtStop]:
    """Every line on which riders may leave from a stop, the soonest first."""
    found = departure_board.arrivals(snapshot, stop_id, now, before_s=MISSED_WINDOW_S, after_s=LOOKAHEAD_S)
    lines = [
        _line_at_stop(snapshot, stop_id, name, routes, found, now)
        for name, routes in routes_by_line_name(snapshot.network, stop_id).items()
    ]
    return sorted(lines, key=lambda line: line.soonest_at)


def routes_by_line_name(network: Network, stop_id: str) -> dict[str, list[Route]]:
    """The lines on which riders may leave from a stop, by their public name. Several routes may share a name."""
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
    """Destinations of the lines, or of one line, at a stop, most trips first. Tells the two sides of a street apart."""
    ids = {
        route.id
        for name, routes in routes_by_line_name(network, stop_id).items()
        if line in (None, name)
        for route in routes
    }
    trip_counts: dict[str, int] = {}
    for index, position in network.calls_by_stop.get(stop_id, ()):
        pattern = network.patterns[index]
        trips = network.trips_by_pattern[index]
        if pattern.route_id in ids and trips and position < len(pattern.stop_ids) - 1:
            destination = trips[0].headsign or network.stops[pattern.stop_ids[-1]].name
            trip_counts[destination] = trip_counts.get(destination, 0) + len(trips)
    return sorted(trip_counts, key=lambda destination: (-trip_counts[destination], destination))


def line_name(route: Route) -> str:
    """The public name of a route."""
    return route.short_name or route.long_name or route.id


def _line_at_stop(
    snapshot: TransitSnapshot, stop_id: str, name: str, routes: Sequence[Route], arrivals: Iterable[Arrival], now: float
) -> LineAtStop:
    route_ids = {route.id for route in routes}
    line_arrivals = [
        one for one in arrivals if one.pattern.route_id in route_ids and one.allows_boarding and not one.passed
    ]
    expected = [one for one in line_arrivals if _still_expected(one, now)]
    service = _service_state(snapshot, stop_id, routes, expected, line_arrivals, now)
    withdrawn = sorted(
        (one for one in line_arrivals if one.withdrawn and not _headway_s(one)), key=lambda one: one.scheduled_departure
    )
    promised = [one for one in expected if _headway_s(one) and one.vehicle_prediction is None]
    displayed = [displayed_arrival(snapshot.network, one, now) for one in expected if one not in promised]
    next_departure_at = (
        None
        if expected
        else _next_departure_at(snapshot.network, stop_id, route_ids, now, {one.key for one in line_arrivals})
    )
    return LineAtStop(
        name,
        service,
        tuple(displayed[:MOST_ARRIVALS]),
        tuple(displayed_arrival(snapshot.network, one, now) for one in withdrawn[:MOST_WITHDRAWN]),
        next_departure_at,
        _headway(promised),
    )


def _headway_s(arrival: Arrival) -> int:
    """The headway of a journey of which the timetable promises nothing else, seconds; 0 where it promises times."""
    return departure_board.headway_s(arrival.journey) or 0


def _headway(promised: Sequence[Arrival]) -> Headway | None:
    """The headways of the next journey of each branch; None without any."""
    by_branch = {one.pattern.index: one for one in reversed(promised)}
    if not by_branch:
        return None
    minutes = [max(1, round(_headway_s(one) / 60)) for one in by_branch.values()]
    return Headway(min(minutes), max(minutes), min(one.expected_at for one in promised))


def _still_expected(arrival: Arrival, now: float) -> bool:
    """Whether riders should still wait for it: not withdrawn, nor past its scheduled time or its latest prediction."""
    if arrival.withdrawn:
        return False
    if arrival.estimate is None:
        return arrival.expected_at >= now
    # A silent bus stays for as long as it has a prediction: it may stand in a jam.
    return arrival.basis is Basis.NOT_REPORTING or arrival.estimate.p90 >= now - OVERDUE_GRACE_S


def _service_state(
    snapshot: TransitSnapshot,
    stop_id: str,
    routes: Sequence[Route],
    expected: Sequence[Arrival],
    line_arrivals: Sequence[Arrival],
    now: float,
) -> ServiceState:
    if any(one.vehicle_prediction is not None for one in expected):
        return ServiceState.RUNNING
    silent = all(snapshot.health(now, route.agency_id) is not Health.LIVE for route in routes)
    if silent and _should_report(snapshot, stop_id, {route.id for route in routes}, now):
        return ServiceState.NO_DATA
    return ServiceState.NO_BUS if line_arrivals else ServiceState.NOT_NOW


def _should_report(snapshot: TransitSnapshot, stop_id: str, route_ids: set[str], now: float) -> bool:
    """Whether a bus of the lines should be on the road now. Silence before the first bus is no failure."""
    calls = snapshot.schedule.calls(stop_id, now - LOOKAHEAD_S, now + LOOKAHEAD_S)
    return any(
        call.pattern.route_id in route_ids
        and call.journey.start_at + FIRST_REPORT_GRACE_S <= now <= call.journey.end_at + FEED_SILENT_AFTER_S
        for call in calls
    )


def displayed_arrival(network: Network, arrival: Arrival, now: float) -> DisplayedArrival:
    """One arrival as it is shown to a rider."""
    trip, vehicle_prediction, at = arrival.journey.trip, arrival.vehicle_prediction, _quantiles(arrival)
    scheduled_at = arrival.scheduled_departure if arrival.position == 0 else arrival.scheduled_arrival
    silent = arrival.basis is Basis.NOT_REPORTING
    time = _displayed_time(arrival, at, now)
    return DisplayedArrival(
        arrival.key,
        trip.headsign or network.stops[arrival.pattern.stop_ids[-1]].name,
        scheduled_at,
        arrival.basis,
        time,
        be_there_at=_be_there_at(arrival, at, time, now),
        last_report_at=arrival.last_report_at if silent else None,
        recent_buses=arrival.recent_buses,
        delay_s=notable_delay_s(scheduled_at, at, arrival.basis) if at and not _headway_s(arrival) else None,
        stops_away=None if silent else arrival.stops_away,
        step_free=STEP_FREE_BY_WHEELCHAIR.get(trip.wheelchair),
        occupancy=vehicle_prediction.occupancy if vehicle_prediction and not silent else None,
    )


def _quantiles(arrival: Arrival) -> Quantiles | None:
    """When the bus can be boarded: at its first stop the departure, elsewhere the arrival."""
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
    return ScheduledTime(arrival.scheduled_departure if arrival.position == 0 else arrival.scheduled_arrival)


def _be_there_at(arrival: Arrival, at: Quantiles | None, time: DisplayedTime | None, now: float) -> float | None:
    """The early-safe time, never in the past; None where there is none to show."""
    match time:
        case None:
            return None
        case ScheduledTime(scheduled_at):
            return floor_to_minute(scheduled_at)
        case RoughTime(around_at) if at is not None and arrival.basis is not Basis.NOT_REPORTING:
            return min(around_at, floor_to_minute(max(at.rider_time, now)))  # not after the rough time shown
        case _:
            assert at is not None
            return None if arrival.basis is Basis.NOT_REPORTING else floor_to_minute(max(at.rider_time, now))


def _next_departure_at(
    network: Network, stop_id: str, route_ids: set[str], now: float, shown: set[tuple[str, str, int]]
) -> float | None:
    """The next scheduled departure not in `shown`, Unix seconds; None within LOOKAHEAD_DAYS."""
    calls = [
        (network.patterns[index], position)
        for index, position in network.calls_by_stop[stop_id]
        if network.patterns[index].route_id in route_ids and position < len(network.patterns[index].stop_ids) - 1
    ]
    for day in range(LOOKAHEAD_DAYS):
        start = now + day * DAY_S
        departures = [at for pattern, position in calls for at in _departures(network, pattern, position, start, shown)]
        if departures:
            return min(departures)
    return None


def _departures(
    network: Network, pattern: Pattern, position: int, start: float, shown: set[tuple[str, str, int]]
) -> Iterable[float]:
    """Scheduled departures from a position after `start`, of journeys on the road within a day of it, Unix seconds."""
    return (
        journey.departure_at(position)
        for journey in network.journeys_between(pattern.index, start, start + DAY_S)
        if journey.key not in shown and journey.departure_at(position) > start
    )
