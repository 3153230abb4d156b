"""What was tried to tell a person of each notice: by channel, how often and with which outcome. One row a channel."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from models.alert import WEB_PUSH
from models.rows import driver
from services.notices.next_channel import Candidate, failures_of
from services.notices.outbox import ClaimedNotice
from services.notices.outcomes import Outcome, Refused, Retry, Sent, Unknown

MAX_REACH_ROWS = 500
"""People and channels listed of one incident."""
OUTCOME_NAMES: Mapping[type[Outcome], str] = {Sent: "sent", Retry: "failed", Unknown: "unknown", Refused: "refused"}


@dataclass(frozen=True, slots=True)
class Recipient:
    """A person as the sender needs them: the channels that may carry a notice, in order, and what was tried."""

    language: str
    is_disabled: bool
    channels: tuple[Candidate, ...]
    addresses: Mapping[int, str]
    failures: Mapping[int, int]


def recipient_of(transaction: Connection, notice: ClaimedNotice) -> Recipient | None:
    """The person of a notice; None where there is no such person.

    Only tested channels carry notices, and only those told of exercises carry them. A test goes to its own channel.
    """
    with driver(transaction).cursor() as cursor:
        person = cursor.execute(
            "SELECT language, disabled_at IS NOT NULL FROM people WHERE id = %s", [notice.person_id]
        ).fetchone()
        if person is None:
            return None
        cursor.execute(
            "SELECT c.id, c.channel, c.address, d.failures FROM person_channels c LEFT JOIN notice_deliveries d"
            " ON d.person_channel_id = c.id AND d.notice_id = %(notice)s"
            " WHERE c.person_id = %(person)s AND c.ended_at IS NULL AND CASE WHEN %(only)s::bigint IS NOT NULL"
            " THEN c.id = %(only)s ELSE c.tested_at IS NOT NULL AND (c.told_of_exercises OR NOT %(exercise)s) END"
            " ORDER BY c.position, c.id",
            {
                "notice": notice.id,
                "person": notice.person_id,
                "only": notice.person_channel_id,
                "exercise": notice.exercise is not None,
            },
        )
        rows = cursor.fetchall()
    return Recipient(
        language=str(person[0]),
        is_disabled=bool(person[1]),
        channels=tuple(Candidate(row[0], row[1]) for row in rows),
        addresses={row[0]: row[2] for row in rows},
        failures={row[0]: row[3] for row in rows if row[3] is not None},
    )


def record_delivery(
    transaction: Connection, notice: ClaimedNotice, channel: Candidate, outcome: Outcome, now: datetime
) -> None:
    """Store what came of one attempt on one channel."""
    with driver(transaction).cursor() as cursor:
        cursor.execute(
            "INSERT INTO notice_deliveries AS d (notice_id, person_channel_id, channel, attempts, failures, outcome,"
            " trouble, first_at, last_at) VALUES (%(notice)s, %(id)s, %(channel)s, 1, %(failures)s, %(outcome)s,"
            " %(trouble)s, %(now)s, %(now)s) ON CONFLICT (notice_id, person_channel_id) DO UPDATE SET"
            " attempts = d.attempts + 1, failures = d.failures + excluded.failures, trouble = excluded.trouble,"
            " outcome = CASE WHEN d.outcome = 'sent' THEN 'sent' ELSE excluded.outcome END, last_at = excluded.last_at",
            {
                "notice": notice.id,
                "id": channel.id,
                "channel": channel.channel,
                "failures": failures_of(outcome),
                "outcome": OUTCOME_NAMES[type(outcome)],
                "trouble": None if isinstance(outcome, Sent) else outcome.trouble,
                "now": now,
            },
        )


@dataclass(frozen=True, slots=True)
class Reach:
    """How far a person was told of an incident: one channel of one notice, or none that was tried.

    `told_at`: when a channel that counts accepted the notice. `is_unreached`: every channel failed at least once, or
    there is none, and none accepted it.
    """

    person_id: int
    name: str
    notice_id: int
    queued_at: datetime | None
    told_at: datetime | None
    channel: str | None
    outcome: str | None
    attempts: int
    last_at: datetime | None
    is_unreached: bool


def reach_of_incident(transaction: Connection, incident_id: int) -> list[Reach]:
    """Per person and channel, what was tried for an incident and what came of it; the newest notice first."""
    with driver(transaction).cursor() as cursor:
        cursor.execute(
            "SELECT n.person_id, p.name, n.id, (n.body ->> 'decided_at')::timestamptz, n.sent_at, d.channel,"
            f" d.outcome, coalesce(d.attempts, 0), d.last_at, n.sent_at IS NULL AND {_UNREACHED}"
            " FROM notices n JOIN people p ON p.id = n.person_id LEFT JOIN notice_deliveries d ON d.notice_id = n.id"
            " WHERE n.incident_id = %(incident)s AND n.person_id IS NOT NULL"
            " ORDER BY n.id DESC, d.first_at, d.id LIMIT %(most)s",
            {"incident": incident_id, "push": WEB_PUSH, "most": MAX_REACH_ROWS},
        )
        return [Reach(*row) for row in cursor]


def unreached_people(transaction: Connection, notice_ids: list[int]) -> set[int]:
    """The notices whose people no channel has reached: each channel failed at least once, or there is none."""
    with driver(transaction).cursor() as cursor:
        cursor.execute(
            f"SELECT n.id FROM notices n WHERE n.id = ANY(%(ids)s) AND n.sent_at IS NULL AND {_UNREACHED}",
            {"ids": notice_ids, "push": WEB_PUSH},
        )
        return {row[0] for row in cursor}


_UNREACHED = (
    "n.attempts > 0 AND NOT EXISTS (SELECT FROM person_channels c WHERE c.person_id = n.person_id"
    " AND c.ended_at IS NULL AND c.tested_at IS NOT NULL AND c.channel <> %(push)s"
    " AND (c.told_of_exercises OR n.exercise IS NULL)"
    " AND NOT EXISTS (SELECT FROM notice_deliveries t WHERE t.notice_id = n.id AND t.person_channel_id = c.id"
    " AND t.failures > 0))"
)
