"""Tests of the transition log: one open alert per rule and station, acknowledgement, and a notice to each contact."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, text
from sqlalchemy.exc import IntegrityError

from alerts import transition_log
from alerts.alert_log import Origin
from alerts.notice_queue import WATCH
from alerts.rulebook import Station
from models.alert import NAR, Cause, Change, Transition
from models.tables.alerts import alerts
from services import actions
from tests.alerts.town import NOON

STATION = Station("head", "river", "azul", "azul", "Head")
ORIGIN = Origin("head.stage", 1, "stage")


def transition(before: int, after: int, minute: float = 0) -> Transition:
    """A transition from one colour to another."""
    at = NOON + timedelta(minutes=minute)
    up = Change.ESCALATED if before else Change.RAISED
    down = Change.EASED if after else Change.CLEARED
    change = Change.CONFIRMED if after == before else up if after > before else down
    evidence = {"level_m": 0.5 + after}
    return Transition(NAR(before), NAR(after), change, Cause.LEVEL, at, at, True, evidence)


class Story:
    """The transitions of one rule on one station, in one transaction."""

    def __init__(self, transaction: Connection) -> None:
        self.transaction = transaction
        self.nar, self.minute = 0, 0

    def change_to(self, *colours: int, notify: bool = True) -> None:
        """Change to these colours, one after the other."""
        for colour in colours:
            self.minute += 1
            transition_log.log_transition(
                self.transaction, STATION, ORIGIN, transition(self.nar, colour, self.minute), notify=notify
            )
            self.nar = colour

    def acknowledge(self, operator: str) -> None:
        """Acknowledge the open alert at its current version."""
        alert = self.alerts()[-1]
        now = NOON + timedelta(minutes=self.minute)
        actions.acknowledge(self.transaction, alert.id, operator=operator, note="", version=alert.version, now=now)

    def alerts(self) -> Sequence[Any]:
        """All alerts, oldest first."""
        return self.transaction.execute(text("SELECT * FROM alerts ORDER BY id")).all()

    def count(self, table: str) -> int:
        """The number of rows of a table."""
        return int(self.transaction.execute(text(f"SELECT count(*) FROM {table}")).scalar_one())


@pytest.fixture
def story(transaction: Connection) -> Story:
    return Story(transaction)


def test_the_first_colour_opens_an_alert_and_later_ones_update_it(story: Story) -> None:
    story.change_to(1, 3, 2)
    (alert,) = story.alerts()
    assert (alert.state, alert.nar, alert.rule_nar, alert.highest_nar, alert.version) == ("firing", 3, 2, 3, 3)
    assert alert.evidence == {"level_m": 2.5}
    assert (story.count("transitions"), story.count("notices")) == (3, 2), "what eases is not announced"
    events = story.transaction.execute(text("SELECT event FROM events ORDER BY id")).scalars().all()
    assert events == ["incident", "transition", "transition", "transition"]


def test_an_unacknowledged_alert_stays_open_when_it_clears(story: Story) -> None:
    story.change_to(1, 0)
    (alert,) = story.alerts()
    assert (alert.state, alert.nar, alert.closed_at) == ("cleared", 0, None)


def test_an_acknowledged_alert_closes_by_itself_when_it_clears(story: Story) -> None:
    story.change_to(1)
    story.acknowledge("ana")
    story.change_to(0)
    (alert,) = story.alerts()
    assert (alert.state, alert.closed_by, alert.acknowledged_by) == ("closed", "rule", "ana")


def test_an_acknowledged_alert_that_was_rojo_waits_for_a_person(story: Story) -> None:
    story.change_to(3)
    story.acknowledge("ana")
    story.change_to(2, 1, 0)
    (alert,) = story.alerts()
    assert (alert.state, alert.acknowledged_by) == ("cleared", "ana")


def test_a_higher_colour_than_the_acknowledged_one_must_be_acknowledged_again(story: Story) -> None:
    story.change_to(1)
    story.acknowledge("ana")
    story.change_to(2)
    assert story.alerts()[0].acknowledged_by is None
    story.acknowledge("luis")
    story.change_to(1, 1)
    assert story.alerts()[0].acknowledged_by == "luis"


def test_a_cleared_alert_that_fires_again_is_the_same_alert_and_must_be_acknowledged_again(story: Story) -> None:
    story.change_to(3)
    story.acknowledge("ana")
    story.change_to(0, 1)
    (alert,) = story.alerts()
    assert (alert.state, alert.rule_nar, alert.highest_nar, alert.cleared_at) == ("firing", 1, 3, None)
    assert alert.acknowledged_by is None


def test_after_an_alert_was_closed_a_new_one_opens(story: Story) -> None:
    story.change_to(1)
    story.acknowledge("ana")
    story.change_to(0, 1)
    assert [alert.state for alert in story.alerts()] == ["closed", "firing"]


def test_a_clearing_without_an_open_alert_is_logged_and_changes_no_alert(story: Story) -> None:
    story.nar = 1
    story.change_to(0)
    assert (story.count("alerts"), story.count("transitions"), story.count("notices")) == (0, 1, 0)


def test_each_contact_is_notified_of_its_minimum_colour_and_above_also_when_easing(story: Story) -> None:
    for name, least in (("all", 0), ("grave", 3)):
        story.transaction.execute(
            text("INSERT INTO contacts (name, channel, address, least_nar) VALUES (:n, 'webhook', :n, :l)"),
            {"n": name, "l": least},
        )
    story.change_to(2, 3, 2, 1)
    notices = story.transaction.execute(
        text("SELECT recipient, body ->> 'after', priority FROM notices ORDER BY id")
    ).all()
    assert [(to, after) for to, after, _ in notices if to == "grave"] == [("grave", "3"), ("grave", "2")]
    assert [after for to, after, _ in notices if to == "all"] == ["2", "3", "2", "1"]
    assert [after for to, after, _ in notices if to == WATCH] == ["2", "3"], "operators hear what is announced"
    assert {(after, priority) for _, after, priority in notices} == {("3", 0), ("2", 1), ("1", 2)}


def test_a_transition_covered_by_an_outage_is_logged_without_notices(story: Story) -> None:
    story.change_to(1, notify=False)
    assert (story.count("alerts"), story.count("transitions"), story.count("notices")) == (1, 1, 0)


def test_the_database_itself_refuses_a_second_open_alert(story: Story) -> None:
    story.change_to(1)
    columns = ", ".join(column.name for column in alerts.c if column.name not in ("id", "version"))
    with pytest.raises(IntegrityError, match="alerts_one_open"), story.transaction.begin_nested():
        story.transaction.execute(text(f"INSERT INTO alerts ({columns}) SELECT {columns} FROM alerts"))


STEPS = st.lists(st.one_of(st.integers(0, 3), st.just("acknowledge")), min_size=1, max_size=25)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(STEPS)
def test_at_most_one_alert_is_open_and_no_held_colour_eases_by_itself(
    transaction: Connection, steps: list[int | str]
) -> None:
    with transaction.begin_nested() as savepoint:
        story, transitions = Story(transaction), 0
        for step in steps:
            past = story.alerts()
            if isinstance(step, int):
                story.change_to(step)
                transitions += 1
            elif past and past[-1].state != "closed" and past[-1].acknowledged_at is None:
                story.acknowledge("ana")
        all_alerts = story.alerts()
        assert sum(alert.state != "closed" for alert in all_alerts) <= 1
        assert all(alert.acknowledged_at and alert.highest_nar < 3 for alert in all_alerts if alert.state == "closed")
        assert all(alert.nar == max(alert.rule_nar, alert.held_nar) for alert in all_alerts)
        for alert in all_alerts:
            if alert.state != "closed" and alert.highest_nar >= NAR.NARANJA:
                assert alert.nar == alert.highest_nar
        if story.nar:
            assert (all_alerts[-1].state, all_alerts[-1].rule_nar) == ("firing", story.nar)
        keys = transaction.execute(text("SELECT count(DISTINCT dedup_key), count(*) FROM notices")).one()
        assert keys[0] == keys[1] <= transitions == story.count("transitions")
        savepoint.rollback()
