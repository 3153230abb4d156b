"""TimescaleDB's part, where the extension is there: hypertables, compression and continuous aggregates.

The names stay those of plain PostgreSQL, and so does what they say: a roll-up tells of the raw readings that are there,
`{kind}_hourly_kept` of those let go. A job in the database, `{kind}_retain`, drops old chunks and in the same
transaction keeps their hours; TimescaleDB's own retention policy would not, and a later refresh over the dropped range
would then empty the roll-up. Everything here runs inside the caller's transaction.
"""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, text

from models.kind import Lane, SensorKind
from models.kinds import KINDS
from models.migrations.readings import (
    ROLLUPS,
    Rollup,
    keep_hours,
    move_to_kept,
    note_query,
    query_of,
    rollup_select,
)

log = logging.getLogger(__name__)

CHUNK_DAYS = 7
DENSE_CHUNK_DAYS = 1
"""Of bulk kinds, whose devices send a row a vehicle; and of personal data, which must go on the day."""
COMPRESS_DAYS = 14
"""Later than nearly every late reading: those that come later still are taken too, only at a higher price."""
MARGIN_DAYS = 2
"""By how much raw readings outlive the last refresh of their roll-up."""
LEAST_REFRESH_DAYS = 4
CHUNKS_A_RUN = 8
ROWS_A_MOVE = 100_000
_END_OFFSET = {"hourly": "1 hour", "daily": "1 day"}
"""The newest bucket is still growing: it is read from the raw readings."""
_EVERY = {"hourly": "15 minutes", "daily": "1 hour"}
_RETAIN_EVERY = "1 hour"
_RETAIN = """
DECLARE
    boundary timestamptz;
BEGIN
    SELECT max(range_end) INTO boundary FROM (
        SELECT range_end FROM timescaledb_information.chunks
        WHERE hypertable_schema = current_schema() AND hypertable_name = '{kind}_readings'
            AND range_end <= now() - INTERVAL '{raw_days} days'
            AND range_end = date_trunc('day', range_end, 'UTC')
        ORDER BY range_end LIMIT {chunks}) oldest;
    IF boundary IS NULL THEN
        RETURN;
    END IF;
    -- No reading may come between the keeping and the dropping: writers wait a moment, or this waits for its next turn.
    SET LOCAL lock_timeout = '2s';
    LOCK TABLE ONLY {kind}_readings IN SHARE MODE;
    {keep};
    {forget};
    PERFORM drop_chunks('{kind}_readings', older_than => boundary);
END
"""


@dataclass(frozen=True, slots=True)
class Spans:
    """Days of a kind's life in TimescaleDB: of one chunk, of what roll-ups are refreshed over, of raw readings."""

    chunk: int
    refresh: int
    raw: int


def spans(kind: SensorKind) -> Spans:
    """The lengths that keep a refresh from ever reaching readings that are gone. Raises ValueError where none can.

    Chunks go when their newest reading is old enough, so readings stay up to a chunk longer; personal data may not.
    """
    personal = kind.retention.personal
    chunk = DENSE_CHUNK_DAYS if personal or kind.lane is Lane.BULK else CHUNK_DAYS
    raw = kind.retention.raw_days - (chunk if personal else 0)
    refresh = raw - MARGIN_DAYS
    if refresh < LEAST_REFRESH_DAYS:
        least = LEAST_REFRESH_DAYS + MARGIN_DAYS + kind.retention.raw_days - raw
        raise ValueError(f"{kind.name}: raw_days={kind.retention.raw_days} is too short for roll-ups: {least} or more")
    return Spans(chunk, refresh, raw)


def ensure_timescale(connection: Connection) -> bool:
    """Give the readings' tables what TimescaleDB has for them; False, with nothing done, where it is not to be had.

    Rows, kept hours and roll-ups of a database that began on plain PostgreSQL go along. Safe to repeat.
    """
    if not _installed(connection):
        return False
    tables, aggregates = hypertables(connection), _aggregates(connection)
    for kind in KINDS:
        lives = spans(kind)
        if f"{kind.name}_readings" not in tables:
            _make_hypertable(connection, kind, lives)
        for rollup in ROLLUPS:
            _ensure_aggregate(connection, kind, rollup, lives, aggregates)
        _ensure_retention(connection, kind, lives)
    return True


def has_timescale(connection: Connection) -> bool:
    """Whether this database has the TimescaleDB extension installed."""
    return connection.execute(text("SELECT 1 FROM pg_extension WHERE extname = 'timescaledb'")).first() is not None


def hypertables(connection: Connection) -> frozenset[str]:
    """The tables that are hypertables, none on plain PostgreSQL: their retention is a job in the database."""
    return _names(connection, "hypertable_name FROM timescaledb_information.hypertables WHERE hypertable_schema")


def _aggregates(connection: Connection) -> frozenset[str]:
    return _names(connection, "view_name FROM timescaledb_information.continuous_aggregates WHERE view_schema")


def _names(connection: Connection, of_schema: str) -> frozenset[str]:
    if not has_timescale(connection):
        return frozenset()
    return frozenset(connection.execute(text(f"SELECT {of_schema} = current_schema()")).scalars())


