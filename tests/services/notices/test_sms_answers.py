"""Tests of answers by text message: what is acknowledged, and every refusal with what to do."""

from collections.abc import Sequence
from datetime import timedelta

import pytest
from sqlalchemy import Connection, text

from services.notices.outbox import Lane, claim
from services.notices.person_notices import PERSON
from services.notices.sms_answers import WORDS, SmsAnswer, answer_text_message
from services.notices.sms_codes import code_in, code_of_notice
from services.transit.rider.gsm7 import MOST_SEPTETS, septet_count, to_gsm7
from tests.alerts.town import NOON
from tests.services.notices.people import add_alert, add_incident, add_person, queue


class Town:
    """A person told by SMS of a red flood, and the code in the message."""

    def __init__(self, transaction: Connection, alerts: Sequence[int] = (3, 2)) -> None:
        self.transaction = transaction
        self.person = add_person(transaction, "Ana", ["sms"])
        self.number = f"+549221555{self.person:04d}"
        self.incident = add_incident(transaction, alerts)
        queue(transaction, self.person, self.incident)
        self.code = self.next_code()

    def next_code(self) -> str:
        """The code of the next notice, as its sender makes it."""
        notice = claim(self.transaction, Lane(PERSON, str(self.person)), NOON)
        assert notice is not None
        code = code_of_notice(self.transaction, notice, NOON)
        assert code is not None
        assert code == code_of_notice(self.transaction, notice, NOON + timedelta(minutes=1)), "the same at each attempt"
        return code

    def answer(self, message: str, *, number: str | None = None, minutes: float = 1.0, id: str = "1") -> SmsAnswer:  # noqa: A002
        """Answer by a text message."""
        now = NOON + timedelta(minutes=minutes)
        return answer_text_message(self.transaction, number or self.number, message, id, now)

    def acknowledged(self) -> list[tuple[int, str | None]]:
        """The colour of each alert, and who acknowledged it."""
        query = text("SELECT nar, acknowledged_by FROM alerts ORDER BY id")
        return [(row[0], row[1]) for row in self.transaction.execute(query)]

    def other_code(self) -> str:
        """Four digits that are not the code."""
        return "1111" if self.code != "1111" else "2222"


@pytest.fixture
def town(transaction: Connection) -> Town:
    return Town(transaction)


def test_an_incident_is_acknowledged_in_the_name_of_the_person_by_its_code(town: Town) -> None:
    answer = town.answer(f" reconocer: {town.code} ")
    assert answer == SmsAnswer("done", f"Suceso {town.incident} reconocido. Queda a tu nombre.", town.incident)
    assert town.acknowledged() == [(3, "Ana"), (2, "Ana")]
    queued = town.transaction.execute(
        text("SELECT body ->> 'text', person_channel_id IS NOT NULL FROM notices WHERE body ->> 'purpose' = 'answer'")
    ).all()
    assert [tuple(row) for row in queued] == [(answer.text, True)]


def test_a_message_that_the_gateway_brings_twice_is_answered_once(town: Town) -> None:
    assert town.answer(town.code).outcome == "done"
    assert town.answer(town.code).outcome == "again"
    count = text("SELECT count(*) FROM notices WHERE body ->> 'purpose' = 'answer'")
    assert town.transaction.execute(count).scalar_one() == 1


def test_a_code_stands_for_what_its_message_told_and_nothing_graver(transaction: Connection) -> None:
    town = Town(transaction, [2, 1])
    transaction.execute(text("UPDATE notices SET body = body || '{\"nar\": 2}'"))
    transaction.execute(text("UPDATE sms_codes SET seen = replace(seen::text, ', 3]', ', 2]')::jsonb"))
    transaction.execute(text("UPDATE alerts SET nar = 3 WHERE nar = 2"))
    add_alert(transaction, town.incident, "later", 1, NOON + timedelta(seconds=30))
    assert town.answer(f"RECONOCER {town.code}").outcome == "done"
    assert town.acknowledged() == [(3, None), (1, "Ana"), (1, None)]


