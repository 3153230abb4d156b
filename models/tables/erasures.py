"""Tables of erasure: requests to redact a note, and the record of every protected row or text that was erased."""

from sqlalchemy import BigInteger, CheckConstraint, Column, ForeignKey, Identity, Integer, Table, Text, UniqueConstraint

from models.tables.metadata import METADATA, timestamp_column

MAX_REASON_CHARS = 200

redactions = Table(
    "redactions",
    METADATA,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("action_id", ForeignKey("alert_actions.id", ondelete="CASCADE"), nullable=False),
    timestamp_column("requested_at"),
    Column("requested_by", Text, nullable=False, comment="Operator's name"),
    Column("reason", Text, nullable=False),
    timestamp_column("done_at", nullable=True),
    CheckConstraint(f"char_length(reason) BETWEEN 1 AND {MAX_REASON_CHARS}", name="reason"),
    UniqueConstraint("action_id"),
)

erasures = Table(
    "erasures",
    METADATA,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    timestamp_column("at"),
    Column("database_role", Text, nullable=False, comment="Which database role called the function"),
    Column("erased", Text, nullable=False, comment="The table, or table and column"),
    Column("row_count", Integer, nullable=False),
    timestamp_column("before", nullable=True),
    Column("redaction_id", BigInteger, nullable=True, comment="The redaction, where it was one"),
)
