"""Who knew and did what: an alert from the rule that raised it to the person who closed it, as the record tells it."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Engine, text

from alerts import transition_log
from alerts.action_log import log_incident_action
from alerts.alert_log import Origin
from alerts.rulebook import Station
from models.alert import NAR, Cause, Change, Transition
from services.actions import acknowledge, close, comment, redact_note
from services.notices.notifier import Notifier
from services.people.api_keys import add_api_key, revoke_api_key
from services.record.chain_writer import ChainWriter
from services.record.verification import verify
from services.transit.model.service_alert import Cause as ServiceCause
from services.transit.model.service_alert import Effect, Translated
from services.transit.serving import service_alert_actions
from services.upkeep.retention import delete_expired

NOW = datetime(2026, 4, 2, 12, 0, tzinfo=UTC)
HEAD = Station("head", "river", "azul", None, "head")


def raised(transaction: Connection) -> int:
    """An alert of naranja that a rule raised; returns its number."""
    transition = Transition(NAR.VERDE, NAR.NARANJA, Change.RAISED, Cause.LEVEL, NOW, NOW, True, {"level_m": 1.7})
    transition_log.log_transition(transaction, HEAD, Origin("head.stage", 1, "stage"), transition, notify=True)
    return int(transaction.execute(text("SELECT max(id) FROM alerts")).scalar_one())


def recorded(transaction: Connection) -> list[tuple[Any, ...]]:
    """What, about what and by whom, in order."""
    query = text("SELECT what, about, actor FROM log_entries ORDER BY id")
    return [tuple(row) for row in transaction.execute(query)]


def test_an_alert_is_recorded_from_the_rule_that_raised_it_to_the_person_who_closed_it(database: Engine) -> None:
    with database.begin() as transaction:
        alert = raised(transaction)
    Notifier(database, lambda: NOW).drain()
    with database.begin() as transaction:
        version = acknowledge(transaction, alert, operator="Ana", note="voy al puente", version=1, now=NOW)
        comment(transaction, alert, operator="Luis", note="vive Juana Gómez", now=NOW)
        action = transaction.execute(text("SELECT max(id) FROM alert_actions")).scalar_one()
        redact_note(transaction, action, operator="Eva", reason="nombra a una vecina", now=NOW)
        close(transaction, alert, operator="Ana", note="", version=version, now=NOW)
        assert recorded(transaction) == [
            ("incident.opened", "incident:1", "rule"),
            ("alert.raised", f"alert:{alert}", "rule"),
            ("notice.sent", "notice:1", "vigia"),
            ("alert.acknowledged", f"alert:{alert}", "Ana"),
            ("alert.commented", None, None),
            ("note.redacted", f"alert:{alert}", "Eva"),
            ("alert.closed", f"alert:{alert}", "Ana"),
            ("incident.closed", "incident:1", "rule"),
        ]
    ChainWriter(database).chain_all()
    with database.begin() as transaction:
        assert verify(transaction).sound
        transaction.execute(text("UPDATE transitions SET after = 1"))
        assert verify(transaction).contradicted == 2


def test_keys_service_alerts_and_retention_are_recorded(database: Engine) -> None:
    with database.begin() as transaction:
        add_api_key(transaction, "radio", NOW, by="Ana")
        revoke_api_key(transaction, "radio", NOW, by="Luis")
        text_of = Translated("Desvío", "Detour")
        draft = service_alert_actions.Draft(ServiceCause.CONSTRUCTION, Effect.DETOUR, text_of, text_of, ())
        number = service_alert_actions.draft(transaction, draft, operator="Ana", now=NOW)
        service_alert_actions.publish(transaction, number, version=1, operator="Luis", now=NOW)
        service_alert_actions.end(transaction, number, version=2, operator="Eva", now=NOW)
    delete_expired(database, NOW)
    with database.begin() as transaction:
        assert recorded(transaction) == [
            ("api_key.made", "api_key:radio", "Ana"),
            ("api_key.revoked", "api_key:radio", "Luis"),
            ("service_alert.drafted", "service_alert:1", "Ana"),
            ("service_alert.published", "service_alert:1", "Luis"),
            ("service_alert.ended", "service_alert:1", "Eva"),
            ("retention.ran", "", "vigia"),
        ]


def test_a_redacted_note_of_an_action_on_an_incident_is_gone_from_the_record_too(database: Engine) -> None:
    with database.begin() as transaction:
        raised(transaction)
        log_incident_action(transaction, 1, 2, "answer", "Ana", "vive Juana Gómez", NOW)
        action = transaction.execute(text("SELECT max(id) FROM alert_actions")).scalar_one()
        redact_note(transaction, action, operator="Eva", reason="nombra a una vecina", now=NOW)
        kept = transaction.execute(text("SELECT count(*) FROM log_entries WHERE details::text LIKE '%Juana%'"))
        assert kept.scalar_one() == 0
