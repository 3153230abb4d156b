"""Tables of alerts: transitions, alerts with the actions on them, area levels, contacts and notices."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
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

alerts = Table(
    "alerts",
    METADATA,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("rule_id", Text, nullable=False),
    Column("rule_version", Integer, nullable=False),
    Column("subject", Text, nullable=False, index=True, comment="A station, or municipality:ID for an outage"),
    Column("kind", Text, nullable=False),
    Column("judgement", Text, nullable=False, comment="Which sort of rule: stage, rainfall, silence, ..."),
    Column("state", Text, nullable=False, comment="firing, cleared or closed"),
    Column("nar", SmallInteger, nullable=False),
    Column("highest_nar", SmallInteger, nullable=False),
    Column("cause", Text, nullable=False),
    Column("confirmed", Boolean, nullable=False),
    timestamp_column("observed_at"),
    timestamp_column("opened_at"),
    timestamp_column("changed_at"),
    timestamp_column("cleared_at", nullable=True),
    timestamp_column("acknowledged_at", nullable=True),
    Column("acknowledged_by", Text, nullable=True),
    timestamp_column("closed_at", nullable=True),
    Column("closed_by", Text, nullable=True),
    Column("evidence", JSONB, nullable=False),
    Column("version", Integer, nullable=False, server_default=text("1")),
    Column("incident_id", ForeignKey("incidents.id"), nullable=True, index=True),
    Column("membership", Text, nullable=True, comment="Why it belongs to its incident: stream, rain, lost_gauge, ..."),
    CheckConstraint("state IN ('firing', 'cleared', 'closed')", name="state"),
    CheckConstraint("(state = 'closed') = (closed_at IS NOT NULL)", name="closed"),
    CheckConstraint("state = 'closed' OR incident_id IS NOT NULL", name="incident"),
    CheckConstraint("(incident_id IS NULL) = (membership IS NULL)", name="membership"),
    Index("alerts_one_open", "rule_id", "subject", unique=True, postgresql_where=text("state <> 'closed'")),
    Index(None, "opened_at"),
)

alert_actions = Table(
    "alert_actions",
    METADATA,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("alert_id", ForeignKey("alerts.id"), nullable=False, index=True),
    timestamp_column("at"),
    Column("actor", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("note", Text, nullable=False, server_default=""),
    CheckConstraint("action IN ('acknowledge', 'comment', 'close')", name="action"),
)

transitions = Table(
    "transitions",
    METADATA,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("alert_id", ForeignKey("alerts.id"), nullable=True, index=True),
    Column("rule_id", Text, nullable=False),
    Column("rule_version", Integer, nullable=False),
    Column("subject", Text, nullable=False),
    Column("before", SmallInteger, nullable=False),
    Column("after", SmallInteger, nullable=False),
    Column("change", Text, nullable=False),
    Column("cause", Text, nullable=False),
    Column("confirmed", Boolean, nullable=False),
    timestamp_column("observed_at"),
    timestamp_column("decided_at"),
    Column("evidence", JSONB, nullable=False),
    Index(None, "subject", "id"),
    Index(None, "decided_at"),
)

attention = Table(
    "attention",
    METADATA,
    Column("subject", Text, primary_key=True, comment="basin:ID, municipality:ID or outage:ID:KIND"),
    Column("nar", SmallInteger, nullable=False),
    timestamp_column("since"),
    Column("evidence", JSONB, nullable=False),
)

contacts = Table(
    "contacts",
    METADATA,
    Column("id", Integer, Identity(always=True), primary_key=True),
    Column("name", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("least_nar", SmallInteger, nullable=False),
    timestamp_column("ended_at", nullable=True),
    UniqueConstraint("channel", "address"),
)

notices = Table(
    "notices",
    METADATA,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("alert_id", ForeignKey("alerts.id"), nullable=False, index=True),
    Column("transition_id", ForeignKey("transitions.id"), nullable=False),
    Column("channel", Text, nullable=False),
    Column("recipient", Text, nullable=False),
    Column("priority", SmallInteger, nullable=False),
    Column("dedup_key", Text, nullable=False, unique=True),
    Column("body", JSONB, nullable=False),
    timestamp_column("not_before"),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    timestamp_column("leased_until", nullable=True),
    timestamp_column("sent_at", nullable=True),
    Column("refused", Text, nullable=True, comment="The channel's final no"),
    Column("trouble", Text, nullable=True, comment="What the last attempt met"),
    Index("notices_due", "not_before", postgresql_where=text("sent_at IS NULL AND refused IS NULL")),
)
