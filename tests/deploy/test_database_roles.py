"""The roles of deploy/postgres, each really connected: what it must do works, what it must not do is refused."""

import secrets
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack

import psycopg
import pytest
from sqlalchemy.engine import make_url

from models.kinds import KINDS
from models.migrations import upgrade
from models.migrations.privileges import FUNCTIONS, PRIVILEGES, ROLES, VERSION_TABLE
from models.tables import METADATA
from services.runtime.database import open_database
from tests.deploy.conftest import prepare

PROTECTED = {
    "transitions": "subject",
    "alert_actions": "note",
    "erasures": "erased",
    "log_entries": "actor",
    "log_chain": "hash",
    VERSION_TABLE: "version_num",
}
"""Tables that no role may change, each with a column of it."""
Roles = dict[str, psycopg.Connection]


@pytest.fixture(scope="module")
def roles(urls: dict[str, str]) -> Iterator[Roles]:
    """Each role, connected to a database that its owner has migrated and that holds a closed alert of 2020."""
    migrate(urls["vigia_owner"])
    with psycopg.connect(urls["vigia_owner"], autocommit=True) as owner:
        owner.execute("INSERT INTO municipalities VALUES ('laplata', 'La Plata', -34.92, -57.95)")
        owner.execute(
            "INSERT INTO alerts (rule_id, rule_version, subject, kind, judgement, state, nar, rule_nar, highest_nar,"
            " cause, confirmed, observed_at, opened_at, changed_at, acknowledged_at, acknowledged_by, closed_at,"
            " closed_by, evidence) VALUES ('r', 1, 's', 'river', 'stage', 'closed', 0, 0, 2, 'level', true,"
            " '2020-01-01', '2020-01-01', '2020-01-01', '2020-01-01', 'Ana', '2020-01-02', 'Ana', '{}')"
        )
        owner.execute(
            "INSERT INTO transitions (alert_id, rule_id, rule_version, subject, before, after, change, cause,"
            " confirmed, observed_at, decided_at, evidence)"
            " VALUES (1, 'r', 1, 's', 0, 2, 'raised', 'level', true, '2020-01-01', '2020-01-01', '{}')"
        )
        owner.execute(
            "INSERT INTO alert_actions (alert_id, at, actor, action, note) VALUES"
            " (1, '2020-01-01', 'Ana', 'comment', 'old'), (1, now(), 'Ana', 'comment', 'Juana Gómez, 7 y 50')"
        )
    connected = {role: psycopg.connect(url, autocommit=True) for role, url in urls.items()}
    yield connected
    for connection in connected.values():
        connection.close()


def migrate(url: str) -> None:
    """Migrate as the role of this address."""
    engine = open_database(url, name="test")
    with engine.begin() as connection:
        upgrade(connection)
    engine.dispose()


def refused(connection: psycopg.Connection, statement: str) -> None:
    """The role may not do this."""
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute(statement.encode())


@pytest.mark.parametrize("role", ROLES)
def test_no_role_changes_the_schema(roles: Roles, role: str) -> None:
    for change in (
        "CREATE TABLE intruder (id integer)",
        "ALTER TABLE devices ADD COLUMN intruder integer",
        "DROP TABLE devices CASCADE",
        "TRUNCATE alerts CASCADE",
        "CREATE SCHEMA intruder",
        "CREATE ROLE intruder",
        "ALTER FUNCTION redact_note(bigint) OWNER TO CURRENT_USER",
        "CREATE FUNCTION public.now() RETURNS timestamptz LANGUAGE sql AS 'SELECT NULL::timestamptz'",
    ):
        refused(roles[role], change)


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("table", PROTECTED)
def test_no_role_erases_or_alters_what_happened(roles: Roles, role: str, table: str) -> None:
    column = PROTECTED[table]
    refused(roles[role], f"DELETE FROM {table}")
    refused(roles[role], f"UPDATE {table} SET {column} = {column}")
    refused(roles[role], f"TRUNCATE {table} CASCADE")
    if table in {VERSION_TABLE, "erasures"}:
        refused(roles[role], f"INSERT INTO {table} DEFAULT VALUES")


@pytest.mark.parametrize("role", [role for role in ROLES if role != "vigia_upkeep"])
@pytest.mark.parametrize("function", [name for name in FUNCTIONS["vigia_upkeep"] if name not in FUNCTIONS["vigia_api"]])
def test_only_upkeep_may_erase(roles: Roles, role: str, function: str) -> None:
    name, _, kinds = function.removesuffix(")").partition("(")
    values = ", ".join({"bigint": "1", "integer": "1", "timestamptz": "now()"}[kind] for kind in kinds.split(", "))
    refused(roles[role], f"SELECT {name}({values})")


