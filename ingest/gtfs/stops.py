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
"""Degrees from (0, 0), in the sea: what is written where a place is not known."""


def read_stops(feed: FeedFiles, findings: Findings) -> dict[str, Stop]:
    """Every stop that has a place, its own or its station's."""
    found: dict[str, Stop] = {}
    placeless: dict[str, Stop] = {}
    seen: set[str] = set()
    codes = CodeCache()
    columns = ("stop_id", "stop_code", "stop_name", "stop_lat", "stop_lon", "parent_station")
    asked = (*columns, "location_type", "wheelchair_boarding")
    for line, (name, code, title, latitude, longitude, parent, kind, chair) in feed.rows(
        "stops.txt", *asked, needed=("stop_id", "stop_lat", "stop_lon")
    ):
        where = f"stops.txt:{line}"
        if not is_usable_id(findings, where, "stop_id", name, seen):
            continue
        seen.add(name)
        stop = Stop(name, code, title or name, (0, 0), parent, codes[kind], codes[chair])
        none = not latitude and not longitude
        point = (
            parse_or_refuse(findings, where, "stop_lat", "0" if none else latitude, parse_latitude, 0.0),
            parse_or_refuse(findings, where, "stop_lon", "0" if none else longitude, parse_longitude, 0.0),
        )
        known = placeless if max(map(abs, point)) < NULL_ISLAND_DEGREES else found
        known[name] = replace(stop, point=point)
    for name, stop in placeless.items():
        if stop.parent in found:
            found[name] = replace(stop, point=found[stop.parent].point)
    for stop in found.values():
        if stop.parent and stop.parent not in found:
            findings.warn("a parent_station that stops.txt has not, or without a place, is left out", "stops.txt")
    return {name: stop if stop.parent in found else replace(stop, parent="") for name, stop in found.items()}
