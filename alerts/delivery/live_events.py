"""Writes events for the live stream in the caller's transaction and notifies readers at commit (LISTEN/NOTIFY)."""

from datetime import datetime

from sqlalchemy import Connection

from models.json_text import json_text
from models.rows import driver

CHANNEL = "vigia_events"
CALL_EVENT = "call"
"""Name of the event at which the pages of signed-in people look for notices to them. It names nobody."""
CANARY = "canary"
"""Name of the event of one of Vigía's own test messages, which no client is sent."""


def announce(transaction: Connection, event: str, data: object, at: datetime) -> None:
    """Store one event and notify the readers at commit. data: any value that JSON can represent."""
    with driver(transaction).cursor() as cursor:
        cursor.execute(
            "WITH told AS (INSERT INTO events (at, event, data) VALUES (%s, %s, %s::json) RETURNING id)"
            " SELECT pg_notify(%s, '') FROM told",
            [at, event, json_text(data), CHANNEL],
        )
