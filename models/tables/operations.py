"""Tables for running the system: the event stream, canaries, the newest backup and heartbeats of processes."""

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    Identity,
    Index,
    SmallInteger,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from models.tables.metadata import METADATA, Xid8, timestamp_column

events = Table(
    "events",
    METADATA,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("xid", Xid8, nullable=False, server_default=text("pg_current_xact_id()")),
    timestamp_column("at"),
    Column("event", Text, nullable=False, comment="readings, transition, alert, device or attention"),
    Column("data", JSON, nullable=False),
    Index(None, "xid", "id"),
    Index(None, "at"),
)

canaries = Table(
    "canaries",
    METADATA,
    Column("lane", Text, primary_key=True),
    timestamp_column("sent_at"),
    timestamp_column("stored_at", server_default=text("clock_timestamp()")),
)

last_backup = Table(
    "last_backup",
    METADATA,
    Column("id", SmallInteger, CheckConstraint("id = 1", name="id"), primary_key=True, autoincrement=False),
    timestamp_column("taken_at"),
    Column("folder", Text, nullable=False),
    Column("bytes", BigInteger, nullable=False),
)

heartbeats = Table(
    "heartbeats",
    METADATA,
    Column("process", Text, primary_key=True),
    timestamp_column("at"),
    timestamp_column("started_at"),
    timestamp_column("written_at", server_default=text("clock_timestamp()")),
    Column("recent_starts", ARRAY(DateTime(timezone=True)), nullable=False, server_default=text("'{}'")),
    Column("status", JSONB, nullable=False),
)
