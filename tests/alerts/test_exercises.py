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


def raise_alert(
    transaction: Connection, exercise: Exercise | None, colour: NAR = NAR.ROJO, *, notify: bool = False
) -> None:
    """Raise an alert of the bridge, as its rule or as an exercise's rule does."""
    prefix = "" if exercise is None else f"{EXERCISE_RULE}{exercise}/"
    origin = Origin(f"{prefix}puente.stage", 1, "stage", exercise=exercise)
    transition = colour_change(NAR.VERDE, colour, Cause.LEVEL, NOON, NOON + timedelta(minutes=1), {})
    transition_log.log_transition(transaction, BRIDGE, origin, transition, notify=notify)


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


NOTICE = (
    "INSERT INTO notices (alert_id, incident_id, person_id, channel, recipient, priority, dedup_key, body, not_before)"
    " SELECT id, incident_id, NULL, '{channel}', '{recipient}', 0, 'key', '{{}}', now() FROM alerts"
    " WHERE exercise IS NOT NULL"
)


@pytest.mark.parametrize(("channel", "recipient"), [("webhook", "https://elsewhere.example"), ("siren", "sirena-1")])
def test_the_database_refuses_a_notice_of_an_exercise_to_a_contact_or_a_siren(
    transaction: Connection, channel: str, recipient: str
) -> None:
    raise_alert(transaction, Exercise.DRILL)
    with pytest.raises(IntegrityError, match="goes to a person or the console"):
        transaction.execute(text(NOTICE.format(channel=channel, recipient=recipient)))


@pytest.mark.parametrize(
    "change",
    [
        "exercise = NULL",
        "channel = 'webhook', recipient = 'https://elsewhere.example'",
        "alert_id = (SELECT id FROM alerts WHERE exercise IS NULL), incident_id = NULL",
    ],
)
def test_the_database_refuses_to_turn_a_notice_of_an_exercise_into_another(
    transaction: Connection, change: str
) -> None:
    raise_alert(transaction, None)
    raise_alert(transaction, Exercise.DRILL)
    transaction.execute(text(NOTICE.format(channel="console", recipient="guardia")))
    with pytest.raises(IntegrityError):
        transaction.execute(text(f"UPDATE notices SET {change} WHERE dedup_key = 'key'"))


def test_a_contact_hears_of_the_real_event_only_and_the_console_is_told_which_is_which(transaction: Connection) -> None:
    transaction.execute(
        text("INSERT INTO contacts (name, channel, address, least_nar) VALUES ('x', 'webhook', 'https://x.example', 0)")
    )
    raise_alert(transaction, Exercise.DRILL, notify=True)
    raise_alert(transaction, None, notify=True)
    found = transaction.execute(text("SELECT channel, exercise, body ->> 'exercise' FROM notices ORDER BY id")).all()
    assert sorted(map(tuple, found), key=str) == [
        ("console", "drill", "drill"),
        ("console", None, None),
        ("webhook", None, None),
    ]


def test_no_event_of_an_exercise_stands_under_a_name_that_the_public_hears(transaction: Connection) -> None:
    raise_alert(transaction, Exercise.DRILL)
    events = transaction.execute(text("SELECT event, data ->> 'what', data ->> 'exercise' FROM events")).all()
    assert {one[0] for one in events} == {"exercise"}
    assert {one[1:] for one in events} == {("incident", "drill"), ("transition", "drill")}
    raise_alert(transaction, None)
    named = transaction.execute(text("SELECT event FROM events WHERE event <> 'exercise' ORDER BY id")).scalars()
    assert list(named) == ["incident", "transition"]


def test_a_person_without_a_channel_that_is_told_of_exercises_is_refused_by_the_database(
    transaction: Connection,
) -> None:
    for person, told in ((1, True), (2, False)):
        transaction.execute(
            text(
                "INSERT INTO people (id, login, name, created_at, created_by) OVERRIDING SYSTEM VALUE"
                f" VALUES ({person}, 'p{person}', 'P{person}', now(), 'x');"
                "INSERT INTO person_channels (person_id, channel, address, position, told_of_exercises, created_at)"
                f" VALUES ({person}, 'sms', '+54221{person}', 1, {told}, now())"
            )
        )
    raise_alert(transaction, Exercise.DRILL)
    for person in (1, 2):
        transaction.execute(
            text(
                "INSERT INTO notices (incident_id, person_id, channel, recipient, priority, dedup_key, body,"
                f" not_before) SELECT id, {person}, 'person', '{person}', 0, 'key{person}', '{{}}', now() FROM"
                " incidents"
            )
        )
    refused = transaction.execute(text("SELECT refused FROM notices ORDER BY dedup_key")).scalars().all()
    assert refused == [None, "no channel of this person is told of exercises"]
