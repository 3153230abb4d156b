"""Tables of the rota (shifts, changes, hand-overs), of escalation (steps, runs, calls) and of the phone tree."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    ForeignKey,
    Identity,
    Index,
    Integer,
    SmallInteger,
    Table,
    Text,
    Time,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from models.tables.metadata import METADATA, timestamp_column

ON_DUTY = "position IN ('operator', 'second', 'chief')"

shifts = Table(
    "shifts",
    METADATA,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("zone", Text, nullable=False, comment="municipality:ID or basin:ID"),
    Column("position", Text, nullable=False, comment="operator, second or chief: the place in the chain"),
    Column("person_id", ForeignKey("people.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("first_day", Date, nullable=False, comment="Day 0 of the cycle"),
    Column("last_day", Date, nullable=True, comment="The last day on which a turn may begin"),
    Column("cycle_days", SmallInteger, nullable=False, comment="7 for a weekly pattern"),
    Column("days", ARRAY(SmallInteger), nullable=False, comment="Days of the cycle on which a turn begins, from 0"),
    Column("from_time", Time, nullable=False, comment="In the city's time zone"),
    Column("to_time", Time, nullable=False, comment="Of the next day where it is not after from_time"),
    timestamp_column("created_at"),
    Column("created_by", Text, nullable=False),
    timestamp_column("ended_at", nullable=True),
    Column("ended_by", Text, nullable=True),
    CheckConstraint(ON_DUTY, name="position"),
    CheckConstraint("cycle_days BETWEEN 1 AND 366", name="cycle"),
    CheckConstraint("cardinality(days) BETWEEN 1 AND 366", name="days"),
)

shift_changes = Table(
    "shift_changes",
    METADATA,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column(
        "kind", Text, nullable=False, comment="cover (asked of another), override (ordered) or take (the watch, now)"
    ),
    Column("zone", Text, nullable=False),
    Column("position", Text, nullable=False),
    Column(
        "person_id",
        ForeignKey("people.id", ondelete="CASCADE"),
        nullable=False,
        index=True,
        comment="Who is on duty instead",
    ),
    Column(
        "instead_of",
        ForeignKey("people.id", ondelete="CASCADE"),
        nullable=True,
        comment="Null: instead of whoever is on duty",
    ),
    timestamp_column("starts_at"),
    timestamp_column("ends_at"),
    timestamp_column("asked_at"),
    Column("asked_by", Text, nullable=False),
    timestamp_column("accepted_at", nullable=True),
    Column("accepted_by", Text, nullable=True),
    timestamp_column("withdrawn_at", nullable=True),
    Column("withdrawn_by", Text, nullable=True),
    Column("note", Text, nullable=False, server_default=""),
    CheckConstraint("kind IN ('cover', 'override', 'take')", name="kind"),
    CheckConstraint(ON_DUTY, name="position"),
    CheckConstraint("starts_at < ends_at", name="period"),
    CheckConstraint("(accepted_at IS NULL) = (accepted_by IS NULL)", name="accepted"),
    Index(None, "ends_at"),
)

handovers = Table(
    "handovers",
    METADATA,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("zone", Text, nullable=False),
    timestamp_column("given_at"),
    Column("given_by", Text, nullable=False),
    Column("summary", JSONB, nullable=False, comment="What was open when the watch was handed over"),
    Column("note", Text, nullable=False, server_default=""),
    timestamp_column("acknowledged_at", nullable=True),
    Column("acknowledged_by", Text, nullable=True),
    CheckConstraint("(acknowledged_at IS NULL) = (acknowledged_by IS NULL)", name="acknowledged"),
    Index(None, "given_at"),
)

escalation_steps = Table(
    "escalation_steps",
    METADATA,
    Column("municipality_id", ForeignKey("municipalities.id"), primary_key=True),
    Column("nar", SmallInteger, primary_key=True),
    Column("step", SmallInteger, primary_key=True, comment="From 0"),
    Column("after_s", Integer, nullable=False, comment="Since the escalation began"),
    Column("position", Text, nullable=False, comment="operator, second, chief or everybody"),
    Column("all_answer", Boolean, nullable=False, comment="Every person called must answer, not the first alone"),
    CheckConstraint("nar BETWEEN 1 AND 3", name="nar"),
    CheckConstraint("step BETWEEN 0 AND 15", name="step"),
    CheckConstraint("after_s BETWEEN 0 AND 86400", name="after"),
    CheckConstraint("position IN ('operator', 'second', 'chief', 'everybody')", name="position"),
)

escalations = Table(
    "escalations",
    METADATA,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("incident_id", ForeignKey("incidents.id"), nullable=False),
    Column("run", Integer, nullable=False, comment="From 1: an incident that asks again is escalated again"),
    Column("nar", SmallInteger, nullable=False, comment="The colour that asks to be acknowledged"),
    Column("reason", Text, nullable=False, comment="asks, graver or again"),
    timestamp_column("started_at"),
    timestamp_column("answered_at", nullable=True),
    timestamp_column("ended_at", nullable=True),
    Column("ended_because", Text, nullable=True, comment="answered, over or graver"),
    UniqueConstraint("incident_id", "run"),
    CheckConstraint("nar BETWEEN 1 AND 3", name="nar"),
    CheckConstraint("reason IN ('asks', 'graver', 'again')", name="reason"),
    CheckConstraint("(ended_at IS NULL) = (ended_because IS NULL)", name="ended"),
    Index("escalations_one_running", "incident_id", unique=True, postgresql_where=text("ended_at IS NULL")),
)

escalation_calls = Table(
    "escalation_calls",
    METADATA,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("escalation_id", ForeignKey("escalations.id"), nullable=False),
    Column("step", SmallInteger, nullable=False, comment="Grows on where the last step is repeated"),
    Column("position", Text, nullable=False),
    Column(
        "person_id",
        ForeignKey("people.id", ondelete="CASCADE"),
        nullable=True,
        index=True,
        comment="Null: nobody has the position",
    ),
    timestamp_column("called_at"),
    timestamp_column("unreached_at", nullable=True),
    Column("unreached_why", Text, nullable=True, comment="nobody, no_channel or failed"),
    timestamp_column("answered_at", nullable=True),
    CheckConstraint("(unreached_at IS NULL) = (unreached_why IS NULL)", name="unreached"),
    UniqueConstraint("escalation_id", "step", "person_id"),
    Index(
        "escalation_calls_one_nobody",
        "escalation_id",
        "step",
        unique=True,
        postgresql_where=text("person_id IS NULL"),
    ),
)

phone_tree = Table(
    "phone_tree",
    METADATA,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("municipality_id", ForeignKey("municipalities.id"), nullable=False, index=True),
    Column("place", SmallInteger, nullable=False, comment="The order in which they are called"),
    Column("name", Text, nullable=False),
    Column("function", Text, nullable=False, server_default="", comment="What they are called for"),
    Column("number", Text, nullable=False),
    timestamp_column("ended_at", nullable=True),
)

phone_tree_calls = Table(
    "phone_tree_calls",
    METADATA,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("incident_id", ForeignKey("incidents.id"), nullable=False, index=True),
    Column("entry_id", ForeignKey("phone_tree.id", ondelete="CASCADE"), nullable=False, index=True),
    timestamp_column("at"),
    Column("by", Text, nullable=False),
    Column("answer", Text, nullable=False, comment="answered or no_answer"),
    Column("note", Text, nullable=False, server_default=""),
    CheckConstraint("answer IN ('answered', 'no_answer')", name="answer"),
)
