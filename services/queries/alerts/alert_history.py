"""Rows of alerts with the names of their places, of transitions and of actions, for the pages."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, case, func, literal, null, select

from alerts.incidents.grouping import OUTAGE, SYSTEM
from alerts.life.next_state import Because
from alerts.system_faults import TITLE
from models.alert import NAR
from models.kinds.river import RIVER
from models.reading import Flag
from models.tables.alerts import alert_actions, alerts, notices, transitions
from models.tables.city import devices, municipalities, stations
from models.tables.erasures import redactions
from models.tables.readings import READINGS
from services.runtime.audience import Audience, name_for

MAX_ALERTS = 200
MAX_TRANSITIONS = 100
MAX_ACTIONS = 200
MAX_NOTICES = 50
REAL = alerts.c.exercise.is_(None)
"""The alerts of real events, without those of drills and training."""


def open_alert_rows(transaction: Connection, audience: Audience) -> list[Row[Any]]:
    """Alerts of real events that are not closed: unacknowledged first, then the highest level, then the oldest."""
    return list(
        transaction.execute(
            alert_query(audience)
            .where(alerts.c.state != "closed", REAL)
            .order_by(alerts.c.acknowledged_at.is_not(None), alerts.c.nar.desc(), alerts.c.opened_at, alerts.c.id)
            .limit(MAX_ALERTS)
        )
    )


def silences_by_outage(rows: Sequence[Row[Any]]) -> dict[int, list[Row[Any]]]:
    """By the number of an outage's alert, the alerts of the silent stations that it covers, in the order given.

    A sensor lost above its red line stands for itself: the flood may have taken it.
    """
    outages = {(row.subject, row.kind): row.id for row in rows if (row.judgement, row.state) == (OUTAGE, "firing")}
    found: dict[int, list[Row[Any]]] = {}
    for row in rows:
        outage = outages.get((f"municipality:{row.municipality_id}", row.kind))
        if outage is not None and (row.judgement, row.state) == ("silence", "firing") and row.nar < NAR.ROJO:
            found.setdefault(outage, []).append(row)
    return found


def station_alert_rows(transaction: Connection, subject: str, audience: Audience) -> list[Row[Any]]:
    """Alerts of a station, newest first, without those of exercises."""
    query = alert_query(audience).where(alerts.c.subject == subject, REAL)
    return list(transaction.execute(query.order_by(alerts.c.id.desc()).limit(MAX_ALERTS)))


def alert_row(transaction: Connection, alert_id: int, audience: Audience) -> Row[Any] | None:
    """The alert of that number; None where there is none."""
    return transaction.execute(alert_query(audience).where(alerts.c.id == alert_id)).one_or_none()


def alert_query(audience: Audience) -> Select[Any]:
    """Alerts with the name of their station, of the municipality for an outage of a class of stations, or of Vigía.

    The public gets those of real events only.
    """
    system = case((alerts.c.subject == SYSTEM, TITLE))
    of_municipality = alerts.c.subject == literal("municipality:") + municipalities.c.id
    query = select(
        *alert_columns(audience),
        alerts.c.exercise,
        _lapsed_by(audience),
        stations.c.id.label("station_id"),
        stations.c.active.label("station_active"),
        stations.c.municipality_id.label("municipality_id"),
        func.coalesce(stations.c.name, municipalities.c.name, system, alerts.c.subject).label("subject_name"),
    ).select_from(
        alerts.outerjoin(stations, alerts.c.subject == stations.c.id).outerjoin(municipalities, of_municipality)
    )
    return query.where(REAL) if audience is Audience.PUBLIC else query


def _lapsed_by(audience: Audience) -> ColumnElement[Any]:
    """Whose acknowledgement expired or was withdrawn, where an alert asks again because of that."""
    acknowledged = select(name_for(audience, alert_actions.c.actor)).where(
        alert_actions.c.alert_id == alerts.c.id, alert_actions.c.action == "acknowledge"
    )
    last = acknowledged.order_by(alert_actions.c.id.desc()).limit(1).scalar_subquery()
    return case((alerts.c.waiting_because.in_([Because.EXPIRED, Because.WITHDRAWN]), last)).label("lapsed_by")


def transition_rows(transaction: Connection, alert_ids: Sequence[int]) -> list[Row[Any]]:
    """Transitions of these alerts, newest first."""
    return list(
        transaction.execute(
            select(transitions)
            .where(transitions.c.alert_id.in_(alert_ids))
            .order_by(transitions.c.id.desc())
            .limit(MAX_TRANSITIONS)
        )
    )


def action_rows(transaction: Connection, alert_ids: Sequence[int], audience: Audience) -> list[Row[Any]]:
    """Actions on these alerts, oldest first."""
    query = action_query(audience).where(alert_actions.c.alert_id.in_(alert_ids))
    return list(transaction.execute(query.order_by(alert_actions.c.id).limit(MAX_ACTIONS)))


def incident_action_rows(transaction: Connection, incident: int, audience: Audience) -> list[Row[Any]]:
    """Actions on an incident and on its alerts, oldest first; of very many, the newest."""
    of_alerts = alert_actions.c.alert_id.in_(select(alerts.c.id).where(alerts.c.incident_id == incident))
    query = action_query(audience).where(of_alerts | (alert_actions.c.incident_id == incident))
    return list(transaction.execute(query.order_by(alert_actions.c.id.desc()).limit(MAX_ACTIONS)))[::-1]


def isolated_peaks(transaction: Connection, alert_ids: Sequence[int]) -> frozenset[int]:
    """Those of these alerts on streams that rest on a value which the next reading showed to be an isolated peak."""
    levels = READINGS[RIVER.name]
    query = (
        select(alerts.c.id)
        .join(devices, devices.c.station_id == alerts.c.subject)
        .join(levels, (levels.c.device_id == devices.c.id) & (levels.c.observed_at == alerts.c.observed_at))
        .where(alerts.c.id.in_(alert_ids), levels.c.flags.op("&")(int(Flag.SPIKE)) != 0)
    )
    return frozenset(transaction.execute(query).scalars())


def notice_rows(transaction: Connection, alert_id: int) -> list[Row[Any]]:
    """The notices of an alert with the change that each tells of, oldest first. Without their recipients."""
    told = (notices.c.channel, notices.c.not_before, notices.c.sent_at, notices.c.refused)
    query: Select[Any] = select(*told, transitions.c.change, transitions.c.before, transitions.c.after)
    query = query.select_from(notices.join(transitions, notices.c.transition_id == transitions.c.id))
    query = query.where(notices.c.alert_id == alert_id).order_by(notices.c.id.desc()).limit(MAX_NOTICES)
    return list(transaction.execute(query))[::-1]


def alert_columns(audience: Audience) -> list[ColumnElement[Any]]:
    """The columns of an alert but its exercise. The public gets roles in place of names."""
    names = {"acknowledged_by", "shelved_by", "closed_by"}
    columns = [column for column in alerts.columns if column.name != "exercise"]
    return [name_for(audience, column) if column.name in names else column for column in columns]


def action_query(audience: Audience) -> Select[Any]:
    """Actions with what was redacted of them. The public gets roles in place of names, and no free text."""
    readable = alert_actions.c.note if audience is Audience.OPERATORS else literal("")
    return select(
        alert_actions.c.id,
        alert_actions.c.at,
        name_for(audience, alert_actions.c.actor),
        alert_actions.c.action,
        alert_actions.c.nar,
        alert_actions.c.alert_id,
        alert_actions.c.incident_id,
        case((redactions.c.id.is_not(None), ""), else_=readable).label("note"),
        redactions.c.requested_at.label("redacted_at"),
        name_for(audience, redactions.c.requested_by).label("redacted_by"),
        (redactions.c.reason if audience is Audience.OPERATORS else null()).label("redaction_reason"),
    ).select_from(alert_actions.outerjoin(redactions, redactions.c.action_id == alert_actions.c.id))
