"""Down to the driver: COPY and statements so frequent that only the bare cursor will do."""

from typing import Any, cast

import psycopg
from sqlalchemy import Connection


def driver(transaction: Connection) -> psycopg.Connection[Any]:
    """The psycopg connection under a SQLAlchemy transaction. What runs on it belongs to that transaction."""
    return cast("psycopg.Connection[Any]", transaction.connection.driver_connection)
