"""What time alone changes of an alert: acknowledgements expire, shelves end, flapping alerts grow calm."""

from contextlib import AbstractContextManager, nullcontext
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, Row, text

from alerts import lapses, transition_log
from alerts.alert_log import Origin
from alerts.life.limits import CALM_AFTER, FLAPPING_CHANGES
from alerts.rulebook import Station
from models.alert import NAR, Cause, Change, Transition
from services import actions
from tests.alerts.town import NOON

STATION = Station("head", "river", "azul", "azul", "Head")


class Night:
    """One alert of a rule on one station, in one transaction."""

    def __init__(self, transaction: Connection, judgement: str) -> None:
        self.transaction, self.judgement = transaction, judgement
        self.nar, self.now = NAR.VERDE, NOON

    def turn(self, nar: int) -> None:
        """Let the rule change the colour, a minute after what was before."""
        self.now += timedelta(minutes=1)
        up = Change.ESCALATED if self.nar else Change.RAISED
        down = Change.EASED if nar else Change.CLEARED
        change = up if nar > self.nar else down
        transition = Transition(self.nar, NAR(nar), change, Cause.LEVEL, self.now, self.now, True, {"level_m": 1.0})
        origin = Origin(f"head.{self.judgement}", 1, self.judgement)
        transition_log.log_transition(self.transaction, STATION, origin, transition, notify=True)
        self.nar = NAR(nar)

    @property
    def alert(self) -> Row[Any]:
        """The newest alert."""
        return self.transaction.execute(text("SELECT * FROM alerts ORDER BY id DESC LIMIT 1")).one()

    def do(self, action: Any, **more: Any) -> None:
        """Act on the alert as it is now."""
        alert = self.alert
        action(
            self.transaction,
            alert.id,
            **{"operator": "ana", "note": "x", "version": alert.version} | more,
            now=self.now,
        )

    def wait(self, minutes: float) -> int:
        """Let so many minutes pass; returns how many alerts changed."""
        self.now += timedelta(minutes=minutes)
        return lapses.run_lapses(self._begin, self.now)

    def said(self) -> list[str]:
        """The actions, oldest first, with who acted."""
        rows = self.transaction.execute(text("SELECT actor || ' ' || action FROM alert_actions ORDER BY id"))
        return list(rows.scalars())

    def events(self) -> list[str]:
        """The live events of actions, in order."""
        query = text("SELECT data ->> 'action' FROM events WHERE event = 'alert' ORDER BY id")
        return list(self.transaction.execute(query).scalars())

    def _begin(self) -> AbstractContextManager[Connection]:
        return nullcontext(self.transaction)


@pytest.fixture
def night(transaction: Connection) -> Night:
    return Night(transaction, "stage")


@pytest.fixture
def silence(transaction: Connection) -> Night:
    return Night(transaction, "silence")


@pytest.mark.parametrize(("nar", "minutes"), [(1, 240), (2, 60), (3, 30)])
def test_an_acknowledgement_expires_while_the_alert_still_fires(night: Night, nar: int, minutes: int) -> None:
    night.turn(nar)
    night.do(actions.acknowledge)
    assert night.alert.acknowledged_until == night.now + timedelta(minutes=minutes)
    assert night.wait(minutes - 1) == 0
    assert night.wait(1) == 1
    alert = night.alert
    assert (alert.acknowledged_at, alert.acknowledged_by, alert.waiting_because) == (None, None, "expired")
    assert alert.waiting_since == night.now
    assert night.said() == ["ana acknowledge", "rule acknowledgement_expired"]
    assert night.events() == ["acknowledge", "acknowledgement_expired"]
    assert night.wait(0) == 0


def test_the_city_says_how_long_an_acknowledgement_lasts(night: Night) -> None:
    city = '{"id": "azul", "name": "Azul", "zone": "UTC", "acknowledgement_min": {"rojo": 10}}'
    night.transaction.execute(text(f"INSERT INTO configuration (version, city) VALUES (1, '{city}')"))
    night.turn(3)
    night.do(actions.acknowledge)
    assert night.wait(10) == 1


def test_an_acknowledgement_of_what_is_over_does_not_expire(night: Night) -> None:
    night.turn(3)
    night.do(actions.acknowledge)
    night.turn(0)
    assert night.wait(600) == 0
    assert night.alert.acknowledged_by == "ana"


def test_a_shelf_ends_and_an_alert_that_nobody_acknowledged_asks_again(night: Night) -> None:
    night.turn(2)
    night.do(actions.shelve, minutes=60)
    night.turn(1)
    assert (night.wait(58), night.alert.shelved_by) == (0, "ana")
    assert night.wait(1) == 1
    alert = night.alert
    assert (alert.shelved_until, alert.shelved_by, alert.waiting_because) == (None, None, "unshelved")
    assert night.said() == ["ana shelve", "rule shelf_ended"]


def test_a_graver_colour_ends_a_shelf_at_once_and_a_new_reading_does_not(night: Night) -> None:
    night.turn(2)
    night.do(actions.acknowledge)
    night.do(actions.shelve, minutes=24 * 60)
    night.turn(1)
    night.turn(2)
    assert night.alert.shelved_until is not None
    night.turn(3)
    assert (night.alert.shelved_until, night.alert.acknowledged_at) == (None, None)
    assert night.said()[-1] == "rule shelf_broken"


