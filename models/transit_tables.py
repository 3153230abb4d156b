"""Tables of what is believed of buses: where each is, when it comes, which journeys wait for one. Derived, not raw.

The raw positions are readings of the kind `bus`. What stands here can be made anew from them, except what was learnt.
"""

from sqlalchemy import Column, DateTime, Index, Integer, PrimaryKeyConstraint, Table, Text, text

from models.tables import METADATA, Xid8


def _changed_in() -> Column[str]:
    """Set anew at each write: who remembers the snapshot of its last look reads only what has changed since."""
    return Column("changed_in", Xid8, nullable=False, server_default=text("pg_current_xact_id()"))


vehicle_outlooks = Table(
    "vehicle_outlooks",
    METADATA,
    Column("vehicle", Text, primary_key=True),
    _changed_in(),
    Column("observed_at", DateTime(timezone=True), nullable=False, comment="Of the newest report behind it"),
    # Text, not JSON: the server need not read what only we read.
    Column("outlook", Text, nullable=False, comment="estimate.Outlook, JSON"),
    Column("belief", Text, nullable=False, comment="What following goes on from after a restart, JSON"),
    Index(None, "changed_in"),
    postgresql_with={"fillfactor": 50},
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
