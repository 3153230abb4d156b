"""Fixtures: an own database per test, as plain PostgreSQL and, where the server has it, TimescaleDB.

The server is the embedded one, or the one that `VIGIA_TEST_DATABASE_URL` names.
"""

import os
import secrets
from collections.abc import Callable, Iterator

import psycopg
import pytest
from sqlalchemy import Engine
from sqlalchemy.engine import make_url

from services.runtime.database import open_database

NewDatabase = Callable[[], str]


@pytest.fixture(scope="session")
def storage_url(request: pytest.FixtureRequest) -> str:
    """The server under test.

    TimescaleDB's jobs go by the real time and would drop a storm of 2013; the tests run them when they want them.
    """
    url = os.environ.get("VIGIA_TEST_DATABASE_URL")
    if not url:
        return str(request.getfixturevalue("database_url"))
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT current_setting('timescaledb.max_background_workers', true)").fetchone()
    assert row in {(None,), ("0",)}, "start that server with timescaledb.max_background_workers = 0"
    return url


@pytest.fixture
def new_database(storage_url: str) -> Iterator[NewDatabase]:
    """Creates empty databases, without TimescaleDB until `allow_timescale`."""
    names: list[str] = []

    def make() -> str:
        names.append(f"vigia_storage_{secrets.token_hex(4)}")
        with psycopg.connect(storage_url, autocommit=True) as superuser:
            superuser.execute(f"CREATE DATABASE {names[-1]}".encode())
            superuser.execute(f"ALTER DATABASE {names[-1]} SET timescaledb.disable_load TO on".encode())
        return make_url(storage_url).set(database=names[-1]).render_as_string(hide_password=False)

    yield make
    with psycopg.connect(storage_url, autocommit=True) as superuser:
        for name in names:
            superuser.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)".encode())


def allow_timescale(url: str) -> None:
    """Install TimescaleDB. A test runs its jobs when it wants them. Skips where there is none, unless one is named."""
    with psycopg.connect(url, autocommit=True) as superuser:
        loaded = superuser.execute("SELECT current_setting('shared_preload_libraries') LIKE '%timescaledb%'").fetchone()
        if loaded != (True,):
            if "VIGIA_TEST_DATABASE_URL" in os.environ:
                pytest.fail("the server that VIGIA_TEST_DATABASE_URL names does not load TimescaleDB")
            pytest.skip("this server has no TimescaleDB: name one that has it in VIGIA_TEST_DATABASE_URL")
        superuser.execute(f"ALTER DATABASE {make_url(url).database} RESET timescaledb.disable_load".encode())
    with psycopg.connect(url, autocommit=True) as superuser:
        superuser.execute("CREATE EXTENSION IF NOT EXISTS timescaledb")


@pytest.fixture
def plain(new_database: NewDatabase) -> Iterator[Engine]:
    """An empty plain PostgreSQL."""
    yield from _opened(new_database())


@pytest.fixture
def timescale(new_database: NewDatabase) -> Iterator[Engine]:
    """An empty database with TimescaleDB."""
    url = new_database()
    allow_timescale(url)
    yield from _opened(url)


@pytest.fixture(params=["plain", "timescale"])
def either(request: pytest.FixtureRequest) -> Engine:
    """A plain database and one with TimescaleDB; the test must pass on both."""
    engine: Engine = request.getfixturevalue(request.param)
    return engine


def _opened(url: str) -> Iterator[Engine]:
    engine = open_database(url, name="test")
    yield engine
    engine.dispose()
