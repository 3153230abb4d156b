"""Append-only record: one entry for each decision, message, login and read of personal data.

The entry is written in the transaction that it records, so that neither exists without the other. No lock is taken;
the notifier chains the entries afterwards.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection

from models.json_text import json_text
from models.rows import driver

RULE = "rule"
"""Stands for the rules in place of a person's name."""
SYSTEM = "vigia"
"""Stands for Vigía's own processes in place of a person's name."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What happened (`alert.acknowledged`), about what (`alert:12`), by whom (`people.name`), and what belongs to it.

    what: two words of a to z and _, joined by a dot. details: what JSON can represent; a free text as `note`.
    """

    what: str
    about: str = ""
    by: str = SYSTEM
    details: Mapping[str, object] = field(default_factory=dict)


def record(transaction: Connection, entry: Entry, now: datetime) -> None:
    """Append one entry in the caller's transaction. NUL in a text, which PostgreSQL cannot store, becomes U+FFFD."""
    with driver(transaction).cursor() as cursor:
        cursor.execute(
            "INSERT INTO log_entries (at, what, about, actor, details) VALUES (%s, %s, %s, %s, %s::jsonb)",
            [
                now,
                entry.what,
                entry.about.replace("\0", "\ufffd"),
                entry.by.replace("\0", "\ufffd"),
                json_text(dict(entry.details)).replace("\\u0000", "\\ufffd"),
            ],
        )
