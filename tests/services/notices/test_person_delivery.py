"""Tests of delivery to people: which channel carries a notice, what is stored of it, and who was not reached."""

import threading
from datetime import timedelta

import pytest
from sqlalchemy import Engine, text

from services.notices.deliveries import reach_of_incident, unreached_people
from services.notices.messages import Purpose
from services.notices.notifier import Notifier
from services.notices.outcomes import Outcome, Refused, Retry, Unknown
from services.notices.person_channels import start_test
from tests.services.notices.people import Mail, add_incident, add_person, queue, rows
from tests.services.notices.test_notifier import Clock

FAILED = Retry("no")


class Delivery:
    """A notifier whose messages go to a `Mail`, with a clock that the test sets."""

    def __init__(self, database: Engine) -> None:
        self.database, self.clock, self.mail = database, Clock(), Mail()
        self.notifier = Notifier(database, self.clock, "https://vigia.example", senders=self.mail)  # type: ignore[arg-type]

    def fail(self, channel: str, *outcomes: Outcome) -> None:
        """Let the next attempts on a channel end so."""
        self.mail.outcomes[channel] = list(outcomes)

    def run(self, minutes: float = 0.0) -> None:
        """Deliver what is due, every half minute of so many."""
        for _ in range(int(minutes * 2) + 1):
            self.notifier.drain()
            self.clock.now += timedelta(seconds=30)


@pytest.fixture
def delivery(database: Engine) -> Delivery:
    return Delivery(database)


def test_a_person_is_told_by_the_first_channel_in_their_language_with_a_link(
    database: Engine, delivery: Delivery
) -> None:
    with database.begin() as transaction:
        person = add_person(transaction, "Ana", ["apprise", "sms"], language="en")
        queue(transaction, person, add_incident(transaction, [3]))
    delivery.run()
    ((channel, address, key, message),) = delivery.mail.sent
    assert (channel, address) == ("apprise", f"tgram://{person}:secret/1")
    assert message.title == "NOBODY ANSWERED. ROJO (red): flood in Azul"
    assert "https://vigia.example/suceso/" in message.text
    assert len(key) == 64
    assert rows(database, "SELECT sent_at IS NOT NULL, attempts FROM notices") == [(True, 1)]
    assert rows(database, "SELECT channel, attempts, failures, outcome FROM notice_deliveries") == [
        ("apprise", 1, 0, "sent")
    ]


def test_the_next_channel_follows_two_failures_at_once_and_under_the_same_key(
    database: Engine, delivery: Delivery
) -> None:
    with database.begin() as transaction:
        queue(transaction, add_person(transaction, "Ana", ["sms", "apprise"]), add_incident(transaction, [3]))
    delivery.fail("sms", FAILED, Unknown("slow"))
    delivery.notifier.drain()
    delivery.clock.now += timedelta(seconds=3)
    delivery.notifier.drain()
    assert delivery.mail.channels == ["sms", "sms", "apprise"]
    assert len({key for _, _, key, _ in delivery.mail.sent}) == 1
    assert rows(database, "SELECT channel, attempts, outcome, trouble FROM notice_deliveries ORDER BY id") == [
        ("sms", 2, "unknown", "slow"),
        ("apprise", 1, "sent", None),
    ]


def test_no_notice_is_given_up_while_its_incident_is_open(database: Engine, delivery: Delivery) -> None:
    with database.begin() as transaction:
        person = add_person(transaction, "Ana", ["sms", "apprise"])
        incident = add_incident(transaction, [3])
        queue(transaction, person, incident)
    for channel in ("sms", "apprise"):
        delivery.fail(channel, *[Refused("gone")] * 40)
    delivery.run(minutes=20)
    assert len(delivery.mail.sent) > 15
    assert {"sms", "apprise"} == set(delivery.mail.channels[-2:])
    with database.begin() as transaction:
        ((notice,),) = rows(database, "SELECT id FROM notices WHERE refused IS NULL AND sent_at IS NULL")
        assert unreached_people(transaction, [notice]) == {notice}
        assert [
            (one.name, one.channel, one.outcome, one.is_unreached) for one in reach_of_incident(transaction, incident)
        ] == [
            ("Ana", "sms", "refused", True),
            ("Ana", "apprise", "refused", True),
        ]
        transaction.execute(text("UPDATE alerts SET state = 'closed', closed_at = now()"))
        transaction.execute(text("UPDATE incidents SET state = 'closed', closed_at = now()"))
    delivery.run(minutes=2)
    assert rows(database, "SELECT refused FROM notices") == [("gone",)]


