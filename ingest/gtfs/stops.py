"""Read the stops of a GTFS feed as values of `models.network`."""

from dataclasses import replace

from ingest.gtfs.fields import (
    CodeCache,
    is_usable_id,
    parse_latitude,
    parse_longitude,
    parse_or_refuse,
)
from ingest.gtfs.files import FeedFiles
from ingest.gtfs.findings import Findings
from models.network import Stop

NULL_ISLAND_DEGREES = 0.01
"""Distance in degrees from (0, 0), in the sea. Feeds write such coordinates for an unknown position."""


def read_stops(feed: FeedFiles, findings: Findings) -> dict[str, Stop]:
    """The stops that have a position, their own or that of their station."""
    stops: dict[str, Stop] = {}
    unplaced: dict[str, Stop] = {}
    seen: set[str] = set()
    codes = CodeCache()
    columns = ("stop_id", "stop_code", "stop_name", "stop_lat", "stop_lon", "parent_station")
    requested = (*columns, "location_type", "wheelchair_boarding")
    for line, (stop_id, code, stop_name, latitude, longitude, parent, location_type, wheelchair) in feed.rows(
        "stops.txt", *requested, needed=("stop_id", "stop_lat", "stop_lon")
    ):
        where = f"stops.txt:{line}"
        if not is_usable_id(findings, where, "stop_id", stop_id, seen):
            continue
        seen.add(stop_id)
        stop = Stop(stop_id, code, stop_name or stop_id, (0, 0), parent, codes[location_type], codes[wheelchair])
        without_position = not latitude and not longitude
        point = (
            parse_or_refuse(findings, where, "stop_lat", "0" if without_position else latitude, parse_latitude, 0.0),
            parse_or_refuse(findings, where, "stop_lon", "0" if without_position else longitude, parse_longitude, 0.0),
        )
        target = unplaced if max(map(abs, point)) < NULL_ISLAND_DEGREES else stops
        target[stop_id] = replace(stop, point=point)
    for stop_id, stop in unplaced.items():
        if stop.parent in stops:
            stops[stop_id] = replace(stop, point=stops[stop.parent].point)
    for stop in stops.values():
        if stop.parent and stop.parent not in stops:
            findings.warn("a parent_station that stops.txt has not, or without a place, is left out", "stops.txt")
    return {stop_id: stop if stop.parent in stops else replace(stop, parent="") for stop_id, stop in stops.items()}
