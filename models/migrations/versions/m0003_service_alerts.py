"""What riders are told is out of the ordinary on the lines."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "service_alerts",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column(
            "version", sa.Integer(), server_default=sa.text("1"), nullable=False, comment="Rises with every action"
        ),
        sa.Column("state", sa.Text(), server_default=sa.text("'draft'"), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False, comment="notice.Cause"),
        sa.Column("effect", sa.Text(), nullable=False, comment="notice.Effect"),
        sa.Column("header", JSONB(), nullable=False, comment="notice.Words: es, en"),
        sa.Column("description", JSONB(), nullable=False, comment="notice.Words: es, en"),
        sa.Column("url", sa.Text(), server_default="", nullable=False),
        sa.Column(
            "informed", JSONB(), nullable=False, comment="List of notice.Informed: agency, line, stop, direction"
        ),
        sa.Column(
            "periods", JSONB(), nullable=False, comment="List of notice.Active, Unix seconds; none: while published"
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False, comment="Operator's name"),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("published_by", sa.Text(), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_by", sa.Text(), nullable=True),
        sa.CheckConstraint("state IN ('draft', 'published', 'ended')", name=op.f("service_alerts_state_check")),
        sa.PrimaryKeyConstraint("id", name=op.f("service_alerts_pkey")),
    )
    op.create_index(op.f("service_alerts_state_id"), "service_alerts", ["state", "id"], unique=False)
