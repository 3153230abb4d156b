"""A feed's agencies, stops, routes, services and shapes, as values of `models.network`."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from hashlib import blake2b
from itertools import pairwise
from typing import cast
from zoneinfo import ZoneInfo

from ingest.gtfs.fields import (
    LATITUDE,
    LONGITUDE,
    Codes,
    Numbers,
    color,
    day,
    fresh,
    parsed,
    plain,
    weekday,
    whole,
    zone,
)
from ingest.gtfs.files import Feed
from ingest.gtfs.findings import BadTimetable, Findings
from models.geo import Point, cumulative_distances_m
from models.network import Agency, Route, Service, Shape, Stop, Week

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
NO_WEEK: Week = (False, False, False, False, False, False, False)
EPOCH = date(1970, 1, 1)
NOWHERE = 0.01
"""Degrees from (0, 0), in the sea: what is written where a place is not known."""
ADDED, REMOVED = "1", "2"


def agencies(feed: Feed, findings: Findings) -> tuple[dict[str, Agency], ZoneInfo]:
    """Who runs the buses, and the zone of all times. One without an id is known by its name."""
    found: dict[str, Agency] = {}
    zones: dict[str, str] = {}
    columns = ("agency_id", "agency_name", "agency_url", "agency_timezone", "agency_lang", "agency_phone")
    for line, (given, name, url, named, language, phone) in feed.rows("agency.txt", *columns, needed=columns[1:4:2]):
        where = f"agency.txt:{line}"
        name_or_id = given or name
        if not fresh(findings, where, "agency_id", name_or_id, found):
            continue
        found[name_or_id] = Agency(name_or_id, name, url, named, language, phone)
        zones.setdefault(named, where)
    if not found:
        raise BadTimetable(["agency.txt: no agency stands in it; its time zone is needed to read any time"])
    first, *others = zones
    for other in others:
        findings.refuse(zones[other], f'agency_timezone "{other}" differs from "{first}": GTFS wants one zone a feed')
    known = parsed(findings, zones[first], "agency_timezone", first, zone, None)
    if known is None:
        raise BadTimetable(findings.refusals)
    return found, known


def stops(feed: Feed, findings: Findings) -> dict[str, Stop]:
    """Every stop that has a place, its own or its station's."""
    found: dict[str, Stop] = {}
    placeless: dict[str, Stop] = {}
    seen: set[str] = set()
    codes = Codes()
    columns = ("stop_id", "stop_code", "stop_name", "stop_lat", "stop_lon", "parent_station")
    asked = (*columns, "location_type", "wheelchair_boarding")
    for line, (name, code, title, latitude, longitude, parent, kind, chair) in feed.rows(
        "stops.txt", *asked, needed=("stop_id", "stop_lat", "stop_lon")
    ):
        where = f"stops.txt:{line}"
        if not fresh(findings, where, "stop_id", name, seen):
            continue
        seen.add(name)
        stop = Stop(name, code, title or name, (0, 0), parent, codes[kind], codes[chair])
        none = not latitude and not longitude
        point = (
            parsed(findings, where, "stop_lat", "0" if none else latitude, LATITUDE, 0.0),
            parsed(findings, where, "stop_lon", "0" if none else longitude, LONGITUDE, 0.0),
        )
        known = placeless if max(map(abs, point)) < NOWHERE else found
        known[name] = replace(stop, point=point)
    for name, stop in placeless.items():
        if stop.parent in found:
            found[name] = replace(stop, point=found[stop.parent].point)
    for stop in found.values():
        if stop.parent and stop.parent not in found:
            findings.warn("a parent_station that stops.txt has not, or without a place, is left out", "stops.txt")
    return {name: stop if stop.parent in found else replace(stop, parent="") for name, stop in found.items()}


def routes(feed: Feed, findings: Findings, agencies: Mapping[str, Agency]) -> dict[str, Route]:
    """The lines. One that names no agency belongs to the only or the first one."""
    found: dict[str, Route] = {}
    names = ("route_id", "agency_id", "route_short_name", "route_long_name", "route_type")
    asked = (*names, "route_color", "route_text_color", "route_url", "route_desc")
    for line, (name, agency, short, long, kind, paint, ink, url, about) in feed.rows(
        "routes.txt", *asked, needed=("route_id", "route_type")
    ):
        where = f"routes.txt:{line}"
        if not fresh(findings, where, "route_id", name, found):
            continue
        found[name] = Route(
            name,
            _whose(findings, where, agency, agencies),
            short or ("" if long else name),
            long,
            parsed(findings, where, "route_type", kind, whole, 3),
            color(findings, where, paint),
            color(findings, where, ink),
            url,
            about,
        )
    return found


def _whose(findings: Findings, where: str, agency: str, agencies: Mapping[str, Agency]) -> str:
    """The agency of a route, which a feed with only one need not name, and now and then names wrongly."""
    first, *others = agencies
    if agency in agencies:
        return agency
    if agency and others:
        findings.refuse(where, f'agency_id "{agency}": no such agency in agency.txt')
    elif agency:
        findings.warn("an agency_id that agency.txt has not; the route was given to the only agency", where)
    elif others:
        findings.warn("a route names no agency, though there are several; it was given to the first", where)
    return first


