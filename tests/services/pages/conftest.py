"""The whole application on a database of the test's own, or on a shared one in the middle of a storm."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.sql import SQL, Identifier
from sqlalchemy import Engine
from sqlalchemy.engine import make_url

from services.api.app import create_app
from services.runtime import open_database
from services.settings import Settings
from tests.services.pages import city
from tests.services.pages.site import Site


def visitor(engine: Engine, folder: Path) -> Site:
    """A visitor of the pages on this database at `city.NOW`."""
    return Site(create_app(Settings(data_dir=folder), engine, lambda: city.NOW))


def copied(server_url: str, template: str, name: str) -> Engine:
    """A copy of a database, open. Nobody may be connected to the one it is copied from."""
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(SQL("CREATE DATABASE {} TEMPLATE {}").format(Identifier(name), Identifier(template)))
    url = make_url(server_url).set(database=name).render_as_string(hide_password=False)
    return open_database(url, name="test")


def dropped(server_url: str, engine: Engine) -> None:
    """Close it and drop it."""
    engine.dispose()
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(engine.url.database or "")))


@pytest.fixture(scope="session")
def storm_name(database_url: str, migrated_name: str) -> Iterator[str]:
    """The name of a database with a storm and its alerts, which others are copied from."""
    name = f"{migrated_name}_storm"
    engine = copied(database_url, migrated_name, name)
    with engine.begin() as transaction:
        city.storm(transaction)
        city.storm_alerts(transaction)
    engine.dispose()
    yield name
    dropped(database_url, engine)


@pytest.fixture(scope="session")
def storm_database(database_url: str, storm_name: str) -> Iterator[Engine]:
    """The storm, for tests that only look."""
    engine = copied(database_url, storm_name, f"{storm_name}_seen")
    yield engine
    dropped(database_url, engine)


@pytest.fixture
def changing(database_url: str, storm_name: str) -> Iterator[Engine]:
    """A storm of the test's own, to change."""
    engine = copied(database_url, storm_name, f"{storm_name}_changing")
    yield engine
    dropped(database_url, engine)


@pytest.fixture
def site(database: Engine, tmp_path: Path) -> Iterator[Site]:
    """A visitor where nothing was loaded yet."""
    with visitor(database, tmp_path) as opened:
        yield opened


@pytest.fixture
def storm_site(storm_database: Engine, tmp_path: Path) -> Iterator[Site]:
    """A visitor in the storm, who only looks."""
    with visitor(storm_database, tmp_path) as opened:
        yield opened


@pytest.fixture
def changing_site(changing: Engine, tmp_path: Path) -> Iterator[Site]:
    """A visitor in a storm of the test's own."""
    with visitor(changing, tmp_path) as opened:
        yield opened
