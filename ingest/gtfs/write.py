"""Write a network as a GTFS Schedule feed. Reading it back gives the same network, except for the version."""

import csv
import io
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import IO

from ingest.gtfs.services import ADDED, REMOVED, WEEKDAYS
from models.network import FeedInfo, Network, Pattern, Service, Shape, Stop, Trip

Row = Sequence[object]
ZIP_DATE = (1980, 1, 1, 0, 0, 0)
"""The time of every file in the zip, so that the same network always gives the same bytes."""


HEADERS = {
    "agency.txt": "agency_id agency_name agency_url agency_timezone agency_lang agency_phone",
    "feed_info.txt": """feed_publisher_name feed_publisher_url feed_lang feed_start_date feed_end_date
        feed_version feed_contact_email feed_contact_url""",
    "stops.txt": "stop_id stop_code stop_name stop_lat stop_lon location_type parent_station wheelchair_boarding",
    "routes.txt": """route_id agency_id route_short_name route_long_name route_type route_color route_text_color
        route_url route_desc""",
    "calendar.txt": f"service_id {' '.join(WEEKDAYS)} start_date end_date",
    "calendar_dates.txt": "service_id date exception_type",
    "trips.txt": """route_id service_id trip_id trip_headsign trip_short_name direction_id block_id shape_id
        wheelchair_accessible""",
    "stop_times.txt": """trip_id arrival_time departure_time stop_id stop_sequence pickup_type drop_off_type
        shape_dist_traveled timepoint""",
    "shapes.txt": "shape_id shape_pt_lat shape_pt_lon shape_pt_sequence shape_dist_traveled",
    "frequencies.txt": "trip_id start_time end_time headway_secs exact_times",
}


def write_feed(network: Network, path: Path) -> None:
    """Write a feed as a zip. An existing file is replaced only after the new one is complete."""
    part = path.with_name(f"{path.name}.part")
    with part.open("wb") as file:
        _write_archive(network, file)
    part.replace(path)


def feed_bytes(network: Network) -> bytes:
    """A feed as a zip in memory."""
    file = io.BytesIO()
    _write_archive(network, file)
    return file.getvalue()


def _write_archive(network: Network, file: IO[bytes]) -> None:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for (name, header), rows in zip(HEADERS.items(), _rows(network), strict=True):
            with _open_member(archive, name) as text:
                table = csv.writer(text)
                table.writerow(header.split())
                table.writerows(rows)
        licence = "\n".join(dict.fromkeys(one.licence for one in network.published if one.licence))
        if licence:
            with _open_member(archive, "license.txt") as text:
                text.write(f"{licence}\n")


@contextmanager
def _open_member(archive: zipfile.ZipFile, name: str) -> Iterator[IO[str]]:
    member = zipfile.ZipInfo(name, ZIP_DATE)
    member.compress_type = zipfile.ZIP_DEFLATED
    with archive.open(member, "w") as binary, io.TextIOWrapper(binary, "utf-8", newline="") as text:
        yield text


def _rows(network: Network) -> Iterator[Iterable[Row]]:
    """The rows of each file, in the order of HEADERS."""
    patterns = network.patterns
    trips = sorted(network.trips.values(), key=lambda trip: trip.pattern)  # a reader numbers patterns in this order
    zone = network.zone.key
    yield ((a.id, a.name, a.url, zone, a.language, a.phone) for a in network.agencies.values())
    yield [_feed_info(network)]
    yield map(_stop, network.stops.values())
    yield (
        (r.id, r.agency_id, r.short_name, r.long_name, r.route_type, r.color, r.text_color, r.url, r.description)
        for r in network.routes.values()
    )
    yield ((s.id, *map(int, s.weekdays), _day(s.start), _day(s.end)) for s in network.services.values())
    yield _exceptions(network.services.values())
    yield (_trip(trip, patterns[trip.pattern]) for trip in trips)
    yield (row for trip in trips for row in _stop_times(trip, patterns[trip.pattern]))
    yield (row for shape in _surveyed(patterns) for row in _shape(shape))
    yield (
        (trip.id, _clock(one.start_s), _clock(one.end_s), one.headway_s, int(one.exact))
        for trip in trips
        for one in trip.frequencies
    )


def _feed_info(network: Network) -> Row:
    """The publisher's own where the network is one feed that names it; else the first agency, and our version."""
    first, last = network.service_span
    agency = next(iter(network.agencies.values()))
    info = network.published[0] if len(network.published) == 1 else FeedInfo()
    named = info if info.publisher_name and info.publisher_url else FeedInfo(agency.name, agency.url, agency.language)
    version = info.version or network.version
    contact = (info.contact_email, info.contact_url)
    days = (_day(first), _day(last))
    return (named.publisher_name, named.publisher_url, named.language or "mul", *days, version, *contact)


def _stop(stop: Stop) -> Row:
    return (stop.id, stop.code, stop.name, *stop.point, stop.location_type, stop.parent, stop.wheelchair)


def _exceptions(services: Iterable[Service]) -> Iterator[Row]:
    for service in services:
        kinds = dict.fromkeys(service.removed, REMOVED) | dict.fromkeys(service.added, ADDED)
        yield from ((service.id, _day(day), kinds[day]) for day in sorted(kinds))


def _trip(trip: Trip, pattern: Pattern) -> Row:
    shape = pattern.shape.id if pattern.shape.surveyed else ""
    direction_id = "" if pattern.direction_id is None else pattern.direction_id
    fields = (trip.headsign, trip.short_name, direction_id, trip.block_id, shape, trip.wheelchair)
    return (pattern.route_id, trip.service_id, trip.id, *fields)


def _stop_times(trip: Trip, pattern: Pattern) -> Iterator[Row]:
    none = (0,) * len(pattern.stop_ids)
    timepoint = trip.timing.timepoint or (True,) * len(none)
    distances = _stop_distances(pattern)
    columns = (trip.timing.arrivals_s, trip.timing.departures_s, pattern.stop_ids)
    codes = (pattern.pickup or none, pattern.drop_off or none, distances, map(int, timepoint))
    for position, (arrival_s, departure_s, stop_id, *rest) in enumerate(zip(*columns, *codes, strict=True)):
        times = (_clock(trip.start_s + arrival_s), _clock(trip.start_s + departure_s))
        yield (trip.id, *times, stop_id, trip.stop_sequence(position), *rest)


def _stop_distances(pattern: Pattern) -> Sequence[str]:
    """shape_dist_traveled of the stops; empty unless the shape was given and the values increase at every stop."""
    rounded = [round(metres, 1) for metres in pattern.stop_m]
    if pattern.shape.surveyed and all(before < after for before, after in pairwise(rounded)):
        return [str(metres) for metres in rounded]
    return [""] * len(rounded)


def _surveyed(patterns: Iterable[Pattern]) -> Iterable[Shape]:
    return {pattern.shape.id: pattern.shape for pattern in patterns if pattern.shape.surveyed}.values()


def _shape(shape: Shape) -> Iterator[Row]:
    for number, (point, along_m) in enumerate(zip(shape.points, shape.along_m, strict=True), 1):
        yield (shape.id, *point, number, f"{along_m:.1f}")


def _day(day: date) -> str:
    return f"{day:%Y%m%d}"


def _clock(time_s: int) -> str:
    return f"{time_s // 3600:02}:{time_s // 60 % 60:02}:{time_s % 60:02}"
