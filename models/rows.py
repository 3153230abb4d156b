"""Direct access to the psycopg driver, for COPY, for frequent statements and for pipelined commits."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

import psycopg
from sqlalchemy import Connection


def driver(transaction: Connection) -> psycopg.Connection[Any]:
    """The psycopg connection of a SQLAlchemy transaction. Its statements are part of that transaction."""
    return cast("psycopg.Connection[Any]", transaction.connection.driver_connection)


@contextmanager
def commit_in_background(transaction: Connection, last: Callable[[], None]) -> Iterator[None]:
    """Send the last statements and COMMIT; the block of the `with` runs while the server makes the commit durable.

    last: sends statements without reading their results. Raises what these statements or the commit raise.
    """
    connection = driver(transaction)
    with connection.pipeline():
        last()
        cursor = connection.execute("COMMIT")
        yield
    if cursor.statusmessage != "COMMIT":
        raise psycopg.OperationalError(f"the server answered COMMIT with {cursor.statusmessage}")


class StaleRowError(Exception):
    """Another process changed a row that this process has cached: read it again and repeat the work."""


@dataclass(frozen=True, slots=True)
class PendingWrite:
    """A statement sent to the server, perhaps in a pipeline, and the number of rows that it must change."""

    cursor: psycopg.Cursor[Any]
    expected_rows: int

    def check_row_count(self) -> None:
        """Check the row count of the server's answer. Raises StaleRowError where another process changed a row."""
        if self.cursor.rowcount != self.expected_rows:
            raise StaleRowError
