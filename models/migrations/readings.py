"""Readings tables and their hourly and daily roll-ups, created from KINDS.

The names are the same on plain PostgreSQL and TimescaleDB: `{kind}_readings`, `{kind}_hourly` and `{kind}_daily`. On
plain PostgreSQL the roll-ups are views; `models.migrations.timescale` makes them continuous aggregates where it can.
Both aggregate the raw readings that are stored. `{kind}_hourly_kept` holds the hours whose raw readings were deleted. A
query must add both, bucket by bucket. Readings move from one to the other in one statement or one transaction, so the
sum never changes and retention can never delete a roll-up.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import (
    Column,
    Connection,
    DateTime,
    Double,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    inspect,
    text,
)
from sqlalchemy.schema import CreateColumn

from models.kind import SensorKind
from models.kinds import KINDS
from models.reading import UNTRUSTED
from models.tables.readings import READINGS


@dataclass(frozen=True, slots=True)
class Rollup:
    """A roll-up of a kind's measure: the suffix of its name and the length of its buckets."""

    name: str
    bucket: str


HOURLY = Rollup("hourly", "1 hour")
DAILY = Rollup("daily", "1 day")
ROLLUPS = (HOURLY, DAILY)


def ensure_readings(connection: Connection) -> None:
    """Create what is missing for KINDS: readings tables, columns of new payload fields, tables of kept hours."""
    relations = inspect(connection)
    tables = set(relations.get_table_names())
    for table in READINGS.values():
        if table.name in tables:
            _add_missing_columns(connection, table, {c["name"] for c in relations.get_columns(table.name)})
        else:
            table.create(connection)
        kept_hours_table(table.info["kind"]).create(connection, checkfirst=True)


def ensure_views(connection: Connection) -> None:
    """Create the roll-ups as plain views; recreate a view whose query has changed."""
    for kind in KINDS:
        for rollup in ROLLUPS:
            name, query = f"{kind.name}_{rollup.name}", rollup_select(kind, rollup, "date_bin")
            if stored_view_query(connection, name) != query:
                connection.execute(text(f"DROP VIEW IF EXISTS {name}"))
                connection.execute(text(f"CREATE VIEW {name} AS {query}"))
                store_view_query(connection, name, query)


def store_view_query(connection: Connection, view: str, query: str) -> None:
    """Store a view's query as its comment, verbatim, because PostgreSQL stores it in a normalised form."""
    quoted = query.replace("'", "''")
    connection.exec_driver_sql(f"COMMENT ON VIEW {view} IS '{quoted}'")


def stored_view_query(connection: Connection, view: str) -> str | None:
    """The query stored as a view's comment; None where there is no such view."""
    statement = text("SELECT obj_description(to_regclass(:view), 'pg_class')")
    noted: str | None = connection.execute(statement, {"view": view}).scalar_one()
    return noted


def rollup_select(kind: SensorKind, rollup: Rollup, binning: str, source: str | None = None) -> str:
    """The query of a roll-up: count, minimum, sum and maximum of the trusted values per device and bucket, in UTC.

    binning: `date_bin` on plain PostgreSQL; with `time_bucket` the same query is a continuous aggregate.
    source: a table expression with the same columns to read instead of the kind's table.
    """
    origin = ", TIMESTAMPTZ '2000-01-01 00:00:00+00'" if binning == "date_bin" else ""
    measure = kind.measure
    return (
        f"SELECT device_id, {binning}(INTERVAL '{rollup.bucket}', observed_at{origin}) AS bucket,"
        f" count({measure}) AS n, min({measure}) AS least, sum({measure}) AS total, max({measure}) AS greatest"
        f" FROM {source or f'{kind.name}_readings'}"
        f" WHERE flags & {int(UNTRUSTED)} = 0 AND {measure} IS NOT NULL GROUP BY 1, 2"
    )


def kept_hours_table(kind: SensorKind) -> Table:
    """The table of hours whose raw readings were deleted."""
    return Table(
        f"{kind.name}_hourly_kept",
        MetaData(),
        Column("device_id", Integer, nullable=False),
        Column("bucket", DateTime(timezone=True), nullable=False),
        Column("n", Integer, nullable=False),
        Column("least", Double, nullable=False),
        Column("total", Double, nullable=False),
        Column("greatest", Double, nullable=False),
        PrimaryKeyConstraint("device_id", "bucket"),
    )


def add_hours_statement(kind: SensorKind, source: str) -> str:
    """The SQL statement that adds the hours of `source`, a table expression of readings, to the kept hours."""
    return (
        f"INSERT INTO {kind.name}_hourly_kept AS kept (device_id, bucket, n, least, total, greatest)"
        f" {rollup_select(kind, HOURLY, 'date_bin', source)}"
        " ON CONFLICT (device_id, bucket) DO UPDATE SET n = kept.n + excluded.n, total = kept.total + excluded.total,"
        " least = LEAST(kept.least, excluded.least), greatest = GREATEST(kept.greatest, excluded.greatest)"
    )


def delete_readings_keep_hours(transaction: Connection, kind: SensorKind, *, before: datetime, most: int) -> int:
    """Delete up to `most` raw readings observed before `before` and keep their hours. Returns the number deleted.

    One statement, so exactly the deleted rows are added, also with concurrent writers. It reads device by device,
    because the key begins with the device, so that no other index is needed.
    """
    gone = (
        f"DELETE FROM {kind.name}_readings WHERE ctid = ANY (ARRAY ("
        f"SELECT old.ctid FROM devices CROSS JOIN LATERAL (SELECT r.ctid FROM {kind.name}_readings r"
        " WHERE r.device_id = devices.id AND r.observed_at < :before ORDER BY r.observed_at LIMIT :most) old"
        " LIMIT :most)) RETURNING *"
    )
    statement = f"WITH gone AS ({gone}), kept_now AS ({add_hours_statement(kind, 'gone')}) SELECT count(*) FROM gone"
    return int(transaction.execute(text(statement), {"before": before, "most": most}).scalar_one())


def _add_missing_columns(connection: Connection, table: Table, present: set[str]) -> None:
    for column in table.columns:
        if column.name not in present:
            ddl = CreateColumn(column).compile(dialect=connection.dialect)
            connection.execute(text(f"ALTER TABLE {table.name} ADD COLUMN {ddl}"))
