"""Tables of the record: append-only entries of what was decided, said and read, and the chain of hashes over them."""

from sqlalchemy import BigInteger, CheckConstraint, Column, ForeignKey, Identity, Index, LargeBinary, Table, Text, text
from sqlalchemy.dialects.postgresql import JSONB

from models.tables.metadata import METADATA, timestamp_column

SALT = "uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())"
"""244 random bits, so that erased content cannot be found again by trying words against its hash."""

log_entries = Table(
    "log_entries",
    METADATA,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    timestamp_column("at"),
    Column("what", Text, nullable=False, comment="A short dotted name, such as alert.acknowledged"),
    Column("about", Text, nullable=True, comment="NOUN:ID, such as alert:12; null once erased"),
    Column("actor", Text, nullable=True, comment="A person's or key's name, or rule; null once erased"),
    Column("details", JSONB, nullable=True, comment="Null once erased"),
    Column("salt", LargeBinary, nullable=True, server_default=text(SALT), comment="Null once erased"),
    Column("content_hash", LargeBinary, nullable=False, comment="By a trigger: SHA-256 of the salt and the content"),
    CheckConstraint(
        "(salt IS NULL) = (about IS NULL) AND (salt IS NULL) = (actor IS NULL) AND (salt IS NULL) = (details IS NULL)",
        name="erased_whole",
    ),
    CheckConstraint("what ~ '^[a-z_]{1,40}\\.[a-z_]{1,40}$'", name="what"),
    Index(None, "at"),
    Index(None, "about"),
)

log_pending = Table(
    "log_pending",
    METADATA,
    Column("entry_id", BigInteger, primary_key=True, autoincrement=False),
    timestamp_column("since", server_default=text("clock_timestamp()")),
)
"""Entries not chained yet. A trigger adds each in the transaction of its entry, so that no late commit is skipped."""

log_chain = Table(
    "log_chain",
    METADATA,
    Column("number", BigInteger, primary_key=True, autoincrement=False, comment="1, 2, 3, ... without a hole"),
    Column("entry_id", ForeignKey("log_entries.id"), nullable=False, unique=True),
    Column("hash", LargeBinary, nullable=False, comment="SHA-256 over number, hash before, time, what, content hash"),
    CheckConstraint("octet_length(hash) = 32", name="sha256"),
)
