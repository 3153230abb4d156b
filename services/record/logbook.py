"""Shift logbook (libro de guardia): what people wrote down, between what the record holds of the same shift.

Both are entries of the record, so that neither is changed or removed: a correction is a new entry that names the old.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any

from pydantic import Field
from sqlalchemy import Connection, Row, or_, select

from alerts.record import Entry, record
from models.tables.record import log_entries
from services.runtime.problem import HttpProblem, NotFound

WRITTEN = "logbook.written"
MAX_CHARS = 2_000
MAX_ENTRIES = 500
"""Of one shift: all that people wrote, then the first of what happened."""
LONGEST = timedelta(hours=48)
USUAL = timedelta(hours=12)
"""A shift where nobody took one lately."""
SHOWN = (
    "alert.",
    "incident.",
    "shift.",
    "level.",
    "drill.",
    "escalation.began",
    "notice.refused",
    "note.",
    "city.loaded",
)
"""What else of the record stands in the logbook: what one watch tells the next."""


class NoSuchEntry(NotFound):
    """No hay un asiento tuyo o ajeno con ese número en el libro. / The logbook has no entry of that number."""


class EmptyEntry(HttpProblem):
    """Escribí algo, hasta 2.000 caracteres. / Write something, up to 2,000 characters."""

    status = 409


class WrongPeriod(HttpProblem):
    """El turno termina después de empezar, y dura hasta 48 horas. / A shift ends after it begins, within 48 hours."""

    status = 409


@dataclass(frozen=True, slots=True, kw_only=True)
class LogbookLine:
    """One line. `written`: by a person; else by what happened. `corrects`: the line that it corrects."""

    id: Annotated[int, Field(examples=[48113])]
    at: datetime
    what: Annotated[str, Field(examples=["logbook.written"])]
    about: Annotated[str | None, Field(examples=["alert:12"])]
    by: Annotated[str | None, Field(description="Null once erased")]
    text: Annotated[str | None, Field(description="What the person wrote; null where nothing was, or once erased")]
    corrects: Annotated[int | None, Field(examples=[48110])]
    details: Annotated[dict[str, Any], Field(examples=[{"after": 2}])]

    @property
    def written(self) -> bool:
        """Whether a person wrote it into the book."""
        return self.what == WRITTEN


def write(transaction: Connection, words: str, *, by: str, now: datetime, corrects: int | None = None) -> None:
    """Write into the logbook. Raises EmptyEntry, and NoSuchEntry where `corrects` names no entry of it."""
    words = words.strip()
    if not words or len(words) > MAX_CHARS or "\0" in words:
        raise EmptyEntry
    details: dict[str, object] = {"note": words}
    if corrects is not None:
        named = select(log_entries.c.id).where(log_entries.c.id == corrects, log_entries.c.what == WRITTEN)
        if transaction.execute(named).first() is None:
            raise NoSuchEntry
        details["corrects"] = corrects
    record(transaction, Entry(WRITTEN, "logbook", by, details), now)


def read_shift(transaction: Connection, start: datetime, end: datetime) -> list[LogbookLine]:
    """The lines of a shift, the oldest first, MAX_ENTRIES at most. Raises WrongPeriod."""
    if not timedelta(0) < end - start <= LONGEST:
        raise WrongPeriod
    shown = or_(*(log_entries.c.what.startswith(prefix, autoescape=True) for prefix in (WRITTEN, *SHOWN)))
    query = select(log_entries).where(log_entries.c.at >= start, log_entries.c.at < end, shown)
    people_first = query.order_by(log_entries.c.what != WRITTEN, log_entries.c.at, log_entries.c.id).limit(MAX_ENTRIES)
    rows = transaction.execute(people_first).all()
    return [_line(row) for row in sorted(rows, key=lambda row: (row.at, row.id))]


def _line(row: Row[Any]) -> LogbookLine:
    held: Mapping[str, Any] = row.details or {}
    details = {name: value for name, value in held.items() if name not in {"note", "corrects"}}
    return LogbookLine(
        id=row.id,
        at=row.at,
        what=row.what,
        about=row.about,
        by=row.actor,
        text=held.get("note"),
        corrects=held.get("corrects"),
        details=details,
    )


def current_shift(transaction: Connection, now: datetime) -> tuple[datetime, datetime]:
    """The shift that runs now: since somebody last took it, or the last 12 hours, and until a minute from now."""
    taken = select(log_entries.c.at).where(
        log_entries.c.what == "shift.taken", log_entries.c.at > now - LONGEST / 2, log_entries.c.at <= now
    )
    start = transaction.execute(taken.order_by(log_entries.c.at.desc()).limit(1)).scalar_one_or_none()
    return start or now - USUAL, now + timedelta(minutes=1)
