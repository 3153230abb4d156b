"""Writes declared levels in the caller's transaction: acts of people, levels that expire, and what staff is told."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from alerts.declared.level import WARN_BEFORE, Act, declared_below, warn_at
from alerts.delivery.live_events import announce
from alerts.record import RULE, Entry, record
from models.alert import NAR
from models.rows import driver

DECLARATION = "declaration"
"""Live event of a declared level that begins, changes or ends. Anyone may read it, so it names nobody."""
DECLARATION_NOTICE = "declaration_notice"
"""Live event for staff: a proposal above what is declared, or a declared level that is about to end."""
MAX_AT_ONCE = 100
"""Levels that end, or are about to, looked at together."""
_LAST = "NOT EXISTS (SELECT 1 FROM declarations later WHERE later.replaces = d.id)"
IN_FORCE = f"d.nar IS NOT NULL AND d.until > %(now)s AND {_LAST}"
"""Condition on declarations `d`: the level is declared now."""
_APPEND = (
    "INSERT INTO declarations (area, act, nar, proposed, reason, at, actor, since, until, replaces)"
    " VALUES (%(area)s, %(act)s, %(nar)s, %(proposed)s, %(reason)s, %(at)s, %(actor)s, %(since)s, %(until)s,"
    " %(replaces)s) ON CONFLICT DO NOTHING RETURNING id"
)
_MUNICIPALITY_OF_BASIN = "SELECT 'municipality:' || municipality_id FROM basins WHERE 'basin:' || id = %(area)s"
_BARRIOS_OF_BASIN = "SELECT 'barrio:' || id FROM barrios WHERE 'basin:' || basin_id = %(area)s"


@dataclass(frozen=True, slots=True)
class DeclarationAct:
    """An act about an area's declared level. `nar`, `since`, `until`: None where it ends the level.

    `replaces`: the act before it in this area; None for the first.
    """

    area: str
    act: Act
    proposed: NAR
    by: str
    replaces: int | None
    nar: NAR | None = None
    reason: str = ""
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class LastAct:
    """The last act of an area, whether its level is still in force or not."""

    id: int
    act: Act
    nar: NAR | None
    since: datetime | None
    until: datetime | None

    def in_force(self, now: datetime) -> bool:
        """Whether it declares a level now."""
        return self.until is not None and self.until > now


def last_act(transaction: Connection, area: str) -> LastAct | None:
    """The last act of an area; None where nothing was ever declared for it."""
    with driver(transaction).cursor() as cursor:
        row = cursor.execute(
            f"SELECT d.id, d.act, d.nar, d.since, d.until FROM declarations d WHERE d.area = %s AND {_LAST}", [area]
        ).fetchone()
    if row is None:
        return None
    number, act, nar, since, until = row
    return LastAct(number, Act(act), None if nar is None else NAR(nar), since, until)


def append(transaction: Connection, act: DeclarationAct, now: datetime) -> int | None:
    """Add an act and announce it. Returns its number; None where another act replaced the same one first."""
    with driver(transaction).cursor() as cursor:
        row = cursor.execute(
            _APPEND,
            {
                "area": act.area,
                "act": act.act,
                "nar": act.nar,
                "proposed": act.proposed,
                "reason": act.reason,
                "at": now,
                "actor": act.by,
                "since": act.since,
                "until": act.until,
                "replaces": act.replaces,
            },
        ).fetchone()
    if row is None:
        return None
    data = {"id": row[0], "area": act.area, "change": act.act, "nar": act.nar, "until": act.until, "at": now}
    announce(transaction, DECLARATION, data, now)
    details = {"declaration": row[0], "nar": act.nar, "proposed": act.proposed, "until": act.until, "note": act.reason}
    record(transaction, Entry(f"level.{act.act}", act.area, act.by, details), now)
    return int(row[0])


def follow_time(transaction: Connection, now: datetime) -> None:
    """End the levels whose time ran out, and announce those that are about to end."""
    expire_due(transaction, now)
    warn_of_ends(transaction, now)


def expire_due(transaction: Connection, now: datetime) -> list[str]:
    """End the levels whose time ran out; returns their areas."""
    rows = _select(
        transaction,
        "SELECT d.id, d.area, coalesce((SELECT a.nar FROM attention a WHERE a.subject = d.area), 0)"
        f" FROM declarations d WHERE d.nar IS NOT NULL AND d.until <= %(now)s AND {_LAST}"
        f" ORDER BY d.id LIMIT {MAX_AT_ONCE}",
        now,
    )
    ended = []
    for number, area, proposed in rows:
        act = DeclarationAct(area, Act.EXPIRED, NAR(proposed), RULE, number)
        if append(transaction, act, now) is not None:
            ended.append(area)
    return ended


def warn_of_ends(transaction: Connection, now: datetime) -> list[int]:
    """Announce once to staff each declared level that is about to end; returns the declarations."""
    rows = _select(
        transaction,
        f"SELECT d.id, d.area, d.nar, d.at, d.until FROM declarations d WHERE {IN_FORCE} AND d.until <= %(soon)s"
        " AND NOT EXISTS (SELECT 1 FROM declaration_warnings w WHERE w.declaration_id = d.id)"
        f" ORDER BY d.until LIMIT {MAX_AT_ONCE}",
        now,
    )
    warned = []
    for number, area, nar, at, until in rows:
        if warn_at(at, until) <= now and _note_warning(transaction, number, now):
            data = {"what": "ending", "declaration_id": number, "area": area, "declared": nar, "until": until}
            announce(transaction, DECLARATION_NOTICE, data, now)
            warned.append(number)
    return warned


def announce_graver_proposal(transaction: Connection, area: str, before: NAR, after: NAR, now: datetime) -> None:
    """Tell staff that the level proposed for an area rose above what is declared there, or where nothing is."""
    if after <= before:
        return
    rows = _select(
        transaction,
        f"SELECT d.area, d.id, d.nar FROM declarations d WHERE {IN_FORCE} AND d.area IN"
        f" (SELECT %(area)s UNION ALL {_MUNICIPALITY_OF_BASIN} UNION ALL {_BARRIOS_OF_BASIN})",
        now,
        area=area,
    )
    declared = {one: NAR(nar) for one, _, nar in rows}
    numbers = {one: number for one, number, _ in rows}
    for one in declared_below(area, after, declared):
        data = {
            "what": "graver",
            "area": one,
            "proposed": after,
            "since": now,
            "declaration_id": numbers.get(one),
            "declared": declared.get(one),
        }
        announce(transaction, DECLARATION_NOTICE, data, now)


def _note_warning(transaction: Connection, declaration: int, now: datetime) -> bool:
    with driver(transaction).cursor() as cursor:
        cursor.execute(
            "INSERT INTO declaration_warnings (declaration_id, at) VALUES (%s, %s) ON CONFLICT DO NOTHING",
            [declaration, now],
        )
        return cursor.rowcount == 1


def _select(transaction: Connection, query: str, now: datetime, **values: object) -> list[Any]:
    with driver(transaction).cursor() as cursor:
        return cursor.execute(query, {"now": now, "soon": now + WARN_BEFORE, **values}).fetchall()
