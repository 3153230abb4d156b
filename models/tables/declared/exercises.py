"""Tables of exercises: drills and training, with the steps that raise their alerts."""

from sqlalchemy import BigInteger, CheckConstraint, Column, ForeignKey, Identity, Index, SmallInteger, Table, Text, text

from models.tables.metadata import METADATA, timestamp_column

MAX_NAME_CHARS = 100

exercises = Table(
    "exercises",
    METADATA,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("kind", Text, nullable=False, comment="drill or training"),
    Column("name", Text, nullable=False),
    timestamp_column("started_at"),
    Column("started_by", Text, nullable=False),
    timestamp_column("ended_at", nullable=True),
    Column("ended_by", Text, nullable=True),
    CheckConstraint("kind IN ('drill', 'training')", name="kind"),
    CheckConstraint(f"char_length(name) BETWEEN 1 AND {MAX_NAME_CHARS}", name="name"),
    CheckConstraint("(ended_at IS NULL) = (ended_by IS NULL)", name="ended"),
    Index("exercises_one_running", text("(true)"), unique=True, postgresql_where=text("ended_at IS NULL")),
)

exercise_steps = Table(
    "exercise_steps",
    METADATA,
    Column("exercise_id", ForeignKey("exercises.id"), primary_key=True),
    Column("place", SmallInteger, primary_key=True, autoincrement=False),
    Column("station_id", ForeignKey("stations.id"), nullable=False),
    Column("judgement", Text, nullable=False, comment="stage or rainfall"),
    Column("nar", SmallInteger, nullable=False),
    timestamp_column("due_at"),
    timestamp_column("done_at", nullable=True),
    CheckConstraint("nar BETWEEN 1 AND 3", name="nar"),
    CheckConstraint("judgement IN ('stage', 'rainfall')", name="judgement"),
)
