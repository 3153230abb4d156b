"""Entries of the record as people read them: filtered, in pages, the newest first. Reading them is recorded too."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any

from pydantic import Field
from sqlalchemy import ColumnElement, Connection, select

from alerts.record import Entry, record
from models.tables.record import log_chain, log_entries

NOTES = frozenset({"note", "reason"})
"""Details in free text, which may name anybody: operators read them where they belong, auditors do not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """One entry. `number`: its link in the chain; null for about a second. Erased content is null."""

    id: Annotated[int, Field(examples=[48113])]
    number: Annotated[int | None, Field(description="Its link in the chain", examples=[48113])]
    at: datetime
    what: Annotated[str, Field(examples=["alert.acknowledged"])]
    about: Annotated[str | None, Field(description="NOUN:ID; null once erased", examples=["alert:12"])]
    by: Annotated[str | None, Field(description="A person, an API key, rule or vigia; null once erased")]
    details: Annotated[
        dict[str, Any] | None, Field(description="Without free text; null once erased", examples=[{"nar": 2}])
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordFilter:
    """Which entries. `what`: the beginning of it, such as `alert.`. `since` up to but not at `until`."""

    what: str = ""
    about: str = ""
    by: str = ""
    since: datetime | None = None
    until: datetime | None = None

    def conditions(self) -> list[ColumnElement[bool]]:
        """In SQL."""
        found: list[ColumnElement[bool]] = []
        if self.what:
            found.append(log_entries.c.what.startswith(self.what, autoescape=True))
        if self.about:
            found.append(log_entries.c.about == self.about)
        if self.by:
            found.append(log_entries.c.actor == self.by)
        if self.since is not None:
            found.append(log_entries.c.at >= self.since)
        if self.until is not None:
            found.append(log_entries.c.at < self.until)
        return found

    def set_fields(self) -> dict[str, object]:
        """What is asked for, for the record."""
        fields = {name: getattr(self, name) for name in ("what", "about", "by", "since", "until")}
        return {name: value for name, value in fields.items() if value}


@dataclass(frozen=True, slots=True)
class Reader:
    """Who reads the record, and when."""

    name: str
    now: datetime
    through: str = field(default="page")


def read_entries(
    transaction: Connection, wanted: RecordFilter, reader: Reader, *, after: int | None, limit: int
) -> list[Recorded]:
    """Entries, the newest first, and an entry about this reading. `after`: those older than this number."""
    query = (
        select(log_entries, log_chain.c.number)
        .join(log_chain, log_chain.c.entry_id == log_entries.c.id, isouter=True)
        .where(*wanted.conditions())
    )
    if after is not None:
        query = query.where(log_entries.c.id < after)
    rows = transaction.execute(query.order_by(log_entries.c.id.desc()).limit(limit)).all()
    details = {"through": reader.through, "asked": wanted.set_fields()}
    record(transaction, Entry("personal_data.read", "record", reader.name, details), reader.now)
    return [
        Recorded(
            id=row.id,
            number=row.number,
            at=row.at,
            what=row.what,
            about=row.about,
            by=row.actor,
            details=without_notes(row.details),
        )
        for row in rows
    ]


def without_notes(details: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The details without free text; None where they were erased."""
    return None if details is None else {name: value for name, value in details.items() if name not in NOTES}
