"""Tests of retention: what is deleted, what is kept, and that roll-ups never change."""

import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, insert, select, text

from models.kinds import KINDS_BY_NAME
from models.migrations import upgrade
from models.migrations.readings import delete_readings_keep_hours
from models.reading import Flag
from models.tables import METADATA
from models.tables.readings import READINGS
from services.upkeep.retention import (
    EVENTS_KEPT,
    HEARTBEATS_KEPT,
    MAX_ROWS_PER_TRANSACTION,
    REINGESTED_KEPT,
    REJECTED_KEPT,
    RIDER_REPORTS_KEPT,
    delete_expired,
)
from tests.architecture.repository import ROOT

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
RIVER = KINDS_BY_NAME["river"]
KEPT = timedelta(days=RIVER.retention.raw_days)
A_SECOND = timedelta(seconds=1)


@dataclass(frozen=True)
class Sum:
    """One bucket of a roll-up, from stored readings and kept hours."""

    n: int
    least: float
    greatest: float
    total: float


def rollup(connection: Connection, kind: str = "river") -> dict[tuple[int, datetime], Sum]:
    """Hours as a reader sees them: the roll-up and the kept hours, added bucket by bucket. Totals to a micrometre."""
    rows = connection.execute(
        text(
            "SELECT device_id, bucket, sum(n) AS n, min(least) AS least, max(greatest) AS greatest, sum(total) AS total"
            f" FROM (SELECT * FROM {kind}_hourly UNION ALL SELECT * FROM {kind}_hourly_kept) told GROUP BY 1, 2"
        )
    )
    return {(r.device_id, r.bucket): Sum(int(r.n), r.least, r.greatest, round(r.total, 6)) for r in rows}


def devices(connection: Connection, count: int) -> list[int]:
    """The given number of river gauges."""
    table = METADATA.tables["devices"]
    rows = [{"municipality": "laplata", "kind": "river", "code": f"gauge-{number}"} for number in range(count)]
    return list(connection.execute(insert(table).returning(table.c.id), rows).scalars())


def reading(
    device: int, observed_at: datetime, level_m: float, flags: Flag = Flag.NONE, seq: int = -1
) -> dict[str, object]:
    """A row of river_readings."""
    return {
        "device_id": device,
        "observed_at": observed_at,
        "seq": seq,
        "received_at": observed_at,
        "level_m": level_m,
        "flags": int(flags),
    }


@pytest.fixture
def database(plain: Engine) -> Engine:
    """A plain PostgreSQL with the schema."""
    with plain.begin() as connection:
        upgrade(connection)
    return plain


ages = st.floats(min_value=-3 * 86_400, max_value=3 * 86_400).map(lambda s: KEPT + timedelta(seconds=s))
readings = st.lists(
    st.tuples(
        st.integers(min_value=0, max_value=2),
        ages,
        st.floats(min_value=-100, max_value=100).map(lambda value: round(value, 3)),
        st.sampled_from([Flag.NONE, Flag.JUMP, Flag.SPIKE, Flag.SENTINEL, Flag.LATE]),
    ),
    max_size=40,
)
Drawn = Sequence[tuple[int, timedelta, float, Flag]]


@given(batches=st.lists(readings, min_size=1, max_size=3), most=st.integers(min_value=1, max_value=25))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_deleting_raw_readings_never_changes_a_roll_up(database: Engine, batches: list[Drawn], most: int) -> None:
    with database.connect() as connection, connection.begin() as transaction:
        known = devices(connection, 3)
        seq = 0
        for batch in batches:  # the later ones find hours that were kept already
            for device, age, level_m, flags in batch:
                seq += 1
                row = reading(known[device], NOW - age, level_m, flags, seq)
                connection.execute(insert(READINGS["river"]), row)
            before = rollup(connection)
            while gone := delete_readings_keep_hours(connection, RIVER, before=NOW - KEPT, most=most):
                assert gone <= most
                assert rollup(connection) == before
        assert connection.execute(text("SELECT min(observed_at) FROM river_readings")).scalar_one() in (
            None,
            *(NOW - age for batch in batches for _, age, _, _ in batch if age <= KEPT),
        )
        transaction.rollback()


