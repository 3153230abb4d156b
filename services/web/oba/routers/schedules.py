"""OneBusAway endpoints of the timetable of a stop or a line on one day."""

from collections.abc import Iterable, Iterator

from fastapi import APIRouter

from models.network import Trip, start_times_s
from services.web.oba.elements import schema as oba
from services.web.oba.elements.arrival import allows_alighting, allows_boarding
from services.web.oba.elements.index import Index
from services.web.oba.elements.schema import CamelCaseStruct
from services.web.oba.elements.trip_status import ms
from services.web.oba.requests import CurrentRequest, Day, Id, ObaRequest, requested_day
from services.web.oba.responses import oba_endpoint
from services.web.oba.routers.stops import merge_stop_order, require_route, require_stop

router = APIRouter()


class ScheduleStopTime(CamelCaseStruct, frozen=True):
    """A trip's call at the requested stop, ms."""

    trip_id: str
    service_id: str
    arrival_time: int
    departure_time: int
    arrival_enabled: bool
    departure_enabled: bool
    stop_headsign: str


class ScheduleFrequency(CamelCaseStruct, frozen=True):
    """A trip every `headway` seconds, from when to when, ms; exact times are not promised."""

    trip_id: str
    service_id: str
    service_date: int
    start_time: int
    end_time: int
    headway: int


class StopRouteDirectionSchedule(CamelCaseStruct, frozen=True):
    """A line at a stop towards one destination."""

    trip_headsign: str
    schedule_stop_times: list[ScheduleStopTime]
    schedule_frequencies: list[ScheduleFrequency]


class StopRouteSchedule(CamelCaseStruct, frozen=True):
    """A line at a stop."""

    route_id: str
    stop_route_direction_schedules: list[StopRouteDirectionSchedule]


class StopSchedule(CamelCaseStruct, frozen=True):
    """The calls at a stop on one day. `date`: its midnight, ms."""

    stop_id: str
    date: int
    time_zone: str
    stop_route_schedules: list[StopRouteSchedule]
    stop_calendar_days: list[str]


class TripCall(CamelCaseStruct, frozen=True):
    """A trip's call at a stop, seconds after midnight."""

    trip_id: str
    service_id: str
    stop_id: str
    arrival_time: int
    departure_time: int
    arrival_enabled: bool
    departure_enabled: bool
    stop_headsign: str


class TripCalls(CamelCaseStruct, frozen=True):
    """A trip with its calls."""

    trip_id: str
    stop_times: list[TripCall]


class StopTripGrouping(CamelCaseStruct, frozen=True):
    """A line's trips in one direction, by their start."""

    direction_id: str
    stop_ids: list[str]
    trip_headsigns: list[str]
    trip_ids: list[str]
    trips_with_stop_times: list[TripCalls]


class RouteSchedule(CamelCaseStruct, frozen=True):
    """The trips of a line on one day. `scheduleDate`: its midnight, ms."""

    route_id: str
    schedule_date: int
    service_ids: list[str]
    stop_trip_groupings: list[StopTripGrouping]


@oba_endpoint(router, "/schedule-for-stop/{stop_id:path}.json")
def schedule_for_stop(request: CurrentRequest, stop_id: Id, date: Day = None) -> oba.Answer[oba.Entry[StopSchedule]]:
    """All calls at a stop on one day, by line and destination."""
    stop, network = require_stop(request, stop_id), request.index.network
    day = requested_day(date, network, request.now)
    zero, running = network.service_day(day)
    request.collector.add_stop(stop.id)
    lines: dict[str, dict[str, list[tuple[Trip, int]]]] = {}
    for index, position in network.calls_by_stop.get(stop.id, ()):
        pattern = network.patterns[index]
        for trip in network.trips_by_pattern[index]:
            if trip.service_id in running:
                lines.setdefault(pattern.route_id, {}).setdefault(trip.headsign, []).append((trip, position))
                request.collector.add_trip(trip)
    route_schedules = [
        StopRouteSchedule(
            route_id=request.index.route_id(route_id),
            stop_route_direction_schedules=[
                _direction_schedule(request.index, headsign, calls, zero) for headsign, calls in sorted(signs.items())
            ],
        )
        for route_id, signs in lines.items()
    ]
    return request.entry_answer(
        StopSchedule(
            stop_id=request.index.stop_id(stop.id),
            date=ms(zero),
            time_zone=network.zone.key,
            stop_route_schedules=route_schedules,
            stop_calendar_days=[],
        )
    )


