"""Where each bus is and when it comes; which journeys wait for a bus."""

import sqlalchemy as sa
from alembic import op

from models.tables import Xid8

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "vehicle_outlooks",
        sa.Column("vehicle", sa.Text(), nullable=False),
        sa.Column("changed_in", Xid8(), server_default=sa.text("pg_current_xact_id()"), nullable=False),
        sa.Column("observed_at", sa.DateTime(timezone=True), nullable=False, comment="Of the newest report behind it"),
        sa.Column("outlook", sa.Text(), nullable=False, comment="estimate.Outlook, JSON"),
        sa.Column("belief", sa.Text(), nullable=False, comment="What following goes on from after a restart, JSON"),
        sa.PrimaryKeyConstraint("vehicle", name=op.f("vehicle_outlooks_pkey")),
        postgresql_with={"fillfactor": 50},
    )
    op.create_index(op.f("vehicle_outlooks_changed_in"), "vehicle_outlooks", ["changed_in"], unique=False)
    op.create_table(
        "expected_journeys",
        sa.Column("trip_id", sa.Text(), nullable=False),
        sa.Column("service_date", sa.Text(), nullable=False, comment="YYYYMMDD"),
        sa.Column("start_s", sa.Integer(), nullable=False, comment="Seconds after noon less 12 h of the service date"),
        sa.Column("changed_in", Xid8(), server_default=sa.text("pg_current_xact_id()"), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False, comment="From then on it says nothing any more"),
        sa.Column("coming", sa.Text(), nullable=False, comment="estimate.Coming, JSON: a journey no vehicle makes"),
        sa.PrimaryKeyConstraint("trip_id", "service_date", "start_s", name=op.f("expected_journeys_pkey")),
        postgresql_with={"fillfactor": 50},
    )
    op.create_index(op.f("expected_journeys_changed_in"), "expected_journeys", ["changed_in"], unique=False)
