"""Heartbeat of a process: a row with its time and its counts. Health, metrics and the watch page read it."""

from datetime import datetime

from sqlalchemy import Connection, Engine

from models.json_text import json_text
from models.rows import driver
from services.runtime.alive import mark_alive
from services.runtime.clock import Clock

KEPT_STARTS = 3
"""How many of a process's last starts are kept, the newest first."""


def write_heartbeat(
    database: Engine, process: str, started_at: datetime, clock: Clock, status: dict[str, object]
) -> float:
    """Store the heartbeat of a process, in a transaction of its own. `status`: what the process counts.

    Returns how far the clock is ahead of the server's, s, within the time that the statement takes.

    `written_at` and `recent_starts` are the server's time: whether a process lives must not depend on its own clock.
    """
    with database.begin() as transaction, driver(transaction).cursor() as cursor:
        row = [process, clock(), started_at, json_text(status)]
        cursor.execute(
            "INSERT INTO heartbeats AS known (process, at, started_at, written_at, recent_starts, status)"
            " VALUES (%s, %s, %s, clock_timestamp(), ARRAY[clock_timestamp()], %s::jsonb)"
            " ON CONFLICT (process) DO UPDATE SET at = excluded.at, started_at = excluded.started_at,"
            " written_at = excluded.written_at, status = excluded.status, recent_starts = CASE"
            " WHEN excluded.started_at = known.started_at THEN known.recent_starts"
            f" ELSE (excluded.recent_starts || known.recent_starts)[1:{KEPT_STARTS}] END"
            " RETURNING extract(epoch FROM at - written_at)::float8",
            row,
        )
        ahead_s = float(cursor.fetchall()[0][0])
    mark_alive()
    return ahead_s


def last_heartbeat(transaction: Connection, process: str) -> datetime | None:
    """When a process of this name last wrote its heartbeat, by its own clock; None where it never did."""
    with driver(transaction).cursor() as cursor:
        row = cursor.execute("SELECT at FROM heartbeats WHERE process = %s", [process]).fetchone()
    return None if row is None else row[0]
