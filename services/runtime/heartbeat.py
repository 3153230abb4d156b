"""Each process says that it lives and what it did: what health, metrics and the watch page go by."""

from datetime import datetime

import orjson
from sqlalchemy import Engine

from models.rows import driver


def write_heartbeat(
    database: Engine, process: str, started_at: datetime, now: datetime, status: dict[str, object]
) -> None:
    """Say so, in a transaction of its own."""
    with database.begin() as transaction, driver(transaction).cursor() as cursor:
        cursor.execute(
            "INSERT INTO heartbeats (process, at, started_at, status) VALUES (%s, %s, %s, %s::jsonb)"
            " ON CONFLICT (process) DO UPDATE SET at = excluded.at, started_at = excluded.started_at,"
            " status = excluded.status",
            [process, now, started_at, orjson.dumps(status).decode()],
        )
