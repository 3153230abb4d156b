"""TimescaleDB setup where the extension is available: hypertables, compression and continuous aggregates.

Names and meaning are those of plain PostgreSQL: a roll-up aggregates the stored raw readings, `{kind}_hourly_kept` the
deleted ones. A job in the database, `{kind}_retain`, drops old chunks and keeps their hours in the same transaction.
TimescaleDB's own retention policy keeps no hours, and a later refresh over the dropped range would empty the roll-up.
Everything here runs in the caller's transaction.
"""

import logging
import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, text

from models.kind import Lane, SensorKind
from models.kinds import KINDS
from models.migrations.readings import (
    ROLLUPS,
    Rollup,
    add_hours_statement,
    delete_readings_keep_hours,
    rollup_select,
    store_view_query,
    stored_view_query,
)
from models.migrations.refused import ConversionRefused, InterruptedRestore

log = logging.getLogger(__name__)

CHUNK_DAYS = 7
DENSE_CHUNK_DAYS = 1
"""For bulk kinds, whose devices send one row per vehicle, and for personal data, which must be deleted on its day."""
COMPRESS_DAYS = 14
"""Later than nearly every late reading. Still later readings are stored too, at a higher cost."""
MARGIN_DAYS = 2
"""Raw readings are kept this much longer than the last refresh of their roll-up."""
MIN_REFRESH_DAYS = 4
CHUNKS_A_RUN = 8
ROWS_A_MOVE = 100_000
_END_OFFSET = {"hourly": "1 hour", "daily": "1 day"}
"""The newest bucket is incomplete, so it is read from the raw readings."""
_EVERY = {"hourly": "15 minutes", "daily": "1 hour"}
_RETAIN_EVERY = "1 hour"
_RETAIN = """
DECLARE
    boundary timestamptz;
    refusal text := retention_refusal(now(), true);
BEGIN
    IF refusal IS NOT NULL AND NOT coalesce((config ->> 'clock_checked')::boolean, false) THEN
        RAISE WARNING USING MESSAGE = '{kind}_retain deleted nothing: ' || refusal;
        RETURN;
    END IF;
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
class RetentionSpans:
    """Durations of a kind in TimescaleDB, days: one chunk, the refresh window of the roll-ups, the raw readings."""

    chunk: int
    refresh: int
    raw: int


def retention_spans(kind: SensorKind) -> RetentionSpans:
    """Durations with which a refresh never covers deleted readings. Raises ValueError where raw_days is too short.

    A chunk is dropped when its newest reading is old enough, so readings stay up to one chunk longer. Personal data
    must not stay longer.
    """
    personal = kind.retention.personal
    chunk = DENSE_CHUNK_DAYS if personal or kind.lane is Lane.BULK else CHUNK_DAYS
    raw = kind.retention.raw_days - (chunk if personal else 0)
    refresh = raw - MARGIN_DAYS
    if refresh < MIN_REFRESH_DAYS:
        least = MIN_REFRESH_DAYS + MARGIN_DAYS + kind.retention.raw_days - raw
        raise ValueError(f"{kind.name}: raw_days={kind.retention.raw_days} is too short for roll-ups: {least} or more")
    return RetentionSpans(chunk, refresh, raw)


def missing_extension(message: str) -> str | None:
    """What to do, where PostgreSQL's error says that the server lacks the TimescaleDB of the database; else None."""
    if (missing := _MISSING_PROGRAM.search(message)) is None:
        return None
    return (
        f"la base de datos usa TimescaleDB {missing[1]}, que este servidor ya no tiene; como superusuario / the "
        f"database uses TimescaleDB {missing[1]}, which this server no longer has; {HOW_TO_UPDATE}"
    )


_MISSING_PROGRAM = re.compile(r'could not access file "[^"]*timescaledb-([0-9][^"]*)"')


def ensure_timescale(connection: Connection, *, clock_checked: bool = False) -> bool:
    """Set up TimescaleDB for the readings tables. Returns False, without changes, where it is not available.

    Converts the rows, kept hours and roll-ups of a database that began on plain PostgreSQL. Safe to repeat. Of readings
    past their retention only the hours are kept: raises ConversionRefused where the clock may be wrong, unless a person
    has checked it.
    """
    if not _installed(connection):
        return False
    _refuse_an_interrupted_restore(connection)
    _warn_if_older(connection)
    tables, aggregates = hypertables(connection), _aggregates(connection)
    for kind in KINDS:
        spans = retention_spans(kind)
        if f"{kind.name}_readings" not in tables:
            _make_hypertable(connection, kind, spans, clock_checked=clock_checked)
        for rollup in ROLLUPS:
            _ensure_aggregate(connection, kind, rollup, spans, aggregates)
        _ensure_retention(connection, kind, spans)
    return True


