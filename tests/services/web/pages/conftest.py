"""The application on a database of its own, or on a shared one in the middle of a storm."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from services.runtime.settings import Settings
from services.web.app import create_app
from simulators import lines
from tests.databases import open_copy
from tests.services.web.pages import city
from tests.services.web.pages.riders import Town, put_in_force, town
from tests.services.web.pages.site import Site


def visitor(engine: Engine, folder: Path) -> Site:
    """A visitor of the pages on this database at `city.NOW`."""
    return Site(create_app(Settings(data_dir=folder), engine, lambda: city.NOW, prepared_s=0.0))


def beat(engine: Engine) -> None:
    """Let the pipeline live while a test runs: heartbeats age in real time, also beside a clock that stands."""
    with engine.begin() as transaction:
        city.beat(transaction)


@pytest.fixture(scope="session")
def storm_name(database_url: str, migrated_name: str) -> Iterator[str]:
    """The name of a database with a storm and its alerts, which others are copied from."""
    with open_copy(database_url, migrated_name) as engine:
        with engine.begin() as transaction:
            city.storm(transaction)
            city.storm_alerts(transaction)
        engine.dispose()
        yield engine.url.database or ""


@pytest.fixture(scope="session")
def storm_database(database_url: str, storm_name: str) -> Iterator[Engine]:
    """The storm, for tests that only read."""
    with open_copy(database_url, storm_name) as engine:
        yield engine


@pytest.fixture
def changing(database_url: str, storm_name: str) -> Iterator[Engine]:
    """A storm for one test, to change."""
    with open_copy(database_url, storm_name) as engine:
        yield engine


@pytest.fixture
def site(database: Engine, tmp_path: Path) -> Iterator[Site]:
    """A visitor of an empty database."""
    with visitor(database, tmp_path) as opened:
        yield opened


@pytest.fixture
def storm_site(storm_database: Engine, tmp_path: Path) -> Iterator[Site]:
    """A visitor in the storm, who only reads."""
    beat(storm_database)
    with visitor(storm_database, tmp_path) as opened:
        yield opened


@pytest.fixture
def changing_site(changing: Engine, tmp_path: Path) -> Iterator[Site]:
    """A visitor in a storm for one test."""
    beat(changing)
    with visitor(changing, tmp_path) as opened:
        yield opened


@pytest.fixture(scope="session")
def lines_name(database_url: str, migrated_name: str) -> Iterator[str]:
    """The name of a database with the timetable of the schematic La Plata, from which others are copied."""
    with open_copy(database_url, migrated_name) as engine:
        put_in_force(engine, lines.schematic_network())
        engine.dispose()
        yield engine.url.database or ""


@pytest.fixture(name="city")
def riders_city(database_url: str, lines_name: str) -> Iterator[Town]:
    """The schematic La Plata for riders, with no report yet."""
    with open_copy(database_url, lines_name) as engine, town(engine) as made:
        yield made
