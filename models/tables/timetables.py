"""Tables of timetables, by feed version: one row per pattern, timing and trip. What trips share is stored once.

The stop times of a city, hundreds of thousands of rows in its feed, become a few hundred timings stored as arrays. A
new version is written completely beside the old one and replaces it in one transaction.
"""

from typing import Any

from sqlalchemy import (
    ARRAY,
    Boolean,
    Column,
    Date,
    DateTime,
    Double,
    ForeignKey,
    Identity,
    Index,
    Integer,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from models.tables.metadata import METADATA

timetable_versions = Table(
    "timetable_versions",
    METADATA,
    Column("id", Integer, Identity(always=True), primary_key=True),
    Column("feed", Text, nullable=False, comment="Whose timetable: a city may have several"),
    Column("digest", Text, nullable=False, comment="Hash of the feed's content"),
    Column("imported_at", DateTime(timezone=True), nullable=False),
    Column("superseded_at", DateTime(timezone=True), nullable=True, comment="Null while it is in force"),
    Column("zone", Text, nullable=False),
    Column("first_day", Date, nullable=False, comment="On which a service may run"),
    Column("last_day", Date, nullable=False),
    Column("feed_info", JSONB, nullable=False, server_default="{}", comment="Who publishes it, and its licence"),
    Index("timetable_versions_one_in_force", "feed", unique=True, postgresql_where=text("superseded_at IS NULL")),
)


def _of_version(name: str, *columns: Column[Any], key: tuple[str, ...]) -> Table:
    """A table whose rows belong to a timetable version and are deleted with it."""
    version: Column[int] = Column("version", ForeignKey("timetable_versions.id", ondelete="CASCADE"), nullable=False)
    return Table(name, METADATA, version, *columns, PrimaryKeyConstraint("version", *key))


def _text(name: str) -> Column[str]:
    return Column(name, Text, nullable=False)


def _whole(name: str, *, nullable: bool = False) -> Column[int]:
    return Column(name, Integer, nullable=nullable)


def _array(name: str, kind: Any, comment: str | None = None) -> Column[Any]:
    return Column(name, ARRAY(kind), nullable=False, comment=comment)


timetable_agencies = _of_version(
    "timetable_agencies",
    *map(_text, ("id", "name", "url", "timezone", "language", "phone")),
    key=("id",),
)

timetable_stops = _of_version(
    "timetable_stops",
    *map(_text, ("id", "code", "name")),
    Column("latitude", Double, nullable=False),
    Column("longitude", Double, nullable=False),
    _text("parent"),
    Column("location_type", SmallInteger, nullable=False),
    Column("wheelchair", SmallInteger, nullable=False),
    key=("id",),
)

timetable_routes = _of_version(
    "timetable_routes",
    *map(_text, ("id", "agency_id", "short_name", "long_name")),
    _whole("kind"),
    *map(_text, ("color", "text_color", "url", "description")),
    key=("id",),
)

timetable_services = _of_version(
    "timetable_services",
    _text("id"),
    _array("weekdays", Boolean, "Monday first"),
    Column("first_day", Date, nullable=False),
    Column("last_day", Date, nullable=False),
    _array("added", Date),
    _array("removed", Date),
    key=("id",),
)

timetable_shapes = _of_version(
    "timetable_shapes",
    _whole("number"),
    _text("id"),
    Column("surveyed", Boolean, nullable=False, comment="False: it only joins the stops"),
    _array("latitudes", Double),
    _array("longitudes", Double),
    key=("number",),
)

timetable_patterns = _of_version(
    "timetable_patterns",
    _whole("number"),
    _text("route_id"),
    Column("direction_id", SmallInteger, nullable=True),
    _whole("shape"),
    _array("stop_ids", Text),
    _array("stop_m", Double, "How far along the shape each stop lies"),
    _array("link_ids", Text, "Of the way from each stop but the last to the next"),
    _array("pickup", SmallInteger),
    _array("drop_off", SmallInteger),
    key=("number",),
)

timetable_timings = _of_version(
    "timetable_timings",
    _whole("number"),
    _array("arrivals_s", Integer, "After the trip's start"),
    _array("departures_s", Integer),
    _array("timepoint", Boolean, "Empty: all are"),
    key=("number",),
)

timetable_sequences = _of_version(
    "timetable_sequences",
    _whole("number"),
    _array("sequences", Integer, "GTFS stop_sequence of each stop, where it is not 1, 2, 3, ..."),
    key=("number",),
)

timetable_trips = _of_version(
    "timetable_trips",
    _text("id"),
    _whole("pattern"),
    _text("service_id"),
    Column("start_s", Integer, nullable=False, comment="After noon less 12 h of the service date"),
    _whole("timing"),
    _whole("sequence", nullable=True),
    *map(_text, ("headsign", "short_name", "block_id")),
    Column("wheelchair", SmallInteger, nullable=False),
    key=("id",),
)

timetable_frequencies = _of_version(
    "timetable_frequencies",
    _text("trip_id"),
    _whole("start_s"),
    _whole("end_s"),
    _whole("headway_s"),
    Column("exact", Boolean, nullable=False),
    key=("trip_id", "start_s"),
)

timetable_links = Table(
    "timetable_links",
    METADATA,
    Column("id", Text, primary_key=True, comment="What the history of the link is kept by"),
    _text("from_stop"),
    _text("to_stop"),
    *(
        Column(f"{end}_{axis}", Double, nullable=False)
        for end in ("from", "middle", "to")
        for axis in ("latitude", "longitude")
    ),
    Column("length_m", Double, nullable=False),
    Column("seen_at", DateTime(timezone=True), nullable=False, comment="When a version with it was last imported"),
)
