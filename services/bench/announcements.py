"""Figures of what operators were told in a storm, read from the tables: rates, hidden rises, lone alerts."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, text

from alerts.incidents.announcing import OWN_CAUSES, REPEAT_AFTER

WINDOW = timedelta(minutes=10)
MAX_IN_WINDOW = 10
MAX_MEAN = 2.0
"""Announcements in ten minutes that one operator can handle: at most, and on average (EEMUA 191)."""
EARLY = timedelta(minutes=45)

_TRANSITIONS = (
    "SELECT t.rule_id, a.judgement, t.before, t.after, t.cause, t.confirmed, t.decided_at AS at, t.announced"
    " FROM transitions t JOIN alerts a ON a.id = t.alert_id ORDER BY t.id"
)
_SPANS = "SELECT opened_at, closed_at FROM incidents WHERE origin = 'rule' ORDER BY opened_at"
_OUTSIDE = "SELECT count(*) FROM alerts WHERE incident_id IS NULL"
_MIXED = (
    "SELECT count(*) FROM (SELECT FROM alerts a JOIN stations s ON s.id = a.subject JOIN incidents i ON i.id ="
    " a.incident_id WHERE i.hazard = 'flood' GROUP BY a.incident_id HAVING count(DISTINCT s.basin_id) > 1) AS mixed"
)
_BASINS = (
    "SELECT count(DISTINCT s.basin_id), count(DISTINCT i.area) FROM alerts a JOIN stations s ON s.id = a.subject"
    " JOIN incidents i ON i.id = a.incident_id WHERE a.judgement IN ('stage', 'rainfall') AND s.basin_id IS NOT NULL"
)
_EARLY = "SELECT count(*), count(DISTINCT incident_id) FROM alerts WHERE opened_at <= :at"


def announcement_figures(connection: Connection, now: datetime) -> dict[str, int | float]:
    """The figures of all that the tables hold. Durations in seconds, rates in ten minutes."""
    moves = connection.execute(text(_TRANSITIONS)).all()
    told = [move.at for move in moves if move.announced]
    basins, flood_areas = connection.execute(text(_BASINS)).one()
    first = min((move.at for move in moves), default=now)
    early = connection.execute(text(_EARLY), {"at": first + EARLY}).one()
    spans = [(start, end or now) for start, end in connection.execute(text(_SPANS))]
    rises = own_rises(moves)
    return {
        "transitions": len(moves),
        "transitions_worst_10_min": most_in(WINDOW, [move.at for move in moves]),
        "alerts_in_45_min": early[0],
        "incidents_in_45_min": early[1],
        "announced": len(told),
        "announced_worst_10_min": most_in(WINDOW, told),
        "announced_mean_10_min": round(len(told) / max(covered(spans) / WINDOW, 1.0), 2),
        "own_rises": len(rises),
        "own_rises_hidden": sum(one is None for one in rises),
        "own_rise_longest_hidden_s": max((one.total_seconds() for one in rises if one is not None), default=0.0),
        "alerts_outside_incidents": connection.execute(text(_OUTSIDE)).scalar_one(),
        "incidents_of_several_basins": connection.execute(text(_MIXED)).scalar_one(),
        "basins_with_a_flood": basins,
        "basins_with_an_incident": flood_areas,
    }


def missed(figures: Mapping[str, int | float]) -> list[str]:
    """What does not hold of what must hold, in words; empty where all does."""
    must_hold = {
        f"at most {MAX_IN_WINDOW} announcements in ten minutes": figures["announced_worst_10_min"] <= MAX_IN_WINDOW,
        f"at most {MAX_MEAN:.0f} on average": figures["announced_mean_10_min"] <= MAX_MEAN,
        "no own rise hidden once it is confirmed": not (
            figures["own_rises_hidden"] or figures["own_rise_longest_hidden_s"]
        ),
        "each alert in one incident": not figures["alerts_outside_incidents"],
        "no incident of several basins": not figures["incidents_of_several_basins"],
        "an incident in each basin with a flood": figures["basins_with_a_flood"] == figures["basins_with_an_incident"],
    }
    return [what for what, holds in must_hold.items() if not holds]


def most_in(window: timedelta, times: Sequence[datetime]) -> int:
    """The most of these times, in order, that lie within one window."""
    most, first = 0, 0
    for last, at in enumerate(times):
        while at - times[first] >= window:
            first += 1
        most = max(most, last - first + 1)
    return most


def covered(spans: Sequence[tuple[datetime, datetime]]) -> timedelta:
    """How long at least one of these spans lasted, in order of their starts."""
    total, until = timedelta(0), None
    for start, end in spans:
        if until is None or start > until:
            total, until = total + (end - start), end
        elif end > until:
            total, until = total + (end - until), end
    return total


def own_rises(moves: Sequence[Row[Any]]) -> list[timedelta | None]:
    """How long each confirmed rise by a stream's own readings was hidden; None where it was never announced.

    Judged without the rules of announcing: a rise is known once its stream was announced at that colour or graver, at
    its confirmation or within REPEAT_AFTER before it.
    """
    raised_by: dict[str, str] = {}
    hidden: list[timedelta | None] = []
    for number, move in enumerate(moves):
        if move.after > move.before:
            raised_by[move.rule_id] = move.cause
        by_itself = move.cause in OWN_CAUSES or raised_by.get(move.rule_id) in OWN_CAUSES
        if move.judgement == "stage" and move.confirmed and by_itself and move.after >= max(move.before, 1):
            hidden.append(_told_after(moves, number))
    return hidden


def _told_after(moves: Sequence[Row[Any]], number: int) -> timedelta | None:
    rise = moves[number]
    same = [one for one in moves if one.rule_id == rise.rule_id and one.after >= rise.after and one.announced]
    if any(rise.at - REPEAT_AFTER <= one.at <= rise.at for one in same):
        return timedelta(0)
    return next((one.at - rise.at for one in same if one.at > rise.at), None)
