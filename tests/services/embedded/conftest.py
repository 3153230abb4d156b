"""A data folder for embedded servers."""

from pathlib import Path

import psycopg
import pytest

from services.embedded.postgres import embedded_postgres


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One data folder for the module, since its creation is slow."""
    created = tmp_path_factory.mktemp("embedded")
    with embedded_postgres(created) as server, psycopg.connect(server.url) as connection:
        connection.execute("CREATE TABLE numbers (number int)")
    return created
