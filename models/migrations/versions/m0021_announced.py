"""Transitions say why they were announced to the operators."""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "transitions",
        sa.Column(
            "announced",
            sa.Text(),
            nullable=True,
            comment="Why operators were told: opened, graver, own_rise, ...; empty where they were not",
        ),
    )
