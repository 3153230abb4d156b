"""The live stream's writing end: what happened, kept in the same transaction and announced when it commits."""

from datetime import datetime

import orjson
from sqlalchemy import Connection

from models.rows import driver

CHANNEL = "vigia_events"


def announce(transaction: Connection, event: str, data: object, at: datetime) -> None:
    """Keep one event for the live stream and wake its readers at commit. `data`: anything JSON can say."""
    with driver(transaction).cursor() as cursor:
        cursor.execute(
            "WITH told AS (INSERT INTO events (at, event, data) VALUES (%s, %s, %s::json) RETURNING id)"
            " SELECT pg_notify(%s, '') FROM told",
            [at, event, orjson.dumps(data).decode(), CHANNEL],
        )
