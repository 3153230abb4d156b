"""Incidents as the pages show them: one line each, with the alert that drives it."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, Select, case, func, literal, select

from alerts.current_level.level import CurrentLevel
from alerts.incidents.grouping import SYSTEM
from alerts.incidents.summary import Summary, asks, danger_of, summarise
from alerts.system_faults import TITLE
from models.tables.alerts import alerts
from models.tables.city import basins, municipalities
from models.tables.incidents import incidents
from services.queries.alerts.alert_history import alert_query
from services.runtime.audience import Audience


@dataclass(frozen=True, slots=True)
class IncidentLine:
    """An incident with its alerts, the most dangerous now first. `incident.area_name`: of its basin or municipality."""

    incident: Row[Any]
    members: Sequence[Row[Any]]
    summary: Summary

    @property
    def driver(self) -> Row[Any] | None:
        """The alert that is the most dangerous now; None in an incident that a person reported."""
        return self.members[0] if self.members else None

    @property
    def waiting(self) -> list[Row[Any]]:
        """The open alerts that ask to be acknowledged."""
        return [one for one in self.members if one.state != "closed" and asks(one)]

    @property
    def last_acknowledged(self) -> list[Row[Any]]:
        """The open alerts that the last acknowledgement answered."""
        answered = [one for one in self.members if one.state != "closed" and one.acknowledged_at is not None]
        last = max((one.acknowledged_at for one in answered), default=None)
        return [one for one in answered if one.acknowledged_at == last]

    @property
    def proposed(self) -> list[Row[Any]]:
        """The open alerts for which a lower colour is proposed."""
        return [
            one for one in self.members if one.state != "closed" and one.nar > one.rule_nar and not one.flapping_since
        ]


def incident_lines(
    transaction: Connection, open_alerts: Sequence[Row[Any]], levels: Mapping[str, CurrentLevel]
) -> list[IncidentLine]:
    """The incidents of these open alerts, the most dangerous now first. `levels`: of streams, by station."""
    members: defaultdict[int, list[Row[Any]]] = defaultdict(list)
    for alert in open_alerts:
        members[alert.incident_id].append(alert)
    reported = (incidents.c.origin == "person") & (incidents.c.state != "closed")
    found = transaction.execute(_query().where(incidents.c.id.in_(list(members)) | reported)).all()
    lines = [_line(one, members[one.id], levels) for one in found]
    return sorted(lines, key=lambda line: _order(line, levels))


def _order(line: IncidentLine, levels: Mapping[str, CurrentLevel]) -> tuple[object, ...]:
    """Sort key: by the most dangerous alert, then what people reported, the newest first."""
    driver = line.driver
    return (1, -line.incident.id) if driver is None else (0, danger_of(driver, levels), driver.id)


def incident_line(
    transaction: Connection, incident: int, audience: Audience, levels: Mapping[str, CurrentLevel]
) -> IncidentLine | None:
    """The incident of that number with all its alerts, also the closed ones; None where there is none."""
    found = transaction.execute(_query().where(incidents.c.id == incident)).one_or_none()
    if found is None or (found.exercise is not None and audience is Audience.PUBLIC):
        return None
    members = transaction.execute(alert_query(audience).where(alerts.c.incident_id == incident).order_by(alerts.c.id))
    return _line(found, members.all(), levels)


def _line(incident: Row[Any], members: Sequence[Row[Any]], levels: Mapping[str, CurrentLevel]) -> IncidentLine:
    ordered = sorted(members, key=lambda one: (one.state == "closed", danger_of(one, levels), one.id))
    return IncidentLine(incident, ordered, summarise([one for one in members if one.state != "closed"], levels))


def _query() -> Select[Any]:
    """Incidents with the name of their area."""
    system = case((incidents.c.area == SYSTEM, TITLE))
    return select(
        *incidents.columns,
        func.coalesce(basins.c.name, municipalities.c.name, system, incidents.c.area).label("area_name"),
    ).select_from(
        incidents.outerjoin(basins, incidents.c.area == literal("basin:") + basins.c.id).outerjoin(
            municipalities, incidents.c.area == literal("municipality:") + municipalities.c.id
        )
    )
