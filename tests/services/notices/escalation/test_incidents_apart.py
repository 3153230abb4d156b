"""What concerns one incident in a round concerns no other: a bug, and channels that exercises may not use."""

from datetime import datetime

import pytest
from sqlalchemy import Connection, text

from services.notices.escalation import escalation
from services.notices.person_notices import PersonNotice, queue_person_notice
from tests.alerts.town import NOON
from tests.services.duty.rota_town import add_chain
from tests.services.notices.people import add_alert, add_incident

CALLED = "SELECT e.incident_id FROM escalation_calls c JOIN escalations e ON e.id = c.escalation_id ORDER BY c.id"


def called(transaction: Connection) -> list[int]:
    """The incident of each call."""
    return list(transaction.execute(text(CALLED)).scalars())


def test_a_bug_in_one_incident_costs_that_one_alone_and_is_tried_again(
    transaction: Connection, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    add_chain(transaction)
    broken = add_incident(transaction, [3])
    transaction.execute(text("UPDATE incidents SET area = 'basin:other'"))
    other = add_incident(transaction)
    add_alert(transaction, other, "mouth", 2)

    def queue(transaction: Connection, notice: PersonNotice, now: datetime) -> object:
        if notice.incident_id == broken:
            raise KeyError("a bug")
        return queue_person_notice(transaction, notice, now)

    with monkeypatch.context() as patched:
        patched.setattr(escalation, "queue_person_notice", queue)
        assert escalation.escalate(transaction, NOON) == 1
    assert called(transaction) == [other], "nothing half-written stays of the broken one"
    assert "an incident could not be escalated" in caplog.text
    assert escalation.escalate(transaction, NOON) == 1
    assert called(transaction) == [other, broken]


def test_in_an_exercise_only_people_with_a_channel_told_of_exercises_are_reachable(transaction: Connection) -> None:
    chain = add_chain(transaction)
    real, drill = add_incident(transaction, [3]), add_incident(transaction, exercise="drill")
    add_alert(transaction, drill, "exercise/1/head", 3)
    mute = text("UPDATE person_channels SET told_of_exercises = person_id <> :ana")
    transaction.execute(mute, {"ana": chain["Ana"]})
    escalation.escalate(transaction, NOON)
    found = transaction.execute(
        text(
            "SELECT e.incident_id, c.step, c.unreached_why FROM escalation_calls c"
            " JOIN escalations e ON e.id = c.escalation_id ORDER BY e.incident_id, c.step"
        )
    )
    assert [tuple(row) for row in found] == [(real, 0, None), (drill, 0, "no_channel"), (drill, 1, None)]
