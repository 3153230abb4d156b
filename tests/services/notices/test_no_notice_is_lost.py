"""Many notices to people over several workers, with channels that fail, channels that are slow, and workers killed.

A receiver that honours the keys shows each person each notice once, and none is lost.
"""

import os
import random
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from time import monotonic
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, text

from models.rows import driver
from services.notices.messages import Message
from services.notices.notifier import Notifier
from services.notices.outbox import CLAIM, LEASE, Lane, claim, due_lanes
from services.notices.outcomes import Outcome, Retry
from services.notices.person_notices import PERSON
from services.runtime.clock import FasterClock
from tests.alerts.town import NOON
from tests.architecture.repository import ROOT
from tests.services.notices.outbox_worker import FAILING, SLOW, drawn_outcome
from tests.services.notices.people import add_incident, add_person, queue, rows
from tests.services.notices.test_notifier import Clock

WORKERS = 4
CHANNELS = (["sms", "apprise"], ["apprise"], ["webhook", "sms", "apprise"])
KILLED = 0.05
"""Attempts during which a worker of the suite's run dies."""


def fill(transaction: Connection, people: int, notices: int) -> None:
    """So many people with channels, and notices of one incident spread over them."""
    incident = add_incident(transaction, [3])
    numbers = [add_person(transaction, f"person-{one}", CHANNELS[one % len(CHANNELS)]) for one in range(people)]
    for one in range(notices):
        queue(transaction, numbers[one % people], incident, str(one), nar=1 + one % 3)


def shown(arrivals: list[tuple[str, str]]) -> Counter[tuple[str, str]]:
    """What a receiver that honours the keys shows: each key of each person once."""
    return Counter(set(arrivals))


class Killed(BaseException):
    """The process of a worker ends."""


class Channels:
    """Channels that fail and are slow as drawn, during which workers die."""

    def __init__(self, seed: int) -> None:
        self._seed, self._lock = seed, threading.Lock()
        self._attempts: Counter[str] = Counter()
        self.arrivals: list[tuple[str, str]] = []

    def send(self, channel: str, _address: str, key: str, message: Message, _now: object) -> Outcome:
        """One attempt."""
        with self._lock:
            self._attempts[key] += 1
            attempt = self._attempts[key]
            outcome = drawn_outcome(self._seed, key, channel, attempt)
            death = random.Random(f"{self._seed}:{key}:{attempt}:death").random()
            if death < KILLED / 2:
                raise Killed
            if not isinstance(outcome, Retry):
                self.arrivals.append((key, str(message.data["notice_id"])))
            if death < KILLED:
                raise Killed
            return outcome


def drain_until_killed(notifier: Notifier) -> None:
    """Deliver what is due; a worker that is killed leaves its leases."""
    try:
        notifier.drain()
    except Killed:
        return