@dataclass
class _Days:
    """A service while it is read."""

    week: Week = NO_WEEK
    start: date | None = None
    end: date | None = None
    exceptions: dict[date, str] = field(default_factory=dict)

    def service(self, name: str) -> Service:
        """As a value; without a calendar's dates, it spans its exceptions."""
        added = frozenset(at for at, kind in self.exceptions.items() if kind == ADDED)
        removed = frozenset(at for at, kind in self.exceptions.items() if kind == REMOVED)
        start = self.start or min(self.exceptions, default=EPOCH)
        end = self.end or max(self.exceptions, default=EPOCH)
        return Service(name, self.week, start, end, added, removed)


def services(feed: Feed, findings: Findings) -> dict[str, Service]:
    """The days of every service, from calendar.txt, calendar_dates.txt or both."""
    found: dict[str, _Days] = {}
    columns = ("service_id", *WEEKDAYS, "start_date", "end_date")
    for line, (name, *week, first, last) in feed.rows("calendar.txt", *columns, needed=columns):
        where = f"calendar.txt:{line}"
        if not fresh(findings, where, "service_id", name, found):
            continue
        days = [
            parsed(findings, where, column, text, weekday, otherwise=False)
            for column, text in zip(WEEKDAYS, week, strict=True)
        ]
        start = parsed(findings, where, "start_date", first, day, EPOCH)
        end = parsed(findings, where, "end_date", last, day, EPOCH)
        if end < start:
            findings.refuse(where, f"end_date {last} lies before start_date {first}")
        found[name] = _Days(cast("Week", tuple(days)), start, end)
    _exceptions(feed, findings, found)
    return {name: days.service(name) for name, days in found.items()}


def _exceptions(feed: Feed, findings: Findings, found: dict[str, _Days]) -> None:
    columns = ("service_id", "date", "exception_type")
    for line, (name, at, kind) in feed.rows("calendar_dates.txt", *columns, needed=columns):
        where = f"calendar_dates.txt:{line}"
        if plain(kind) not in {ADDED, REMOVED}:
            findings.refuse(where, f'exception_type "{kind}": expected 1 (runs) or 2 (does not run)')
        if name not in found and not fresh(findings, where, "service_id", name, found):
            continue
        found.setdefault(name, _Days()).exceptions[parsed(findings, where, "date", at, day, EPOCH)] = plain(kind)


Vertex = tuple[int, int, float, float, str]
"""A row of shapes.txt: sequence, line, latitude, longitude, distance given."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """A shape as the feed draws it; `given`: shape_dist_traveled of its points in the feed's own unit, if sensible."""

    shape: Shape
    given: tuple[float, ...] = ()


def shapes(feed: Feed, findings: Findings, wanted: set[str]) -> dict[str, Drawn]:
    """The wanted shapes that have at least two points."""
    points: dict[str, list[Vertex]] = {name: [] for name in wanted}
    numbers = Numbers()
    columns = ("shape_id", "shape_pt_lat", "shape_pt_lon", "shape_pt_sequence")
    for line, (name, latitude, longitude, order, given) in feed.rows(
        "shapes.txt", *columns, "shape_dist_traveled", needed=columns
    ):
        if name not in points:
            continue
        number = numbers[order]
        try:
            point = (number, line, LATITUDE(latitude), LONGITUDE(longitude), given)
        except ValueError as trouble:
            findings.refuse(f"shapes.txt:{line}", f'shape_pt_lat "{latitude}", shape_pt_lon "{longitude}": {trouble}')
            continue
        if number < 0:
            findings.refuse(f"shapes.txt:{line}", f'shape_pt_sequence "{order}": expected a whole number')
        points[name].append(point)
    lines = {name: _moving(sorted(rows)) for name, rows in points.items()}
    return {name: _drawn(name, rows) for name, rows in lines.items() if len(rows) > 1}


def _moving(rows: list[Vertex]) -> list[Vertex]:
    """Without the points that only repeat the one before."""
    return rows[:1] + [there for here, there in pairwise(rows) if here[2:4] != there[2:4]]


def _drawn(name: str, rows: list[Vertex]) -> Drawn:
    line = tuple((latitude, longitude) for _, _, latitude, longitude, _ in rows)
    return Drawn(Shape(name, line, cumulative_distances_m(line)), distances([given for *_, given in rows]))


def distances(texts: list[str]) -> tuple[float, ...]:
    """shape_dist_traveled as numbers, in whatever unit; empty unless all are there and they rise."""
    try:
        values = tuple(float(text) for text in texts)
    except ValueError:
        return ()
    rising = all(here <= there for here, there in pairwise(values)) and values[0] < values[-1]
    return values if rising and all(map(math.isfinite, values)) else ()


def joined(stops: list[Stop]) -> Shape:
    """A line that only joins the stops, where no shape was given: named by them, so that it keeps its name."""
    points: tuple[Point, ...] = tuple(stop.point for stop in stops)
    name = blake2b("\n".join(stop.id for stop in stops).encode(), digest_size=8).hexdigest()
    return Shape(f"stops-{name}", points, cumulative_distances_m(points), surveyed=False)
