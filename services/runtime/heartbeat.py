"""Heartbeat of a process: a row with its time and its counts. Health, metrics and the watch page read it."""

from datetime import datetime

import orjson
from sqlalchemy import Connection, Engine

from models.rows import driver
from services.runtime.alive import mark_alive


def write_heartbeat(
    database: Engine, process: str, started_at: datetime, now: datetime, status: dict[str, object]
) -> None:
    """Store the heartbeat of a process, in a transaction of its own. `status`: what the process counts."""
    with database.begin() as transaction, driver(transaction).cursor() as cursor:
        cursor.execute(
            "INSERT INTO heartbeats (process, at, started_at, status) VALUES (%s, %s, %s, %s::jsonb)"
            " ON CONFLICT (process) DO UPDATE SET at = excluded.at, started_at = excluded.started_at,"
            " status = excluded.status",
            [process, now, started_at, orjson.dumps(status).decode()],
        )
    mark_alive()


def last_heartbeat(transaction: Connection, process: str) -> datetime | None:
    """When a process of this name last wrote its heartbeat, by its own clock; None where it never did."""
    with driver(transaction).cursor() as cursor:
        row = cursor.execute("SELECT at FROM heartbeats WHERE process = %s", [process]).fetchone()
    return None if row is None else row[0]
