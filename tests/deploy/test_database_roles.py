"""The two roles of deploy/postgres in a real PostgreSQL: only the owner can change the schema."""

import secrets

import psycopg
import pytest
from sqlalchemy.engine import make_url

from models.migrations import upgrade
from services.runtime.database import open_database


def test_the_owner_migrates_and_the_runtime_role_cannot_change_the_schema(urls: dict[str, str]) -> None:
    engine = open_database(urls["vigia_owner"], name="test")
    with engine.begin() as connection:
        upgrade(connection)
    engine.dispose()
    engine = open_database(urls["vigia_runtime"], name="test")
    with engine.begin() as connection:
        upgrade(connection)  # each process does when it starts; nothing is left to do
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


def test_other_roles_cannot_connect(urls: dict[str, str], database_url: str) -> None:
    stranger = f"stranger_{secrets.token_hex(4)}"
    with psycopg.connect(database_url, autocommit=True) as superuser:
        superuser.execute(f"CREATE ROLE {stranger} LOGIN PASSWORD 'stranger'".encode())
        try:
            url = make_url(urls["vigia_runtime"]).set(username=stranger, password="stranger")
            with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
                psycopg.connect(url.render_as_string(hide_password=False))
        finally:
            superuser.execute(f"DROP ROLE {stranger}".encode())
