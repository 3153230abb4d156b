"""`vigia gtfs`: import and export timetables as GTFS Schedule."""

import argparse
import sys
from dataclasses import replace
from datetime import date, datetime, tzinfo
from hashlib import sha256
from pathlib import Path

from sqlalchemy import Connection

from ingest.gtfs.feed import BadTimetable, Findings, read_feed, write_feed
from ingest.gtfs.feed_info import LONGEST_LICENCE
from models.merging import TimeZonesDiffer
from models.network import FeedInfo, Network
from services.commands.rejections import printable
from services.opening import configured_clock, migrated_database
from services.queries.city.city import current_city
from services.runtime.settings import Settings
from services.transit.timetable import versions

NAME = "gtfs"
HELP = "Import a timetable (GTFS zip or folder), list what was imported, export what is in force, or withdraw a feed."
DEFAULT_FEED = "city"


def arguments(parser: argparse.ArgumentParser) -> None:
    """What to do, with which file or feed."""
    verbs = parser.add_subparsers(dest="do", metavar="import|list|export|withdraw", required=True)
    importing = verbs.add_parser("import", help="put a feed in force; all of it or, with its faults named, nothing")
    importing.add_argument("path", type=Path, help="GTFS zip or folder")
    importing.add_argument(
        "--feed", default=DEFAULT_FEED, type=_name, help="whose timetable; it replaces the one of that name"
    )
    importing.add_argument(
        "--licence",
        type=_licence,
        default="",
        help="of the timetable, published with it: an SPDX name or an address; default: the feed's license.txt",
    )
    importing.add_argument("--now", action="store_true", help="even if it only begins later, and another is in force")
    verbs.add_parser("list", help="every version that is kept")
    exporting = verbs.add_parser("export", help="write the network in force, all feeds as one")
    exporting.add_argument("path", type=Path, help="zip to write")
    withdrawing = verbs.add_parser("withdraw", help="take a feed out of force")
    withdrawing.add_argument("feed", type=_name)


def run(arguments: argparse.Namespace) -> int:
    """Exit status 2 where the feed cannot be used, or none has that name."""
    match arguments.do:
        case "import":
            return _import(arguments.path, arguments.feed, arguments.licence, at_once=arguments.now)
        case "export":
            return _export(arguments.path)
        case "withdraw":
            return _withdraw(arguments.feed)
        case _:
            return _list()


def _import(path: Path, feed: str, licence: str, *, at_once: bool) -> int:
    settings, findings = Settings(), Findings()
    now = configured_clock(settings)()
    try:
        network = _licensed(read_feed(path, findings, _progress), licence)
    except BadTimetable as trouble:
        _print_error(*findings.warnings, *trouble.refusals)
        return _fail(f"{path.name}: not imported; {len(trouble.refusals)} faults, {len(findings.warnings)} warnings")
    _print_error(*findings.warnings)
    today = now.astimezone(network.zone).date()
    with migrated_database(settings, "vigia-gtfs") as database, database.begin() as transaction:
        if not at_once and (wait := _reason_to_wait(transaction, network, feed, today)):
            return _fail(wait)
        try:
            stored = versions.store(transaction, network, feed, now)
        except TimeZonesDiffer as trouble:
            return _fail(str(trouble))
    print(_summary(network, stored, feed, len(findings.warnings)))
    if network.service_span[1] < today:
        _print_error(f"its last day was {network.service_span[1]}: nothing of it runs any more")
    return 0


def _licensed(network: Network, licence: str) -> Network:
    """The network under another licence than its feed says. That is another version of it, so it is stored."""
    if not licence:
        return network
    info = replace(network.published[0] if network.published else FeedInfo(), licence=licence)
    version = sha256(f"{network.version} {licence}".encode()).hexdigest()[: len(network.version)]
    return replace(network, version=version, published=(info,))


def _reason_to_wait(transaction: Connection, network: Network, feed: str, today: date) -> str:
    """Why to wait, or empty: a feed published before its first day would leave the city without a timetable."""
    first = network.service_span[0]
    in_force = any(one.feed == feed and one.superseded_at is None for one in versions.imported_versions(transaction))
    if not in_force or first <= today:
        return ""
    return f"it begins on {first}, and until then the one in force is needed: import it that day, or say --now"


def _summary(network: Network, stored: versions.StoreResult, feed: str, warnings: int) -> str:
    if not stored.changed:
        return f"{feed}: this very timetable is in force already; nothing changed"
    calls = sum(len(network.patterns[trip.pattern].stop_ids) for trip in network.trips.values())
    first, last = network.service_span
    return (
        f"{feed}: version {stored.network.version} in force, {first} to {last} ({network.zone.key}): "
        f"{len(network.agencies)} agencies, {len(network.routes)} routes, {len(network.stops)} stops, "
        f"{len(network.patterns)} patterns, {len(network.trips)} trips, {calls} stop times; "
        f"{stored.links} links, {stored.links_known} of them known before; {warnings} warnings"
    )


def _list() -> int:
    with migrated_database(Settings(), "vigia-gtfs") as database, database.begin() as transaction:
        zone = current_city(transaction).zone
        for one in versions.imported_versions(transaction):
            until = f"until {_local(one.superseded_at, zone)}" if one.superseded_at else "in force"
            days = f"{one.first_day} to {one.last_day}"
            print(f"{one.feed}\t{one.id}\t{_local(one.imported_at, zone)}\t{until}\t{days}\t{one.trips} trips")
    return 0


def _local(at: datetime, zone: tzinfo) -> str:
    """A moment in the city's local time, with its offset."""
    return at.astimezone(zone).isoformat(timespec="seconds")


def _export(path: Path) -> int:
    with migrated_database(Settings(), "vigia-gtfs") as database, database.begin() as transaction:
        network = versions.load(transaction)
    if network is None:
        return _fail("no timetable is in force: vigia gtfs import FILE")
    try:
        write_feed(network, path)
    except OSError as trouble:
        return _fail(f"{path}: {trouble.strerror}")
    print(f"{path}: {len(network.routes)} routes, {len(network.stops)} stops, {len(network.trips)} trips")
    return 0


def _withdraw(feed: str) -> int:
    settings = Settings()
    with migrated_database(settings, "vigia-gtfs") as database, database.begin() as transaction:
        withdrawn = versions.withdraw(transaction, feed, configured_clock(settings)())
    if not withdrawn:
        return _fail(f"{feed}: no feed of that name is in force")
    print(f"{feed}: withdrawn")
    return 0


def _name(text: str) -> str:
    if not text.isidentifier() or len(text) > 40:
        raise argparse.ArgumentTypeError("expected a name of at most 40 letters, digits and underscores")
    return text


def _licence(text: str) -> str:
    if len(text) > LONGEST_LICENCE or not text.isprintable():
        raise argparse.ArgumentTypeError(f"expected one line of at most {LONGEST_LICENCE} characters")
    return text.strip()


def _progress(file: str, rows: int) -> None:
    print(f"{file}: {rows} rows", file=sys.stderr, flush=True)


def _print_error(*lines: str) -> None:
    for line in lines:
        print(printable(line), file=sys.stderr)


def _fail(words: str) -> int:
    _print_error(f"vigia gtfs: {words}")
    return 2
