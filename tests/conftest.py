"""Fixtures of all tests: an embedded PostgreSQL and an embedded MQTT broker."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from sqlalchemy import Connection, Engine
from sqlalchemy.engine import make_url

from models.migrations import upgrade
from services.embedded.mqtt_broker import embedded_broker
from services.embedded.postgres import embedded_postgres
from services.runtime.database import open_database
from tests.databases import new_database, open_copy

pytest_plugins = ["tests.random_draws"]

LONG_FOLDERS = ("journeys", "simulation", "deploy")
"""Below `tests`: folders whose files take the longest and start processes of their own."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take the longest, so that no worker is left alone with one at the end."""
    here = Path(__file__).parent
    items.sort(key=lambda item: item.path.relative_to(here).parts[0] not in LONG_FOLDERS)


@pytest.fixture(scope="session")
def database_url() -> Iterator[str]:
    """A server with an empty database, one for each process of the suite."""
    # Not among pytest's own folders: each run of pytest closes them to other users, and as root PostgreSQL is another.
    with TemporaryDirectory(prefix="vigia-") as folder, embedded_postgres(Path(folder)) as server:
        yield server.url


@pytest.fixture(scope="session")
def mqtt_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A broker that speaks MQTT 5."""
    with embedded_broker(tmp_path_factory.mktemp("broker"), port=0) as server:
        yield server.url


@pytest.fixture(scope="session")
def migrated_name(database_url: str) -> Iterator[str]:
    """The name of a database with the schema and no rows, from which others are copied."""
    with new_database(database_url) as url:
        engine = open_database(url, name="test")
        with engine.begin() as transaction:
            upgrade(transaction)
        engine.dispose()
        yield make_url(url).database or ""


@pytest.fixture
def migrated_url(database_url: str, migrated_name: str) -> Iterator[str]:
    """A database for one test, with the schema and no rows, for tests that commit or start processes."""
    with new_database(database_url, migrated_name) as url:
        yield url


@pytest.fixture
def database(migrated_url: str) -> Iterator[Engine]:
    """A connection pool to a database for one test."""
    engine = open_database(migrated_url, name="test")
    yield engine
    engine.dispose()


@pytest.fixture(scope="session")
def _shared_database(database_url: str, migrated_name: str) -> Iterator[Engine]:
    with open_copy(database_url, migrated_name) as engine:
        yield engine


@pytest.fixture
def transaction(_shared_database: Engine) -> Iterator[Connection]:
    """A transaction on a shared database, rolled back at the end of the test."""
    with _shared_database.connect() as connection:
        yield connection
        connection.rollback()
