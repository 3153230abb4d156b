"""Tables of sirens and signs: what a person orders of one under a declared level, and their self-tests."""

from sqlalchemy import BigInteger, CheckConstraint, Column, ForeignKey, Identity, Index, Table, Text, text

from models.tables.metadata import METADATA, timestamp_column

MAX_ORDER_MINUTES = 60
"""The longest that a siren sounds, or a sign shows, by one order."""
MAX_TEXT_CHARS = 80

actuators = Table(
    "actuators",
    METADATA,
    Column("id", Text, primary_key=True, comment="As in its topics"),
    Column("municipality_id", ForeignKey("municipalities.id"), nullable=False, index=True),
    Column("kind", Text, nullable=False, comment="siren or sign"),
    Column("area", Text, nullable=False, comment="Whom it warns: municipality:ID, basin:ID or barrio:ID"),
    Column("name", Text, nullable=False),
    timestamp_column("retired_at", nullable=True),
    CheckConstraint("kind IN ('siren', 'sign')", name="kind"),
)

actuator_orders = Table(
    "actuator_orders",
    METADATA,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("actuator_id", ForeignKey("actuators.id"), nullable=False),
    Column("declaration_id", ForeignKey("declarations.id"), nullable=False, index=True),
    Column("person_id", ForeignKey("people.id", ondelete="SET NULL"), nullable=True, index=True),
    Column("ordered_by", Text, nullable=False, comment="The person's name; later only `operator`"),
    Column("shows", Text, nullable=False, server_default="", comment="Of a sign: its text"),
    timestamp_column("ordered_at"),
    timestamp_column("ends_at"),
    Column("state", Text, nullable=False, server_default="ordered"),
    timestamp_column("state_at"),
    timestamp_column("sent_at", nullable=True),
    Column("detail", Text, nullable=True, comment="What the device said"),
    CheckConstraint(
        "state IN ('ordered', 'accepted', 'sounding', 'done', 'refused', 'no_answer')",
        name="state",
    ),
    CheckConstraint(
        f"ends_at > ordered_at AND ends_at <= ordered_at + INTERVAL '{MAX_ORDER_MINUTES} minutes'", name="period"
    ),
    CheckConstraint(f"char_length(shows) <= {MAX_TEXT_CHARS}", name="shows"),
    Index(
        "actuator_orders_one_open",
        "actuator_id",
        unique=True,
        postgresql_where=text("state IN ('ordered', 'accepted', 'sounding')"),
    ),
)

actuator_tests = Table(
    "actuator_tests",
    METADATA,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("actuator_id", ForeignKey("actuators.id"), nullable=False, index=True),
    timestamp_column("asked_at"),
    Column("asked_by", Text, nullable=False),
    timestamp_column("sent_at", nullable=True),
    timestamp_column("answered_at", nullable=True),
    Column("passed", Text, nullable=True, comment="yes or no; null while it has not answered"),
    Column("detail", Text, nullable=True, comment="What the device said"),
    CheckConstraint("passed IN ('yes', 'no')", name="passed"),
    CheckConstraint("(passed IS NULL) = (answered_at IS NULL)", name="answered"),
)
