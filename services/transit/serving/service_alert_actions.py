"""An operator's actions on service alerts: draft, publish, end. Writes in the caller's transaction."""

from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, insert, select, update

from alerts.record import Entry, record
from models.tables.service_alerts import service_alerts
from services.runtime.problem import HttpProblem, NotFound
from services.transit.model.service_alert import ActivePeriod, Cause, Effect, InformedEntity, Translated


class NoSuchServiceAlert(NotFound):
    """No hay un aviso con ese número. / There is no service alert of that number."""


class ServiceAlertMoved(HttpProblem):
    """El aviso cambió desde que lo viste: miralo de nuevo. / The service alert changed since you saw it: look again."""

    status = 409


class Draft(msgspec.Struct, frozen=True):
    """The content of a service alert."""

    cause: Cause
    effect: Effect
    header: Translated
    description: Translated
    informed: tuple[InformedEntity, ...]
    periods: tuple[ActivePeriod, ...] = ()
    url: str = ""


def draft(transaction: Connection, alert: Draft, *, operator: str, now: datetime) -> int:
    """Insert a service alert as a draft, not yet published; returns its number."""
    values = msgspec.to_builtins(alert)
    statement = (
        insert(service_alerts).values(**values, created_at=now, created_by=operator).returning(service_alerts.c.id)
    )
    number = int(transaction.execute(statement).scalar_one())
    record(transaction, Entry("service_alert.drafted", f"service_alert:{number}", operator), now)
    return number


def publish(transaction: Connection, alert_id: int, *, version: int, operator: str, now: datetime) -> None:
    """Publish a draft as it was at `version`. Raises NoSuchServiceAlert, ServiceAlertMoved."""
    values = {"state": "published", "published_at": now, "published_by": operator}
    _change_state(transaction, alert_id, version, frozenset({"draft"}), values)
    record(transaction, Entry("service_alert.published", f"service_alert:{alert_id}", operator), now)


def end(transaction: Connection, alert_id: int, *, version: int, operator: str, now: datetime) -> None:
    """End a published service alert, or drop a draft. Raises NoSuchServiceAlert, ServiceAlertMoved."""
    values = {"state": "ended", "ended_at": now, "ended_by": operator}
    _change_state(transaction, alert_id, version, frozenset({"draft", "published"}), values)
    record(transaction, Entry("service_alert.ended", f"service_alert:{alert_id}", operator), now)


def _change_state(
    transaction: Connection, alert_id: int, version: int, states: frozenset[str], values: dict[str, Any]
) -> None:
    updated = transaction.execute(
        update(service_alerts)
        .where(service_alerts.c.id == alert_id, service_alerts.c.version == version)
        .where(service_alerts.c.state.in_(states))
        .values(version=service_alerts.c.version + 1, **values)
    )
    if updated.rowcount:
        return
    existing = transaction.execute(select(service_alerts.c.id).where(service_alerts.c.id == alert_id)).first()
    raise NoSuchServiceAlert if existing is None else ServiceAlertMoved