@pytest.mark.seeds(1, 2, proof=range(3, 13))
def test_no_notice_is_lost_nor_shown_twice_while_channels_fail_and_workers_die(database: Engine, seed: int) -> None:
    with database.begin() as transaction:
        fill(transaction, people=12, notices=60)
    channels, clock = Channels(seed), Clock()
    for _ in range(400):
        threads = [
            threading.Thread(target=drain_until_killed, args=(Notifier(database, clock, senders=channels),))  # type: ignore[arg-type]
            for _ in range(WORKERS)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        if not rows(database, "SELECT 1 FROM notices WHERE sent_at IS NULL LIMIT 1"):
            break
        clock.now += timedelta(seconds=20)
    assert rows(database, "SELECT count(*) FROM notices WHERE sent_at IS NULL OR refused IS NOT NULL") == [(0,)]
    told = shown(channels.arrivals)
    assert len(told) == len({key for key, _ in told}) == len({notice for _, notice in told}) == 60


def test_a_claim_reads_few_rows_however_many_notices_are_due(transaction: Connection) -> None:
    with driver(transaction).cursor() as cursor:
        add_many(transaction)
        cursor.execute("ANALYZE notices")
        lane = {"until": NOON + LEASE, "now": NOON, "channel": PERSON, "recipient": "7"}
        found = cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {CLAIM}", lane).fetchone()
    assert found is not None
    scans = list(leaves(found[0][0]["Plan"]))
    assert {scan.get("Index Name") for scan in scans} <= {"notices_of_lane", "notices_pkey"}
    assert max(scan["Actual Rows"] for scan in scans) <= 1


def leaves(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The steps of a plan that read tables."""
    below = plan.get("Plans")
    if not isinstance(below, list):
        yield plan
        return
    for one in below:
        yield from leaves(one)


def add_many(transaction: Connection, count: int = 10_000, lanes: int = 200) -> None:
    """Due notices, written by the database itself."""
    transaction.execute(
        text(
            "INSERT INTO notices (channel, recipient, priority, dedup_key, body, not_before)"
            " SELECT :person, (one % :lanes)::text, one % 3, 'many:' || one, '{}', :now"
            " FROM generate_series(1, :count) one"
        ),
        {"person": PERSON, "lanes": lanes, "count": count, "now": NOON},
    )


@pytest.mark.proof
def test_the_claim_stays_fast_with_ten_thousand_due(database: Engine) -> None:
    with database.begin() as transaction:
        add_many(transaction)
    with database.begin() as transaction:
        transaction.execute(text("ANALYZE notices"))
    lanes_ms, claims_ms = [], []
    for number in range(200):
        began = monotonic()
        with database.begin() as transaction:
            assert len(due_lanes(transaction, NOON)) == 200
        looked = monotonic()
        with database.begin() as transaction:
            assert claim(transaction, Lane(PERSON, str(number)), NOON) is not None
        lanes_ms.append((looked - began) * 1000)
        claims_ms.append((monotonic() - looked) * 1000)
    print(
        f"\n10,000 due: a round's look {median(lanes_ms):.1f} ms, a claim {median(claims_ms):.1f} ms (medians of 200)"
    )
    assert median(lanes_ms) < 100
    assert median(claims_ms) < 20


PACE = 30.0
"""Simulated seconds a second, so that waits of a minute pass in two."""
MANY = 10_000
PEOPLE = 200
KILL_EVERY_S = 2.0
LIMIT_S = 1_800.0


@contextmanager
def workers(url: str, folder: Path, seed: int, clock: FasterClock) -> Iterator[list["subprocess.Popen[bytes]"]]:
    """Four notifiers, each in a process of its own; killed at the end."""
    running = [start_worker(url, folder, seed, clock) for _ in range(WORKERS)]
    try:
        yield running
    finally:
        for process in running:
            process.kill()
            process.wait(60)


def start_worker(url: str, folder: Path, seed: int, clock: FasterClock) -> "subprocess.Popen[bytes]":
    """One notifier."""
    command = [sys.executable, "-m", "tests.services.notices.outbox_worker", url, str(folder), str(seed), str(clock)]
    return subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL)


@pytest.mark.proof
@pytest.mark.timeout(LIMIT_S + 300)
def test_ten_thousand_notices_over_four_workers_that_are_killed_at_random(
    database: Engine, migrated_url: str, tmp_path: Path
) -> None:
    seed = 2013
    with database.begin() as transaction:
        fill(transaction, PEOPLE, MANY)
    draws, kills, began = random.Random(seed), 0, monotonic()
    clock = FasterClock(NOON, PACE, datetime.now(UTC))  # noqa: TID251 - the clock's own start
    waiting, left = threading.Event(), MANY
    with workers(migrated_url, tmp_path, seed, clock) as running:
        while left and monotonic() - began < LIMIT_S:
            waiting.wait(draws.uniform(0.5, 1.5) * KILL_EVERY_S)
            victim = draws.randrange(WORKERS)
            os.kill(running[victim].pid, signal.SIGKILL)
            running[victim].wait(60)
            running[victim] = start_worker(migrated_url, tmp_path, seed, clock)
            kills += 1
            ((left,),) = rows(database, "SELECT count(*) FROM notices WHERE sent_at IS NULL")
    took_s = monotonic() - began
    lines = [line.split("\t") for line in (tmp_path / "arrived").read_text().splitlines()]
    told = {(key, notice) for _, key, notice, *_ in lines}
    attempts, second = rows(
        database,
        "SELECT (SELECT sum(attempts) FROM notices), (SELECT count(*) FROM notice_deliveries WHERE outcome = 'sent'"
        " AND notice_id IN (SELECT notice_id FROM notice_deliveries GROUP BY 1 HAVING count(*) > 1))",
    )[0]
    print(
        f"\n{'notices':<46}{MANY:>9,}\n{'people; workers; seed':<46}{PEOPLE:>4}; {WORKERS}; {seed}"
        f"\n{'attempts that fail; that are slow':<46}{FAILING:>5.0%}; {SLOW:.0%}"
        f"\n{'workers killed (SIGKILL)':<46}{kills:>9,}\n{'attempts':<46}{attempts:>9,}"
        f"\n{'notices that needed a second channel':<46}{second:>9,}"
        f"\n{'messages that arrived':<46}{len(lines):>9,}"
        f"\n{'of them again, under a key that was there':<46}{len(lines) - len(told):>9,}"
        f"\n{'notices shown by a receiver that honours keys':<46}{len(told):>9,}"
        f"\n{'lost':<46}{MANY - len({notice for _, notice in told}):>9,}"
        f"\n{'seconds':<46}{took_s:>9.0f}"
    )
    assert left == 0
    assert len(told) == len({key for key, _ in told}) == len({notice for _, notice in told}) == MANY
