"""Timetables: versions of a feed, with what its trips share kept once; and the links that outlive them."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "timetable_links",
        sa.Column("id", sa.Text(), nullable=False, comment="What the history of the link is kept by"),
        sa.Column("from_stop", sa.Text(), nullable=False),
        sa.Column("to_stop", sa.Text(), nullable=False),
        sa.Column("from_latitude", sa.Double(), nullable=False),
        sa.Column("from_longitude", sa.Double(), nullable=False),
        sa.Column("middle_latitude", sa.Double(), nullable=False),
        sa.Column("middle_longitude", sa.Double(), nullable=False),
        sa.Column("to_latitude", sa.Double(), nullable=False),
        sa.Column("to_longitude", sa.Double(), nullable=False),
        sa.Column("length_m", sa.Double(), nullable=False),
        sa.Column(
            "seen_at", sa.DateTime(timezone=True), nullable=False, comment="When a version with it was last imported"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("timetable_links_pkey")),
    )
    op.create_table(
        "timetable_versions",
        sa.Column("id", sa.Integer(), sa.Identity(always=True), nullable=False),
        sa.Column("feed", sa.Text(), nullable=False, comment="Whose timetable: a city may have several"),
        sa.Column("digest", sa.Text(), nullable=False, comment="Hash of the feed's content"),
        sa.Column("imported_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("superseded_at", sa.DateTime(timezone=True), nullable=True, comment="Null while it is in force"),
        sa.Column("zone", sa.Text(), nullable=False),
        sa.Column("first_day", sa.Date(), nullable=False, comment="On which a service may run"),
        sa.Column("last_day", sa.Date(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("timetable_versions_pkey")),
    )
    op.create_index(
        "timetable_versions_one_in_force",
        "timetable_versions",
        ["feed"],
        unique=True,
        postgresql_where=sa.text("superseded_at IS NULL"),
    )
    op.create_table(
        "timetable_agencies",
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("timezone", sa.Text(), nullable=False),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("phone", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["version"], ["timetable_versions.id"], name=op.f("timetable_agencies_version_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("version", "id", name=op.f("timetable_agencies_pkey")),
    )
    op.create_table(
        "timetable_frequencies",
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("trip_id", sa.Text(), nullable=False),
        sa.Column("start_s", sa.Integer(), nullable=False),
        sa.Column("end_s", sa.Integer(), nullable=False),
        sa.Column("headway_s", sa.Integer(), nullable=False),
        sa.Column("exact", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["version"], ["timetable_versions.id"], name=op.f("timetable_frequencies_version_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("version", "trip_id", "start_s", name=op.f("timetable_frequencies_pkey")),
    )
    op.create_table(
        "timetable_patterns",
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("route_id", sa.Text(), nullable=False),
        sa.Column("direction_id", sa.SmallInteger(), nullable=True),
        sa.Column("shape", sa.Integer(), nullable=False),
        sa.Column("stop_ids", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("stop_m", sa.ARRAY(sa.Double()), nullable=False, comment="How far along the shape each stop lies"),
        sa.Column(
            "link_ids",
            sa.ARRAY(sa.Text()),
            nullable=False,
            comment="Of the way from each stop but the last to the next",
        ),
        sa.Column("pickup", sa.ARRAY(sa.SmallInteger()), nullable=False),
        sa.Column("drop_off", sa.ARRAY(sa.SmallInteger()), nullable=False),
        sa.ForeignKeyConstraint(
            ["version"], ["timetable_versions.id"], name=op.f("timetable_patterns_version_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("version", "number", name=op.f("timetable_patterns_pkey")),
    )
    op.create_table(
        "timetable_routes",
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("agency_id", sa.Text(), nullable=False),
        sa.Column("short_name", sa.Text(), nullable=False),
        sa.Column("long_name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Integer(), nullable=False),
        sa.Column("color", sa.Text(), nullable=False),
        sa.Column("text_color", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["version"], ["timetable_versions.id"], name=op.f("timetable_routes_version_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("version", "id", name=op.f("timetable_routes_pkey")),
    )
    op.create_table(
        "timetable_sequences",
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column(
            "sequences",
            sa.ARRAY(sa.Integer()),
            nullable=False,
            comment="GTFS stop_sequence of each stop, where it is not 1, 2, 3, ...",
        ),
        sa.ForeignKeyConstraint(
            ["version"], ["timetable_versions.id"], name=op.f("timetable_sequences_version_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("version", "number", name=op.f("timetable_sequences_pkey")),
    )
    op.create_table(
        "timetable_services",
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("weekdays", sa.ARRAY(sa.Boolean()), nullable=False, comment="Monday first"),
        sa.Column("first_day", sa.Date(), nullable=False),
        sa.Column("last_day", sa.Date(), nullable=False),
        sa.Column("added", sa.ARRAY(sa.Date()), nullable=False),
        sa.Column("removed", sa.ARRAY(sa.Date()), nullable=False),
        sa.ForeignKeyConstraint(
            ["version"], ["timetable_versions.id"], name=op.f("timetable_services_version_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("version", "id", name=op.f("timetable_services_pkey")),
    )
    op.create_table(
        "timetable_shapes",
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("surveyed", sa.Boolean(), nullable=False, comment="False: it only joins the stops"),
        sa.Column("latitudes", sa.ARRAY(sa.Double()), nullable=False),
        sa.Column("longitudes", sa.ARRAY(sa.Double()), nullable=False),
        sa.ForeignKeyConstraint(
            ["version"], ["timetable_versions.id"], name=op.f("timetable_shapes_version_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("version", "number", name=op.f("timetable_shapes_pkey")),
    )
    op.create_table(
        "timetable_stops",
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("latitude", sa.Double(), nullable=False),
        sa.Column("longitude", sa.Double(), nullable=False),
        sa.Column("parent", sa.Text(), nullable=False),
        sa.Column("location_type", sa.SmallInteger(), nullable=False),
        sa.Column("wheelchair", sa.SmallInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["version"], ["timetable_versions.id"], name=op.f("timetable_stops_version_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("version", "id", name=op.f("timetable_stops_pkey")),
    )
    op.create_table(
        "timetable_timings",
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("arrivals_s", sa.ARRAY(sa.Integer()), nullable=False, comment="After the trip's start"),
        sa.Column("departures_s", sa.ARRAY(sa.Integer()), nullable=False),
        sa.Column("timepoint", sa.ARRAY(sa.Boolean()), nullable=False, comment="Empty: all are"),
        sa.ForeignKeyConstraint(
            ["version"], ["timetable_versions.id"], name=op.f("timetable_timings_version_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("version", "number", name=op.f("timetable_timings_pkey")),
    )
    op.create_table(
        "timetable_trips",
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("pattern", sa.Integer(), nullable=False),
        sa.Column("service_id", sa.Text(), nullable=False),
        sa.Column("start_s", sa.Integer(), nullable=False, comment="After noon less 12 h of the service date"),
        sa.Column("timing", sa.Integer(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=True),
        sa.Column("headsign", sa.Text(), nullable=False),
        sa.Column("short_name", sa.Text(), nullable=False),
        sa.Column("block_id", sa.Text(), nullable=False),
        sa.Column("wheelchair", sa.SmallInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["version"], ["timetable_versions.id"], name=op.f("timetable_trips_version_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("version", "id", name=op.f("timetable_trips_pkey")),
    )
