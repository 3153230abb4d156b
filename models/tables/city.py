"""Tables of the configured city: municipalities, basins, barrios, stations and devices."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Double,
    ForeignKey,
    Identity,
    Index,
    Integer,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from models.tables.metadata import METADATA, timestamp_column

configuration = Table(
    "configuration",
    METADATA,
    Column("id", SmallInteger, primary_key=True, server_default=text("1")),
    Column("version", BigInteger, nullable=False, comment="Rises with every load, so that processes look again"),
    Column("city", JSONB, nullable=False, comment="The city's name and time zone"),
    Column("plan", JSONB, nullable=True, comment="Streets, streams, parks and water of the plan, WGS 84"),
    CheckConstraint("id = 1", name="single"),
)

municipalities = Table(
    "municipalities",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("latitude", Double, nullable=False),
    Column("longitude", Double, nullable=False),
)

basins = Table(
    "basins",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("municipality_id", ForeignKey("municipalities.id"), nullable=False, index=True),
    Column("name", Text, nullable=False),
    Column("geometry", JSONB, nullable=True, comment="GeoJSON geometry, WGS 84"),
    Column("note", Text, nullable=False, server_default=""),
)

barrios = Table(
    "barrios",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("municipality_id", ForeignKey("municipalities.id"), nullable=False, index=True),
    Column("basin_id", ForeignKey("basins.id"), nullable=True),
    Column("name", Text, nullable=False),
)

stations = Table(
    "stations",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("municipality_id", ForeignKey("municipalities.id"), nullable=False, index=True),
    Column("basin_id", ForeignKey("basins.id"), nullable=True, index=True),
    Column("kind", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("latitude", Double, nullable=False),
    Column("longitude", Double, nullable=False),
    Column("street", Text, nullable=True, comment="For radars: the street whose speeds are counted"),
    Column("speed_limits", JSONB, nullable=True, comment="For radars: limits in km/h by hour, see docs/seed.md"),
    Column("site_limits", JSONB, nullable=True, comment="Lowest and highest value ever thought possible here"),
    Column("note", Text, nullable=False, server_default=""),
    Column("active", Boolean, nullable=False, server_default=text("true")),
)

devices = Table(
    "devices",
    METADATA,
    Column("id", Integer, Identity(always=True), primary_key=True),
    Column(
        "municipality", Text, nullable=False, comment="As in the topic; an unregistered device may name an unknown one"
    ),
    Column("kind", Text, nullable=False),
    Column("code", Text, nullable=False),
    Column("station_id", ForeignKey("stations.id"), nullable=True, index=True),
    timestamp_column("first_seen_at", nullable=True),
    timestamp_column("registered_at", nullable=True),
    Column("online", Boolean, nullable=True, comment="By birth and last will; null until either came"),
    timestamp_column("online_since", nullable=True),
    UniqueConstraint("municipality", "kind", "code"),
    Index("devices_one_registered_code", "code", unique=True, postgresql_where=text("registered_at IS NOT NULL")),
)
