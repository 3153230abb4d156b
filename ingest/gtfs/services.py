"""Read the service days of a GTFS feed: calendar.txt and calendar_dates.txt as values of `models.network`."""

from dataclasses import dataclass, field
from datetime import date
from typing import cast

from ingest.gtfs.fields import (
    is_usable_id,
    parse_date,
    parse_or_refuse,
    parse_weekday,
    without_decimals,
)
from ingest.gtfs.files import FeedFiles
from ingest.gtfs.findings import Findings
from models.network import Service, Week

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
NO_WEEKDAYS: Week = (False, False, False, False, False, False, False)
EPOCH = date(1970, 1, 1)
ADDED, REMOVED = "1", "2"


@dataclass
class _ServiceRows:
    """The rows of one service, collected while the files are read."""

    week: Week = NO_WEEKDAYS
    start: date | None = None
    end: date | None = None
    exceptions: dict[date, str] = field(default_factory=dict)

    def service(self, name: str) -> Service:
        """The rows as a value. Without start and end in calendar.txt, the service spans its exceptions."""
        added = frozenset(at for at, kind in self.exceptions.items() if kind == ADDED)
        removed = frozenset(at for at, kind in self.exceptions.items() if kind == REMOVED)
        start = self.start or min(self.exceptions, default=EPOCH)
        end = self.end or max(self.exceptions, default=EPOCH)
        return Service(name, self.week, start, end, added, removed)


def read_services(feed: FeedFiles, findings: Findings) -> dict[str, Service]:
    """The days of each service, from calendar.txt, calendar_dates.txt or both."""
    services: dict[str, _ServiceRows] = {}
    columns = ("service_id", *WEEKDAYS, "start_date", "end_date")
    for line, (name, *week, first, last) in feed.rows("calendar.txt", *columns, needed=columns):
        where = f"calendar.txt:{line}"
        if not is_usable_id(findings, where, "service_id", name, services):
            continue
        days = [
            parse_or_refuse(findings, where, column, text, parse_weekday, otherwise=False)
            for column, text in zip(WEEKDAYS, week, strict=True)
        ]
        start = parse_or_refuse(findings, where, "start_date", first, parse_date, EPOCH)
        end = parse_or_refuse(findings, where, "end_date", last, parse_date, EPOCH)
        if end < start:
            findings.refuse(where, f"end_date {last} lies before start_date {first}")
        services[name] = _ServiceRows(cast("Week", tuple(days)), start, end)
    _read_exceptions(feed, findings, services)
    return {name: days.service(name) for name, days in services.items()}


def _read_exceptions(feed: FeedFiles, findings: Findings, services: dict[str, _ServiceRows]) -> None:
    columns = ("service_id", "date", "exception_type")
    for line, (name, at, kind) in feed.rows("calendar_dates.txt", *columns, needed=columns):
        where = f"calendar_dates.txt:{line}"
        if without_decimals(kind) not in {ADDED, REMOVED}:
            findings.refuse(where, f'exception_type "{kind}": expected 1 (runs) or 2 (does not run)')
        if name not in services and not is_usable_id(findings, where, "service_id", name, services):
            continue
        services.setdefault(name, _ServiceRows()).exceptions[
            parse_or_refuse(findings, where, "date", at, parse_date, EPOCH)
        ] = without_decimals(kind)
