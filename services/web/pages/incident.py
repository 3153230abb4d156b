"""Contents of an incident's page: its line, its alerts with their levels, and what people did about them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row

from alerts.current_level.level import CurrentLevel
from services.notices.escalation.progress import Progress, progress_of
from services.queries.alerts.alert_history import incident_action_rows
from services.queries.watch.incident_lines import IncidentLine, incident_line
from services.queries.watch.levels import current_levels
from services.runtime.audience import Audience


@dataclass(frozen=True, slots=True)
class IncidentPage:
    """An incident with the current levels of streams, by station, and the actions on its alerts, oldest first.

    `escalation`: who was called for it, for those who may read names; None where nobody was.
    """

    line: IncidentLine
    levels: Mapping[str, CurrentLevel]
    actions: list[Row[Any]]
    escalation: Progress | None


def incident_page(transaction: Connection, incident: int, now: datetime, audience: Audience) -> IncidentPage | None:
    """Read an incident's page; None where there is no such incident."""
    levels = current_levels(transaction, now)
    line = incident_line(transaction, incident, audience, levels)
    if line is None:
        return None
    if line.incident.exercise is not None:
        levels = {}  # the real level is no part of an exercise
    escalation = progress_of(transaction, incident, now) if audience is Audience.OPERATORS else None
    return IncidentPage(line, levels, incident_action_rows(transaction, incident, audience), escalation)
