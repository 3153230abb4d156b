"""Drains the notices: claims what is due, tells it to its channel outside any transaction, writes down what came of it.

Delivery is at least once: a notifier killed between telling and writing tells again, under the same key.
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

from alerts.delivery.channels import WEBHOOK, Outcome, Refused, Retry, Sent, post, retry_wait_s
from alerts.delivery.live_events import announce
from alerts.transition_log import CONSOLE
from models.rows import driver
from services.runtime.clock import Clock, PeriodicTimer
from services.runtime.heartbeat import write_heartbeat
from services.runtime.retry import retry_while_unavailable

log = logging.getLogger(__name__)

CLAIM = 10
"""Few, so that what comes up while a channel hangs does not wait long, and that a lease outlasts them all hanging."""
LEASE = timedelta(minutes=5)
IDLE_S = 0.5
HEARTBEAT_S = 1.0
JITTER = 0.2
NAME = "notifier"
WANTED = "webhook"
"""What the contact of the setting VIGIA_WEBHOOK_URL is called; other contacts are nobody's to change here."""
TRIES_ONCE_CLOSED = 10
"""How often a notice of an alert that is closed by now is tried in all; of an open one, without end."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """A notice this process may tell until its lease ends."""

    id: int
    channel: str
    recipient: str
    dedup_key: str
    attempts: int
    body: dict[str, Any]


def claim(transaction: Connection, now: datetime) -> list[Claimed]:
    """Lease the most urgent notices that are due and that nobody else is telling, in the order to tell them.

    The console's come first: they cost nothing, and a channel that hangs must not delay the watch.
    """
    with driver(transaction).cursor() as cursor:
        cursor.execute(
            "UPDATE notices SET leased_until = %s, attempts = attempts + 1 WHERE id IN"
            " (SELECT id FROM notices WHERE sent_at IS NULL AND refused IS NULL AND not_before <= %s"
            " AND (leased_until IS NULL OR leased_until < %s) ORDER BY channel <> %s, priority, id LIMIT %s"
            " FOR UPDATE SKIP LOCKED)"
            " RETURNING channel <> %s, priority, id, channel, recipient, dedup_key, attempts, body",
            [now + LEASE, now, now, CONSOLE, CLAIM, CONSOLE],
        )
        return [Claimed(*row[2:]) for row in sorted(cursor, key=lambda row: row[:3])]


def settle(transaction: Connection, notice: Claimed, outcome: Outcome, now: datetime) -> None:
    """Write down what came of telling a notice."""
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
                        "tries": TRIES_ONCE_CLOSED,
                        "id": notice.id,
                    },
                )


def want_webhook(transaction: Connection, url: str | None) -> None:
    """Have every alert told to this webhook from now on, and no more to one that was wanted before."""
    with driver(transaction).cursor() as cursor:
        cursor.execute(
            "DELETE FROM contacts WHERE name = %s AND channel = %s AND address IS DISTINCT FROM %s",
            [WANTED, WEBHOOK, url],
        )
        if url is not None:
            cursor.execute(
                "INSERT INTO contacts (name, channel, address, least_nar) VALUES (%s, %s, %s, 0)"
                " ON CONFLICT (channel, address) DO NOTHING",
                [WANTED, WEBHOOK, url],
            )


@dataclass(slots=True)
class Notifier:
    """The process that tells. Several may run: each notice is leased to one."""

    database: Engine
    clock: Clock
    client: httpx.Client
    sent: int = 0

    def run(self, stop: threading.Event) -> None:
        """Drain until told to stop, outlasting a lost database."""
        started_at, heartbeat = self.clock(), PeriodicTimer(HEARTBEAT_S)
        while not stop.is_set():
            told = self.sent
            if not retry_while_unavailable(self.drain, stop):
                return
            if heartbeat.due():
                retry_while_unavailable(
                    partial(write_heartbeat, self.database, NAME, started_at, self.clock(), {"sent": self.sent}), stop
                )
            if told == self.sent:
                stop.wait(IDLE_S)

    def drain(self) -> int:
        """Tell what is due. Returns how many notices were claimed."""
        with self.database.begin() as transaction:
            claimed = claim(transaction, self.clock())
        for notice in claimed:
            outcome = self._tell(notice)
            with self.database.begin() as transaction:
                settle(transaction, notice, outcome, self.clock())
            self.sent += isinstance(outcome, Sent)
            if not isinstance(outcome, Sent):
                trouble = {"action": "tell", "notice": notice.id, "trouble": outcome.trouble}
                log.warning("a notice did not get through", extra=trouble)
        return len(claimed)

    def _tell(self, notice: Claimed) -> Outcome:
        match notice.channel:
            case channel if channel == CONSOLE:
                # Its event is what the watch page shows and sounds; page and reader of the stream see it once.
                with self.database.begin() as transaction:
                    announce(transaction, "notice", {"id": notice.id, **notice.body}, self.clock())
                return Sent()
            case channel if channel == WEBHOOK:
                return post(self.client, notice.recipient, notice.dedup_key, notice.body)
            case unknown:
                return Refused(f"no channel {unknown!r} here")
