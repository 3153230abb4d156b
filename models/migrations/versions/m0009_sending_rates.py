"""Messages above their sender's rate are postponed; rejections beyond the budget are counted."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "rejection_counts",
        sa.Column("hour", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "sender", sa.Text(), nullable=False, comment="A device's topic, or (unregistered), (no device), (others)"
        ),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("messages", sa.BigInteger(), nullable=False, comment="Rejected beyond the budget: counted, not kept"),
        sa.Column("bytes", sa.BigInteger(), nullable=False, comment="Of their payloads"),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("hour", "sender", "reason", name=op.f("rejection_counts_pkey")),
        postgresql_with={"fillfactor": 50},
    )
    op.create_table(
        "postponed_messages",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("lane", sa.Text(), nullable=False),
        sa.Column("sender", sa.Text(), nullable=False, comment="As in rejection_counts"),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.Column("retained", sa.Boolean(), nullable=False),
        sa.Column("repeated", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("postponed_messages_pkey")),
    )
    op.create_index(
        op.f("postponed_messages_lane_sender_id"), "postponed_messages", ["lane", "sender", "id"], unique=False
    )