@oba_endpoint(router, "/schedule-for-route/{route_id:path}.json")
def schedule_for_route(request: CurrentRequest, route_id: Id, date: Day = None) -> oba.Answer[oba.Entry[RouteSchedule]]:
    """All trips of a line on one day, by direction."""
    route, network = require_route(request, route_id), request.index.network
    zero, running = network.service_day(requested_day(date, network, request.now))
    request.collector.add_route(route.id)
    directions: dict[str, list[Trip]] = {}
    for index in network.patterns_by_route.get(route.id, ()):
        for trip in network.trips_by_pattern[index]:
            if trip.service_id in running:
                directions.setdefault(str(network.patterns[index].direction_id or 0), []).append(trip)
    trips = [trip for one in directions.values() for trip in one]
    return request.entry_answer(
        RouteSchedule(
            route_id=request.index.route_id(route.id),
            schedule_date=ms(zero),
            service_ids=_distinct(request.index.trip_entity_id(trip, trip.service_id) for trip in trips),
            stop_trip_groupings=[_trip_grouping(request, name, directions[name]) for name in sorted(directions)],
        )
    )


def _direction_schedule(
    index: Index, headsign: str, calls: list[tuple[Trip, int]], zero: float
) -> StopRouteDirectionSchedule:
    times = [
        _stop_time(index, trip, position, start_s, zero) for trip, position in calls for start_s in exact_starts_s(trip)
    ]
    return StopRouteDirectionSchedule(
        trip_headsign=headsign,
        schedule_stop_times=sorted(times, key=lambda one: (one.departure_time, one.trip_id)),
        schedule_frequencies=[
            one for trip, position in calls for one in _stop_frequencies(index, trip, position, zero)
        ],
    )


def _stop_time(index: Index, trip: Trip, position: int, start_s: int, zero: float) -> ScheduleStopTime:
    pattern, start_at = index.network.patterns[trip.pattern], zero + start_s
    return ScheduleStopTime(
        trip_id=index.trip_id(trip),
        service_id=index.trip_entity_id(trip, trip.service_id),
        arrival_time=ms(start_at + trip.timing.arrivals_s[position]),
        departure_time=ms(start_at + trip.timing.departures_s[position]),
        arrival_enabled=allows_alighting(position, pattern.drop_off),
        departure_enabled=allows_boarding(position, pattern.pickup, len(pattern.stop_ids)),
        stop_headsign="",
    )


def _stop_frequencies(index: Index, trip: Trip, position: int, zero: float) -> Iterator[ScheduleFrequency]:
    first_departure_at = zero + trip.timing.departures_s[position]
    for frequency in trip.frequencies:
        if not frequency.exact:
            yield ScheduleFrequency(
                trip_id=index.trip_id(trip),
                service_id=index.trip_entity_id(trip, trip.service_id),
                service_date=ms(zero),
                start_time=ms(first_departure_at + frequency.start_s),
                end_time=ms(first_departure_at + frequency.end_s),
                headway=frequency.headway_s,
            )


def _trip_grouping(request: ObaRequest, direction: str, trips: list[Trip]) -> StopTripGrouping:
    index = request.index
    patterns = {trip.pattern: index.network.patterns[trip.pattern] for trip in trips}
    order = merge_stop_order(pattern.stop_ids for pattern in patterns.values())
    for stop_id in order:
        request.collector.add_stop(stop_id)
    for trip in trips:
        request.collector.add_trip(trip)
    starts = sorted((start_s, trip.id, trip) for trip in trips for start_s in start_times_s(trip))
    return StopTripGrouping(
        direction_id=direction,
        stop_ids=[index.stop_id(stop_id) for stop_id in order],
        trip_headsigns=_distinct(trip.headsign for trip in trips),
        trip_ids=_distinct(index.trip_id(trip) for _, _, trip in starts),
        trips_with_stop_times=[
            TripCalls(trip_id=index.trip_id(trip), stop_times=_trip_calls(index, trip, start_s))
            for start_s, _, trip in starts
        ],
    )


def _trip_calls(index: Index, trip: Trip, start_s: int) -> list[TripCall]:
    pattern = index.network.patterns[trip.pattern]
    return [
        TripCall(
            trip_id=index.trip_id(trip),
            service_id=index.trip_entity_id(trip, trip.service_id),
            stop_id=index.stop_id(stop_id),
            arrival_time=start_s + trip.timing.arrivals_s[position],
            departure_time=start_s + trip.timing.departures_s[position],
            arrival_enabled=allows_alighting(position, pattern.drop_off),
            departure_enabled=allows_boarding(position, pattern.pickup, len(pattern.stop_ids)),
            stop_headsign="",
        )
        for position, stop_id in enumerate(pattern.stop_ids)
    ]


def exact_starts_s(trip: Trip) -> Iterable[int]:
    """The starts of a trip with exact times, seconds after the zero of the day."""
    if not trip.frequencies:
        return (trip.start_s,)
    return (at for one in trip.frequencies if one.exact for at in range(one.start_s, one.end_s, one.headway_s))


def _distinct(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))
