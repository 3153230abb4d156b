"""Tests of TimescaleDB, where the server has it: results stay the same after compression, refresh and retention."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, insert, inspect, text
from sqlalchemy.dialects import postgresql

from models.kind import Lane
from models.kinds import KINDS, KINDS_BY_NAME
from models.migrations import upgrade
from models.migrations.readings import ROLLUPS
from models.migrations.timescale import (
    CHUNKS_A_RUN,
    MARGIN_DAYS,
    MIN_REFRESH_DAYS,
    has_timescale,
    hypertables,
    retention_spans,
)
from models.reading import Flag, Message
from models.tables.readings import READINGS
from services.pipeline.road import Pipeline
from services.runtime.database import open_database
from services.upkeep.retention import delete_expired
from tests.storage.conftest import NewDatabase, allow_timescale
from tests.storage.test_retention import devices, reading, rollup

RAW = timedelta(days=KINDS_BY_NAME["river"].retention.raw_days)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def database(timescale: Engine) -> Engine:
    """A TimescaleDB with the schema."""
    with timescale.begin() as connection:
        upgrade(connection)
    return timescale


@pytest.fixture
def now(timescale: Engine) -> datetime:
    """The server's time, on the full minute: its jobs go by that."""
    return server_time(timescale)


def server_time(engine: Engine) -> datetime:
    """The server's time, on the full minute."""
    with engine.connect() as connection:
        moment: datetime = connection.execute(text("SELECT date_trunc('minute', now())")).scalar_one()
    return moment.astimezone(UTC)


def run_jobs(engine: Engine, procedure: str, about: str = "") -> None:
    """Run a job of the database now: its refreshes, compression or retention. `about`: only that table's or view's."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        jobs = connection.execute(
            text(
                "SELECT job_id FROM timescaledb_information.jobs WHERE proc_name = :procedure"
                " AND (:about = '' OR hypertable_name = :about) ORDER BY job_id"
            ),
            {"procedure": procedure, "about": about},
        ).scalars()
        for job in list(jobs):
            connection.execute(text("CALL run_job(:job)"), {"job": job})


def refresh(engine: Engine) -> None:
    """Run the refresh policies, as every 15 minutes."""
    run_jobs(engine, "policy_refresh_continuous_aggregate")


def refresh_everything(engine: Engine) -> None:
    """Refresh over all time, dropped ranges included, as an operator might do by hand."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for rollup in ROLLUPS:
            connection.execute(text(f"CALL refresh_continuous_aggregate('river_{rollup.name}', NULL, NULL)"))


def told(engine: Engine) -> dict[str, object]:
    """Hours and days as a reader sees them."""
    with engine.connect() as connection:
        days = connection.execute(
            text(
                "SELECT device_id, bucket, sum(n), min(least), max(greatest), round(sum(total)::numeric, 6) FROM"
                " (SELECT * FROM river_daily UNION ALL SELECT device_id, time_bucket('1 day', bucket) AS bucket,"
                " n, least, total, greatest FROM river_hourly_kept) told GROUP BY 1, 2 ORDER BY 1, 2"
            )
        )
        return {"hours": rollup(connection), "days": [tuple(row) for row in days]}


def count(engine: Engine, query: str) -> int:
    """The one number that a query returns."""
    with engine.connect() as connection:
        return int(connection.execute(text(query)).scalar_one())


def fill(engine: Engine, ages: list[timedelta], at: datetime) -> int:
    """Readings of one gauge that old, a tenth of them spikes. Returns the gauge."""
    with engine.begin() as connection:
        (gauge,) = devices(connection, 1)
        rows = [
            reading(gauge, at - age, round(number % 7 * 0.31, 2), Flag.SPIKE if number % 10 == 9 else Flag.NONE)
            for number, age in enumerate(ages)
        ]
        connection.execute(insert(READINGS["river"]), rows)
    return gauge


def every(step: timedelta, start: timedelta, end: timedelta) -> list[timedelta]:
    """Ages from `start` down to `end`."""
    return [start - step * number for number in range(int((start - end) / step))]


@given(raw_days=st.integers(min_value=1, max_value=5000), personal=st.booleans(), lane=st.sampled_from(Lane))
def test_a_refresh_never_covers_deleted_readings(raw_days: int, personal: bool, lane: Lane) -> None:
    keeping = replace(KINDS_BY_NAME["river"].retention, raw_days=raw_days, personal=personal)
    kind = replace(KINDS_BY_NAME["river"], retention=keeping, lane=lane)
    if raw_days < MIN_REFRESH_DAYS + MARGIN_DAYS + (1 if personal else 0):
        with pytest.raises(ValueError, match=f"raw_days={raw_days}"):
            retention_spans(kind)
        return
    lives = retention_spans(kind)
    assert 0 < lives.refresh < lives.raw <= raw_days
    if personal:
        assert lives.raw + lives.chunk <= raw_days


