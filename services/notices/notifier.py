"""Notifier process: one worker for each recipient that has notices due, so that none waits for another's server.

A worker delivers the notices of its recipient one after the other and ends with the last, or with a failure; the next
round starts it again. The console is a recipient like any other.
"""

import logging
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial

from sqlalchemy import Connection, Engine

from alerts.delivery.live_events import announce
from alerts.lapses import run_lapses
from alerts.notice_queue import CONSOLE
from services.notices.channels import WEBHOOK, storable
from services.notices.documents import marked_body, notice_document
from services.notices.outbox import ClaimedNotice, Lane, claim, due_lanes, record_outcome
from services.notices.outcomes import Outcome, Refused, Retry, Sent
from services.notices.person_delivery import PersonDelivery
from services.notices.person_notices import PERSON
from services.notices.senders.sending import Senders
from services.record.chain_writer import ChainWriter
from services.runtime.clock import Clock, PeriodicTimer, credential_clock
from services.runtime.heartbeat import write_heartbeat
from services.runtime.retry import DATABASE_UNAVAILABLE, error_summary, retry_while_unavailable
from services.runtime.simulation import Simulation

log = logging.getLogger(__name__)

MAX_CHANNEL_WORKERS = 16
"""Recipients of one channel that are served at once, so that a channel full of dead ones leaves room to the others."""
MAX_WORKERS = 4 * MAX_CHANNEL_WORKERS
"""Enough for every channel at its limit."""
ROUND_WAIT_S = 0.5
HEARTBEAT_S = 1.0
LAPSES_S = 1.0
"""How often the clock is compared with the ends of acknowledgements, shelves and flapping."""
NAME = "notifier"


