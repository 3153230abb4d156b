"""Table of incidents: alerts of one hazard, one area and one time."""

from sqlalchemy import BigInteger, CheckConstraint, Column, Identity, Index, Table, Text, text

from models.tables.metadata import METADATA, timestamp_column

incidents = Table(
    "incidents",
    METADATA,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("origin", Text, nullable=False, server_default="rule", comment="rule, or person for a report"),
    Column("hazard", Text, nullable=False, comment="flood, speed, equipment or system; the category of a report"),
    Column("area", Text, nullable=False, comment="basin:ID, municipality:ID or system"),
    Column("kind", Text, nullable=False, server_default="", comment="The kind of sensor, where it is about equipment"),
    Column("state", Text, nullable=False, server_default="open", comment="open, over (accepts no alert) or closed"),
    timestamp_column("opened_at"),
    timestamp_column("closed_at", nullable=True),
    Column("exercise", Text, nullable=True, comment="drill or training; null where it is real"),
    CheckConstraint("exercise IN ('drill', 'training')", name="exercise"),
    CheckConstraint("state IN ('open', 'over', 'closed')", name="state"),
    CheckConstraint("origin IN ('rule', 'person')", name="origin"),
    CheckConstraint("(state = 'closed') = (closed_at IS NOT NULL)", name="closed"),
    Index(
        "incidents_one_open",
        "hazard",
        "area",
        "kind",
        "exercise",
        unique=True,
        postgresql_where=text("state = 'open' AND origin = 'rule'"),
        postgresql_nulls_not_distinct=True,
    ),
    Index(None, "opened_at"),
)
