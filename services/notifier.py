"""Notifier process: claims due notices, delivers them outside any transaction, and stores the outcome.

Delivery is at least once: a notifier killed between delivery and storing delivers again, under the same key.
"""

import logging
import random
import threading
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import httpx
from sqlalchemy import Connection, Engine

from alerts.delivery.channels import WEBHOOK, Outcome, Refused, Retry, Sent, post_webhook, retry_wait_s
from alerts.delivery.live_events import announce
from alerts.transition_log import CONSOLE
from models.rows import driver
from services.runtime.clock import Clock, PeriodicTimer
from services.runtime.heartbeat import write_heartbeat
from services.runtime.retry import retry_while_unavailable

log = logging.getLogger(__name__)

MAX_CLAIMED = 10
"""Notices claimed at once. Few, so that new notices do not wait long behind a hanging channel, and so that a lease
outlasts the timeouts of all of them.
"""
LEASE = timedelta(minutes=5)
IDLE_WAIT_S = 0.5
HEARTBEAT_S = 1.0
JITTER = 0.2
NAME = "notifier"
WEBHOOK_CONTACT = "webhook"
"""Name of the contact made from the setting VIGIA_WEBHOOK_URL. Other contacts are not changed here."""
MAX_ATTEMPTS_IF_CLOSED = 10
"""Delivery attempts for a notice whose alert is closed. While the alert is open, there is no limit."""


@dataclass(frozen=True, slots=True)
class ClaimedNotice:
    """A notice that this process may deliver until its lease ends."""

    id: int
    channel: str
    recipient: str
    dedup_key: str
    attempts: int
    body: dict[str, Any]


def claim(transaction: Connection, now: datetime) -> list[ClaimedNotice]:
    """Lease the most urgent due notices that no other process has leased, in the order of delivery.

    Console notices come first: they are fast, and a hanging channel must not delay the watch.
    """
    with driver(transaction).cursor() as cursor:
        cursor.execute(
            "UPDATE notices SET leased_until = %s, attempts = attempts + 1 WHERE id IN"
            " (SELECT id FROM notices WHERE sent_at IS NULL AND refused IS NULL AND not_before <= %s"
            " AND (leased_until IS NULL OR leased_until < %s) ORDER BY channel <> %s, priority, id LIMIT %s"
            " FOR UPDATE SKIP LOCKED)"
            " RETURNING channel <> %s, priority, id, channel, recipient, dedup_key, attempts, body",
            [now + LEASE, now, now, CONSOLE, MAX_CLAIMED, CONSOLE],
        )
        return [ClaimedNotice(*row[2:]) for row in sorted(cursor, key=lambda row: row[:3])]


def record_outcome(transaction: Connection, notice: ClaimedNotice, outcome: Outcome, now: datetime) -> None:
    """Store the outcome of a delivery attempt."""
    with driver(transaction).cursor() as cursor:
        match outcome:
            case Sent():
                cursor.execute("UPDATE notices SET sent_at = %s, trouble = NULL WHERE id = %s", [now, notice.id])
            case Refused(trouble):
                cursor.execute("UPDATE notices SET refused = %s WHERE id = %s", [trouble, notice.id])
            case Retry(trouble):
                wait_s = retry_wait_s(notice.attempts) * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 - spreads
                cursor.execute(
                    "UPDATE notices SET not_before = %(at)s, leased_until = NULL, trouble = %(trouble)s,"
                    " refused = CASE WHEN attempts >= %(tries)s AND EXISTS"
                    " (SELECT FROM alerts WHERE id = alert_id AND state = 'closed') THEN %(trouble)s END"
                    " WHERE id = %(id)s",
                    {
                        "at": now + timedelta(seconds=wait_s),
                        "trouble": trouble,
                        "tries": MAX_ATTEMPTS_IF_CLOSED,
                        "id": notice.id,
                    },
                )


def set_webhook(transaction: Connection, url: str | None) -> None:
    """Set the webhook contact, which gets every notice, in place of the previous one; None removes it."""
    with driver(transaction).cursor() as cursor:
        cursor.execute(
            "DELETE FROM contacts WHERE name = %s AND channel = %s AND address IS DISTINCT FROM %s",
            [WEBHOOK_CONTACT, WEBHOOK, url],
        )
        if url is not None:
            cursor.execute(
                "INSERT INTO contacts (name, channel, address, least_nar) VALUES (%s, %s, %s, 0)"
                " ON CONFLICT (channel, address) DO NOTHING",
                [WEBHOOK_CONTACT, WEBHOOK, url],
            )


@dataclass(slots=True)
class Notifier:
    """The delivery process. Several may run: each notice is leased to one of them."""

    database: Engine
    clock: Clock
    client: httpx.Client
    sent: int = 0

    def run(self, stop: threading.Event) -> None:
        """Deliver notices until `stop` is set; wait while the database is unavailable."""
        started_at, heartbeat = self.clock(), PeriodicTimer(HEARTBEAT_S)
        while not stop.is_set():
            sent_before = self.sent
            if not retry_while_unavailable(self.drain, stop):
                return
            if heartbeat.due():
                retry_while_unavailable(
                    partial(write_heartbeat, self.database, NAME, started_at, self.clock(), {"sent": self.sent}), stop
                )
            if sent_before == self.sent:
                stop.wait(IDLE_WAIT_S)

    def drain(self) -> int:
        """Deliver due notices once. Returns the number of notices claimed."""
        with self.database.begin() as transaction:
            claimed = claim(transaction, self.clock())
        for notice in claimed:
            outcome = self._deliver(notice)
            with self.database.begin() as transaction:
                record_outcome(transaction, notice, outcome, self.clock())
            self.sent += isinstance(outcome, Sent)
            if not isinstance(outcome, Sent):
                trouble = {"action": "tell", "notice": notice.id, "trouble": outcome.trouble}
                log.warning("a notice did not get through", extra=trouble)
        return len(claimed)

    def _deliver(self, notice: ClaimedNotice) -> Outcome:
        match notice.channel:
            case channel if channel == CONSOLE:
                # The watch page shows and sounds this event. Each reader of the live stream gets it once.
                with self.database.begin() as transaction:
                    announce(transaction, "notice", {"id": notice.id, **notice.body}, self.clock())
                return Sent()
            case channel if channel == WEBHOOK:
                return post_webhook(self.client, notice.recipient, notice.dedup_key, notice.body)
            case unknown:
                return Refused(f"no channel {unknown!r} here")
