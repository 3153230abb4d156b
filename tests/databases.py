"""Temporary databases on a server."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count

import psycopg
from psycopg.sql import SQL, Identifier
from sqlalchemy import Engine
from sqlalchemy.engine import make_url

from services.runtime.database import open_database

_NUMBERS = count(1)


@contextmanager
def new_database(server_url: str, template: str = "template0") -> Iterator[str]:
    """The URL of a new empty database, or of a copy of `template`, on the same server. Dropped at the end."""
    name = f"test_{os.getpid()}_{next(_NUMBERS)}"
    with psycopg.connect(server_url, autocommit=True) as server:
        server.execute(SQL("CREATE DATABASE {} TEMPLATE {}").format(Identifier(name), Identifier(template)))
    try:
        yield make_url(server_url).set(database=name).render_as_string(hide_password=False)
    finally:
        with psycopg.connect(server_url, autocommit=True) as server:
            server.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(name)))


@contextmanager
def plain_database(server_url: str) -> Iterator[str]:
    """The URL of an empty database without TimescaleDB, even if the server has it. Dropped at the end."""
    with new_database(server_url) as url:
        with psycopg.connect(server_url, autocommit=True) as server:
            name = Identifier(make_url(url).database or "")
            server.execute(SQL("ALTER DATABASE {} SET timescaledb.disable_load TO on").format(name))
        yield url


@contextmanager
def open_copy(server_url: str, template: str) -> Iterator[Engine]:
    """A connection pool to a copy of a database. Dropped at the end. Nobody may be connected to the original."""
    with new_database(server_url, template) as url:
        engine = open_database(url, name="test")
        try:
            yield engine
        finally:
            engine.dispose()
