"""The operator slept, the second did not hear, and the chief was called: nobody's silence ends the escalation."""

from datetime import timedelta
from typing import Any

from sqlalchemy import Engine, text

from alerts import transition_log
from alerts.alert_log import Origin
from alerts.rulebook import Station
from models.alert import NAR, Cause, Change, Transition
from services import actions
from services.actions import Seen
from services.notices.notifier import Notifier
from tests.alerts.town import NOON
from tests.services.duty.rota_town import Clock, add_chain, play


def rows(database: Engine, query: str) -> list[Any]:
    """Every row of a query."""
    with database.begin() as transaction:
        return [tuple(row) for row in transaction.execute(text(query))]


def raise_alert(database: Engine, clock: Clock, station: str, before: NAR, nar: NAR) -> None:
    """The rule of a stream's gauge raises a colour now."""
    change = Change.RAISED if before == NAR.VERDE else Change.ESCALATED
    transition = Transition(before, nar, change, Cause.LEVEL, clock.now, clock.now, True, {"level_m": 1.7})
    with database.begin() as transaction:
        gauge = Station(station, "river", "azul", "azul", station)
        transition_log.log_transition(
            transaction, gauge, Origin(f"{station}.stage", 1, "stage"), transition, notify=True
        )


def told(database: Engine) -> list[tuple[float, str, int, bool]]:
    """Who was told: seconds since noon, name, step, and whether a channel took the message."""
    found = rows(
        database,
        "SELECT c.called_at, p.name, c.step, n.sent_at IS NOT NULL FROM escalation_calls c"
        " JOIN people p ON p.id = c.person_id JOIN notices n"
        " ON (n.escalation_id, n.step, n.person_id) = (c.escalation_id, c.step, c.person_id) ORDER BY c.id",
    )
    return [((at - NOON).total_seconds(), name, step, sent) for at, name, step, sent in found]


def test_the_operator_sleeps_and_the_chief_who_is_called_answers(database: Engine) -> None:
    clock = Clock()
    notifier = Notifier(database, clock)
    with database.begin() as transaction:
        add_chain(transaction)
    raise_alert(database, clock, "head", NAR.VERDE, NAR.NARANJA)
    play(database, clock, 200, notifier=notifier)
    assert told(database) == [(0, "Ana Sosa", 0, True), (60, "Bruno Díaz", 1, True), (180, "Carla Funes", 2, True)]

    ((incident, alert),) = rows(database, "SELECT incident_id, id FROM alerts")
    with database.begin() as transaction:
        actions.acknowledge_incident(
            transaction, incident, [Seen(alert, 2)], operator="Carla Funes", note="Voy.", now=clock.now
        )
    play(database, clock, 700, every_s=100, notifier=notifier)
    assert len(told(database)) == 3, "once acknowledged, nobody else is woken"
    assert rows(database, "SELECT run, nar, reason, ended_because FROM escalations") == [(1, 2, "asks", "answered")]
    assert rows(database, "SELECT position FROM escalation_calls WHERE answered_at IS NOT NULL") == [("chief",)]

    at = (clock.now - NOON).total_seconds()
    raise_alert(database, clock, "head", NAR.NARANJA, NAR.ROJO)
    play(database, clock, 300, notifier=notifier)
    everybody = [(at + 300, name, 3, True) for name in ("Ana Sosa", "Bruno Díaz", "Carla Funes")]
    assert told(database)[3:] == [
        (at, "Ana Sosa", 0, True),
        (at + 60, "Bruno Díaz", 1, True),
        (at + 180, "Carla Funes", 2, True),
        *everybody,
    ], "a graver colour asks everybody anew, whoever acknowledged the one before"
    play(database, clock, 3600, every_s=300, notifier=notifier)
    times = [second - at for second, name, _, _ in told(database)[3:] if name == "Bruno Díaz"]
    assert times == [60, *(300 + 300 * number for number in range(13))], "and nobody gives up"
    ((what,),) = rows(database, "SELECT array_agg(DISTINCT what ORDER BY what) FROM log_entries")
    assert {"escalation.began", "escalation.called", "escalation.ended"} <= set(what)


def test_an_acknowledgement_that_is_taken_back_calls_again_from_the_first_step(database: Engine) -> None:
    clock = Clock()
    with database.begin() as transaction:
        add_chain(transaction)
    raise_alert(database, clock, "head", NAR.VERDE, NAR.ROJO)
    play(database, clock, 0)
    with database.begin() as transaction:
        transaction.execute(text("UPDATE alerts SET acknowledged_at = now(), acknowledged_by = 'Ana Sosa'"))
    play(database, clock, 400, every_s=200)
    with database.begin() as transaction:
        transaction.execute(text("UPDATE alerts SET acknowledged_at = NULL, acknowledged_by = NULL"))
    clock.now = NOON + timedelta(hours=1)
    play(database, clock, 60)
    found = rows(
        database,
        "SELECT e.run, e.reason, c.position FROM escalation_calls c"
        " JOIN escalations e ON e.id = c.escalation_id ORDER BY c.id",
    )
    assert found == [(1, "asks", "operator"), (2, "again", "operator"), (2, "again", "second")]
