"""Incidents in the tables: opened, grown and closed with their alerts, in the alerts' transaction."""

import threading
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import IntegrityError

from alerts import transition_log
from alerts.alert_log import Origin
from alerts.incidents.grouping import QUIET_AFTER
from alerts.rulebook import Station
from alerts.rules.colour_change import colour_change
from models.alert import NAR, Cause
from services import actions
from services.actions import Seen
from tests.alerts.town import NOON
from tests.waiting import wait_until

BRIDGE = Station("puente", "river", "azul", "gato", "Puente")
SQUARE = Station("plaza", "rain", "azul", "gato", "Plaza")
OTHER = Station("canal", "river", "azul", "maldonado", "Canal")
STAGE, RAIN, SILENCE = "stage", "rainfall", "silence"


class Night:
    """Alerts of several stations in one transaction, and what people do about them."""

    def __init__(self, transaction: Connection) -> None:
        self.transaction, self.now = transaction, NOON
        self._colours: dict[tuple[str, str], NAR] = {}

    def change(self, station: Station, judgement: str, colour: int) -> None:
        """A rule of a station changes to a colour, a minute after the last change."""
        self.now += timedelta(minutes=1)
        before = self._colours.get((station.id, judgement), NAR.VERDE)
        transition = colour_change(before, NAR(colour), Cause.LEVEL, self.now, self.now, {})
        origin = Origin(f"{station.id}.{judgement}", 1, judgement)
        transition_log.log_transition(self.transaction, station, origin, transition, notify=True)
        self._colours[station.id, judgement] = NAR(colour)

    def rows(self, query: str) -> Sequence[Any]:
        """The rows of a query."""
        return self.transaction.execute(text(query)).all()

    def incidents(self) -> list[tuple[str, str, str]]:
        """The incidents, oldest first: hazard, area and state."""
        return [tuple(row) for row in self.rows("SELECT hazard, area, state FROM incidents ORDER BY id")]

    def members(self) -> dict[str, tuple[int, str]]:
        """By rule, the incident of its newest alert and why it belongs there."""
        found = self.rows("SELECT rule_id, incident_id, membership FROM alerts ORDER BY id")
        return {rule: (incident, why) for rule, incident, why in found}

    def acknowledge_all(self) -> None:
        """Acknowledge every open alert as it is."""
        for number, version in self.rows("SELECT id, version FROM alerts WHERE acknowledged_at IS NULL"):
            actions.acknowledge(self.transaction, number, operator="ana", note="", version=version, now=self.now)

    def close_cleared(self) -> None:
        """Close every alert that its rule has cleared."""
        for number, version in self.rows("SELECT id, version FROM alerts WHERE state = 'cleared' ORDER BY id"):
            actions.close(self.transaction, number, operator="ana", note="", version=version, now=self.now)


@pytest.fixture
def night(transaction: Connection) -> Night:
    return Night(transaction)


def test_rain_and_stream_of_one_basin_are_one_incident_and_another_basin_is_another(night: Night) -> None:
    night.change(SQUARE, RAIN, 2)
    night.change(BRIDGE, STAGE, 3)
    night.change(OTHER, STAGE, 1)
    assert night.incidents() == [("flood", "basin:gato", "open"), ("flood", "basin:maldonado", "open")]
    first = night.members()["plaza.rainfall"][0]
    assert night.members() == {
        "plaza.rainfall": (first, "rain"),
        "puente.stage": (first, "stream"),
        "canal.stage": (first + 1, "stream"),
    }


def test_an_incident_closes_with_its_last_alert_and_says_so(night: Night) -> None:
    night.change(BRIDGE, STAGE, 3)
    night.change(SQUARE, RAIN, 1)
    night.acknowledge_all()
    night.change(SQUARE, RAIN, 0)
    assert night.incidents() == [("flood", "basin:gato", "open")]
    night.change(BRIDGE, STAGE, 0)
    night.close_cleared()
    assert night.incidents() == [("flood", "basin:gato", "closed")]
    told = night.rows("SELECT data ->> 'change' FROM events WHERE event = 'incident' ORDER BY id")
    assert [change for (change,) in told] == ["opened", "closed"]
    night.change(BRIDGE, STAGE, 1)
    assert [state for *_, state in night.incidents()] == ["closed", "open"]


def test_the_next_storm_is_another_incident_though_nobody_closed_the_last(night: Night) -> None:
    night.change(BRIDGE, STAGE, 2)
    night.change(SQUARE, RAIN, 1)
    night.change(BRIDGE, STAGE, 0)
    night.change(SQUARE, RAIN, 0)
    night.now += QUIET_AFTER
    night.change(BRIDGE, STAGE, 1)
    assert [state for *_, state in night.incidents()] == ["over", "open"]
    (before, _), (after, _) = night.members()["plaza.rainfall"], night.members()["puente.stage"]
    assert after == before + 1  # the stream's own alert, never closed, fires again in the new one
    night.close_cleared()
    assert [state for *_, state in night.incidents()] == ["closed", "open"]


