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
    """Who runs the buses, and the zone of all times. One without an id is known by its name."""
    found: dict[str, Agency] = {}
    zones: dict[str, str] = {}
    columns = ("agency_id", "agency_name", "agency_url", "agency_timezone", "agency_lang", "agency_phone")
    for line, (given, name, url, named, language, phone) in feed.rows("agency.txt", *columns, needed=columns[1:4:2]):
        where = f"agency.txt:{line}"
        name_or_id = given or name
        if not is_usable_id(findings, where, "agency_id", name_or_id, found):
            continue
        found[name_or_id] = Agency(name_or_id, name, url, named, language, phone)
        zones.setdefault(named, where)
    if not found:
        raise BadTimetable(["agency.txt: no agency stands in it; its time zone is needed to read any time"])
    first, *others = zones
    for other in others:
        findings.refuse(zones[other], f'agency_timezone "{other}" differs from "{first}": GTFS wants one zone a feed')
    known = parse_or_refuse(findings, zones[first], "agency_timezone", first, parse_timezone, None)
    if known is None:
        raise BadTimetable(findings.refusals)
    return found, known


def read_routes(feed: FeedFiles, findings: Findings, agencies: Mapping[str, Agency]) -> dict[str, Route]:
    """The lines. One that names no agency belongs to the only or the first one."""
    found: dict[str, Route] = {}
    names = ("route_id", "agency_id", "route_short_name", "route_long_name", "route_type")
    asked = (*names, "route_color", "route_text_color", "route_url", "route_desc")
    for line, (name, agency, short, long, kind, paint, ink, url, about) in feed.rows(
        "routes.txt", *asked, needed=("route_id", "route_type")
    ):
        where = f"routes.txt:{line}"
        if not is_usable_id(findings, where, "route_id", name, found):
            continue
        found[name] = Route(
            name,
            _agency_of_route(findings, where, agency, agencies),
            short or ("" if long else name),
            long,
            parse_or_refuse(findings, where, "route_type", kind, parse_integer, 3),
            parse_color(findings, where, paint),
            parse_color(findings, where, ink),
            url,
            about,
        )
    return found


def _agency_of_route(findings: Findings, where: str, agency: str, agencies: Mapping[str, Agency]) -> str:
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
