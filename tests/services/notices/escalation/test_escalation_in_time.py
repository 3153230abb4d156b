"""Escalation while channels fail or are slow and workers die: each step within a second, each person told once."""

import random
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, text

from models.alert import NAR
from services.notices.escalation.escalation import Escalation
from services.notices.messages import Message
from services.notices.notifier import Notifier
from services.notices.outcomes import Outcome, Retry
from tests.alerts.town import NOON
from tests.journeys.test_the_operator_who_slept import raise_alert, rows
from tests.services.duty.rota_town import Clock, add_chain
from tests.services.notices.outbox_worker import drawn_outcome

WORKERS = 4
TICK_S = 0.5
"""A notifier's round."""
STEPS_S = (0, 4, 9, 15)
POSITIONS = ("operator", "second", "chief", "everybody")
"""A municipality's own steps, shorter than the usual ones, so that a test plays a whole escalation."""
PLAYED_S = 18.0
KILLED = 0.1
LATE_S = 1.0


class Killed(BaseException):
    """The process of a worker ends."""


class Telephones:
    """A channel that fails and is slow as drawn, during which workers die."""

    def __init__(self, seed: int) -> None:
        self._draws, self._attempts, self._seed = random.Random(seed), Counter[str](), seed
        self.arrivals: list[tuple[str, str]] = []

    def send(self, channel: str, _address: str, key: str, message: Message, _now: object) -> Outcome:
        """One attempt."""
        self._attempts[key] += 1
        outcome = drawn_outcome(self._seed, key, channel, self._attempts[key])
        if not isinstance(outcome, Retry):
            self.arrivals.append((key, str(message.data["notice_id"])))
        if self._draws.random() < KILLED:
            raise Killed
        return outcome


def worker(database: Engine, clock: Clock, telephones: Telephones) -> Iterator[None]:
    """A notifier's process, round after round; it ends where it is killed."""
    escalation = Escalation(database, clock)
    notifier = Notifier(database, clock, senders=telephones)  # type: ignore[arg-type]
    while True:
        escalation.run()
        notifier.drain()
        yield


def play(database: Engine, clock: Clock, telephones: Telephones, seed: int) -> int:
    """Run four workers, two in each tick; a killed one starts anew. Returns how many were killed."""
    draws, kills = random.Random(seed), 0
    workers = [worker(database, clock, telephones) for _ in range(WORKERS)]
    clock.now += timedelta(seconds=draws.uniform(0, TICK_S))  # rounds do not begin with the alert
    while clock.now < NOON + timedelta(seconds=PLAYED_S):
        for number in draws.sample(range(WORKERS), k=2):
            try:
                next(workers[number])
            except Killed:
                kills += 1
                workers[number] = worker(database, clock, telephones)
        clock.now += timedelta(seconds=TICK_S)
    return kills


def set_steps(database: Engine) -> None:
    """The town's own steps at rojo."""
    with database.begin() as transaction:
        for number, (after_s, position) in enumerate(zip(STEPS_S, POSITIONS, strict=True)):
            transaction.execute(
                text(
                    "INSERT INTO escalation_steps (municipality_id, nar, step, after_s, position, all_answer)"
                    " SELECT id, 3, :number, :after, :position, false FROM municipalities"
                ),
                {"number": number, "after": after_s, "position": position},
            )


@pytest.mark.seeds(1, proof=range(2, 12))
def test_each_step_is_taken_within_a_second_and_each_person_told_once(database: Engine, seed: int) -> None:
    clock, telephones = Clock(), Telephones(seed)
    with database.begin() as transaction:
        add_chain(transaction)
        transaction.execute(text("UPDATE person_channels SET channel = 'sms', address = '+549221555' || (1000 + id)"))
    set_steps(database)
    raise_alert(database, clock, "head", NAR.VERDE, NAR.ROJO)
    kills = play(database, clock, telephones, seed)
    called: list[Any] = rows(
        database, "SELECT step, person_id, called_at FROM escalation_calls WHERE step < 4 ORDER BY id"
    )
    assert len(called) == len({(step, person) for step, person, _ in called}) == 6
    late_s = [(at - NOON).total_seconds() - STEPS_S[step] for step, _, at in called]
    assert {step for step, _, _ in called} == {0, 1, 2, 3}
    late = max(late_s)
    assert late <= LATE_S
    waiting = rows(database, "SELECT count(*) FROM notices WHERE person_id IS NOT NULL AND sent_at IS NULL")
    shown = set(telephones.arrivals)
    assert len(shown) == len({key for key, _ in shown}) == len({notice for _, notice in shown})
    print(f"seed {seed}: {len(called)} calls, at most {late:.2f} s late, {kills} kills, {waiting[0][0]} tried on")