def test_a_gauge_that_falls_silent_goes_over_to_the_flood_when_its_stream_rises(night: Night) -> None:
    night.change(BRIDGE, SILENCE, 1)
    assert night.incidents() == [("equipment", "municipality:azul", "open")]
    night.change(SQUARE, RAIN, 3)
    night.change(BRIDGE, SILENCE, 3)
    assert night.incidents() == [("equipment", "municipality:azul", "closed"), ("flood", "basin:gato", "open")]
    assert night.members()["puente.silence"][1] == "lost_gauge"


def test_an_incident_is_acknowledged_as_it_was_seen_and_what_grew_graver_asks_again(night: Night) -> None:
    night.change(BRIDGE, STAGE, 1)
    night.change(SQUARE, RAIN, 2)
    seen = [Seen(number, nar) for number, nar in night.rows("SELECT id, nar FROM alerts ORDER BY id")]
    night.change(BRIDGE, STAGE, 3)
    night.change(SQUARE, RAIN, 1)
    incident = night.members()["puente.stage"][0]

    def acknowledge(*members: Seen) -> list[int]:
        return actions.acknowledge_incident(
            night.transaction, incident, members, operator="ana", note="Voy.", now=night.now
        )

    assert acknowledge(*seen) == [seen[1].alert_id]
    with pytest.raises(actions.IncidentChanged):
        acknowledge(*seen)
    assert acknowledge(Seen(seen[0].alert_id, 3)) == [seen[0].alert_id]
    with pytest.raises(actions.IncidentAlreadyAcknowledged):
        acknowledge(*seen)
    notes = night.rows("SELECT alert_id, actor, action, note FROM alert_actions ORDER BY id")
    assert [tuple(row) for row in notes] == [(one.alert_id, "ana", "acknowledge", "Voy.") for one in reversed(seen)]
    with pytest.raises(actions.NoSuchIncident):
        actions.acknowledge_incident(night.transaction, 10**9, seen, operator="ana", note="", now=night.now)


def test_the_database_refuses_an_open_alert_without_an_incident(night: Night) -> None:
    night.change(BRIDGE, STAGE, 1)
    with pytest.raises(IntegrityError, match="alerts_incident_check"), night.transaction.begin_nested():
        night.transaction.execute(text("UPDATE alerts SET incident_id = NULL, membership = NULL"))


STATIONS = ((BRIDGE, STAGE), (SQUARE, RAIN), (OTHER, STAGE), (BRIDGE, SILENCE), (OTHER, SILENCE))
STEPS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(STATIONS), st.integers(0, 3)),
        st.sampled_from(["acknowledge", "close", "wait"]),
    ),
    max_size=25,
)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(STEPS)
def test_each_open_alert_is_in_one_incident_that_is_not_closed_and_none_stays_open_empty(
    transaction: Connection, steps: Sequence[Any]
) -> None:
    with transaction.begin_nested() as savepoint:
        night = Night(transaction)
        for step in steps:
            match step:
                case "acknowledge":
                    night.acknowledge_all()
                case "close":
                    night.close_cleared()
                case "wait":
                    night.now += QUIET_AFTER
                case (station, judgement), colour:
                    night.change(station, judgement, colour)
            wrong = night.rows(
                "SELECT i.id FROM incidents i LEFT JOIN alerts a ON a.incident_id = i.id AND a.state <> 'closed'"
                " GROUP BY i.id HAVING (i.state = 'closed') <> (count(a.id) = 0)"
            )
            assert wrong == []
        savepoint.rollback()


def test_a_person_who_closes_the_last_alert_and_a_rule_that_raises_the_next_do_not_lose_it(database: Engine) -> None:
    with database.begin() as transaction:
        night = Night(transaction)
        night.change(BRIDGE, STAGE, 1)
        night.change(BRIDGE, STAGE, 0)
    done = threading.Event()

    def raise_the_next() -> None:
        with database.begin() as other:
            later = Night(other)
            later.now = night.now
            later.change(SQUARE, RAIN, 2)
        done.set()

    rule = threading.Thread(target=raise_the_next)
    with database.begin() as transaction:
        night.transaction = transaction
        night.close_cleared()
        rule.start()
        with database.connect().execution_options(isolation_level="AUTOCOMMIT") as looking:
            waiting = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
            wait_until(lambda: looking.execute(waiting).scalar_one())
        assert not done.is_set()
    rule.join()
    with database.begin() as transaction:
        night.transaction = transaction
        assert [state for *_, state in night.incidents()] == ["closed", "open"]
        assert night.members()["plaza.rainfall"][0] == night.members()["puente.stage"][0] + 1
