"""Timetable versions: import a feed as a new version, switch to it in one transaction, load the network in force."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from models.json_text import json_text
from models.links import Link, links_of, with_link_ids
from models.merging import TimeZonesDiffer, merge_networks
from models.network import FeedInfo, Network
from models.rows import driver
from services.transit.timetable.rows import read_rows, write_rows


@dataclass(frozen=True, slots=True)
class ImportedVersion:
    """One version of a feed. `superseded_at` is None while it is in force."""

    id: int
    feed: str
    digest: str
    imported_at: datetime
    superseded_at: datetime | None
    first_day: date
    last_day: date
    trips: int


@dataclass(frozen=True, slots=True)
class StoreResult:
    """The result of an import: the network in force, and how many of its links were known before.

    `changed`: False where the same content was in force already.
    """

    network: Network
    changed: bool
    links: int
    links_known: int


def store(transaction: Connection, network: Network, feed: str, now: datetime) -> StoreResult:
    """Put a network in force as the newest version of a feed, in the caller's transaction.

    Its links get the names of known links, so that their travel times are kept. The version before stays for readers
    that still follow its trips. A feed whose content is in force already changes nothing. Raises TimeZonesDiffer.
    """
    with driver(transaction).cursor() as cursor:
        cursor.execute("LOCK TABLE timetable_versions IN SHARE ROW EXCLUSIVE MODE")  # one import at a time
        cursor.execute("SELECT feed, zone, digest FROM timetable_versions WHERE superseded_at IS NULL ORDER BY feed")
        for other, zone, digest in cursor.fetchall():
            if (other, digest) == (feed, network.version):
                return StoreResult(network, changed=False, links=0, links_known=0)
            if other != feed and zone != network.zone.key:
                raise TimeZonesDiffer(f"{feed} goes by {network.zone.key}, and {other}, in force too, by {zone}")
        known = _known_links(transaction)
        named = replace(with_link_ids(network, known), feed=feed)
        cursor.execute(
            "UPDATE timetable_versions SET superseded_at = %s WHERE feed = %s AND superseded_at IS NULL", [now, feed]
        )
        first_day, last_day = network.service_span
        cursor.execute(
            "INSERT INTO timetable_versions (feed, digest, imported_at, zone, first_day, last_day, feed_info)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s::jsonb) RETURNING id",
            [feed, network.version, now, network.zone.key, first_day, last_day, _feed_info_row(network)],
        )
        row = cursor.fetchone()
        assert row is not None
        write_rows(cursor, row[0], named)
        named = replace(named, version=str(row[0]))
    links = links_of(named)
    _store_links(transaction, links, now)
    _bump_configuration(transaction)
    names = {link.id for link in known}
    return StoreResult(named, changed=True, links=len(links), links_known=sum(link.id in names for link in links))


def withdraw(transaction: Connection, feed: str, now: datetime) -> bool:
    """Take a feed out of force, in the caller's transaction. Returns whether it was in force."""
    with driver(transaction).cursor() as cursor:
        cursor.execute(
            "UPDATE timetable_versions SET superseded_at = %s WHERE feed = %s AND superseded_at IS NULL", [now, feed]
        )
        withdrawn = cursor.rowcount > 0
    if withdrawn:
        _bump_configuration(transaction)
    return withdrawn


def current_version(connection: Connection) -> str | None:
    """The version in force, equal to `load(connection).version` but far cheaper; None where no feed was imported."""
    with driver(connection).cursor() as cursor:
        row = cursor.execute(
            "SELECT string_agg(id::text, '+' ORDER BY feed) FROM timetable_versions WHERE superseded_at IS NULL"
        ).fetchone()
    return row[0] if row else None


def load(connection: Connection) -> Network | None:
    """The network in force, all feeds merged; None where no feed was imported."""
    version = current_version(connection)
    return None if version is None else load_version(connection, version)


def load_version(connection: Connection, version: str) -> Network | None:
    """The network of a version that `current_version` gave; None where it is not kept any more."""
    networks = [_load_one(connection, int(part)) for part in version.split("+")]
    found = [network for network in networks if network is not None]
    return merge_networks(found) if len(found) == len(networks) else None


def imported_versions(connection: Connection) -> list[ImportedVersion]:
    """All versions that are kept, by feed, the newest first."""
    with driver(connection).cursor() as cursor:
        cursor.execute(
            "SELECT id, feed, digest, imported_at, superseded_at, first_day, last_day,"
            " (SELECT count(*) FROM timetable_trips WHERE version = v.id)"
            " FROM timetable_versions v ORDER BY feed, id DESC"
        )
        return [ImportedVersion(*row) for row in cursor.fetchall()]


def _load_one(connection: Connection, version: int) -> Network | None:
    with driver(connection).cursor() as cursor:
        cursor.execute("SELECT feed, zone, feed_info FROM timetable_versions WHERE id = %s", [version])
        row = cursor.fetchone()
        if row is None:
            return None
        feed, zone, info = row
        published = (FeedInfo(**info),) if info else ()
        return replace(read_rows(cursor, version, ZoneInfo(zone), feed), published=published)


def _feed_info_row(network: Network) -> str:
    """What the network says of its publisher, as JSON: the names of FeedInfo; nothing where it says nothing."""
    (info, *_) = network.published or (None,)
    return json_text({name: value for name, value in asdict(info).items() if value} if info else {})


def _known_links(connection: Connection) -> list[Link]:
    with driver(connection).cursor() as cursor:
        cursor.execute(
            "SELECT id, from_stop, to_stop, from_latitude, from_longitude, middle_latitude, middle_longitude,"
            " to_latitude, to_longitude, length_m FROM timetable_links"
        )
        return [
            Link(name, from_stop, to_stop, (row[0], row[1]), (row[2], row[3]), (row[4], row[5]), row[6])
            for name, from_stop, to_stop, *row in cursor.fetchall()
        ]


def _store_links(transaction: Connection, links: Sequence[Link], now: datetime) -> None:
    """Store each link as it lies now: the next import is compared with the newest."""
    columns = (
        [link.id for link in links],
        [link.from_stop for link in links],
        [link.to_stop for link in links],
        *([place[axis] for place in places] for places in _link_points(links) for axis in (0, 1)),
        [link.length_m for link in links],
    )
    with driver(transaction).cursor() as cursor:
        cursor.execute(
            "INSERT INTO timetable_links SELECT *, %s FROM unnest(%s::text[], %s::text[], %s::text[], %s::float8[],"
            " %s::float8[], %s::float8[], %s::float8[], %s::float8[], %s::float8[], %s::float8[])"
            " ON CONFLICT (id) DO UPDATE SET (from_stop, to_stop, from_latitude, from_longitude, middle_latitude,"
            " middle_longitude, to_latitude, to_longitude, length_m, seen_at) = (excluded.from_stop, excluded.to_stop,"
            " excluded.from_latitude, excluded.from_longitude, excluded.middle_latitude, excluded.middle_longitude,"
            " excluded.to_latitude, excluded.to_longitude, excluded.length_m, excluded.seen_at)",
            [now, *columns],
        )


def _link_points(links: Sequence[Link]) -> tuple[list[tuple[float, float]], ...]:
    return [link.start for link in links], [link.middle for link in links], [link.end for link in links]


def _bump_configuration(transaction: Connection) -> None:
    """Make each process reload the configuration."""
    with driver(transaction).cursor() as cursor:
        cursor.execute("UPDATE configuration SET version = version + 1")