def test_who_tells_of_a_wrong_clock_may_ask_whether_retention_refuses_it(roles: Roles) -> None:
    for role in FUNCTIONS:
        assert roles[role].execute("SELECT retention_refusal(now(), true)").fetchone() == (None,)
    refused(roles["vigia_pipeline"], "SELECT retention_refusal(now(), true)")


def test_each_role_reads_only_what_it_needs(roles: Roles) -> None:
    for role, table in (
        ("vigia_api", "contacts"),
        ("vigia_api", "erasures"),
        ("vigia_pipeline", "people"),
        ("vigia_pipeline", "alert_actions"),
        ("vigia_pipeline", "rider_reports"),
        ("vigia_notifier", "people"),
        ("vigia_notifier", "alert_actions"),
        ("vigia_notifier", "river_readings"),
        ("vigia_notifier", "rejected_messages"),
    ):
        refused(roles[role], f"SELECT * FROM {table}")
    refused(roles["vigia_api"], "SELECT recipient FROM notices")
    refused(roles["vigia_api"], "SELECT comment FROM rider_reports")


def test_columns_that_a_role_need_not_write_are_closed_to_it(roles: Roles) -> None:
    refused(roles["vigia_api"], "UPDATE alerts SET rule_nar = 0")
    refused(roles["vigia_api"], "UPDATE alerts SET highest_nar = 0")
    refused(roles["vigia_api"], "UPDATE redactions SET done_at = now()")
    refused(roles["vigia_api"], "INSERT INTO api_keys (name, token_sha256, created_at) VALUES ('x', '', now())")
    refused(roles["vigia_api"], "INSERT INTO river_readings DEFAULT VALUES")
    refused(roles["vigia_notifier"], "UPDATE notices SET body = '{}'")
    refused(roles["vigia_pipeline"], "UPDATE devices SET station_id = NULL")
    refused(roles["vigia_pipeline"], "UPDATE rules SET active = false")
    for role in ROLES:
        refused(roles[role], "DELETE FROM alerts")


@pytest.mark.parametrize("role", ROLES)
def test_no_role_takes_the_ids_of_rows_to_come_or_locks_what_others_write(roles: Roles, role: str) -> None:
    numbered = [name for name, table in METADATA.tables.items() if any(one.identity for one in table.columns)]
    assert {"events", "transitions", "alerts", "notices", "alert_actions"} <= set(numbered)
    for table in numbered:
        refused(roles[role], f"INSERT INTO {table} (id) OVERRIDING SYSTEM VALUE VALUES (1000)")
    for table in ("heartbeats", "events", "alerts", "transitions"):
        if role != "vigia_upkeep":  # deletes what is past its period
            refused(roles[role], f"DO $$ BEGIN LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE; END $$")
    refused(roles[role], "SELECT lo_from_bytea(0, 'x')")


def test_a_note_is_erased_by_upkeep_alone_with_a_record(roles: Roles) -> None:
    requested = roles["vigia_api"].execute(
        "INSERT INTO redactions (action_id, requested_at, requested_by, reason)"
        " VALUES (2, now(), 'Ana', 'named a neighbour') RETURNING id"
    )
    number = requested.fetchall()[0][0]
    assert roles["vigia_upkeep"].execute("SELECT redact_note(%s)", [number]).fetchone() == (True,)
    assert roles["vigia_upkeep"].execute("SELECT redact_note(%s)", [number]).fetchone() == (False,)
    owner = roles["vigia_owner"]
    assert owner.execute("SELECT note FROM alert_actions WHERE id = 2").fetchone() == ("",)
    record = owner.execute("SELECT database_role, erased, row_count FROM erasures WHERE redaction_id = %s", [number])
    assert record.fetchall() == [("vigia_upkeep", "alert_actions.note", 1)]
    assert owner.execute("SELECT done_at IS NOT NULL FROM redactions").fetchone() == (True,)


def test_upkeep_erases_what_is_old_and_nothing_younger_whatever_it_asks_for(roles: Roles) -> None:
    upkeep, owner = roles["vigia_upkeep"], roles["vigia_owner"]
    assert upkeep.execute("SELECT expire_alert_actions('infinity', 100)").fetchone() == (1,)
    assert upkeep.execute("SELECT expire_alert_names('infinity', 100)").fetchone() == (1,)
    assert owner.execute("SELECT count(*) FROM alert_actions").fetchone() == (1,)
    assert owner.execute("SELECT acknowledged_by, closed_by FROM alerts").fetchone() == ("operator", "operator")
    assert owner.execute("SELECT count(*) FROM transitions").fetchone() == (1,)
    record = "SELECT database_role, erased, row_count, before < now() - INTERVAL '729 days' FROM erasures"
    assert owner.execute(f"{record} WHERE redaction_id IS NULL ORDER BY id").fetchall() == [
        ("vigia_upkeep", "alert_actions", 1, True),
        ("vigia_upkeep", "alerts.acknowledged_by, closed_by", 1, True),
    ]


