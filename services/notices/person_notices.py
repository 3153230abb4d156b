"""Queue a notice to a person. Which of the person's channels carries it is decided when it is sent."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from models.json_text import json_text
from models.rows import driver

PERSON = "person"
"""Channel of a notice to a person; its `recipient` is the person's number, so that no address stands in it."""


@dataclass(frozen=True, slots=True)
class PersonNotice:
    """A notice to a person. `body`: what `services.notices.messages` writes of; `priority`: 0 is the most urgent.

    `key`: one notice is queued of each. `only_channel`: the one channel that may carry it, as in its test.
    `escalation_id`, `step`: the run that calls the person, and its step; None for other notices.
    """

    person_id: int
    key: str
    priority: int
    body: Mapping[str, Any]
    incident_id: int | None = None
    exercise: str | None = None
    only_channel: int | None = None
    escalation_id: int | None = None
    step: int | None = None


def queue_person_notice(transaction: Connection, notice: PersonNotice, now: datetime) -> bool:
    """Queue a notice to a person. False where one of this key was queued before."""
    with driver(transaction).cursor() as cursor:
        cursor.execute(
            "INSERT INTO notices (person_id, incident_id, escalation_id, step, exercise, person_channel_id, channel,"
            " recipient, priority, dedup_key, body, not_before) VALUES (%(person)s, %(incident)s, %(escalation)s,"
            " %(step)s, %(exercise)s, %(only)s, %(channel)s, %(recipient)s, %(priority)s, %(key)s, %(body)s::jsonb,"
            " %(now)s) ON CONFLICT (dedup_key) DO NOTHING",
            {
                "person": notice.person_id,
                "incident": notice.incident_id,
                "escalation": notice.escalation_id,
                "step": notice.step,
                "exercise": notice.exercise,
                "only": notice.only_channel,
                "channel": PERSON,
                "recipient": str(notice.person_id),
                "priority": notice.priority,
                "key": f"{PERSON}:{notice.person_id}:{notice.key}",
                "body": json_text({"decided_at": now, **notice.body}),
                "now": now,
            },
        )
        return cursor.rowcount == 1
