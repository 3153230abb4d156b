"""What came of learning each stream's forecast, for its page."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "learning_outcomes",
        sa.Column("station_id", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "trouble", sa.Text(), comment="Why no model was learnt: too_short, not_finite, failed; null where one was"
        ),
        sa.ForeignKeyConstraint(["station_id"], ["stations.id"], name=op.f("learning_outcomes_station_id_fkey")),
        sa.PrimaryKeyConstraint("station_id", name=op.f("learning_outcomes_pkey")),
    )
