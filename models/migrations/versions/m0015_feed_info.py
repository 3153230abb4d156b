"""Who publishes each timetable, and under which licence."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    column = sa.Column(
        "feed_info",
        postgresql.JSONB(),
        server_default=sa.text("'{}'"),
        nullable=False,
        comment="Who publishes it, and its licence",
    )
    op.add_column("timetable_versions", column)
