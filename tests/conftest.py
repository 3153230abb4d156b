"""A real PostgreSQL and a real broker for all tests: the embedded ones, unless the environment names others."""

import os
from collections.abc import Iterator

import pytest

from services.embedded import embedded_broker, embedded_postgres


@pytest.fixture(scope="session")
def database_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An empty database; `VIGIA_TEST_DATABASE_URL` names another, such as one with TimescaleDB."""
    given = os.environ.get("VIGIA_TEST_DATABASE_URL")
    if given:
        yield given
    else:
        with embedded_postgres(tmp_path_factory.mktemp("postgres")) as server:
            yield server.url


@pytest.fixture(scope="session")
def mqtt_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A broker that speaks MQTT 5."""
    with embedded_broker(tmp_path_factory.mktemp("broker"), port=0) as server:
        yield server.url