def test_every_kind_is_a_compressed_hypertable_with_two_aggregates(database: Engine) -> None:
    with database.connect() as connection:
        assert hypertables(connection) == {f"{kind.name}_readings" for kind in KINDS}
        names = connection.execute(
            text("SELECT view_name FROM timescaledb_information.continuous_aggregates WHERE NOT materialized_only")
        )
        assert set(names.scalars()) == {f"{kind.name}_{rollup.name}" for kind in KINDS for rollup in ROLLUPS}
        settings = connection.execute(
            text(
                "SELECT hypertable::text, segmentby, orderby"
                " FROM timescaledb_information.hypertable_columnstore_settings WHERE segmentby IS NOT NULL"
            )
        )
        compressed = {row.hypertable: (row.segmentby, row.orderby) for row in settings}
    assert compressed == {f"{kind.name}_readings": ("device_id", "observed_at DESC,seq") for kind in KINDS}


def test_a_server_that_may_not_install_it_stays_plain(new_database: NewDatabase) -> None:
    engine = open_database(new_database(), name="test")
    with engine.begin() as connection:
        upgrade(connection)
        assert not has_timescale(connection)
        assert hypertables(connection) == frozenset()
    engine.dispose()


@pytest.fixture
def began_plain(new_database: NewDatabase) -> Iterator[tuple[str, Engine]]:
    """A database that filled up as plain PostgreSQL: recent hours, hours near their end, and kept ones."""
    url = new_database()
    engine = open_database(url, name="test")
    with engine.begin() as connection:
        upgrade(connection)
    yield url, engine
    engine.dispose()


def test_a_database_that_began_on_plain_postgresql_loses_nothing(began_plain: tuple[str, Engine]) -> None:
    url, engine = began_plain
    now = server_time(engine)
    ages = every(HOUR * 5, RAW + 9 * DAY, RAW - 9 * DAY) + every(timedelta(minutes=10), 30 * DAY, timedelta(0))
    gauge = fill(engine, ages, now)
    delete_expired(engine, now)
    with engine.begin() as connection:
        connection.execute(insert(READINGS["river"]), reading(gauge, now - RAW - 2 * DAY, 3.0, seq=7))
        before = rollup(connection)
    engine.dispose()
    allow_timescale(url)
    with engine.begin() as connection:
        upgrade(connection)
        assert has_timescale(connection)
        assert rollup(connection) == before
    as_told = told(engine)
    assert as_told["hours"] == before
    for job in ("policy_refresh_continuous_aggregate", "policy_compression", "river_retain"):
        run_jobs(engine, job)
        assert told(engine) == as_told
    with engine.begin() as connection:
        upgrade(connection)
    assert told(engine) == as_told
    assert count(engine, "SELECT count(*) FROM timescaledb_information.chunks WHERE is_compressed") > 0


def test_roll_ups_outlive_their_readings_even_under_a_refresh_of_everything(database: Engine, now: datetime) -> None:
    fill(database, every(3 * HOUR, RAW + 30 * DAY, RAW - 3 * DAY) + every(HOUR, 9 * DAY, timedelta(0)), now)
    refresh_everything(database)
    before, raw = told(database), count(database, "SELECT count(*) FROM river_readings")
    run_jobs(database, "river_retain")
    assert 0 < count(database, "SELECT count(*) FROM river_readings") < raw
    assert told(database) == before
    refresh_everything(database)  # over the dropped range too: without the kept hours this would empty it
    assert told(database) == before


def test_a_reading_of_a_dropped_hour_still_counts(database: Engine, now: datetime) -> None:
    hour = (now - RAW - 20 * DAY).replace(minute=0)
    gauge = fill(database, [now - hour, 10 * HOUR], now)
    run_jobs(database, "river_retain")
    refresh(database)
    with database.begin() as connection:
        connection.execute(insert(READINGS["river"]), reading(gauge, hour + timedelta(minutes=59), 5.0))
    run_jobs(database, "river_retain")
    with database.connect() as connection:
        kept = rollup(connection)[gauge, hour]
        assert (kept.n, kept.least, kept.greatest) == (2, 0.0, 5.0)
        assert connection.execute(text("SELECT count(*) FROM river_readings")).scalar_one() == 1


def test_retention_continues_chunk_by_chunk_in_each_run(database: Engine, now: datetime) -> None:
    fill(database, every(7 * DAY, RAW + 100 * DAY, RAW + 8 * DAY), now)
    before, chunks = told(database), "SELECT count(*) FROM timescaledb_information.chunks"
    started_with = count(database, f"{chunks} WHERE hypertable_name = 'river_readings'")
    assert started_with > CHUNKS_A_RUN
    run_jobs(database, "river_retain")
    assert count(database, f"{chunks} WHERE hypertable_name = 'river_readings'") == started_with - CHUNKS_A_RUN
    assert told(database) == before
    run_jobs(database, "river_retain")
    assert count(database, f"{chunks} WHERE hypertable_name = 'river_readings'") == 0
    assert told(database) == before