def test_a_shelf_lasts_a_day_at_most_and_rojo_of_water_has_none(night: Night) -> None:
    night.turn(2)
    night.do(actions.shelve, minutes=10_000)
    assert night.alert.shelved_until == night.now + timedelta(hours=24)
    with pytest.raises(actions.AlertAlreadyShelved):
        night.do(actions.shelve, minutes=5)
    night.do(actions.unshelve)
    night.turn(3)
    with pytest.raises(actions.MayNotBeShelved):
        night.do(actions.shelve, minutes=5)
    with pytest.raises(actions.ReasonMissing):
        night.do(actions.shelve, minutes=5, note="  ")


def test_what_comes_and_goes_is_one_alert_at_its_highest_level_until_it_is_calm(silence: Night) -> None:
    silence.turn(1)
    silence.do(actions.acknowledge)
    before = silence.alert.id
    for _ in range(FLAPPING_CHANGES):
        silence.turn(0 if silence.nar else 1)
        if silence.alert.acknowledged_at is None and silence.alert.state == "firing":
            silence.do(actions.acknowledge)
    flapping = silence.alert
    assert flapping.flapping_since == silence.now
    assert "rule flapping" in silence.said()
    told = silence.transaction.execute(text("SELECT count(*) FROM notices")).scalar_one()
    for _ in range(5):
        silence.turn(0 if silence.nar else 1)
    if silence.nar:
        silence.turn(0)
    alert = silence.alert
    assert alert.id == flapping.id >= before
    assert (alert.state, alert.nar, alert.rule_nar, alert.acknowledged_by) == ("firing", 1, 0, "ana")
    assert silence.transaction.execute(text("SELECT count(*) FROM notices")).scalar_one() == told
    assert silence.wait(CALM_AFTER / timedelta(minutes=1) - 1) == 0
    assert silence.wait(1) == 1
    alert = silence.alert
    assert (alert.flapping_since, alert.nar, alert.state, alert.closed_by) == (None, 0, "closed", "rule")
    assert silence.said()[-1] == "rule calm"
    open_incidents = text("SELECT count(*) FROM incidents WHERE state <> 'closed'")
    assert silence.transaction.execute(open_incidents).scalar_one() == 0


def test_a_calm_stream_keeps_naranja_until_a_person_confirms(night: Night) -> None:
    night.turn(2)
    for _ in range(FLAPPING_CHANGES):
        night.turn(1 if night.nar == 2 else 2)
    assert night.alert.flapping_since is not None
    if night.nar == 2:
        night.turn(1)
    night.wait(30)
    assert (night.alert.flapping_since, night.alert.nar, night.alert.rule_nar) == (None, 2, 1)
    night.do(actions.lower)
    assert (night.alert.nar, night.alert.held_nar) == (1, 0)


def test_a_lower_colour_is_confirmed_step_by_step_and_what_is_over_closes(night: Night) -> None:
    night.turn(3)
    with pytest.raises(actions.NothingToConfirm):
        night.do(actions.lower)
    night.turn(2)
    stale = night.alert.version
    night.do(actions.lower)
    assert (night.alert.nar, night.alert.held_nar, night.alert.state) == (2, 2, "firing")
    night.turn(0)
    assert (night.alert.nar, night.alert.state) == (2, "cleared")
    with pytest.raises(actions.AlertChanged):
        night.do(actions.lower, version=stale)
    night.do(actions.lower)
    assert (night.alert.nar, night.alert.state, night.alert.closed_by) == (0, "closed", "ana")


def test_a_withdrawn_acknowledgement_asks_again_with_its_reason(night: Night) -> None:
    night.turn(3)
    with pytest.raises(actions.AlertNotAcknowledged):
        night.do(actions.withdraw)
    night.do(actions.acknowledge)
    with pytest.raises(actions.ReasonMissing):
        night.do(actions.withdraw, note="")
    night.now += timedelta(minutes=5)
    night.do(actions.withdraw, operator="luis", note="Era la otra cuenca.")
    alert = night.alert
    assert (alert.acknowledged_at, alert.acknowledged_until, alert.waiting_since) == (None, None, night.now)
    assert night.said() == ["ana acknowledge", "luis withdraw"]


def test_nothing_wipes_what_people_did(night: Night) -> None:
    night.turn(2)
    night.do(actions.acknowledge, note="Cuadrilla.")
    night.do(actions.shelve, minutes=60, note="Obra.")
    kept = ("acknowledged_at", "acknowledged_by", "acknowledged_until", "shelved_until", "shelved_by", "shelved_nar")
    before = [night.alert._mapping[name] for name in kept]
    night.turn(1)
    night.turn(0)
    assert [night.alert._mapping[name] for name in kept] == before
    notes = night.transaction.execute(text("SELECT note FROM alert_actions ORDER BY id")).scalars().all()
    assert notes == ["Cuadrilla.", "Obra."]


def test_two_processes_let_an_acknowledgement_expire_once(night: Night) -> None:
    night.turn(3)
    night.do(actions.acknowledge)
    alert: int = night.alert.id
    incident: int = night.alert.incident_id
    late: datetime = night.now + timedelta(hours=1)
    begin = lambda: nullcontext(night.transaction)  # noqa: E731
    assert lapses.run_lapses(begin, late) == 1
    assert lapses._lapse(begin, "expire", alert, incident, late) is False
