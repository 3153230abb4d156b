"""Tables of declared levels: the alert (alerta, Ley 27.287) that a person of the authority declares for an area."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from models.tables.metadata import METADATA, timestamp_column

MAX_REASON_CHARS = 500
MAX_DECLARED_DAYS = 7
"""The longest time between a declaration and its end. A longer one is extended by a person."""

declarations = Table(
    "declarations",
    METADATA,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("area", Text, nullable=False, comment="municipality:ID, basin:ID or barrio:ID"),
    Column("act", Text, nullable=False, comment="declared, extended, withdrawn or expired"),
    Column("nar", SmallInteger, nullable=True, comment="The declared level; null where the act ends it"),
    Column("proposed", SmallInteger, nullable=False, comment="The level that Vigía proposed then"),
    Column("reason", Text, nullable=False, server_default=""),
    timestamp_column("at"),
    Column("actor", Text, nullable=False, comment="A person's name, or rule where the time ran out"),
    timestamp_column("since", nullable=True),
    timestamp_column("until", nullable=True),
    Column("replaces", BigInteger, nullable=True, comment="The act before it in this area; null for the first"),
    CheckConstraint("act IN ('declared', 'extended', 'withdrawn', 'expired')", name="act"),
    CheckConstraint("nar BETWEEN 0 AND 3", name="nar"),
    CheckConstraint(
        "(act IN ('declared', 'extended')) = (nar IS NOT NULL)"
        " AND (nar IS NOT NULL) = (until IS NOT NULL) AND (nar IS NOT NULL) = (since IS NOT NULL)",
        name="level",
    ),
    CheckConstraint(f"until > at AND until <= at + INTERVAL '{MAX_DECLARED_DAYS} days'", name="until"),
    CheckConstraint("act = 'declared' OR replaces IS NOT NULL", name="replaces"),
    CheckConstraint("(act = 'expired') = (actor = 'rule')", name="actor"),
    CheckConstraint(f"char_length(reason) <= {MAX_REASON_CHARS}", name="reason"),
    UniqueConstraint("id", "area"),
    UniqueConstraint("replaces"),
    ForeignKeyConstraint(["replaces", "area"], ["declarations.id", "declarations.area"]),
    Index("declarations_one_first", "area", unique=True, postgresql_where=text("replaces IS NULL")),
)
"""Acts of each area, each replacing the one before it. Rows are added and never changed.

The last act of an area says what is declared there. The indexes refuse a second act that replaces the same one, so that
two people who decide at once cannot both be told that theirs holds.
"""

declaration_warnings = Table(
    "declaration_warnings",
    METADATA,
    Column("declaration_id", BigInteger, ForeignKey("declarations.id"), primary_key=True, autoincrement=False),
    timestamp_column("at"),
)
"""Declarations whose end was announced beforehand."""
