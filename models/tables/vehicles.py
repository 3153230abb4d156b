"""Tables of buses: predictions, vehicle states, unassigned trips, stop passages, travel times, accuracy counts.

All rows are derived from the raw positions, which are readings of the kind `bus`. They can be recomputed, except what
was learnt.
"""

from sqlalchemy import (
    CheckConstraint,
    Column,
    Date,
    DateTime,
    Double,
    Index,
    Integer,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    text,
)

from models.tables.metadata import METADATA, Xid8


def _changed_in() -> Column[str]:
    """The transaction of the last write: a reader that keeps its last snapshot reads only the rows changed since."""
    return Column("changed_in", Xid8, nullable=False, server_default=text("pg_current_xact_id()"))


vehicle_outlooks = Table(
    "vehicle_outlooks",
    METADATA,
    Column("vehicle", Text, primary_key=True),
    _changed_in(),
    Column("observed_at", DateTime(timezone=True), nullable=False, comment="Of the newest report behind it"),
    # Text, not JSON, because the server need not parse it.
    Column("outlook", Text, nullable=False, comment="estimate.Outlook, JSON"),
    Column("belief", Text, nullable=False, comment="What following goes on from after a restart, JSON"),
    Index(None, "changed_in"),
    postgresql_with={"fillfactor": 50, "toast_tuple_target": 8160},
)

expected_journeys = Table(
    "expected_journeys",
    METADATA,
    Column("trip_id", Text, nullable=False),
    Column("service_date", Text, nullable=False, comment="YYYYMMDD"),
    Column("start_s", Integer, nullable=False, comment="Seconds after noon less 12 h of the service date"),
    _changed_in(),
    Column("until", DateTime(timezone=True), nullable=False, comment="From then on it says nothing any more"),
    Column("coming", Text, nullable=False, comment="estimate.Coming, JSON: a journey no vehicle makes"),
    PrimaryKeyConstraint("trip_id", "service_date", "start_s"),
    Index(None, "changed_in"),
    postgresql_with={"fillfactor": 50},
)

stop_visits = Table(
    "stop_visits",
    METADATA,
    Column("service_date", Text, nullable=False, comment="YYYYMMDD"),
    Column("trip_id", Text, nullable=False),
    Column("start_s", Integer, nullable=False),
    Column("position", SmallInteger, nullable=False, comment="In the trip's pattern, from 0"),
    Column("vehicle", Text, nullable=False),
    Column("route_id", Text, nullable=False),
    Column("direction_id", SmallInteger, nullable=True),
    Column("stop_id", Text, nullable=False),
    Column("planned_at", DateTime(timezone=True), nullable=False, comment="Arrival by the timetable"),
    Column("arrived_at", DateTime(timezone=True), nullable=False),
    Column("left_at", DateTime(timezone=True), nullable=True),
    PrimaryKeyConstraint("service_date", "trip_id", "start_s", "position", "vehicle"),
    Index(None, "stop_id", "arrived_at"),
    Index(None, "arrived_at"),
)

link_history = Table(
    "link_history",
    METADATA,
    Column("link_id", Text, primary_key=True, comment="From stop to stop on the ground; outlives timetables"),
    Column("learnt", Text, nullable=False, comment="history.Link, JSON"),
    Column("changed_at", DateTime(timezone=True), nullable=False),
    postgresql_with={"fillfactor": 50},
)

transit_trust = Table(
    "transit_trust",
    METADATA,
    Column("id", SmallInteger, primary_key=True, server_default=text("1")),
    Column("trust", Text, nullable=False, comment="history.Trust, JSON: how far each source of a time was right"),
    Column("changed_at", DateTime(timezone=True), nullable=False),
    CheckConstraint("id = 1", name="single"),
)

estimate_scores = Table(
    "estimate_scores",
    METADATA,
    Column("day", Date, nullable=False, comment="Of the passing, in the city's time"),
    Column("hour", SmallInteger, nullable=False, comment="0 to 23, in the city's time"),
    Column("route_id", Text, nullable=False),
    Column(
        "eta_bin", SmallInteger, nullable=False, comment="By how far ahead it was: 0-3, 3-6, 6-10, 10-15, 15-30 min"
    ),
    Column("mbta_bin", SmallInteger, nullable=False, comment="By how far it was told: 0-3, 3-6, 6-12, 12-30 min, more"),
    Column("n", Integer, nullable=False),
    Column("sum_error_s", Double, nullable=False, comment="Actual less median: positive where the bus came later"),
    Column("sum_absolute_s", Double, nullable=False),
    Column("sum_square_s2", Double, nullable=False),
    Column("sum_rider_error_s", Double, nullable=False, comment="The same against the time told to riders"),
    Column("sum_rider_absolute_s", Double, nullable=False),
    Column("eta_accurate", Integer, nullable=False, comment="Transit ETA Accuracy Benchmark; 0 beyond 15 min"),
    Column("rider_accurate", Integer, nullable=False, comment="The same for the time told to riders"),
    Column("mbta_accurate", Integer, nullable=False, comment="0 beyond 30 min"),
    Column("inside", Integer, nullable=False, comment="From P10 to P90, both included"),
    PrimaryKeyConstraint("day", "hour", "route_id", "eta_bin", "mbta_bin"),
)
