"""Alerts with the names people know their places by, what moved them and what people did about them."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, Select, func, literal, select

from models.tables.alerts import alert_actions, alerts, transitions
from models.tables.city import municipalities, stations

MAX_ALERTS = 200
MAX_TRANSITIONS = 100
MAX_ACTIONS = 200


def open_alert_rows(transaction: Connection) -> list[Row[Any]]:
    """Alerts nobody closed yet: the unacknowledged first, the highest first, the oldest first."""
    return list(
        transaction.execute(
            _alert_query()
            .where(alerts.c.state != "closed")
            .order_by(alerts.c.acknowledged_at.is_not(None), alerts.c.nar.desc(), alerts.c.opened_at, alerts.c.id)
            .limit(MAX_ALERTS)
        )
    )


def station_alert_rows(transaction: Connection, subject: str) -> list[Row[Any]]:
    """A station's alerts, newest first."""
    return list(
        transaction.execute(
            _alert_query().where(alerts.c.subject == subject).order_by(alerts.c.id.desc()).limit(MAX_ALERTS)
        )
    )


def alert_row(transaction: Connection, alert_id: int) -> Row[Any] | None:
    """The alert of that number."""
    return transaction.execute(_alert_query().where(alerts.c.id == alert_id)).one_or_none()


def _alert_query() -> Select[Any]:
    """Alerts with the name of their station, or of the municipality a whole class of stations went silent in."""
    of_municipality = alerts.c.subject == literal("municipality:") + municipalities.c.id
    return select(
        alerts,
        stations.c.id.label("station_id"),
        stations.c.active.label("station_active"),
        func.coalesce(stations.c.name, municipalities.c.name, alerts.c.subject).label("subject_name"),
    ).select_from(
        alerts.outerjoin(stations, alerts.c.subject == stations.c.id).outerjoin(municipalities, of_municipality)
    )


def transition_rows(transaction: Connection, alert_ids: Sequence[int]) -> list[Row[Any]]:
    """What changed these alerts, newest first."""
    return list(
        transaction.execute(
            select(transitions)
            .where(transitions.c.alert_id.in_(alert_ids))
            .order_by(transitions.c.id.desc())
            .limit(MAX_TRANSITIONS)
        )
    )


def action_rows(transaction: Connection, alert_ids: Sequence[int]) -> list[Row[Any]]:
    """What people did about these alerts, oldest first."""
    return list(
        transaction.execute(
            select(alert_actions)
            .where(alert_actions.c.alert_id.in_(alert_ids))
            .order_by(alert_actions.c.id)
            .limit(MAX_ACTIONS)
        )
    )
