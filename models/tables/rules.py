"""Tables of the alert rules: definitions, the state of each subject, and the fitted forecast models."""

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, Integer, PrimaryKeyConstraint, Table, Text, text
from sqlalchemy.dialects.postgresql import JSONB

from models.tables.metadata import METADATA, timestamp_column

rules = Table(
    "rules",
    METADATA,
    Column("id", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("kind", Text, nullable=False),
    Column("subject", ForeignKey("stations.id"), nullable=False),
    Column("judgement", JSONB, nullable=False),
    Column("active", Boolean, nullable=False),
    timestamp_column("changed_at"),
    PrimaryKeyConstraint("id", "version"),
    Index("rules_one_active_version", "id", unique=True, postgresql_where=text("active")),
)

subject_states = Table(
    "subject_states",
    METADATA,
    Column("subject", Text, primary_key=True),
    Column("version", BigInteger, nullable=False, comment="Rises with every change"),
    Column("states", Text, nullable=False, comment="What each rule remembers of this subject, JSON by rule"),
    Column("colours", JSONB, nullable=False, comment="The colour each rule holds, by rule"),
    # No index: it changes with every batch, and updating an unindexed column allows heap-only (HOT) updates.
    timestamp_column("judged_at"),
    postgresql_with={"fillfactor": 50},
)

forecast_models = Table(
    "forecast_models",
    METADATA,
    Column("station_id", ForeignKey("stations.id"), primary_key=True),
    Column("model", JSONB, nullable=False),
    timestamp_column("fitted_at"),
)

learning_outcomes = Table(
    "learning_outcomes",
    METADATA,
    Column("station_id", ForeignKey("stations.id"), primary_key=True),
    timestamp_column("at"),
    Column("trouble", Text, comment="Why no model was learnt: too_short, not_finite, failed; null where one was"),
)
