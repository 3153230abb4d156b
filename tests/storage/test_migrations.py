"""Tests of migrations: first upgrade, repeated upgrade, concurrent upgrades, and a role without rights."""

import json
import subprocess
import sys
from datetime import UTC, datetime
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, Engine, inspect, text

from models.kinds import KINDS
from models.migrations import current, device_codes, upgrade
from models.migrations.readings import ROLLUPS
from models.migrations.timescale import HOW_TO_UPDATE, missing_extension
from models.tables import METADATA
from models.tables.readings import READINGS
from services.people.api_keys import find_api_key
from services.people.roles import Role
from services.people.tokens import token_hash
from tests.architecture.repository import ROOT
from tests.storage.conftest import NewDatabase

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


def migrated_to(engine: Engine, revision: str) -> None:
    """Run the numbered steps up to a revision of an earlier version."""
    config = Config()
    config.set_main_option("script_location", str(ROOT / "models" / "migrations"))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)


def test_names_in_events_of_an_earlier_version_are_replaced_and_nothing_else(plain: Engine) -> None:
    migrated_to(plain, "0009")
    events = [
        ("alert", {"alert": 1, "nar": 2, "by": "Ana Pérez"}, {"alert": 1, "nar": 2, "by": "operator"}),
        ("alert", {"alert": 2, "nar": 1, "by": None}, {"alert": 2, "nar": 1, "by": None}),
        ("alert", {"alert": 3}, {"alert": 3}),
        ("reading", {"by": "gauge-1"}, {"by": "gauge-1"}),
    ]
    with plain.begin() as connection:
        for event, before, _ in events:
            connection.execute(
                text("INSERT INTO events (at, event, data) VALUES (:at, :event, :data)"),
                {"at": NOW, "event": event, "data": json.dumps(before)},
            )
    migrated(plain)
    with plain.connect() as connection:
        stored = connection.execute(text("SELECT event, data FROM events ORDER BY id")).all()
    assert [tuple(row) for row in stored] == [(event, after) for event, _, after in events]


def test_tokens_of_an_earlier_version_go_on_working_with_the_same_rights(plain: Engine) -> None:
    migrated_to(plain, "0016")
    with plain.begin() as connection:
        for name, token, revoked_at in (("Ana", "vigia_a", None), ("Luis", "vigia_b", NOW)):
            connection.execute(
                text("INSERT INTO operators (name, token_sha256, created_at, revoked_at) VALUES (:n, :t, :at, :r)"),
                {"n": name, "t": token_hash(token), "at": NOW, "r": revoked_at},
            )
    migrated(plain)
    with plain.connect() as connection:
        ana = find_api_key(connection, "vigia_a", NOW)
        assert ana is not None
        assert (ana.name, ana.has(Role.OPERATOR), ana.has(Role.SUPERVISOR)) == ("Ana", True, False)
        assert find_api_key(connection, "vigia_b", NOW) is None


def test_alerts_and_acknowledgements_of_an_earlier_version_are_kept(plain: Engine) -> None:
    migrated_to(plain, "0016")
    with plain.begin() as connection:
        connection.execute(text("INSERT INTO incidents (hazard, area, opened_at) VALUES ('flood', 'basin:a', now())"))
        for number, (judgement, state, nar, acknowledged) in enumerate(
            [("stage", "firing", 3, "Ana"), ("silence", "firing", 2, None), ("rainfall", "cleared", 0, None)]
        ):
            connection.execute(
                text(
                    "INSERT INTO alerts (rule_id, rule_version, subject, kind, judgement, state, nar, highest_nar,"
                    " cause, confirmed, observed_at, opened_at, changed_at, acknowledged_at, acknowledged_by, evidence,"
                    " incident_id, membership) VALUES (:rule, 1, 's', 'river', :judgement, :state, :nar, 3, 'level',"
                    " true, :at, :at, :at, :acknowledged_at, :by, '{}', 1, 'stream')"
                ),
                {
                    "rule": f"r{number}",
                    "judgement": judgement,
                    "state": state,
                    "nar": nar,
                    "at": NOW,
                    "acknowledged_at": NOW if acknowledged else None,
                    "by": acknowledged,
                },
            )
        connection.execute(
            text("INSERT INTO alert_actions (alert_id, at, actor, action, note) VALUES (1, :at, 'Ana', :did, 'Voy.')"),
            {"at": NOW, "did": "acknowledge"},
        )
    migrated(plain)
    with plain.connect() as connection:
        rows = connection.execute(
            text("SELECT nar, rule_nar, held_nar, acknowledged_by, acknowledged_until, waiting_because FROM alerts")
        ).all()
        assert [tuple(row) for row in rows] == [
            (3, 3, 3, "Ana", None, None),
            (2, 2, 0, None, None, "opened"),
            (0, 0, 0, None, None, "opened"),
        ]
        kept = connection.execute(text("SELECT alert_id, incident_id, actor, action, note FROM alert_actions")).one()
        assert tuple(kept) == (1, None, "Ana", "acknowledge", "Voy.")


def test_an_id_of_two_kinds_is_told_and_stays_until_one_is_renamed(
    plain: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    migrated_to(plain, "0009")
    with plain.begin() as connection:
        for kind, code in (("river", "north-1"), ("rain", "north-1"), ("river", "south-1")):
            connection.execute(
                text(
                    "INSERT INTO devices (municipality, kind, code, first_seen_at, registered_at)"
                    " VALUES ('laplata', :kind, :code, now(), now())"
                ),
                {"kind": kind, "code": code},
            )
    migrated(plain)
    warnings = [record for record in caplog.records if record.name == device_codes.__name__]
    assert [record.__dict__["devices"] for record in warnings] == [["north-1"]]
    with plain.begin() as connection:
        assert device_codes.INDEX not in relations(connection)
        assert connection.execute(text("SELECT count(*) FROM devices")).scalar_one() == 3
        connection.execute(text("UPDATE devices SET code = 'north-2' WHERE kind = 'rain'"))
    migrated(plain)
    with plain.begin() as connection:
        assert device_codes.INDEX in relations(connection)


def test_a_database_on_an_older_timescaledb_than_the_servers_works_and_says_what_to_do(
    timescale: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    with timescale.connect() as connection:
        versions = connection.execute(
            text("SELECT version FROM pg_available_extension_versions WHERE name = 'timescaledb' AND NOT installed")
        )
        older = versions.scalars().first()
    if older is None:
        pytest.skip("this server has only one TimescaleDB")
    for statement in ("DROP EXTENSION timescaledb", f"CREATE EXTENSION timescaledb VERSION '{older}'"):
        timescale.dispose()  # one session loads one release
        with timescale.begin() as connection:
            connection.execute(text(statement))
    migrated(timescale)
    (warning,) = [record.getMessage() for record in caplog.records if "is in use" in record.getMessage()]
    assert f"TimescaleDB {older} is in use" in warning
    assert "ALTER EXTENSION timescaledb UPDATE" in warning
    timescale.dispose()
    caplog.clear()
    with timescale.begin() as connection:
        connection.execute(text("ALTER EXTENSION timescaledb UPDATE"))
    migrated(timescale)
    assert [record for record in caplog.records if "is in use" in record.getMessage()] == []


def test_a_server_without_the_databases_timescaledb_gets_a_sentence() -> None:
    told = missing_extension('could not access file "timescaledb-2.28.3": No such file or directory')
    assert told is not None
    assert "TimescaleDB 2.28.3" in told
    assert HOW_TO_UPDATE in told
    assert missing_extension('could not access file "postgis-3": No such file or directory') is None
