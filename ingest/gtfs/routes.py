"""Read the agencies and routes of a GTFS feed as values of `models.network`."""

from collections.abc import Mapping
from zoneinfo import ZoneInfo

from ingest.gtfs.fields import (
    is_usable_id,
    parse_color,
    parse_integer,
    parse_or_refuse,
    parse_timezone,
)
from ingest.gtfs.files import FeedFiles
from ingest.gtfs.findings import BadTimetable, Findings
from models.network import Agency, Route


def read_agencies(feed: FeedFiles, findings: Findings) -> tuple[dict[str, Agency], ZoneInfo]:
    """The agencies, and the time zone of all times. The name of an agency is its id if it has none."""
    agencies: dict[str, Agency] = {}
    zones: dict[str, str] = {}
    columns = ("agency_id", "agency_name", "agency_url", "agency_timezone", "agency_lang", "agency_phone")
    for line, (agency_id, name, url, zone_name, language, phone) in feed.rows(
        "agency.txt", *columns, needed=columns[1:4:2]
    ):
        where = f"agency.txt:{line}"
        key = agency_id or name
        if not is_usable_id(findings, where, "agency_id", key, agencies):
            continue
        agencies[key] = Agency(key, name, url, zone_name, language, phone)
        zones.setdefault(zone_name, where)
    if not agencies:
        raise BadTimetable(["agency.txt: no agency stands in it; its time zone is needed to read any time"])
    first, *others = zones
    for other in others:
        findings.refuse(zones[other], f'agency_timezone "{other}" differs from "{first}": GTFS wants one zone a feed')
    zone = parse_or_refuse(findings, zones[first], "agency_timezone", first, parse_timezone, None)
    if zone is None:
        raise BadTimetable(findings.refusals)
    return agencies, zone


def read_routes(feed: FeedFiles, findings: Findings, agencies: Mapping[str, Agency]) -> dict[str, Route]:
    """The routes. A route without an agency belongs to the only or the first agency."""
    routes: dict[str, Route] = {}
    names = ("route_id", "agency_id", "route_short_name", "route_long_name", "route_type")
    columns = (*names, "route_color", "route_text_color", "route_url", "route_desc")
    for line, (name, agency, short, long, route_type, color, text_color, url, description) in feed.rows(
        "routes.txt", *columns, needed=("route_id", "route_type")
    ):
        where = f"routes.txt:{line}"
        if not is_usable_id(findings, where, "route_id", name, routes):
            continue
        routes[name] = Route(
            name,
            _agency_of_route(findings, where, agency, agencies),
            short or ("" if long else name),
            long,
            parse_or_refuse(findings, where, "route_type", route_type, parse_integer, 3),
            parse_color(findings, where, color),
            parse_color(findings, where, text_color),
            url,
            description,
        )
    return routes


def _agency_of_route(findings: Findings, where: str, agency: str, agencies: Mapping[str, Agency]) -> str:
    """The agency of a route. A feed with one agency need not name it, and some feeds name it wrongly."""
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
