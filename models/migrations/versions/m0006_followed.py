"""What buses did and taught: stops visited, links learnt, estimates that came true."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "stop_visits",
        sa.Column("service_date", sa.Text(), nullable=False, comment="YYYYMMDD"),
        sa.Column("trip_id", sa.Text(), nullable=False),
        sa.Column("start_s", sa.Integer(), nullable=False),
        sa.Column("position", sa.SmallInteger(), nullable=False, comment="In the trip's pattern, from 0"),
        sa.Column("vehicle", sa.Text(), nullable=False),
        sa.Column("route_id", sa.Text(), nullable=False),
        sa.Column("direction_id", sa.SmallInteger(), nullable=True),
        sa.Column("stop_id", sa.Text(), nullable=False),
        sa.Column("planned_at", sa.DateTime(timezone=True), nullable=False, comment="Arrival by the timetable"),
        sa.Column("arrived_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("left_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint(
            "service_date", "trip_id", "start_s", "position", "vehicle", name=op.f("stop_visits_pkey")
        ),
    )
    op.create_index(op.f("stop_visits_stop_id_arrived_at"), "stop_visits", ["stop_id", "arrived_at"], unique=False)
    op.create_index(op.f("stop_visits_arrived_at"), "stop_visits", ["arrived_at"], unique=False)
    op.create_table(
        "link_history",
        sa.Column("link_id", sa.Text(), nullable=False, comment="From stop to stop on the ground; outlives timetables"),
        sa.Column("learnt", sa.Text(), nullable=False, comment="history.Link, JSON"),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("link_id", name=op.f("link_history_pkey")),
        postgresql_with={"fillfactor": 50},
    )
    op.create_table(
        "transit_trust",
        sa.Column("id", sa.SmallInteger(), server_default=sa.text("1"), nullable=False),
        sa.Column(
            "trust", sa.Text(), nullable=False, comment="history.Trust, JSON: how far each source of a time was right"
        ),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("transit_trust_single_check")),
        sa.PrimaryKeyConstraint("id", name=op.f("transit_trust_pkey")),
    )
    op.create_table(
        "estimate_scores",
        sa.Column("day", sa.Date(), nullable=False, comment="Of the passing, in the city's time"),
        sa.Column("hour", sa.SmallInteger(), nullable=False, comment="0 to 23, in the city's time"),
        sa.Column("route_id", sa.Text(), nullable=False),
        sa.Column(
            "eta_bin",
            sa.SmallInteger(),
            nullable=False,
            comment="By how far ahead it was: 0-3, 3-6, 6-10, 10-15, 15-30 min",
        ),
        sa.Column(
            "mbta_bin",
            sa.SmallInteger(),
            nullable=False,
            comment="By how far it was told: 0-3, 3-6, 6-12, 12-30 min, more",
        ),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column(
            "sum_error_s", sa.Double(), nullable=False, comment="Actual less median: positive where the bus came later"
        ),
        sa.Column("sum_absolute_s", sa.Double(), nullable=False),
        sa.Column("sum_square_s2", sa.Double(), nullable=False),
        sa.Column("sum_rider_error_s", sa.Double(), nullable=False, comment="The same against the time told to riders"),
        sa.Column("sum_rider_absolute_s", sa.Double(), nullable=False),
        sa.Column(
            "eta_accurate", sa.Integer(), nullable=False, comment="Transit ETA Accuracy Benchmark; 0 beyond 15 min"
        ),
        sa.Column("rider_accurate", sa.Integer(), nullable=False, comment="The same for the time told to riders"),
        sa.Column("mbta_accurate", sa.Integer(), nullable=False, comment="0 beyond 30 min"),
        sa.Column("inside", sa.Integer(), nullable=False, comment="From P10 to P90, both included"),
        sa.PrimaryKeyConstraint("day", "hour", "route_id", "eta_bin", "mbta_bin", name=op.f("estimate_scores_pkey")),
    )
