"""What a transition leaves behind: one open alert a rule and place, who must look again, a notice to each who asked."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, text
from sqlalchemy.exc import IntegrityError

from alerts import transition_log
from alerts.rulebook import Station
from models.alert import NAR, Cause, Change, Transition
from models.tables.alerts import alerts
from services import actions
from tests.alerts.town import NOON

PLACE = Station("head", "river", "azul", "azul", "Head")
ORIGIN = transition_log.Origin("head.stage", 1, "stage")


def move(before: int, after: int, minute: float = 0) -> Transition:
    """From one colour to another."""
    at = NOON + timedelta(minutes=minute)
    up = Change.ESCALATED if before else Change.RAISED
    down = Change.EASED if after else Change.CLEARED
    change = Change.CONFIRMED if after == before else up if after > before else down
    evidence = {"level_m": 0.5 + after}
    return Transition(NAR(before), NAR(after), change, Cause.LEVEL, at, at, True, evidence)


class Story:
    """One rule's moves on one place, in one transaction."""

    def __init__(self, transaction: Connection) -> None:
        self.transaction = transaction
        self.nar, self.minute = 0, 0

    def goes(self, *colours: int, tell: bool = True) -> None:
        """Through these colours, one after the other."""
        for colour in colours:
            self.minute += 1
            transition_log.log_transition(
                self.transaction, PLACE, ORIGIN, move(self.nar, colour, self.minute), tell=tell
            )
            self.nar = colour

    def acknowledged_by(self, operator: str) -> None:
        """Somebody takes charge of the open alert as it is."""
        alert = self.alerts()[-1]
        now = NOON + timedelta(minutes=self.minute)
        actions.acknowledge(self.transaction, alert.id, operator=operator, note="", version=alert.version, now=now)

    def alerts(self) -> Sequence[Any]:
        """Every alert there was, oldest first."""
        return self.transaction.execute(text("SELECT * FROM alerts ORDER BY id")).all()

    def count(self, table: str) -> int:
        """How many rows."""
        return int(self.transaction.execute(text(f"SELECT count(*) FROM {table}")).scalar_one())


@pytest.fixture
def story(transaction: Connection) -> Story:
    return Story(transaction)


def test_the_first_colour_opens_an_alert_and_the_next_move_it(story: Story) -> None:
    story.goes(1, 3, 2)
    (alert,) = story.alerts()
    assert (alert.state, alert.nar, alert.highest_nar, alert.version) == ("firing", 2, 3, 3)
    assert alert.evidence == {"level_m": 2.5}
    assert (story.count("transitions"), story.count("notices"), story.count("events")) == (3, 3, 3)


def test_what_nobody_saw_stays_when_it_is_over(story: Story) -> None:
    story.goes(1, 0)
    (alert,) = story.alerts()
    assert (alert.state, alert.nar, alert.closed_at) == ("cleared", 0, None)


def test_what_somebody_saw_closes_by_itself_when_it_is_over(story: Story) -> None:
    story.goes(2)
    story.acknowledged_by("ana")
    story.goes(1, 0)
    (alert,) = story.alerts()
    assert (alert.state, alert.closed_by, alert.acknowledged_by) == ("closed", "rule", "ana")


def test_what_was_rojo_waits_for_a_person_even_so(story: Story) -> None:
    story.goes(3)
    story.acknowledged_by("ana")
    story.goes(2, 1, 0)
    (alert,) = story.alerts()
    assert (alert.state, alert.acknowledged_by) == ("cleared", "ana")


def test_a_graver_colour_than_the_one_acknowledged_asks_for_a_person_again(story: Story) -> None:
    story.goes(1)
    story.acknowledged_by("ana")
    story.goes(2)
    assert story.alerts()[0].acknowledged_by is None
    story.acknowledged_by("luis")
    story.goes(1, 1)
    assert story.alerts()[0].acknowledged_by == "luis"


def test_what_comes_back_before_anybody_closed_it_is_the_same_alert_and_asks_again(story: Story) -> None:
    story.goes(3)
    story.acknowledged_by("ana")
    story.goes(0, 1)
    (alert,) = story.alerts()
    assert (alert.state, alert.nar, alert.highest_nar, alert.cleared_at) == ("firing", 1, 3, None)
    assert alert.acknowledged_by is None


def test_what_comes_back_after_it_was_closed_is_another_alert(story: Story) -> None:
    story.goes(1)
    story.acknowledged_by("ana")
    story.goes(0, 1)
    assert [alert.state for alert in story.alerts()] == ["closed", "firing"]


def test_what_clears_without_an_open_alert_is_written_down_and_moves_none(story: Story) -> None:
    story.nar = 1
    story.goes(0)
    assert (story.count("alerts"), story.count("transitions"), story.count("notices")) == (0, 1, 0)


def test_each_contact_hears_of_the_colours_it_asked_for_also_on_their_way_down(story: Story) -> None:
    for name, least in (("all", 0), ("grave", 3)):
        story.transaction.execute(
            text("INSERT INTO contacts (name, channel, address, least_nar) VALUES (:n, 'webhook', :n, :l)"),
            {"n": name, "l": least},
        )
    story.goes(2, 3, 2, 1)
    told = story.transaction.execute(
        text("SELECT recipient, body ->> 'after', priority FROM notices ORDER BY id")
    ).all()
    assert [(to, after) for to, after, _ in told if to == "grave"] == [("grave", "3"), ("grave", "2")]
    assert [after for to, after, _ in told if to == "all"] == ["2", "3", "2", "1"]
    assert [after for to, after, _ in told if to == transition_log.WATCH] == ["2", "3", "2", "1"]
    assert {(after, priority) for _, after, priority in told} == {("3", 0), ("2", 1), ("1", 2)}


def test_what_an_outage_speaks_for_is_kept_and_not_told(story: Story) -> None:
    story.goes(1, tell=False)
    assert (story.count("alerts"), story.count("transitions"), story.count("notices")) == (1, 1, 0)


def test_the_database_itself_refuses_a_second_open_alert(story: Story) -> None:
    story.goes(1)
    columns = ", ".join(column.name for column in alerts.c if column.name not in ("id", "version"))
    with pytest.raises(IntegrityError, match="alerts_one_open"), story.transaction.begin_nested():
        story.transaction.execute(text(f"INSERT INTO alerts ({columns}) SELECT {columns} FROM alerts"))


STEPS = st.lists(st.one_of(st.integers(0, 3), st.just("acknowledge")), min_size=1, max_size=25)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(STEPS)
def test_whatever_happens_one_alert_at_most_is_open_and_nothing_grave_ends_unseen(
    transaction: Connection, steps: list[int | str]
) -> None:
    with transaction.begin_nested() as savepoint:
        story, moved = Story(transaction), 0
        for step in steps:
            known = story.alerts()
            if isinstance(step, int):
                story.goes(step)
                moved += 1
            elif known and known[-1].state != "closed" and known[-1].acknowledged_at is None:
                story.acknowledged_by("ana")
        found = story.alerts()
        assert sum(alert.state != "closed" for alert in found) <= 1
        assert all(alert.acknowledged_at and alert.highest_nar < 3 for alert in found if alert.state == "closed")
        assert all((alert.nar > 0) == (alert.state == "firing") for alert in found)
        if story.nar:
            assert (found[-1].state, found[-1].nar) == ("firing", story.nar)
        keys = transaction.execute(text("SELECT count(DISTINCT dedup_key), count(*) FROM notices")).one()
        assert keys[0] == keys[1] <= moved == story.count("transitions")
        savepoint.rollback()
