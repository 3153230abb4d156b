"""Hand the watch over: a summary of what is open, which whoever takes the watch acknowledges."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, insert, select, text, update

from alerts.record import Entry, record
from models.json_text import json_text
from models.tables.duty import handovers
from services.duty.changes import require_zone
from services.runtime.problem import HttpProblem, NotFound

MAX_LISTED = 100
"""Incidents and stations that a summary lists of each sort; the counts are of all."""
MAX_HANDOVERS = 20
_INCIDENTS = (
    "SELECT i.id, i.hazard, i.area, coalesce(b.name, m.name, i.area) AS area_name,"
    " coalesce(max(a.nar) FILTER (WHERE a.state = 'firing'), 0) AS nar,"
    " count(a.id) FILTER (WHERE a.acknowledged_at IS NULL) AS unanswered, min(i.opened_at) AS opened_at"
    " FROM incidents i LEFT JOIN alerts a ON a.incident_id = i.id AND a.state <> 'closed'"
    " LEFT JOIN basins b ON i.area = 'basin:' || b.id LEFT JOIN municipalities m ON i.area = 'municipality:' || m.id"
    " WHERE i.state <> 'closed' GROUP BY i.id, b.name, m.name ORDER BY nar DESC, unanswered DESC, i.id"
)
_SILENT = (
    "SELECT s.id, s.name, a.opened_at AS since FROM alerts a JOIN stations s ON s.id = a.subject"
    " WHERE a.state = 'firing' AND a.judgement = 'silence' ORDER BY a.opened_at, s.id"
)


class NoSuchHandover(NotFound):
    """No hay una entrega de guardia con ese número. / There is no hand-over of that number."""


class HandoverAlreadyTaken(HttpProblem):
    """Otra persona ya recibió esa guardia. / Somebody acknowledged this hand-over earlier."""

    status = 409


class OwnHandover(HttpProblem):
    """Quien entrega la guardia no la recibe: debe hacerlo quien entra. / Whoever hands over does not acknowledge it:
    whoever comes on does.
    """

    status = 409


@dataclass(frozen=True, slots=True)
class OpenIncident:
    """An incident that is open when the watch is handed over."""

    id: int
    hazard: str
    area: str
    area_name: str
    nar: int
    unanswered: int
    opened_at: datetime


@dataclass(frozen=True, slots=True)
class SilentStation:
    """A station that sends nothing."""

    id: str
    name: str
    since: datetime


@dataclass(frozen=True, slots=True)
class Summary:
    """What the one who comes on must know. The lists are cut at MAX_LISTED, the counts are not."""

    incidents: Sequence[OpenIncident]
    incident_count: int
    unanswered: int
    silent: Sequence[SilentStation]
    silent_count: int


def summarise_watch(transaction: Connection) -> Summary:
    """What is open now: incidents with their unacknowledged alerts, the worst first, and silent stations."""
    found = [OpenIncident(**row) for row in transaction.execute(text(_INCIDENTS)).mappings()]
    silent = [SilentStation(**row) for row in transaction.execute(text(_SILENT)).mappings()]
    return Summary(
        incidents=found[:MAX_LISTED],
        incident_count=len(found),
        unanswered=sum(one.unanswered for one in found),
        silent=silent[:MAX_LISTED],
        silent_count=len(silent),
    )


def hand_over(transaction: Connection, zone: str, *, by: str, note: str, now: datetime) -> int:
    """Hand the watch of a zone over, with the summary of this moment. Returns its number. Raises NoSuchZone."""
    require_zone(transaction, zone)
    summary = json.loads(json_text(asdict(summarise_watch(transaction))))
    number = int(
        transaction.execute(
            insert(handovers)
            .values(zone=zone, given_at=now, given_by=by, note=note, summary=summary)
            .returning(handovers.c.id)
        ).scalar_one()
    )
    record(transaction, Entry("shift.handed_over", f"handover:{number}", by, {"zone": zone, "note": note}), now)
    return number


def acknowledge_handover(transaction: Connection, number: int, *, by: str, now: datetime) -> None:
    """Acknowledge that the summary was read. Raises NoSuchHandover, OwnHandover, HandoverAlreadyTaken."""
    found = transaction.execute(select(handovers).where(handovers.c.id == number)).one_or_none()
    if found is None:
        raise NoSuchHandover
    if found.given_by == by:
        raise OwnHandover
    taken = transaction.execute(
        update(handovers)
        .where(handovers.c.id == number, handovers.c.acknowledged_at.is_(None))
        .values(acknowledged_at=now, acknowledged_by=by)
    )
    if not taken.rowcount:
        raise HandoverAlreadyTaken
    record(transaction, Entry("shift.taken", f"handover:{number}", by, {"zone": found.zone}), now)


def latest_handovers(transaction: Connection, limit: int = MAX_HANDOVERS) -> list[Row[Any]]:
    """The newest hand-overs first."""
    return list(transaction.execute(select(handovers).order_by(handovers.c.id.desc()).limit(limit)))
