"""The plan of the city: streets, streams, parks and water for orientation."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "configuration",
        sa.Column("plan", JSONB(), nullable=True, comment="Streets, streams, parks and water of the plan, WGS 84"),
    )