def _refuse_an_interrupted_restore(connection: Connection) -> None:
    """Raise InterruptedRestore where `vigia restore` was killed before it ended TimescaleDB's restoring mode."""
    restoring = connection.execute(text("SELECT current_setting('timescaledb.restoring', true)")).scalar_one()
    if restoring == "on":
        raise InterruptedRestore(
            "en esta base se interrumpió una restauración y faltan lecturas a la vista: bórrela, créela de nuevo y"
            " restaure otra vez / a restore was interrupted in this database and part of its readings is hidden:"
            " drop it, create it again, and restore once more"
        )


def has_timescale(connection: Connection) -> bool:
    """Whether this database has the TimescaleDB extension installed."""
    return connection.execute(text("SELECT 1 FROM pg_extension WHERE extname = 'timescaledb'")).first() is not None


def hypertables(connection: Connection) -> frozenset[str]:
    """The names of the hypertables, none on plain PostgreSQL. A job in the database does their retention."""
    return _names(connection, "hypertable_name FROM timescaledb_information.hypertables WHERE hypertable_schema")


def _aggregates(connection: Connection) -> frozenset[str]:
    return _names(connection, "view_name FROM timescaledb_information.continuous_aggregates WHERE view_schema")


def _names(connection: Connection, of_schema: str) -> frozenset[str]:
    if not has_timescale(connection):
        return frozenset()
    return frozenset(connection.execute(text(f"SELECT {of_schema} = current_schema()")).scalars())


def _installed(connection: Connection) -> bool:
    """Install the extension where the server preloads it and the role may; the Apache-only edition is not enough."""
    if not has_timescale(connection):
        if not connection.execute(text(_MAY_INSTALL)).scalar_one():
            return False
        connection.execute(text("CREATE EXTENSION timescaledb"))
    if connection.execute(text("SELECT current_setting('timescaledb.license', true)")).scalar_one() == "timescale":
        return True
    log.warning("TimescaleDB lacks continuous aggregates: it stays unused", extra={"action": "migrate"})
    return False


def _warn_if_older(connection: Connection) -> None:
    """Warn where the server's programs are newer than what this database uses, as after an upgrade of the image."""
    versions = connection.execute(
        text("SELECT installed_version, default_version FROM pg_available_extensions WHERE name = 'timescaledb'")
    )
    for installed, default in versions:
        if installed != default:
            log.warning(
                "TimescaleDB %s is in use and the server has %s: %s",
                installed,
                default,
                HOW_TO_UPDATE,
                extra={"action": "migrate"},
            )


HOW_TO_UPDATE = (
    "as the superuser, in this database, in template1 and in postgres, run: psql --no-psqlrc --dbname DATABASE "
    "--command 'ALTER EXTENSION timescaledb UPDATE'"
)
_MAY_INSTALL = """
SELECT coalesce(current_setting('timescaledb.disable_load', true), 'on') = 'off' AND EXISTS (
    SELECT FROM pg_available_extension_versions available, pg_roles
    WHERE available.name = 'timescaledb' AND rolname = current_user
        AND (rolsuper OR (trusted AND has_database_privilege(current_database(), 'CREATE'))))
"""
"""The setting exists only where the server preloads TimescaleDB. Elsewhere, installing it would end the connection."""


def _make_hypertable(connection: Connection, kind: SensorKind, spans: RetentionSpans, *, clock_checked: bool) -> None:
    """Convert the table. First keep the hours of readings older than the first refresh, else the roll-up lacks them."""
    now: datetime = connection.execute(text("SELECT now()")).scalar_one()
    before = now - timedelta(days=spans.refresh - 1)
    if not clock_checked:
        _refuse_by_a_doubtful_clock(connection, kind, before)
    while delete_readings_keep_hours(connection, kind, before=before, most=ROWS_A_MOVE):
        pass
    _run(
        connection,
        f"SELECT create_hypertable('{kind.name}_readings', by_range('observed_at', INTERVAL '{spans.chunk} days'),"
        " create_default_indexes => false, migrate_data => true)",
    )
    if not kind.retention.personal:
        _run(
            connection,
            f"ALTER TABLE {kind.name}_readings SET (timescaledb.enable_columnstore,"
            " timescaledb.segmentby = 'device_id', timescaledb.orderby = 'observed_at DESC, seq')",
            f"CALL add_columnstore_policy('{kind.name}_readings', after => INTERVAL '{COMPRESS_DAYS} days')",
        )


