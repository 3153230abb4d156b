"""Table of service alerts: disruptions of lines published to riders."""

from sqlalchemy import BigInteger, CheckConstraint, Column, DateTime, Identity, Index, Integer, Table, Text, text
from sqlalchemy.dialects.postgresql import JSONB

from models.tables.metadata import METADATA

service_alerts = Table(
    "service_alerts",
    METADATA,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("version", Integer, nullable=False, server_default=text("1"), comment="Rises with every action"),
    Column("state", Text, nullable=False, server_default=text("'draft'")),
    Column("cause", Text, nullable=False, comment="notice.Cause"),
    Column("effect", Text, nullable=False, comment="notice.Effect"),
    Column("header", JSONB, nullable=False, comment="notice.Words: es, en"),
    Column("description", JSONB, nullable=False, comment="notice.Words: es, en"),
    Column("url", Text, nullable=False, server_default=""),
    Column("informed", JSONB, nullable=False, comment="List of notice.Informed: agency, line, stop, direction"),
    Column("periods", JSONB, nullable=False, comment="List of notice.Active, Unix seconds; none: while published"),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("created_by", Text, nullable=False, comment="Operator's name"),
    Column("published_at", DateTime(timezone=True), nullable=True),
    Column("published_by", Text, nullable=True),
    Column("ended_at", DateTime(timezone=True), nullable=True),
    Column("ended_by", Text, nullable=True),
    CheckConstraint("state IN ('draft', 'published', 'ended')", name="state"),
    Index(None, "state", "id"),
)