def test_writers_meanwhile_lose_nothing_to_retention(database: Engine, now: datetime) -> None:
    start = now - RAW - 90 * DAY
    gauge = fill(database, [now - start], now)
    stop = threading.Event()
    written = 0

    def write() -> None:
        nonlocal written
        while not stop.is_set():
            with database.begin() as connection:
                written += 1
                row = reading(gauge, start + written * HOUR, 2.0)
                connection.execute(insert(READINGS["river"]), row)

    writer = threading.Thread(target=write)
    writer.start()
    for _ in range(10):
        run_jobs(database, "river_retain")
    stop.set()
    writer.join()
    run_jobs(database, "river_retain")
    with database.connect() as connection:
        assert sum(hour.n for hour in rollup(connection).values()) == 1 + written


def test_late_readings_enter_compressed_chunks_and_the_roll_up(database: Engine, now: datetime) -> None:
    day = (now - 40 * DAY).replace(hour=0, minute=0)
    gauge = fill(database, [now - day - timedelta(minutes=10 * number) for number in range(144)], now)
    refresh(database)
    run_jobs(database, "policy_compression", "river_readings")
    assert count(database, "SELECT count(*) FROM timescaledb_information.chunks WHERE is_compressed") == 1
    with database.begin() as connection:
        connection.execute(insert(READINGS["river"]), reading(gauge, day + timedelta(minutes=5), 9.0))
        river = READINGS["river"]
        again = postgresql.insert(river).from_select(list(river.columns), river.select()).on_conflict_do_nothing()
        assert connection.execute(again.returning(river.c.seq)).all() == []
    refresh(database)
    with database.connect() as connection:
        first = rollup(connection)[gauge, day]
        assert (first.n, first.greatest) == (7, 9.0)
        assert count(database, "SELECT count(*) FROM river_readings") == 145


def test_the_pipeline_writes_flags_and_keeps_conflicts_in_compressed_chunks(database: Engine, now: datetime) -> None:
    pipeline = Pipeline(database, lambda: now, lane=None)
    start, topic = now - 40 * DAY, "vigia/v1/laplata/river/gauge-1"

    def send(minute: int, level_m: float) -> None:
        observed_at = (start + timedelta(minutes=minute)).isoformat()
        payload = f'{{"observed_at": "{observed_at}", "level_m": {level_m}}}'
        pipeline.process_messages([Message(topic, payload.encode(), received_at=now)])

    for minute in range(0, 60, 2):
        send(minute, 1.0)
    run_jobs(database, "policy_compression", "river_readings")
    send(1, 1.5)
    send(2, 1.0)  # a duplicate of a compressed reading
    send(4, 1.7)  # another value at its key
    assert count(database, "SELECT count(*) FROM river_readings") == 31
    assert count(database, "SELECT count(*) FROM rejected_messages WHERE reason = 'conflict'") == 1
    with database.begin() as connection:
        changed = text("UPDATE river_readings SET flags = flags | :spike WHERE observed_at = :at")
        found = connection.execute(changed, {"spike": int(Flag.SPIKE), "at": start + timedelta(minutes=6)})
        assert found.rowcount == 1


def test_a_newer_field_is_added_to_compressed_hypertables(database: Engine, now: datetime) -> None:
    with database.begin() as connection:
        connection.execute(text("ALTER TABLE river_readings DROP COLUMN battery_v"))
    fill(database, every(HOUR, 60 * DAY, 30 * DAY), now)
    run_jobs(database, "policy_compression", "river_readings")
    assert count(database, "SELECT count(*) FROM timescaledb_information.chunks WHERE is_compressed") > 0
    with database.begin() as connection:
        upgrade(connection)
        columns = {column["name"] for column in inspect(connection).get_columns("river_readings")}
        assert "battery_v" in columns
    assert count(database, "SELECT count(*) FROM river_readings WHERE battery_v IS NULL") == 720


def test_policies_and_jobs_follow_the_kinds(database: Engine) -> None:
    def jobs(connection: Connection) -> list[tuple[object, ...]]:
        rows = connection.execute(
            text(
                "SELECT proc_name, hypertable_name, schedule_interval, config - 'mat_hypertable_id' - 'hypertable_id'"
                " FROM timescaledb_information.jobs WHERE job_id >= 1000 ORDER BY 1, 2"
            )
        )
        return [tuple(row) for row in rows]

    with database.begin() as connection:
        before = jobs(connection)
        connection.execute(text("SELECT remove_continuous_aggregate_policy('river_hourly')"))
        connection.execute(
            text(
                "SELECT add_continuous_aggregate_policy('river_hourly', start_offset => INTERVAL '30 days',"
                " end_offset => INTERVAL '1 hour', schedule_interval => INTERVAL '15 minutes')"
            )
        )
        connection.execute(
            text(
                "CREATE OR REPLACE PROCEDURE rain_retain(job_id integer, config jsonb)"
                " LANGUAGE plpgsql AS 'BEGIN RETURN; END'"
            )
        )
        assert jobs(connection) != before
        upgrade(connection)
        assert jobs(connection) == before
        body = connection.execute(text("SELECT prosrc FROM pg_proc WHERE proname = 'rain_retain'")).scalar_one()
        assert "drop_chunks" in body
