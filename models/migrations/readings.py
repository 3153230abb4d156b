"""The readings' tables and their hourly and daily roll-ups, as KINDS asks for them.

Plain PostgreSQL and TimescaleDB answer to the same names: `{kind}_readings`, `{kind}_hourly` and `{kind}_daily`. On
plain PostgreSQL the roll-ups are views; `models.migrations.timescale` makes them continuous aggregates where it can.
`{kind}_hourly_kept` holds the hours whose raw readings a plain PostgreSQL has let go, so that retention can never
delete a roll-up; whoever reads a roll-up adds both.
"""

from dataclasses import dataclass

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
from models.reading import UNTRUSTED
from models.tables import READINGS


@dataclass(frozen=True, slots=True)
class Rollup:
    """A roll-up of a kind's measure: its name's ending and how long each of its buckets is."""

    name: str
    bucket: str


HOURLY = Rollup("hourly", "1 hour")
DAILY = Rollup("daily", "1 day")
ROLLUPS = (HOURLY, DAILY)


def ensure_readings(connection: Connection) -> None:
    """Create what KINDS asks for and is not there: tables, columns of newer payload fields, roll-ups."""
    relations = inspect(connection)
    tables, views = set(relations.get_table_names()), set(relations.get_view_names())
    for table in READINGS.values():
        kind: SensorKind = table.info["kind"]
        if table.name in tables:
            _add_missing_columns(connection, table, {c["name"] for c in relations.get_columns(table.name)})
        else:
            table.create(connection)
        kept_hours(kind).create(connection, checkfirst=True)
        for rollup in ROLLUPS:
            if f"{kind.name}_{rollup.name}" not in views:
                name = f"{kind.name}_{rollup.name}"
                connection.execute(text(f"CREATE VIEW {name} AS {rollup_select(kind, rollup, 'date_bin')}"))


def rollup_select(kind: SensorKind, rollup: Rollup, binning: str) -> str:
    """The query behind a roll-up: count, least, sum and greatest trusted value per device and bucket, in UTC.

    binning: `date_bin` on plain PostgreSQL; with `time_bucket` the same query is a continuous aggregate.
    """
    origin = ", TIMESTAMPTZ '2000-01-01 00:00:00+00'" if binning == "date_bin" else ""
    measure = kind.measure
    return (
        f"SELECT device_id, {binning}(INTERVAL '{rollup.bucket}', observed_at{origin}) AS bucket,"
        f" count({measure}) AS n, min({measure}) AS least, sum({measure}) AS total, max({measure}) AS greatest"
        f" FROM {kind.name}_readings WHERE flags & {int(UNTRUSTED)} = 0 AND {measure} IS NOT NULL GROUP BY 1, 2"
    )


def kept_hours(kind: SensorKind) -> Table:
    """The table of hours that outlive their raw readings on plain PostgreSQL."""
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


def _add_missing_columns(connection: Connection, table: Table, present: set[str]) -> None:
    for column in table.columns:
        if column.name not in present:
            ddl = CreateColumn(column).compile(dialect=connection.dialect)
            connection.execute(text(f"ALTER TABLE {table.name} ADD COLUMN {ddl}"))
