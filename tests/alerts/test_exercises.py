"""Exercises in the tables: an incident and its alerts that are no real event, and that nothing can make real."""

from datetime import timedelta

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import IntegrityError

from alerts import transition_log
from alerts.alert_log import Origin
from alerts.rulebook import Station
from alerts.rules.colour_change import colour_change
from models.alert import NAR, Cause
from models.incident import EXERCISE_RULE, Exercise
from services.queries.alerts.alert_history import open_alert_rows
from services.queries.alerts.alerts import AlertFilter, list_alerts, list_transitions
from services.queries.alerts.incidents import list_incidents, one_incident
from services.queries.city.health import health_figures
from services.runtime.audience import Audience
from tests.alerts.town import NOON

BRIDGE = Station("puente", "river", "azul", "gato", "Puente")


def raise_alert(transaction: Connection, exercise: Exercise | None, colour: NAR = NAR.ROJO) -> None:
    """Raise an alert of the bridge, as its rule or as an exercise's rule does."""
    prefix = "" if exercise is None else f"{EXERCISE_RULE}{exercise}/"
    origin = Origin(f"{prefix}puente.stage", 1, "stage", exercise=exercise)
    transition = colour_change(NAR.VERDE, colour, Cause.LEVEL, NOON, NOON + timedelta(minutes=1), {})
    transition_log.log_transition(transaction, BRIDGE, origin, transition, notify=False)


def test_an_exercise_and_a_real_flood_of_one_basin_are_two_incidents(transaction: Connection) -> None:
    for exercise in (Exercise.DRILL, None, Exercise.TRAINING):
        raise_alert(transaction, exercise)
    found = transaction.execute(
        text(
            "SELECT i.area, i.exercise, a.exercise FROM alerts a JOIN incidents i ON a.incident_id = i.id ORDER BY i.id"
        )
    ).all()
    assert found == [
        ("basin:gato", "drill", "drill"),
        ("basin:gato", None, None),
        ("basin:gato", "training", "training"),
    ]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE incidents SET exercise = NULL WHERE exercise = 'drill'",
        "UPDATE incidents SET exercise = 'drill' WHERE exercise IS NULL",
        "UPDATE alerts SET exercise = NULL, rule_id = 'puente.other' WHERE exercise = 'drill'",
        "UPDATE alerts SET exercise = 'drill', rule_id = 'exercise/1/other' WHERE exercise IS NULL",
        "UPDATE alerts SET rule_id = 'puente.other' WHERE exercise = 'drill'",
        "UPDATE alerts SET incident_id = (SELECT id FROM incidents WHERE exercise IS NULL) WHERE exercise = 'drill'",
        "UPDATE alerts SET incident_id = (SELECT id FROM incidents WHERE exercise = 'drill') WHERE exercise IS NULL",
    ],
)
def test_the_database_refuses_to_make_an_exercise_real_or_the_reverse(transaction: Connection, statement: str) -> None:
    raise_alert(transaction, Exercise.DRILL)
    raise_alert(transaction, None)
    with pytest.raises(IntegrityError):
        transaction.execute(text(statement))


def test_programs_the_public_and_the_figures_hear_of_real_events_only(transaction: Connection) -> None:
    raise_alert(transaction, Exercise.DRILL)
    incident = transaction.execute(text("SELECT id FROM incidents")).scalar_one()
    assert list_incidents(transaction, {}, limit=9) == []
    assert one_incident(transaction, incident, {}) is None
    assert list_alerts(transaction, AlertFilter(), Audience.OPERATORS, after=None, limit=9) == []
    assert list_transitions(transaction, limit=9) == []
    assert [open_alert_rows(transaction, audience) for audience in Audience] == [[], []]
    assert health_figures(transaction, NOON).open_alerts == {}