def test_console_and_web_push_come_beside_the_channel_that_counts(database: Engine, delivery: Delivery) -> None:
    with database.begin() as transaction:
        person = add_person(transaction, "Ana", ["webpush", "console", "sms"])
        queue(transaction, person, add_incident(transaction, [3]))
    delivery.fail("sms", FAILED)
    delivery.run(minutes=1)
    assert sorted(delivery.mail.channels) == ["console", "sms", "sms", "webpush"]
    assert delivery.mail.channels[0] == "sms"
    assert rows(database, "SELECT count(*) FROM events WHERE event = 'call'") == [(1,)]


def test_nobody_is_told_by_a_channel_that_was_not_tested_and_that_is_seen(database: Engine, delivery: Delivery) -> None:
    with database.begin() as transaction:
        incident = add_incident(transaction, [3])
        for name, channels, tested in (("Ana", ["sms"], False), ("Beto", [], True), ("Caro", ["webpush"], True)):
            queue(transaction, add_person(transaction, name, channels, tested=tested), incident)
    delivery.run(minutes=1)
    assert delivery.mail.channels == ["webpush"]
    assert [one[0] for one in rows(database, "SELECT DISTINCT left(trouble, 38) FROM notices")] == [
        "the person has no tested channel that "
    ]
    with database.begin() as transaction:
        reach = reach_of_incident(transaction, incident)
        assert {one.name for one in reach if one.is_unreached} == {"Ana", "Beto", "Caro"}
        transaction.execute(text("UPDATE person_channels SET tested_at = now() WHERE channel = 'sms'"))
    delivery.run(minutes=2)
    assert delivery.mail.channels == ["webpush", "sms"], "tested meanwhile: told"


def test_an_exercise_comes_only_where_exercises_are_told_and_says_so(database: Engine, delivery: Delivery) -> None:
    with database.begin() as transaction:
        person = add_person(transaction, "Ana", ["sms", "apprise"])
        transaction.execute(text("UPDATE person_channels SET told_of_exercises = true WHERE channel = 'apprise'"))
        queue(transaction, person, add_incident(transaction, exercise="drill"), exercise="drill")
    delivery.run()
    ((channel, _, _, message),) = delivery.mail.sent
    assert channel == "apprise"
    assert message.title.startswith("SIMULACRO · ")


def test_a_test_goes_to_its_own_channel_and_ends_after_some_attempts(database: Engine, delivery: Delivery) -> None:
    with database.begin() as transaction:
        person = add_person(transaction, "Ana", ["sms", "apprise"], tested=False)
        ((second,),) = transaction.execute(text("SELECT id FROM person_channels WHERE channel = 'apprise'")).all()
        start_test(transaction, person, second, delivery.clock())
    delivery.fail("apprise", *[FAILED] * 40)
    delivery.run(minutes=15)
    assert set(delivery.mail.channels) == {"apprise"}
    assert delivery.mail.sent[0][3].purpose is Purpose.TEST
    assert len(delivery.mail.sent) == 10
    assert rows(database, "SELECT refused FROM notices") == [("no",)]


def test_a_disabled_account_gets_nothing_more(database: Engine, delivery: Delivery) -> None:
    with database.begin() as transaction:
        queue(transaction, add_person(transaction, "Ana", ["sms"]), add_incident(transaction, [3]))
        transaction.execute(text("UPDATE people SET disabled_at = now()"))
    delivery.run(minutes=1)
    assert delivery.mail.sent == []
    assert rows(database, "SELECT refused FROM notices") == [("the person's account is disabled",)]


def test_a_bug_in_a_channel_costs_only_its_notice(database: Engine, delivery: Delivery) -> None:
    with database.begin() as transaction:
        incident = add_incident(transaction, [3])
        for name in ("Ana", "Beto"):
            queue(transaction, add_person(transaction, name, ["sms"]), incident)
    calls = iter([True])

    def break_once(_address: str) -> None:
        if next(calls, False):
            raise ZeroDivisionError

    delivery.mail.before = break_once
    delivery.run(minutes=1)
    assert rows(database, "SELECT count(*) FROM notices WHERE sent_at IS NOT NULL") == [(2,)]


def test_a_slow_person_delays_no_other(database: Engine, delivery: Delivery) -> None:
    with database.begin() as transaction:
        incident = add_incident(transaction, [3])
        people = [add_person(transaction, name, ["sms"]) for name in ("Ana", "Beto")]
        for person in people:
            queue(transaction, person, incident)
    freed, told = threading.Event(), threading.Event()

    def wait_for_the_first(address: str) -> None:
        if address.endswith(f"{people[0]:04d}"):
            assert freed.wait(60)
        else:
            told.set()

    delivery.mail.before = wait_for_the_first
    running = threading.Thread(target=delivery.notifier.drain)
    running.start()
    assert told.wait(60)
    freed.set()
    running.join(60)
    assert len(delivery.mail.sent) == 2
