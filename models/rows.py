"""Down to the driver: COPY and statements so frequent that only the bare cursor will do."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

import psycopg
from sqlalchemy import Connection


def driver(transaction: Connection) -> psycopg.Connection[Any]:
    """The psycopg connection under a SQLAlchemy transaction. What runs on it belongs to that transaction."""
    return cast("psycopg.Connection[Any]", transaction.connection.driver_connection)


@contextmanager
def committing(transaction: Connection) -> Iterator[None]:
    """Send COMMIT; what runs inside the block runs while the server makes it durable. Raises as a commit does."""
    connection = driver(transaction)
    with connection.pipeline():
        cursor = connection.execute("COMMIT")
        yield
    if cursor.statusmessage != "COMMIT":
        raise psycopg.OperationalError(f"the server answered COMMIT with {cursor.statusmessage}")


class StaleMemory(Exception):
    """Another process moved a row that this one remembers: look again, and do it over."""


@dataclass(frozen=True, slots=True)
class Written:
    """A statement on its way to the server, in a pipeline perhaps, and how many rows it must change."""

    cursor: psycopg.Cursor[Any]
    rows: int

    def verify(self) -> None:
        """Once the server has answered: raises StaleMemory where fewer rows were as remembered."""
        if self.cursor.rowcount != self.rows:
            raise StaleMemory
