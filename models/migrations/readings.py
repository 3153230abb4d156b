"""The readings' tables and their hourly and daily roll-ups, as KINDS asks for them.

Plain PostgreSQL and TimescaleDB answer to the same names: `{kind}_readings`, `{kind}_hourly` and `{kind}_daily`. On
plain PostgreSQL the roll-ups are views; `models.migrations.timescale` makes them continuous aggregates where it can.
Either way they tell of the raw readings that are there. `{kind}_hourly_kept` holds the hours whose raw readings were
let go; whoever reads a roll-up adds both, bucket by bucket. What moves readings from one to the other does it in one
statement or one transaction, so that the sum never changes and retention can never delete a roll-up.
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
    """A roll-up of a kind's measure: its name's ending and how long each of its buckets is."""

    name: str
    bucket: str


HOURLY = Rollup("hourly", "1 hour")
DAILY = Rollup("daily", "1 day")
ROLLUPS = (HOURLY, DAILY)


def ensure_readings(connection: Connection) -> None:
    """Create what KINDS asks for and is not there: tables, columns of newer payload fields, tables of kept hours."""
    relations = inspect(connection)
    tables = set(relations.get_table_names())
    for table in READINGS.values():
        if table.name in tables:
            _add_missing_columns(connection, table, {c["name"] for c in relations.get_columns(table.name)})
        else:
            table.create(connection)
        kept_hours(table.info["kind"]).create(connection, checkfirst=True)


def ensure_views(connection: Connection) -> None:
    """Create the roll-ups as plain views; one whose query is another by now is made anew."""
    for kind in KINDS:
        for rollup in ROLLUPS:
            name, query = f"{kind.name}_{rollup.name}", rollup_select(kind, rollup, "date_bin")
            if query_of(connection, name) != query:
                connection.execute(text(f"DROP VIEW IF EXISTS {name}"))
                connection.execute(text(f"CREATE VIEW {name} AS {query}"))
                note_query(connection, name, query)


def note_query(connection: Connection, view: str, query: str) -> None:
    """Write a view's query beside it, as it was given: PostgreSQL itself remembers it in other words."""
    quoted = query.replace("'", "''")
    connection.exec_driver_sql(f"COMMENT ON VIEW {view} IS '{quoted}'")


def query_of(connection: Connection, view: str) -> str | None:
    """The query that was noted beside a view, None where there is no such view."""
    statement = text("SELECT obj_description(to_regclass(:view), 'pg_class')")
    noted: str | None = connection.execute(statement, {"view": view}).scalar_one()
    return noted


def rollup_select(kind: SensorKind, rollup: Rollup, binning: str, source: str | None = None) -> str:
    """The query behind a roll-up: count, least, sum and greatest trusted value per device and bucket, in UTC.

    binning: `date_bin` on plain PostgreSQL; with `time_bucket` the same query is a continuous aggregate.
    source: what to read instead of the kind's table, with the same columns.
    """
    origin = ", TIMESTAMPTZ '2000-01-01 00:00:00+00'" if binning == "date_bin" else ""
    measure = kind.measure
    return (
        f"SELECT device_id, {binning}(INTERVAL '{rollup.bucket}', observed_at{origin}) AS bucket,"
        f" count({measure}) AS n, min({measure}) AS least, sum({measure}) AS total, max({measure}) AS greatest"
        f" FROM {source or f'{kind.name}_readings'}"
        f" WHERE flags & {int(UNTRUSTED)} = 0 AND {measure} IS NOT NULL GROUP BY 1, 2"
    )


def kept_hours(kind: SensorKind) -> Table:
    """The table of hours that outlive their raw readings."""
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


def keep_hours(kind: SensorKind, source: str) -> str:
    """The statement that adds the hours of `source` (a table expression of readings) to those kept before."""
    return (
        f"INSERT INTO {kind.name}_hourly_kept AS kept (device_id, bucket, n, least, total, greatest)"
        f" {rollup_select(kind, HOURLY, 'date_bin', source)}"
        " ON CONFLICT (device_id, bucket) DO UPDATE SET n = kept.n + excluded.n, total = kept.total + excluded.total,"
        " least = LEAST(kept.least, excluded.least), greatest = GREATEST(kept.greatest, excluded.greatest)"
    )


def move_to_kept(transaction: Connection, kind: SensorKind, *, before: datetime, most: int) -> int:
    """Let go of up to `most` raw readings observed before `before`; their hours are kept. Returns how many went.

    One statement, so what is deleted and what is added are the same rows, whoever else writes or retains meanwhile.
    Device by device, since the key begins with the device: no other index is needed.
    """
    gone = (
        f"DELETE FROM {kind.name}_readings WHERE ctid = ANY (ARRAY ("
        f"SELECT old.ctid FROM devices CROSS JOIN LATERAL (SELECT r.ctid FROM {kind.name}_readings r"
        " WHERE r.device_id = devices.id AND r.observed_at < :before ORDER BY r.observed_at LIMIT :most) old"
        " LIMIT :most)) RETURNING *"
    )
    statement = f"WITH gone AS ({gone}), kept_now AS ({keep_hours(kind, 'gone')}) SELECT count(*) FROM gone"
    return int(transaction.execute(text(statement), {"before": before, "most": most}).scalar_one())


def _add_missing_columns(connection: Connection, table: Table, present: set[str]) -> None:
    for column in table.columns:
        if column.name not in present:
            ddl = CreateColumn(column).compile(dialect=connection.dialect)
            connection.execute(text(f"ALTER TABLE {table.name} ADD COLUMN {ddl}"))