def test_the_erasing_functions_look_nothing_up_where_their_caller_writes(roles: Roles) -> None:
    settings = roles["vigia_owner"].execute(
        "SELECT proname, prosecdef, proconfig FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND prosecdef"
    )
    functions = {name: (definer, config) for name, definer, config in settings}
    callable_by_upkeep = {name.partition("(")[0] for name in FUNCTIONS["vigia_upkeep"]}
    assert set(functions) == callable_by_upkeep | {"await_chaining", "record_transition"}  # which triggers call
    assert {tuple(config) for _, config in functions.values()} == {("search_path=pg_catalog, pg_temp",)}


@pytest.mark.parametrize("role", ROLES)
def test_each_role_has_timeouts_and_a_limit_of_connections(roles: Roles, role: str) -> None:
    for timeout in ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"):
        assert roles[role].execute(f"SHOW {timeout}".encode()).fetchone() not in {None, ("0",)}
    limit = roles["vigia_owner"].execute("SELECT rolconnlimit FROM pg_roles WHERE rolname = %s", [role]).fetchall()
    assert 0 < limit[0][0] <= 40


def test_all_roles_together_leave_connections_for_the_superuser(roles: Roles) -> None:
    limits = roles["vigia_owner"].execute("SELECT rolconnlimit FROM pg_roles WHERE rolname LIKE 'vigia%'").fetchall()
    assert sum(limit for (limit,) in limits) <= 90


def test_a_role_gets_no_more_connections_than_its_limit(urls: dict[str, str], roles: Roles) -> None:
    limit = roles["vigia_owner"].execute("SELECT rolconnlimit FROM pg_roles WHERE rolname = 'vigia_notifier'")
    with ExitStack() as opened:
        for _ in range(limit.fetchall()[0][0] - 1):  # one is open
            opened.enter_context(psycopg.connect(urls["vigia_notifier"]))
        with pytest.raises(psycopg.OperationalError, match="too many connections for role"):
            psycopg.connect(urls["vigia_notifier"])


def test_every_table_is_in_the_privileges_and_none_is_there_that_is_gone() -> None:
    named = {table for privileges in PRIVILEGES.values() for table in privileges}
    of_kinds = {f"{kind.name}_{part}" for kind in KINDS for part in ("hourly_kept", "hourly", "daily")}
    assert named == set(METADATA.tables) | of_kinds


def test_a_second_migration_takes_back_what_was_granted_by_hand(urls: dict[str, str], roles: Roles) -> None:
    roles["vigia_owner"].execute("GRANT DELETE ON transitions TO vigia_pipeline")
    migrate(urls["vigia_owner"])
    refused(roles["vigia_pipeline"], "DELETE FROM transitions")


def test_the_script_of_the_roles_may_run_again_and_ends_the_one_role_of_earlier_versions(
    urls: dict[str, str], roles: Roles, database_url: str
) -> None:
    passwords = {role: str(make_url(url).password) for role, url in urls.items()}
    at = make_url(database_url).set(database=make_url(urls["vigia_api"]).database)
    with psycopg.connect(at.render_as_string(hide_password=False), autocommit=True) as superuser:
        superuser.execute("CREATE ROLE vigia_runtime LOGIN PASSWORD 'old'")
        superuser.execute("GRANT SELECT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO vigia_runtime")
        superuser.execute(
            "ALTER DEFAULT PRIVILEGES FOR ROLE vigia_owner IN SCHEMA public GRANT DELETE ON TABLES TO vigia_runtime"
        )
        prepare(at.render_as_string(hide_password=False), passwords)
        assert superuser.execute("SELECT FROM pg_roles WHERE rolname = 'vigia_runtime'").fetchall() == []
    assert roles["vigia_api"].execute("SELECT count(*) FROM transitions").fetchone() == (1,)


def test_no_role_gets_an_empty_password(urls: dict[str, str], database_url: str) -> None:
    passwords = {role: str(make_url(url).password) for role, url in urls.items()}
    at = make_url(database_url).set(database=make_url(urls["vigia_api"]).database)
    with pytest.raises(subprocess.CalledProcessError):
        prepare(at.render_as_string(hide_password=False), passwords, without="database_api_password")
    with psycopg.connect(urls["vigia_api"]) as still:
        assert still.execute("SELECT 1").fetchone() == (1,)


def test_other_roles_may_not_even_connect(urls: dict[str, str], database_url: str) -> None:
    stranger = f"stranger_{secrets.token_hex(4)}"
    with psycopg.connect(database_url, autocommit=True) as superuser:
        superuser.execute(f"CREATE ROLE {stranger} LOGIN PASSWORD 'stranger'".encode())
        try:
            url = make_url(urls["vigia_api"]).set(username=stranger, password="stranger")
            with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
                psycopg.connect(url.render_as_string(hide_password=False))
        finally:
            superuser.execute(f"DROP ROLE {stranger}".encode())
