"""API routes of the record, for auditors, and of the shift logbook, for operators."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from services.record import logbook as book
from services.record.entries import Reader, Recorded, RecordFilter, read_entries
from services.record.logbook import LogbookLine
from services.web.access import Auditor, Operator
from services.web.api.paging import Page, Paged
from services.web.api.parameters import Since
from services.web.context import DatabaseSnapshot, Now, Transaction
from services.web.routes import BoundedRoute

router = APIRouter(tags=["record"], route_class=BoundedRoute)

Words = Annotated[str, Query(max_length=100, pattern=r"^[^\x00]*$")]
Instant = Annotated[AwareDatetime | None, Query(description="With its zone", examples=["2026-04-02T12:00:00Z"])]


@dataclass(frozen=True, slots=True)
class LogQuery:
    """Which entries of the record."""

    what: Annotated[Words, Query(description="The beginning, such as `alert.`", examples=["alert."])] = ""
    about: Annotated[Words, Query(description="NOUN:ID")] = ""
    by: Annotated[Words, Query(description="Exactly this name")] = ""
    since: Since = None
    until: Instant = None


class LogbookText(BaseModel):
    """What a person writes into the logbook."""

    model_config = ConfigDict(extra="forbid")

    text: str = Field(min_length=1, max_length=book.MAX_CHARS, pattern=r"^[^\x00]+$", examples=["Bomba 2 en marcha"])
    corrects: int | None = Field(
        default=None, ge=1, le=2**63 - 1, description="The entry that this one corrects", examples=[48110]
    )


class Written(BaseModel):
    """What was written, as it stands in the logbook."""

    at: datetime
    by: str


class Shift(BaseModel):
    """The lines of a shift."""

    start: datetime
    end: datetime
    lines: list[LogbookLine] = Field(max_length=book.MAX_ENTRIES)


@router.get("/log", operation_id="log")
def log(
    auditor: Auditor,
    transaction: Transaction,
    now: Now,
    paged: Paged,
    asked: Annotated[LogQuery, Depends()],
) -> Page[Recorded]:
    """Entries of the record, the newest first, without free text. Who reads it is recorded."""
    wanted = RecordFilter(what=asked.what, about=asked.about, by=asked.by, since=asked.since, until=asked.until)
    reader = Reader(auditor, now, "api")
    rows = read_entries(transaction, wanted, reader, after=paged.cursor_number, limit=paged.fetch_limit)
    return paged.page(rows, lambda one: one.id)


@router.get("/logbook", operation_id="logbook")
def logbook(
    _operator: Operator, snapshot: DatabaseSnapshot, now: Now, since: Since = None, until: Instant = None
) -> Shift:
    """The shift logbook from `since` up to `until`, within 48 hours; by default the shift that runs now."""
    start, end = book.current_shift(snapshot, now)
    start = since or (start if until is None else until - book.USUAL)
    end = until or (end if since is None else min(since + book.LONGEST, now + timedelta(minutes=1)))
    return Shift(start=start, end=end, lines=book.read_shift(snapshot, start, end))


@router.post("/logbook", operation_id="write_logbook")
def write(operator: Operator, transaction: Transaction, now: Now, words: LogbookText) -> Written:
    """Write into the logbook. It is never changed: to correct an entry, write a new one that names it."""
    book.write(transaction, words.text, by=operator, now=now, corrects=words.corrects)
    return Written(at=now, by=operator)
