"""Down to the driver: COPY and statements so frequent that only the bare cursor will do."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

import psycopg
from sqlalchemy import Connection


def driver(transaction: Connection) -> psycopg.Connection[Any]:
    """The psycopg connection under a SQLAlchemy transaction. What runs on it belongs to that transaction."""
    return cast("psycopg.Connection[Any]", transaction.connection.driver_connection)


@contextmanager
def commit_in_background(transaction: Connection, last: Callable[[], None]) -> Iterator[None]:
    """Do the last of a transaction and send COMMIT; what runs inside the block runs while the server makes it durable.

    last: statements whose answers nobody needs, sent together with COMMIT. Raises as they and a commit do.
    """
    connection = driver(transaction)
    with connection.pipeline():
        last()
        cursor = connection.execute("COMMIT")
        yield
    if cursor.statusmessage != "COMMIT":
        raise psycopg.OperationalError(f"the server answered COMMIT with {cursor.statusmessage}")


class StaleRowError(Exception):
    """Another process moved a row that this one remembers: look again, and do it over."""


@dataclass(frozen=True, slots=True)
class PendingWrite:
    """A statement on its way to the server, in a pipeline perhaps, and how many rows it must change."""

    cursor: psycopg.Cursor[Any]
    expected_rows: int

    def check_row_count(self) -> None:
        """Once the server has answered: raises StaleMemory where fewer rows were as remembered."""
        if self.cursor.rowcount != self.expected_rows:
            raise StaleRowError
