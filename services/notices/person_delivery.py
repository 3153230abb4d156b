"""Deliver the next notice of one person: choose the channel, write the message, send it, and store what came of it."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from sqlalchemy import Connection, Engine

from alerts.delivery.live_events import CALL_EVENT, announce
from models.alert import CONSOLE, SMS
from services.notices.channels import storable
from services.notices.deliveries import Recipient, recipient_of, record_delivery
from services.notices.messages import Message, Setting, write_message
from services.notices.next_channel import Candidate, Plan, failures_of, plan, wait_s
from services.notices.outbox import ClaimedNotice, Lane, claim, record_outcome
from services.notices.outcomes import Outcome, Refused, Retry, Sent
from services.notices.sms_codes import code_of_notice
from services.queries.city.city import current_city
from services.runtime.clock import Clock, credential_clock
from services.runtime.retry import error_summary
from services.runtime.simulation import Simulation

log = logging.getLogger(__name__)

NO_CHANNEL = "the person has no tested channel that may carry this: see /mis-canales"

Record = Callable[[Callable[[Connection], None]], None]
"""Runs a step in a transaction, and again while the database is away."""


class Send(Protocol):
    """Sends one message by one channel."""

    def __call__(self, channel: str, address: str, key: str, message: Message, now: datetime) -> Outcome:
        """One attempt."""


@dataclass(frozen=True, slots=True)
class PersonDelivery:
    """Delivers notices to people. `address`: where people reach Vigía; `record`: stores an outcome."""

    database: Engine
    clock: Clock
    send: Send
    record: Record
    address: str | None = None
    simulation: Simulation | None = None

    def deliver_next(self, lane: Lane) -> Outcome | None:
        """Deliver the next notice of a person. None where none is due.

        The additions come after the channel that counts, so that a slow one delays nothing. A process killed before
        the outcome is stored leaves a lease that ends: the notice is sent again under the same key.
        """
        with self.database.begin() as transaction:
            notice = claim(transaction, lane, self.clock())
            prepared = None if notice is None else self._prepare(transaction, notice)
        if notice is None:
            return None
        if not isinstance(prepared, _Prepared):
            refusal = prepared or Refused("there is no such person")
            self.record(lambda transaction: record_outcome(transaction, notice, refusal, self.clock()))
            return refusal
        outcome = self._by_main_channel(notice, prepared)
        for one in prepared.channels(prepared.plan.additions):
            self._attempt(notice, prepared, one)
        return outcome

    def _prepare(self, transaction: Connection, notice: ClaimedNotice) -> "_Prepared | Refused | None":
        person = recipient_of(transaction, notice)
        if person is None:
            return None
        if person.is_disabled:
            return Refused("the person's account is disabled")
        only = notice.person_channel_id is not None
        if only and not person.channels:
            return Refused("the channel was removed")
        chosen = Plan(person.channels[0].id, ()) if only else plan(person.channels, person.failures, {*person.failures})
        main = next((one for one in person.channels if one.id == chosen.main), None)
        code = code_of_notice(transaction, notice, self.clock()) if main and main.channel == SMS else None
        setting = Setting(person.language, current_city(transaction).zone, self.address, self.simulation)
        message = write_message(notice.body, notice.id, setting, exercise=notice.exercise, code=code)
        return _Prepared(person, chosen, message)

    def _by_main_channel(self, notice: ClaimedNotice, prepared: "_Prepared") -> Outcome:
        main = next(iter(prepared.channels([prepared.plan.main])), None)
        if main is None:
            outcome: Outcome = Retry(NO_CHANNEL)
            self.record(lambda transaction: record_outcome(transaction, notice, outcome, self.clock()))
            return outcome
        return self._attempt(notice, prepared, main)

    def _attempt(self, notice: ClaimedNotice, prepared: "_Prepared", channel: Candidate) -> Outcome:
        """One attempt on one channel, and its outcome stored. Only the main channel's decides over the notice."""
        outcome = self._send(notice, prepared, channel)
        if not isinstance(outcome, Sent):
            told = {"action": "tell", "notice": notice.id, "channel": channel.channel, "trouble": outcome.trouble}
            log.warning("a notice did not get through", extra=told)

        def store(transaction: Connection) -> None:
            now = self.clock()
            record_delivery(transaction, notice, channel, outcome, now)
            if channel.channel == CONSOLE:
                announce(transaction, CALL_EVENT, {"incident_id": notice.incident_id}, now)
            if channel.id == prepared.plan.main:
                decided = Retry(outcome.trouble) if isinstance(outcome, Refused) else outcome
                record_outcome(transaction, notice, decided, now, prepared.wait_s(channel, outcome))

        self.record(store)
        return outcome

    def _send(self, notice: ClaimedNotice, prepared: "_Prepared", channel: Candidate) -> Outcome:
        """A bug costs only the notice it stands in: it is logged, and the notice is tried again."""
        try:
            address = prepared.person.addresses[channel.id]
            now = credential_clock(self.clock)()  # receivers live in the real time
            return self.send(channel.channel, address, notice.public_key, prepared.message, now)
        except Exception as bug:
            log.exception("a bug in a channel", extra={"action": "tell", "notice": notice.id})
            return Retry(storable(error_summary(bug)))


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A notice ready to be sent: the person, the channels to use, and the message."""

    person: Recipient
    plan: Plan
    message: Message

    def channels(self, ids: "list[int | None] | tuple[int, ...]") -> list[Candidate]:
        return [one for one in self.person.channels if one.id in ids]

    def wait_s(self, channel: Candidate, outcome: Outcome) -> float:
        failed: Mapping[int, int] = {
            **self.person.failures,
            channel.id: self.person.failures.get(channel.id, 0) + failures_of(outcome),
        }
        return wait_s(self.person.channels, failed)
