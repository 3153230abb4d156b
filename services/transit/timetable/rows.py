"""Write a network to its tables by COPY, and read it back. Values that trips share are stored once and shared again."""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import astuple
from datetime import date
from typing import Any, TypeVar, cast
from zoneinfo import ZoneInfo

import psycopg
from psycopg.sql import SQL, Identifier
from sqlalchemy import Table

from models.geo import cumulative_distances_m
from models.network import Agency, Frequency, Network, Pattern, Route, Service, Shape, Stop, Timing, Trip, Week
from models.tables import timetables as tables

Value = TypeVar("Value", bound=Hashable)
Cursor = psycopg.Cursor[Any]
Row = Sequence[Any]


def write_rows(cursor: Cursor, version: int, network: Network) -> None:
    """Write a network under a version that has no rows yet."""
    trips = network.trips.values()
    shapes = _number_distinct(pattern.shape for pattern in network.patterns)
    timings = _number_distinct(trip.timing for trip in trips)
    sequences = _number_distinct(trip.stop_sequences for trip in trips if trip.stop_sequences)
    written: tuple[tuple[Table, Iterable[Row]], ...] = (
        (tables.timetable_agencies, map(astuple, network.agencies.values())),
        (tables.timetable_stops, map(_stop_row, network.stops.values())),
        (tables.timetable_routes, map(astuple, network.routes.values())),
        (tables.timetable_services, map(_service_row, network.services.values())),
        (tables.timetable_shapes, (_shape_row(number, shape) for shape, number in shapes.items())),
        (tables.timetable_patterns, (_pattern_row(one, shapes[one.shape]) for one in network.patterns)),
        (tables.timetable_timings, (_timing_row(number, timing) for timing, number in timings.items())),
        (tables.timetable_sequences, ((number, list(one)) for one, number in sequences.items())),
        (
            tables.timetable_trips,
            (_trip_row(trip, timings[trip.timing], sequences.get(trip.stop_sequences)) for trip in trips),
        ),
        (tables.timetable_frequencies, ((trip.id, *astuple(one)) for trip in trips for one in trip.frequencies)),
    )
    for table, rows in written:
        _copy_rows(cursor, table, version, rows)


def read_rows(cursor: Cursor, version: int, zone: ZoneInfo, feed: str) -> Network:
    """The network of a version: equal to the one written, but its `version` is this number."""

    def rows(table: Table) -> list[tuple[Any, ...]]:
        return _rows(cursor, table, version)

    stops = [
        Stop(name, code, title, (latitude, longitude), *rest)
        for name, code, title, latitude, longitude, *rest in rows(tables.timetable_stops)
    ]
    return Network(
        version=str(version),
        zone=zone,
        agencies={row[0]: Agency(*row) for row in rows(tables.timetable_agencies)},
        stops={stop.id: stop for stop in stops},
        routes={row[0]: Route(*row) for row in rows(tables.timetable_routes)},
        patterns=_patterns(rows, {stop.id: stop.id for stop in stops}),
        trips=_trips(rows),
        services={row[0]: _service(*row) for row in rows(tables.timetable_services)},
        feed=feed,
    )


Rows = Callable[[Table], list[tuple[Any, ...]]]


def _patterns(rows: Rows, same: Mapping[str, str]) -> tuple[Pattern, ...]:
    """`same`: one string object for each stop id, so that thousands of patterns share them."""
    shapes = [_shape(*row) for row in rows(tables.timetable_shapes)]
    links: dict[str, str] = {}
    return tuple(
        Pattern(
            index,
            route_id,
            direction_id,
            tuple(same[name] for name in stop_ids),
            tuple(stop_m),
            shapes[shape],
            tuple(links.setdefault(name, name) for name in link_ids),
            tuple(pickup),
            tuple(drop_off),
        )
        for index, route_id, direction_id, shape, stop_ids, stop_m, link_ids, pickup, drop_off in rows(
            tables.timetable_patterns
        )
    )


def _trips(rows: Rows) -> dict[str, Trip]:
    timings = [Timing(*map(tuple, row[1:])) for row in rows(tables.timetable_timings)]
    sequences = [tuple(one) for _, one in rows(tables.timetable_sequences)]
    repeats: dict[str, list[Frequency]] = {}
    for trip_id, *row in rows(tables.timetable_frequencies):
        repeats.setdefault(trip_id, []).append(Frequency(*row))
    return {
        name: Trip(
            name,
            pattern,
            service_id,
            start_s,
            timings[timing],
            headsign,
            short_name,
            block_id,
            () if sequence is None else sequences[sequence],
            tuple(repeats.get(name, ())),
            wheelchair,
        )
        for name, pattern, service_id, start_s, timing, sequence, headsign, short_name, block_id, wheelchair in rows(
            tables.timetable_trips
        )
    }


def _stop_row(stop: Stop) -> Row:
    return (stop.id, stop.code, stop.name, *stop.point, stop.parent, stop.location_type, stop.wheelchair)


def _service_row(service: Service) -> Row:
    days = (sorted(service.added), sorted(service.removed))
    return (service.id, list(service.weekdays), service.start, service.end, *days)


def _service(name: str, week: list[bool], start: date, end: date, added: list[date], removed: list[date]) -> Service:
    return Service(name, cast("Week", tuple(week)), start, end, frozenset(added), frozenset(removed))


def _shape_row(number: int, shape: Shape) -> Row:
    return (number, shape.id, shape.surveyed, *([point[axis] for point in shape.points] for axis in (0, 1)))


def _shape(_number: int, name: str, surveyed: bool, latitudes: list[float], longitudes: list[float]) -> Shape:
    points = tuple(zip(latitudes, longitudes, strict=True))
    return Shape(name, points, cumulative_distances_m(points), surveyed)


def _pattern_row(one: Pattern, shape: int) -> Row:
    arrays = (one.stop_ids, one.stop_m, one.link_ids, one.pickup, one.drop_off)
    return (one.index, one.route_id, one.direction_id, shape, *map(list, arrays))


def _timing_row(number: int, timing: Timing) -> Row:
    return (number, list(timing.arrivals_s), list(timing.departures_s), list(timing.timepoint))


def _trip_row(trip: Trip, timing: int, sequence: int | None) -> Row:
    texts = (trip.headsign, trip.short_name, trip.block_id, trip.wheelchair)
    return (trip.id, trip.pattern, trip.service_id, trip.start_s, timing, sequence, *texts)


def _number_distinct(values: Iterable[Value]) -> dict[Value, int]:
    """Each distinct value with a number, in order of first use."""
    numbers: dict[Value, int] = {}
    for value in values:
        numbers.setdefault(value, len(numbers))
    return numbers


def _copy_rows(cursor: Cursor, table: Table, version: int, rows: Iterable[Row]) -> None:
    with cursor.copy(SQL("COPY {} FROM STDIN").format(Identifier(table.name))) as copy:
        for row in rows:
            copy.write_row((version, *row))


def _rows(cursor: Cursor, table: Table, version: int) -> list[tuple[Any, ...]]:
    """The rows of a version in a table, ordered by key, without the version."""
    _, *columns = table.columns.keys()
    _, key, *_ = table.primary_key.columns.keys()
    names = SQL(", ").join(map(Identifier, columns))
    statement = SQL("SELECT {} FROM {} WHERE version = %s ORDER BY {}")
    cursor.execute(statement.format(names, Identifier(table.name), Identifier(key)), [version])
    return cursor.fetchall()
