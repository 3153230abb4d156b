"""What the skill report is computed from: high levels, changes of colour, first notices and acknowledgements.

Drills and training do not count. Thresholds are those of the rules in force now.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta, tzinfo

from sqlalchemy import Connection, text

from models.alert import NAR
from models.reading import NOT_SHOWN
from services.report.skill_report import EVENT_MERGE, MonthSkill, Response, StationHistory, bounds, skill_by_month

MARGIN = timedelta(hours=24)
"""Before and after the months: an event and its alert may stand on both sides of midnight."""
_THRESHOLDS = (
    "SELECT subject, judgement -> 'thresholds_m' FROM rules WHERE active AND judgement ->> 'judgement' = 'stage'"
)
_LEVELS = """
SELECT r.observed_at, r.level_m FROM devices d JOIN river_readings r ON r.device_id = d.id
WHERE d.station_id = :station AND r.observed_at >= :start AND r.observed_at < :end
AND r.level_m >= :threshold_m AND r.flags & :not_shown = 0 ORDER BY r.observed_at
"""
_REAL = "LEFT JOIN incidents i ON i.id = a.incident_id WHERE i.exercise IS NULL"
_CHANGES = f"""
SELECT t.subject, t.decided_at, t.after FROM transitions t JOIN alerts a ON a.id = t.alert_id {_REAL}
AND a.judgement = 'stage' AND t.decided_at >= :start AND t.decided_at < :end ORDER BY t.decided_at, t.id
"""
_RESPONSES = f"""
SELECT t.after, t.decided_at,
  (SELECT min(n.sent_at) FROM notices n WHERE n.transition_id = t.id) AS notified_at,
  (SELECT min(x.at) FROM alert_actions x
   WHERE x.alert_id = t.alert_id AND x.action = 'acknowledge' AND x.at >= t.decided_at) AS acknowledged_at
FROM transitions t JOIN alerts a ON a.id = t.alert_id {_REAL}
AND a.judgement IN ('stage', 'rainfall') AND t.change IN ('raised', 'escalated')
AND t.decided_at >= :start AND t.decided_at < :end ORDER BY t.decided_at, t.id
"""


def read_skill(connection: Connection, months: Sequence[str], zone: tzinfo) -> list[MonthSkill]:
    """The figures of these months (`2026-04`), from the tables."""
    start, end = bounds(months, zone)
    around = {"start": start - MARGIN - EVENT_MERGE, "end": end + MARGIN}
    changes: dict[str, list[tuple[datetime, NAR]]] = defaultdict(list)
    for subject, at, after in connection.execute(text(_CHANGES), around):
        changes[subject].append((at, NAR(after)))
    stations = []
    for station, thresholds in connection.execute(text(_THRESHOLDS)).all():
        asked = {**around, "station": station, "threshold_m": min(thresholds), "not_shown": int(NOT_SHOWN)}
        levels = [(at, level_m) for at, level_m in connection.execute(text(_LEVELS), asked)]
        stations.append(StationHistory(thresholds, levels, changes[station]))
    responses = [
        Response(NAR(row.after), row.decided_at, _after_s(row.notified_at, row), _after_s(row.acknowledged_at, row))
        for row in connection.execute(text(_RESPONSES), {"start": start, "end": end})
    ]
    return skill_by_month(stations, responses, months, zone)


def _after_s(at: datetime | None, row: object) -> float | None:
    decided_at: datetime = row.decided_at  # type: ignore[attr-defined]
    return None if at is None else (at - decided_at).total_seconds()
