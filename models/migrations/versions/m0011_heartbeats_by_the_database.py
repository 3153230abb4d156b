"""Heartbeats carry the database's time, also of the last starts: by it a process is judged, not by its own clock."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "heartbeats",
        sa.Column(
            "written_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.text("clock_timestamp()")
        ),
    )
    op.add_column(
        "heartbeats",
        sa.Column("recent_starts", ARRAY(sa.DateTime(timezone=True)), nullable=False, server_default=sa.text("'{}'")),
    )
    op.execute("UPDATE heartbeats SET written_at = least(at, now())")