def test_everything_is_deleted_at_its_time_and_not_a_second_before(database: Engine) -> None:
    table = METADATA.tables
    with database.begin() as connection:
        (gauge,) = devices(connection, 1)
        for age in (A_SECOND, -A_SECOND):
            rejected = {"topic": "t", "payload": b"?", "reason": "syntax", "detail": "d"}
            connection.execute(insert(READINGS["river"]), reading(gauge, NOW - KEPT - age, 1.0))
            connection.execute(insert(table["events"]), {"at": NOW - EVENTS_KEPT - age, "event": "alert", "data": {}})
            connection.execute(
                insert(table["rejected_messages"]),
                [
                    {**rejected, "received_at": NOW - REJECTED_KEPT - age, "reingested_at": None},
                    {**rejected, "received_at": NOW - A_SECOND, "reingested_at": NOW - REINGESTED_KEPT - age},
                ],
            )
            at = NOW - HEARTBEATS_KEPT - age
            heartbeat = {"process": f"of {at.isoformat()}", "at": at, "started_at": at, "status": {}}
            connection.execute(insert(table["heartbeats"]), heartbeat)
            report = {"at": NOW - RIDER_REPORTS_KEPT - age, "source": "page", "code": "vehicle_never_came"}
            connection.execute(insert(table["rider_reports"]), report)
    gone = delete_expired(database, NOW)
    assert {name: count for name, count in gone.items() if count} == {
        "river_readings": 1,
        "events": 1,
        "rejected_messages": 2,
        "heartbeats": 1,
        "rider_reports": 1,
    }
    assert not any(delete_expired(database, NOW).values())


def test_a_run_ends_at_its_bound_and_the_next_continues(database: Engine) -> None:
    with database.begin() as connection:
        devices(connection, 1)
        connection.execute(
            text("INSERT INTO events (at, event, data) SELECT :long_ago, 'alert', '{}' FROM generate_series(1, :rows)"),
            {"long_ago": NOW - 2 * EVENTS_KEPT, "rows": MAX_ROWS_PER_TRANSACTION + 10},
        )
    assert delete_expired(database, NOW, transactions=1)["events"] == MAX_ROWS_PER_TRANSACTION
    assert delete_expired(database, NOW, transactions=1)["events"] == 10


def test_writers_and_two_retentions_at_once_lose_nothing(database: Engine) -> None:
    hours, late = 400, 200
    with database.begin() as connection:
        gauges = devices(connection, 4)
        rows = [
            reading(gauge, NOW - KEPT - timedelta(minutes=minute), 1.0, seq=0)
            for gauge in gauges
            for minute in range(hours)
        ]
        connection.execute(insert(READINGS["river"]), rows)

    def write() -> None:
        for number in range(late):
            with database.begin() as connection:
                row = reading(gauges[number % 4], NOW - KEPT - timedelta(minutes=number), 2.0, seq=1)
                connection.execute(insert(READINGS["river"]), row)

    def let_go() -> None:
        for _ in range(50):
            with database.begin() as connection:
                delete_readings_keep_hours(connection, RIVER, before=NOW - KEPT + A_SECOND, most=100)

    threads = [threading.Thread(target=work) for work in (write, let_go, let_go)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    delete_expired(database, NOW + A_SECOND)
    with database.connect() as connection:
        assert connection.execute(select(READINGS["river"])).first() is None
        hours_kept = rollup(connection).values()
    assert sum(one.n for one in hours_kept) == len(gauges) * hours + late
    assert sum(one.total for one in hours_kept) == len(gauges) * hours + 2 * late


def test_the_command_prints_what_was_deleted(database: Engine) -> None:
    with database.begin() as connection:
        (gauge,) = devices(connection, 1)
        connection.execute(insert(READINGS["river"]), reading(gauge, NOW - 2 * KEPT, 1.0))
    environment = {
        "VIGIA_DATABASE_URL": database.url.set(drivername="postgresql").render_as_string(hide_password=False)
    }
    command = [sys.executable, "-m", "services", "retain"]
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)
    assert "river_readings: 1" in done.stdout.splitlines()
