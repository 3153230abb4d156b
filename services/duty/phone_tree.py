"""The phone tree: whom to telephone for an incident, in order, and what they answered."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, insert, select

from alerts.record import Entry, record
from models.tables.duty import phone_tree, phone_tree_calls
from models.tables.incidents import incidents
from services.duty.rota_rows import read_zones
from services.runtime.problem import NotFound

MAX_ENTRIES = 200
MAX_CALLS = 1_000
ANSWERS = ("answered", "no_answer")


class NoSuchEntry(NotFound):
    """No hay nadie con ese número en la cadena telefónica. / There is nobody of that number in the phone tree."""


@dataclass(frozen=True, slots=True)
class TreeEntry:
    """Somebody to telephone, with the calls made for one incident, oldest first."""

    id: int
    name: str
    function: str
    number: str
    calls: Sequence[Row[Any]]

    @property
    def is_answered(self) -> bool:
        """Whether one of the calls was answered."""
        return any(call.answer == "answered" for call in self.calls)


def tree_of_incident(transaction: Connection, incident: int) -> list[TreeEntry] | None:
    """Whom to telephone for an incident, in order: the tree of the nearest municipality that has one.

    None where there is no such incident.
    """
    area = transaction.execute(select(incidents.c.area).where(incidents.c.id == incident)).scalar_one_or_none()
    if area is None:
        return None
    for zone in read_zones(transaction).of(area):
        noun, _, municipality = zone.partition(":")
        if noun != "municipality":
            continue
        query = select(phone_tree).where(phone_tree.c.municipality_id == municipality, phone_tree.c.ended_at.is_(None))
        rows = transaction.execute(query.order_by(phone_tree.c.place, phone_tree.c.id).limit(MAX_ENTRIES)).all()
        if rows:
            calls = _calls(transaction, incident)
            return [
                TreeEntry(row.id, row.name, row.function, row.number, [one for one in calls if one.entry_id == row.id])
                for row in rows
            ]
    return []


def tick(transaction: Connection, incident: int, entry: int, answer: str, *, by: str, note: str, now: datetime) -> None:
    """Note what a telephone call was answered. Raises NoSuchEntry where there is no such incident or entry."""
    known = transaction.execute(
        select(phone_tree.c.id).where(
            phone_tree.c.id == entry, select(incidents.c.id).where(incidents.c.id == incident).exists()
        )
    ).first()
    if known is None:
        raise NoSuchEntry
    transaction.execute(
        insert(phone_tree_calls).values(incident_id=incident, entry_id=entry, at=now, by=by, answer=answer, note=note)
    )
    details = {"entry": entry, "answer": answer, "note": note}
    record(transaction, Entry("phone.called", f"incident:{incident}", by, details), now)


def _calls(transaction: Connection, incident: int) -> list[Row[Any]]:
    query = select(phone_tree_calls).where(phone_tree_calls.c.incident_id == incident)
    return list(transaction.execute(query.order_by(phone_tree_calls.c.id).limit(MAX_CALLS)))