def test_an_incident_that_grew_worse_says_that_it_is_not_acknowledged(transaction: Connection) -> None:
    town = Town(transaction, [2])
    transaction.execute(text("UPDATE sms_codes SET seen = replace(seen::text, ', 3]', ', 2]')::jsonb"))
    transaction.execute(text("UPDATE alerts SET nar = 3"))
    answer = town.answer(town.code)
    assert answer.outcome == "changed"
    assert answer.text.startswith("NO quedó reconocido")
    assert town.acknowledged() == [(3, None)]


def test_an_incident_that_others_acknowledged_needs_nothing_more(town: Town) -> None:
    town.transaction.execute(text("UPDATE alerts SET acknowledged_at = now(), acknowledged_by = 'Beto'"))
    assert town.answer(town.code).outcome == "answered"
    assert town.acknowledged() == [(3, "Beto"), (2, "Beto")]


@pytest.mark.parametrize(
    ("message", "outcome", "what_to_do"),
    [
        ("ok gracias", "not_understood", "Respondé RECONOCER"),
        ("RECONOCER 12", "not_understood", "Respondé RECONOCER"),
        ("", "not_understood", "Respondé RECONOCER"),
        ("RECONOCER {other}", "unknown", "Mirá el último aviso"),
    ],
)
def test_a_wrong_answer_says_what_to_do(town: Town, message: str, outcome: str, what_to_do: str) -> None:
    answer = town.answer(message.format(other=town.other_code()))
    assert answer.outcome == outcome
    assert what_to_do in answer.text
    assert town.acknowledged() == [(3, None), (2, None)]


def test_an_old_code_is_refused(town: Town) -> None:
    answer = town.answer(town.code, minutes=121)
    assert (answer.outcome, "llamá a la guardia" in answer.text) == ("old", True)
    assert town.acknowledged()[0] == (3, None)


def test_the_code_of_another_person_is_refused(town: Town) -> None:
    other = add_person(town.transaction, "Beto", ["sms"])
    answer = town.answer(f"RECONOCER {town.code}", number=f"+549221555{other:04d}")
    assert answer.outcome == "unknown"
    assert town.acknowledged()[0] == (3, None)


def test_a_number_of_nobody_is_refused_and_gets_no_message(town: Town) -> None:
    assert town.answer(f"RECONOCER {town.code}", number="+5491144445555").outcome == "stranger"
    assert town.answer(f"RECONOCER {town.code}", number="911").outcome == "stranger"
    town.transaction.execute(text("UPDATE person_channels SET tested_at = NULL"))
    assert town.answer(f"RECONOCER {town.code}").outcome == "stranger", "an address that nobody tested proves nothing"
    count = text("SELECT count(*) FROM notices WHERE body ->> 'purpose' = 'answer'")
    assert town.transaction.execute(count).scalar_one() == 0


def test_who_may_not_acknowledge_is_told_so(town: Town) -> None:
    town.transaction.execute(text("UPDATE person_roles SET role = 'viewer'"))
    assert town.answer(town.code).outcome == "not_allowed"
    assert town.acknowledged()[0] == (3, None)


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("RECONOCER 4821", "4821"),
        ("Reconocer  4821.", "4821"),
        ("reconocer:4821 gracias", "4821"),
        ("4821", "4821"),
        (" 4821! ", "4821"),
        ("llego 4821", None),
        ("RECONOCER 48213", None),
        ("RECONOCER cuatro", None),
    ],
)
def test_a_code_is_read_as_people_write_it(message: str, code: str | None) -> None:
    assert code_in(message) == code


def test_every_answer_fits_one_text_message_in_both_languages() -> None:
    assert WORDS["es"].keys() == WORDS["en"].keys()
    for words in WORDS.values():
        for one in words.values():
            assert septet_count(to_gsm7(one.format(incident=999_999, code="4821"))) <= MOST_SEPTETS