@dataclass(slots=True)
class Notifier:
    """The delivery process. Several may run: each notice is leased to one of them.

    `address`: where people reach Vigía, for the link in a notice; None where it is not known. `simulation`: what every
    notice says where the city is not real. `senders`: the channels of people, and how webhooks are posted.
    """

    database: Engine
    clock: Clock
    address: str | None = None
    simulation: Simulation | None = None
    senders: Senders = field(default_factory=Senders)
    sent: int = 0
    _attempts: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _workers: dict[Lane, "Future[None]"] = field(default_factory=dict)
    _failed: dict[Lane, None] = field(default_factory=dict)
    """Lanes whose last attempt failed, the earliest first: they come after the others where workers are scarce."""

    def run(self, stop: threading.Event, also: Callable[[], object] | None = None) -> None:
        """Deliver notices until `stop` is set, then end after the attempts that are under way. Chain the record too.

        `also`: other work of this process, done in each round.
        """
        started_at, heartbeat, lapses = self.clock(), PeriodicTimer(HEARTBEAT_S), PeriodicTimer(LAPSES_S)
        chain = ChainWriter(self.database)
        with ThreadPoolExecutor(MAX_WORKERS, "notices") as threads:
            while not stop.is_set():
                if not retry_while_unavailable(partial(self._start_workers, threads, stop), stop):
                    return
                if not retry_while_unavailable(chain.chain_all, stop):
                    return
                if lapses.due() and not retry_while_unavailable(self._run_lapses, stop):
                    return
                if heartbeat.due():
                    status: dict[str, object] = {"sent": self.sent, **chain.status()}
                    retry_while_unavailable(
                        partial(write_heartbeat, self.database, NAME, started_at, self.clock, status), stop
                    )
                if also is not None:
                    retry_while_unavailable(also, stop)
                stop.wait(ROUND_WAIT_S)

    def _run_lapses(self) -> None:
        """Let acknowledgements, shelves and flapping end by the clock, before the escalation looks at the alerts."""
        run_lapses(self.database.begin, self.clock())

    def drain(self) -> int:
        """Deliver all that is due now and wait for the outcomes. Returns the number of attempts."""
        before = self._attempts
        with ThreadPoolExecutor(MAX_WORKERS, "notices") as threads:
            while self._start_workers(threads, threading.Event()):
                for worker in list(self._workers.values()):
                    worker.result()
        return self._attempts - before

    def _start_workers(self, threads: ThreadPoolExecutor, stop: threading.Event) -> int:
        """Start a worker for each lane with a due notice, within the limits. Returns how many lanes are at work."""
        for lane, worker in list(self._workers.items()):
            if worker.done():
                del self._workers[lane]
                worker.result()  # raises what a bug in a worker raised
        with self.database.begin() as transaction:
            due = due_lanes(transaction, self.clock())
        busy = Counter(lane.channel for lane in self._workers)
        for lane in self._in_turn(due):
            if lane not in self._workers and busy[lane.channel] < MAX_CHANNEL_WORKERS:
                busy[lane.channel] += 1
                self._workers[lane] = threads.submit(self._serve, lane, stop)
        return len(self._workers)

    def _in_turn(self, due: list[Lane]) -> list[Lane]:
        """The lanes by urgency, but those whose last attempt failed after the others, the latest failure last."""
        with self._lock:
            self._failed = {lane: None for lane in self._failed if lane in set(due)}
            rank = {lane: number for number, lane in enumerate(self._failed, 1)}
        return sorted(due, key=lambda lane: rank.get(lane, 0))

    def _serve(self, lane: Lane, stop: threading.Event) -> None:
        """Deliver the due notices of one lane, until none is left or one fails."""
        deliver = self._delivery(lane, stop)
        try:
            while not stop.is_set():
                outcome = deliver(lane)
                if outcome is not None:
                    self._count(lane, outcome)
                if not isinstance(outcome, Sent):
                    return
        except DATABASE_UNAVAILABLE as error:
            log.warning("waiting for the database", extra={"action": "wait", "trouble": error_summary(error)})

    def _delivery(self, lane: Lane, stop: threading.Event) -> Callable[[Lane], Outcome | None]:
        """What delivers the next notice of a lane."""
        if lane.channel == CONSOLE:
            return self._show_next
        if lane.channel != PERSON:
            return partial(self._deliver_next, stop=stop)

        def record(store: Callable[[Connection], None]) -> None:
            def stored() -> None:
                with self.database.begin() as transaction:
                    store(transaction)

            retry_while_unavailable(stored, stop)

        return PersonDelivery(
            self.database, self.clock, self.senders.send, record, self.address, self.simulation
        ).deliver_next

    def _show_next(self, lane: Lane) -> Outcome | None:
        """Show the next notice on the watch page, which also sounds it. None if none is due.

        One transaction, so that each reader of the live stream gets the notice once, whenever this process dies.
        """
        with self.database.begin() as transaction:
            notice = claim(transaction, lane, self.clock())
            if notice is None:
                return None
            announce(
                transaction, "notice", {"id": notice.id, **marked_body(notice.body, self.simulation)}, self.clock()
            )
            record_outcome(transaction, notice, Sent(), self.clock())
            return Sent()

    def _deliver_next(self, lane: Lane, stop: threading.Event) -> Outcome | None:
        """Deliver the next notice of a lane outside any transaction, and store the outcome. None if none is due."""
        with self.database.begin() as transaction:
            notice = claim(transaction, lane, self.clock())
        if notice is None:
            return None
        outcome = self._attempt(notice)
        if not isinstance(outcome, Sent):
            trouble = {"action": "tell", "notice": notice.id, "trouble": outcome.trouble}
            log.warning("a notice did not get through", extra=trouble)
        retry_while_unavailable(partial(self._record, notice, outcome), stop)
        return outcome

    def _record(self, notice: ClaimedNotice, outcome: Outcome) -> None:
        with self.database.begin() as transaction:
            record_outcome(transaction, notice, outcome, self.clock())

    def _count(self, lane: Lane, outcome: Outcome) -> None:
        with self._lock:
            self._attempts += 1
            self.sent += isinstance(outcome, Sent)
            self._failed.pop(lane, None)
            if not isinstance(outcome, Sent):
                self._failed[lane] = None

    def _attempt(self, notice: ClaimedNotice) -> Outcome:
        """Deliver one notice. A bug costs only the notice it stands in: it is logged, and the notice is tried again."""
        try:
            match notice.channel:
                case channel if channel == WEBHOOK:
                    document = notice_document(marked_body(notice.body, self.simulation), self.address)
                    webhook = self.senders.webhook
                    now = credential_clock(self.clock)()
                    return webhook.post_contact(notice.recipient, notice.public_key, document, now)
                case unknown:
                    return Refused(f"no channel {unknown!r} here")
        except Exception as bug:
            log.exception("a bug in a channel", extra={"action": "tell", "notice": notice.id})
            return Retry(storable(error_summary(bug)))
