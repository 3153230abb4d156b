"""The notices that wait in the database: who has one due, who may deliver it now, and what came of it.

A notice is leased before it is delivered, and delivered outside any transaction. Delivery is at least once: a process
killed between delivery and storing leaves a lease that ends, and the notice is delivered again under the same key.
"""

import hashlib
import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from alerts.notice_queue import CONSOLE
from alerts.record import Entry, record
from models.rows import driver
from services.notices.channels import ATTEMPT_TIMEOUT_S, WEBHOOK
from services.notices.outcomes import Outcome, Refused, Retry, Sent, Unknown, retry_wait_s

LEASE = timedelta(seconds=ATTEMPT_TIMEOUT_S + 7)
"""How long one attempt may take, with its storing. When a notifier dies, another takes its notice over after this."""
JITTER = 0.2
MAX_LANES = 1_000
"""Lanes looked at together."""
WEBHOOK_CONTACT = "webhook"
"""Name of the contact made from the setting VIGIA_WEBHOOK_URL. Other contacts are not changed here."""
MAX_ATTEMPTS_IF_CLOSED = 10
"""Delivery attempts for a notice whose alert or incident is closed, or that is about none. Else there is no limit."""
_DUE = (
    "sent_at IS NULL AND refused IS NULL AND not_before <= %(now)s AND (leased_until IS NULL OR leased_until < %(now)s)"
)
_NO_LONGER_WANTED = (
    "CASE WHEN alert_id IS NOT NULL THEN EXISTS (SELECT FROM alerts WHERE id = alert_id AND state = 'closed')"
    " WHEN incident_id IS NOT NULL THEN EXISTS (SELECT FROM incidents WHERE id = incident_id AND state = 'closed')"
    " ELSE true END"
)


@dataclass(frozen=True, slots=True)
class Lane:
    """One recipient on one channel. Its notices are delivered one after the other, beside those of other lanes."""

    channel: str
    recipient: str


@dataclass(frozen=True, slots=True)
class ClaimedNotice:
    """A notice that this process may deliver until its lease ends."""

    id: int
    channel: str
    recipient: str
    dedup_key: str
    attempts: int
    body: dict[str, Any]
    person_id: int | None = None
    incident_id: int | None = None
    person_channel_id: int | None = None
    exercise: str | None = None

    @property
    def public_key(self) -> str:
        """The same for each attempt of this notice, without the recipient's address, which may hold a secret.

        The time of the decision keeps apart two notices of one number, as after a restored backup.
        """
        return hashlib.sha256(f"{self.dedup_key} {self.body.get('decided_at', '')}".encode()).hexdigest()


CLAIM = (
    "UPDATE notices SET leased_until = %(until)s, attempts = attempts + 1 WHERE id ="
    f" (SELECT id FROM notices WHERE channel = %(channel)s AND recipient = %(recipient)s AND {_DUE}"
    " ORDER BY priority, id LIMIT 1 FOR UPDATE SKIP LOCKED)"
    " RETURNING id, channel, recipient, dedup_key, attempts, body, person_id, incident_id, person_channel_id, exercise"
)
"""Leases the most urgent due notice of a lane; the index `notices_of_lane` finds it, however many are due."""


def due_lanes(transaction: Connection, now: datetime) -> list[Lane]:
    """The lanes that have a due notice which no process has leased; the console first, then by urgency."""
    with driver(transaction).cursor() as cursor:
        cursor.execute(
            f"SELECT channel, recipient FROM notices WHERE {_DUE} GROUP BY channel, recipient"
            " ORDER BY channel <> %(console)s, min(priority), min(id) LIMIT %(most)s",
            {"now": now, "console": CONSOLE, "most": MAX_LANES},
        )
        return [Lane(*row) for row in cursor]


def claim(transaction: Connection, lane: Lane, now: datetime) -> ClaimedNotice | None:
    """Lease the most urgent due notice of a lane that no other process has leased; None if there is none."""
    with driver(transaction).cursor() as cursor:
        cursor.execute(CLAIM, {"until": now + LEASE, "now": now, "channel": lane.channel, "recipient": lane.recipient})
        row = cursor.fetchone()
        return None if row is None else ClaimedNotice(*row)


def record_outcome(
    transaction: Connection, notice: ClaimedNotice, outcome: Outcome, now: datetime, wait_s: float | None = None
) -> None:
    """Store the outcome of a delivery attempt. `wait_s`: before the next one; None: the longer, the more were made.

    A failure is stored only if no other process has taken over meanwhile: that one knows better. Of failures that are
    tried again, the first is recorded.
    """
    _record(transaction, notice, outcome, now)
    with driver(transaction).cursor() as cursor:
        match outcome:
            case Sent():
                cursor.execute("UPDATE notices SET sent_at = %s, trouble = NULL WHERE id = %s", [now, notice.id])
            case Refused(trouble):
                cursor.execute(
                    "UPDATE notices SET refused = %s WHERE id = %s AND sent_at IS NULL AND attempts = %s",
                    [trouble, notice.id, notice.attempts],
                )
            case Retry(trouble) | Unknown(trouble):
                wait_s = retry_wait_s(notice.attempts) if wait_s is None else wait_s
                wait_s *= random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 - spreads
                cursor.execute(
                    "UPDATE notices SET not_before = %(at)s, leased_until = NULL, trouble = %(trouble)s,"
                    f" refused = CASE WHEN attempts >= %(tries)s AND {_NO_LONGER_WANTED} THEN %(trouble)s END"
                    " WHERE id = %(id)s AND sent_at IS NULL AND attempts = %(attempts)s",
                    {
                        "attempts": notice.attempts,
                        "at": now + timedelta(seconds=wait_s),
                        "trouble": trouble,
                        "tries": MAX_ATTEMPTS_IF_CLOSED,
                        "id": notice.id,
                    },
                )


def _record(transaction: Connection, notice: ClaimedNotice, outcome: Outcome, now: datetime) -> None:
    """Neither address nor the channel's words, which may hold one."""
    match outcome:
        case Sent():
            what = "notice.sent"
        case Refused():
            what = "notice.refused"
        case Retry():
            what = "notice.failed"
        case Unknown():
            what = "notice.unknown"
    if isinstance(outcome, Sent | Refused) or notice.attempts == 1:
        details: dict[str, object] = {"channel": notice.channel, "attempt": notice.attempts}
        if notice.person_id is not None:
            details |= {"person": notice.person_id, "incident": notice.incident_id}
        record(transaction, Entry(what, f"notice:{notice.id}", details=details), now)


def set_webhook(transaction: Connection, url: str | None, now: datetime) -> None:
    """Set the webhook contact, which gets every notice, in place of the previous one; None ends it.

    An ended contact gets no notices any more; the retention job deletes it.
    """
    with driver(transaction).cursor() as cursor:
        cursor.execute(
            "UPDATE contacts SET ended_at = %s WHERE name = %s AND channel = %s AND address IS DISTINCT FROM %s"
            " AND ended_at IS NULL",
            [now, WEBHOOK_CONTACT, WEBHOOK, url],
        )
        if url is not None:
            cursor.execute(
                "INSERT INTO contacts (name, channel, address, least_nar) VALUES (%s, %s, %s, 0)"
                " ON CONFLICT (channel, address) DO UPDATE SET ended_at = NULL WHERE contacts.ended_at IS NOT NULL",
                [WEBHOOK_CONTACT, WEBHOOK, url],
            )