def _installed(connection: Connection) -> bool:
    """Install the extension where the server has it loaded and we may; its Apache-only edition lacks what we need."""
    if not has_timescale(connection):
        if not connection.execute(text(_MAY_INSTALL)).scalar_one():
            return False
        connection.execute(text("CREATE EXTENSION timescaledb"))
    if connection.execute(text("SELECT current_setting('timescaledb.license', true)")).scalar_one() == "timescale":
        return True
    log.warning("TimescaleDB lacks continuous aggregates: it stays unused", extra={"action": "migrate"})
    return False


_MAY_INSTALL = """
SELECT coalesce(current_setting('timescaledb.disable_load', true), 'on') = 'off' AND EXISTS (
    SELECT FROM pg_available_extension_versions available, pg_roles
    WHERE available.name = 'timescaledb' AND rolname = current_user
        AND (rolsuper OR (trusted AND has_database_privilege(current_database(), 'CREATE'))))
"""
"""The setting is there where the server preloads TimescaleDB; elsewhere installing it would cost us the connection."""


def _make_hypertable(connection: Connection, kind: SensorKind, lives: Spans) -> None:
    """Readings older than the first refresh will reach have their hours kept first, lest the roll-up lack them."""
    now: datetime = connection.execute(text("SELECT now()")).scalar_one()
    before = now - timedelta(days=lives.refresh - 1)
    while move_to_kept(connection, kind, before=before, most=ROWS_A_MOVE):
        pass
    _run(
        connection,
        f"SELECT create_hypertable('{kind.name}_readings', by_range('observed_at', INTERVAL '{lives.chunk} days'),"
        " create_default_indexes => false, migrate_data => true)",
    )
    if not kind.retention.personal:
        _run(
            connection,
            f"ALTER TABLE {kind.name}_readings SET (timescaledb.enable_columnstore,"
            " timescaledb.segmentby = 'device_id', timescaledb.orderby = 'observed_at DESC, seq')",
            f"CALL add_columnstore_policy('{kind.name}_readings', after => INTERVAL '{COMPRESS_DAYS} days')",
        )


def _ensure_aggregate(
    connection: Connection, kind: SensorKind, rollup: Rollup, lives: Spans, aggregates: frozenset[str]
) -> None:
    """Make the roll-up a continuous aggregate. Made anew it loses nothing: what it tells of is still there, raw."""
    name, query = f"{kind.name}_{rollup.name}", rollup_select(kind, rollup, "time_bucket")
    if query_of(connection, name) != query:
        _run(
            connection,
            f"DROP {'MATERIALIZED VIEW' if name in aggregates else 'VIEW'} IF EXISTS {name}",
            f"CREATE MATERIALIZED VIEW {name} WITH (timescaledb.continuous, timescaledb.materialized_only = false)"
            f" AS {query} WITH NO DATA",
        )
        note_query(connection, name, query)
    _ensure_refresh(connection, name, rollup, f"{lives.refresh} days")


def _ensure_refresh(connection: Connection, name: str, rollup: Rollup, reach: str) -> None:
    statement = text(
        "SELECT config->>'start_offset' FROM timescaledb_information.jobs WHERE hypertable_schema = current_schema()"
        " AND hypertable_name = :name AND proc_name = 'policy_refresh_continuous_aggregate'"
    )
    present = connection.execute(statement, {"name": name}).scalar_one_or_none()
    if present == reach:
        return
    if present is not None:
        _run(connection, f"SELECT remove_continuous_aggregate_policy('{name}')")
    _run(
        connection,
        f"SELECT add_continuous_aggregate_policy('{name}', start_offset => INTERVAL '{reach}',"
        f" end_offset => INTERVAL '{_END_OFFSET[rollup.name]}', schedule_interval => INTERVAL '{_EVERY[rollup.name]}')",
    )


def _ensure_retention(connection: Connection, kind: SensorKind, lives: Spans) -> None:
    """The job that lets go of raw readings; written anew where it differs, so that it follows the kind."""
    name, body = f"{kind.name}_retain", _retain_body(connection, kind, lives)
    written = text("SELECT prosrc FROM pg_proc WHERE proname = :name AND pronamespace = current_schema()::regnamespace")
    if connection.execute(written, {"name": name}).scalar_one_or_none() != body:
        create = f"CREATE OR REPLACE PROCEDURE {name}(job_id integer, config jsonb) LANGUAGE plpgsql"
        _run(connection, f"{create} AS $retain${body}$retain$")
    job = text("SELECT 1 FROM timescaledb_information.jobs WHERE proc_schema = current_schema() AND proc_name = :name")
    if connection.execute(job, {"name": name}).first() is None:
        _run(connection, f"SELECT add_job('{name}', INTERVAL '{_RETAIN_EVERY}')")


def _retain_body(connection: Connection, kind: SensorKind, lives: Spans) -> str:
    stored = text(
        "SELECT format('DELETE FROM %I.%I WHERE bucket < boundary', materialization_hypertable_schema,"
        " materialization_hypertable_name) FROM timescaledb_information.continuous_aggregates"
        " WHERE view_schema = current_schema() AND hypertable_name = :table ORDER BY view_name"
    )
    deletions = connection.execute(stored, {"table": f"{kind.name}_readings"}).scalars()
    return _RETAIN.format(
        kind=kind.name,
        raw_days=lives.raw,
        chunks=CHUNKS_A_RUN,
        keep=keep_hours(kind, f"(SELECT * FROM {kind.name}_readings WHERE observed_at < boundary) AS gone"),
        forget=";\n    ".join(deletions),
    )


def _run(connection: Connection, *statements: str) -> None:
    for statement in statements:
        connection.exec_driver_sql(statement)
