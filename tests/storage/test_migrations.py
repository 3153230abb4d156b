"""Tests of migrations: first upgrade, repeated upgrade, concurrent upgrades, and a role without rights."""

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, Engine, inspect, select, text
from sqlalchemy.engine import make_url

from models.kinds import KINDS
from models.migrations import current, upgrade
from models.migrations.readings import ROLLUPS
from models.reading import Message
from models.tables import METADATA
from models.tables.readings import READINGS
from services.pipeline.road import Pipeline
from services.runtime.database import open_database
from services.upkeep.retention import delete_expired
from tests.architecture.repository import ROOT
from tests.deploy.conftest import ROLES, prepare
from tests.storage.conftest import NewDatabase, allow_timescale

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def migrated(engine: Engine) -> None:
    """Upgrade the schema to this version."""
    with engine.begin() as connection:
        upgrade(connection)


def relations(connection: Connection) -> dict[str, int]:
    """Every table, view and index with its oid."""
    rows = connection.execute(
        text("SELECT relname, oid::bigint FROM pg_class WHERE relnamespace = 'public'::regnamespace")
    )
    return {row.relname: row.oid for row in rows}


def test_an_empty_database_gets_every_table_and_roll_up(either: Engine) -> None:
    migrated(either)
    with either.connect() as connection:
        present = relations(connection)
        assert current(connection) is not None
        assert set(METADATA.tables) <= set(present)
        for kind in KINDS:
            assert f"{kind.name}_hourly_kept" in present
            for rollup in ROLLUPS:
                columns = connection.execute(text(f"SELECT * FROM {kind.name}_{rollup.name}")).keys()
                assert list(columns) == ["device_id", "bucket", "n", "least", "total", "greatest"]


def test_a_second_upgrade_recreates_nothing(either: Engine) -> None:
    migrated(either)
    with either.connect() as connection:
        before = relations(connection)
    migrated(either)
    with either.connect() as connection:
        assert relations(connection) == before


def test_processes_that_start_together_migrate_one_after_the_other(new_database: NewDatabase) -> None:
    environment = {"VIGIA_DATABASE_URL": new_database(), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "services", "migrate"]
    racing = [subprocess.Popen(command, env=environment, cwd=ROOT, stdout=subprocess.DEVNULL) for _ in range(3)]
    for process in racing:
        process.wait(timeout=60)
    assert [process.returncode for process in racing] == [0, 0, 0]
    again = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)
    before, _, after = again.stdout.strip().partition(" -> ")
    assert before == after != "empty"


@pytest.mark.filterwarnings("ignore:Did not recognize type 'xid8'")
def test_the_numbered_steps_give_the_tables_of_the_code(either: Engine) -> None:
    migrated(either)

    def described(_object: Any, name: str | None, kind: str, *_: Any) -> bool:
        return not (kind == "table" and (name or "").endswith("_hourly_kept"))

    with either.connect() as connection:
        options = {"compare_type": True, "compare_server_default": False, "include_object": described}
        assert compare_metadata(MigrationContext.configure(connection, opts=options), METADATA) == []


def test_a_newer_payload_field_becomes_a_column(either: Engine) -> None:
    migrated(either)
    with either.begin() as connection:
        connection.execute(text("ALTER TABLE river_readings DROP COLUMN battery_v"))
    migrated(either)
    with either.connect() as connection:
        columns = {column["name"] for column in inspect(connection).get_columns("river_readings")}
        assert columns == {column.name for column in READINGS["river"].columns}


def test_a_roll_up_whose_query_changed_is_recreated(either: Engine) -> None:
    migrated(either)
    with either.begin() as connection:
        connection.execute(text("COMMENT ON VIEW river_hourly IS 'SELECT as an older version did'"))
        before = relations(connection)
    migrated(either)
    with either.connect() as connection:
        after = relations(connection)
        assert {name for name, oid in after.items() if before[name] != oid} == {"river_hourly"}


@pytest.fixture(params=["plain", "timescale"])
def roles(request: pytest.FixtureRequest, new_database: NewDatabase, storage_url: str) -> Iterator[dict[str, Engine]]:
    """The deployed roles of a database that its owner has migrated."""
    url = new_database()
    if request.param == "timescale":
        allow_timescale(url)
    passwords = dict.fromkeys(ROLES, "only-for-a-test")
    prepare(url, passwords)
    at = make_url(url)
    engines = {
        role: open_database(at.set(username=role, password=password).render_as_string(hide_password=False), name="test")
        for role, password in passwords.items()
    }
    migrated(engines["vigia_owner"])
    yield engines
    for engine in engines.values():
        engine.dispose()
    with psycopg.connect(storage_url, autocommit=True) as superuser:
        superuser.execute(f"DROP DATABASE {at.database} WITH (FORCE)".encode())
        for role in ROLES:
            superuser.execute(f"DROP ROLE {role}".encode())


@pytest.mark.parametrize("role", [role for role in ROLES if role != "vigia_owner"])
def test_the_other_roles_may_not_migrate_but_accept_a_current_schema(roles: dict[str, Engine], role: str) -> None:
    with roles[role].begin() as connection:
        before = relations(connection)
        upgrade(connection)
        assert relations(connection) == before


def test_the_roles_of_pipeline_and_upkeep_store_and_delete_readings(roles: dict[str, Engine]) -> None:
    pipeline = Pipeline(roles["vigia_pipeline"], lambda: NOW, lane=None)
    long_ago, topic = NOW - timedelta(days=5000), "vigia/v1/laplata/river/gauge-1"
    for observed_at, payload in (
        (long_ago, f'{{"observed_at": "{long_ago.isoformat()}", "level_m": 0.4}}'),
        (NOW, f'{{"observed_at": "{NOW.isoformat()}", "level_m": 0.5}}'),
        (NOW, "no reading"),
    ):
        pipeline.process_messages([Message(topic, payload.encode(), received_at=max(observed_at, NOW))])
    pipeline.tick_rules()
    gone = delete_expired(roles["vigia_upkeep"], NOW + timedelta(hours=25))
    with roles["vigia_upkeep"].connect() as connection:
        readings, rejected = READINGS["river"], METADATA.tables["rejected_messages"]
        assert connection.execute(select(readings.c.level_m).where(readings.c.observed_at == NOW)).all() == [(0.5,)]
        assert connection.execute(select(rejected.c.payload)).all() == [(b"no reading",)]
        assert gone["events"] > 0
