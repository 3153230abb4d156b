"""Tables of received data: one readings table per sensor kind, device memories, sequence gaps, rejected messages.

The readings tables are derived from KINDS: each field of a kind's payload is one column.
"""

import types
import typing

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.sql.type_api import TypeEngine

from models.kind import SensorKind
from models.kinds import KINDS
from models.tables.metadata import METADATA, timestamp_column

device_memories = Table(
    "device_memories",
    METADATA,
    Column("device_id", ForeignKey("devices.id"), primary_key=True),
    Column("version", BigInteger, nullable=False, comment="Rises with every change"),
    # Text, not JSON, because only its writer parses it.
    Column("memory", Text, nullable=False, comment="What the quality checks and gap counting remember, JSON"),
    timestamp_column("observed_at"),
    timestamp_column("received_at"),
    Column("latest", JSONB, nullable=False, comment="The newest reading's columns, raw"),
    Column("flags", Integer, nullable=False),
    postgresql_with={"fillfactor": 50},
)

sequence_gaps = Table(
    "sequence_gaps",
    METADATA,
    Column("device_id", ForeignKey("devices.id"), nullable=False),
    Column("boot", Text, nullable=False),
    Column("first_seq", BigInteger, nullable=False),
    Column("last_seq", BigInteger, nullable=False),
    Column("filled", BigInteger, nullable=False, server_default=text("0"), comment="Came later, out of order"),
    timestamp_column("seen_at"),
    PrimaryKeyConstraint("device_id", "boot", "first_seq"),
)

rejected_messages = Table(
    "rejected_messages",
    METADATA,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    timestamp_column("received_at"),
    Column("topic", Text, nullable=False),
    Column("payload", LargeBinary, nullable=False),
    Column("reason", Text, nullable=False),
    Column("detail", Text, nullable=False),
    timestamp_column("reingested_at", nullable=True),
    Index(None, "received_at"),
    Index(None, "reason", "id"),
    Index(
        "rejected_messages_said",
        text("hashtextextended((topic || '#') || encode(payload, 'hex'), 0)"),
        "received_at",
    ),
)

rejection_counts = Table(
    "rejection_counts",
    METADATA,
    timestamp_column("hour"),
    Column("sender", Text, nullable=False, comment="A device's topic, or (unregistered), (no device), (others)"),
    Column("reason", Text, nullable=False),
    Column("messages", BigInteger, nullable=False, comment="Rejected beyond the budget: counted, not kept"),
    Column("bytes", BigInteger, nullable=False, comment="Of their payloads"),
    timestamp_column("last_at"),
    PrimaryKeyConstraint("hour", "sender", "reason"),
    postgresql_with={"fillfactor": 50},
)

postponed_messages = Table(
    "postponed_messages",
    METADATA,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("lane", Text, nullable=False),
    Column("sender", Text, nullable=False, comment="As in rejection_counts"),
    timestamp_column("received_at"),
    Column("topic", Text, nullable=False),
    Column("payload", LargeBinary, nullable=False),
    Column("retained", Boolean, nullable=False),
    Column("repeated", Boolean, nullable=False),
    Index(None, "lane", "sender", "id"),
)


def _column_type(annotation: object) -> TypeEngine[typing.Any]:
    """The SQL type of a payload field; optional fields are nullable columns of their inner type."""
    if isinstance(annotation, types.UnionType) or typing.get_origin(annotation) is typing.Union:
        inner = [part for part in typing.get_args(annotation) if part is not type(None)]
        return _column_type(inner[0])
    match typing.get_origin(annotation) or annotation:
        case builtin if builtin is float:
            return Double()
        case builtin if builtin is int:
            return Integer()
        case builtin if builtin is bool:
            return Boolean()
        case builtin if builtin is str or builtin is typing.Literal:
            return Text()
        case builtin if builtin is tuple:
            return ARRAY(Integer)
    raise TypeError(f"no column type for a payload field of type {annotation!r}: add it to models.tables.readings")


def _readings_table(kind: SensorKind) -> Table:
    fields = kind.payload.model_fields
    return Table(
        f"{kind.name}_readings",
        METADATA,
        Column("device_id", Integer, nullable=False),
        timestamp_column("observed_at"),
        Column("seq", BigInteger, nullable=False),
        timestamp_column("received_at"),
        *(Column(name, _column_type(fields[name].annotation), nullable=True) for name in kind.columns),
        Column("flags", Integer, nullable=False),
        PrimaryKeyConstraint("device_id", "observed_at", "seq"),
        info={"kind": kind},
    )


READINGS: dict[str, Table] = {kind.name: _readings_table(kind) for kind in KINDS}
