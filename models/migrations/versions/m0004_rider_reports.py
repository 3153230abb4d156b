"""What riders say went wrong."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "rider_reports",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False, comment="When it was sent"),
        sa.Column("source", sa.Text(), nullable=False, comment="Through what: onebusaway, page, sms"),
        sa.Column("code", sa.Text(), nullable=False, comment="transit_reports.Code"),
        sa.Column("stop_id", sa.Text(), nullable=True),
        sa.Column("route_id", sa.Text(), nullable=True),
        sa.Column("trip_id", sa.Text(), nullable=True),
        sa.Column("service_date", sa.Date(), nullable=True),
        sa.Column(
            "vehicle", sa.Text(), nullable=True, comment="As the rider read it on the bus, or as the app was told"
        ),
        sa.Column("on_board", sa.Boolean(), nullable=True, comment="Whether the rider sat in that bus"),
        sa.Column("comment", sa.Text(), server_default="", nullable=False),
        sa.CheckConstraint("char_length(comment) <= 500", name=op.f("rider_reports_comment_check")),
        sa.PrimaryKeyConstraint("id", name=op.f("rider_reports_pkey")),
    )
    op.create_index(op.f("rider_reports_at"), "rider_reports", ["at"], unique=False)
    op.create_index(op.f("rider_reports_code_at"), "rider_reports", ["code", "at"], unique=False)
