"""Actions of an operator on an incident: acknowledge its alerts as they were seen. In the caller's transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from alerts import incident_log
from models.tables.alerts import alerts
from services.actions.alerts import acknowledge
from services.actions.refusals import IncidentChanged, NoSuchIncident

MAX_SEEN = 500
"""Alerts of an incident that are acknowledged together."""


@dataclass(frozen=True, slots=True)
class Seen:
    """An alert as an operator saw it in its incident: its number and its colour then."""

    alert_id: int
    nar: int


def acknowledge_incident(
    transaction: Connection, incident: int, seen: Sequence[Seen], *, operator: str, note: str, now: datetime
) -> list[int]:
    """Acknowledge the open alerts of an incident as they were seen; returns the numbers of those acknowledged now.

    One that was not seen, or is graver than it was, still asks to be acknowledged. Raises NoSuchIncident, and
    IncidentChanged where nothing could be acknowledged.
    """
    if not incident_log.lock(transaction, incident):
        raise NoSuchIncident
    colours = {one.alert_id: one.nar for one in seen}
    waiting = transaction.execute(
        select(alerts.c.id, alerts.c.nar, alerts.c.version)
        .where(alerts.c.incident_id == incident, alerts.c.state != "closed", alerts.c.acknowledged_at.is_(None))
        .order_by(alerts.c.id)
        .with_for_update()
    ).all()
    as_seen = [one for one in waiting if one.nar <= colours.get(one.id, -1)]
    for one in as_seen:
        acknowledge(transaction, one.id, operator=operator, note=note, version=one.version, now=now)
    if not as_seen:
        raise IncidentChanged
    return [one.id for one in as_seen]
