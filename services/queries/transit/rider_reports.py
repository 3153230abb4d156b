"""Riders' reports of what went wrong with a stop or a trip, from any interface."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum

from sqlalchemy import Connection, func, insert, select

from models.tables.rider_reports import LONGEST_COMMENT, rider_reports
from services.runtime.problem import HttpProblem

MINUTE = timedelta(minutes=1)
MOST_PER_MINUTE = 60
"""Of the whole city: more do not come from riders."""


class ReportCode(StrEnum):
    """What went wrong, by the codes of OneBusAway."""

    VEHICLE_NEVER_CAME = "vehicle_never_came"
    VEHICLE_CAME_EARLY = "vehicle_came_early"
    VEHICLE_CAME_LATE = "vehicle_came_late"
    WRONG_HEADSIGN = "wrong_headsign"
    VEHICLE_DOES_NOT_STOP_HERE = "vehicle_does_not_stop_here"
    STOP_NAME_WRONG = "stop_name_wrong"
    STOP_NUMBER_WRONG = "stop_number_wrong"
    STOP_LOCATION_WRONG = "stop_location_wrong"
    ROUTE_OR_TRIP_MISSING = "route_or_trip_missing"
    OTHER = "other"


class TooManyReports(HttpProblem):
    """Llegaron demasiados avisos: probá en un minuto. / Too many reports: try again in a minute."""

    status = 429
    retry_after_s = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class RiderReport:
    """One report; ids as in the timetable in force. Stored to the minute, with a comment of at most LONGEST_COMMENT."""

    at: datetime
    source: str
    code: ReportCode
    stop_id: str | None = None
    route_id: str | None = None
    trip_id: str | None = None
    service_date: date | None = None
    vehicle: str | None = None
    on_board: bool | None = None
    comment: str = ""


def store_report(transaction: Connection, report: RiderReport) -> None:
    """Store a report. Raises TooManyReports."""
    minute = report.at.replace(second=0, microsecond=0)
    recent = select(func.count()).select_from(rider_reports).where(rider_reports.c.at > minute - MINUTE)
    if transaction.execute(recent).scalar_one() >= MOST_PER_MINUTE:
        raise TooManyReports
    row = asdict(report) | {"at": minute, "comment": report.comment.replace("\0", "")[:LONGEST_COMMENT]}
    transaction.execute(insert(rider_reports).values(row))


def count_never_came(connection: Connection, start: datetime, end: datetime) -> Mapping[str, int]:
    """How many riders reported that a bus never came, by line, from `start` up to but not at `end`."""
    rows = connection.execute(
        select(rider_reports.c.route_id, func.count())
        .where(rider_reports.c.code == ReportCode.VEHICLE_NEVER_CAME)
        .where(rider_reports.c.at >= start, rider_reports.c.at < end, rider_reports.c.route_id.is_not(None))
        .group_by(rider_reports.c.route_id)
    )
    return {row[0]: row[1] for row in rows}