def _refuse_by_a_doubtful_clock(connection: Connection, kind: SensorKind, before: datetime) -> None:
    """Raise ConversionRefused where there are readings before this time, and retention would refuse to delete them."""
    table = f"{kind.name}_readings"
    count = text(f"SELECT count(*) FROM {table} WHERE observed_at < :before")
    found: int = connection.execute(count, {"before": before}).scalar_one()
    refusal = connection.execute(text("SELECT retention_refusal(now(), true)")).scalar_one() if found else None
    if refusal is not None:
        spanish, _, english = refusal.partition(" / ")
        raise ConversionRefused(
            f"{found:,} lecturas de {table} son anteriores a {before:%Y-%m-%d}: al pasar a TimescaleDB quedarían solo"
            f" sus horas, y {spanish}; con el reloj revisado, vigia migrate --clock-checked / {found:,} readings of"
            f" {table} are from before {before:%Y-%m-%d}: moving to TimescaleDB would keep only their hours, and"
            f" {english}; with the clock checked, vigia migrate --clock-checked"
        )


def _ensure_aggregate(
    connection: Connection, kind: SensorKind, rollup: Rollup, spans: RetentionSpans, aggregates: frozenset[str]
) -> None:
    """Make the roll-up a continuous aggregate. Recreating it loses nothing, because its raw readings are stored."""
    name, query = f"{kind.name}_{rollup.name}", rollup_select(kind, rollup, "time_bucket")
    if stored_view_query(connection, name) != query:
        _run(
            connection,
            f"DROP {'MATERIALIZED VIEW' if name in aggregates else 'VIEW'} IF EXISTS {name}",
            f"CREATE MATERIALIZED VIEW {name} WITH (timescaledb.continuous, timescaledb.materialized_only = false)"
            f" AS {query} WITH NO DATA",
        )
        store_view_query(connection, name, query)
    _ensure_refresh(connection, name, rollup, f"{spans.refresh} days")


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


def _ensure_retention(connection: Connection, kind: SensorKind, spans: RetentionSpans) -> None:
    """Create the job that deletes raw readings; replace it where it differs, so that it follows the kind."""
    name, body = f"{kind.name}_retain", _retain_body(connection, kind, spans)
    written = text("SELECT prosrc FROM pg_proc WHERE proname = :name AND pronamespace = current_schema()::regnamespace")
    if connection.execute(written, {"name": name}).scalar_one_or_none() != body:
        create = f"CREATE OR REPLACE PROCEDURE {name}(job_id integer, config jsonb) LANGUAGE plpgsql"
        _run(connection, f"{create} AS $retain${body}$retain$")
    public = text("SELECT has_function_privilege('public', :procedure, 'EXECUTE')")
    if connection.execute(public, {"procedure": f"{name}(integer, jsonb)"}).scalar_one():
        _run(connection, f"REVOKE ALL ON PROCEDURE {name} FROM PUBLIC")
    job = text("SELECT 1 FROM timescaledb_information.jobs WHERE proc_schema = current_schema() AND proc_name = :name")
    if connection.execute(job, {"name": name}).first() is None:
        _run(connection, f"SELECT add_job('{name}', INTERVAL '{_RETAIN_EVERY}')")


def _retain_body(connection: Connection, kind: SensorKind, spans: RetentionSpans) -> str:
    stored = text(
        "SELECT format('DELETE FROM %I.%I WHERE bucket < boundary', materialization_hypertable_schema,"
        " materialization_hypertable_name) FROM timescaledb_information.continuous_aggregates"
        " WHERE view_schema = current_schema() AND hypertable_name = :table ORDER BY view_name"
    )
    deletions = connection.execute(stored, {"table": f"{kind.name}_readings"}).scalars()
    return _RETAIN.format(
        kind=kind.name,
        raw_days=spans.raw,
        chunks=CHUNKS_A_RUN,
        keep=add_hours_statement(kind, f"(SELECT * FROM {kind.name}_readings WHERE observed_at < boundary) AS gone"),
        forget=";\n    ".join(deletions),
    )


def _run(connection: Connection, *statements: str) -> None:
    for statement in statements:
        connection.exec_driver_sql(statement)
