"""Keeps what riders report went wrong: what, where and which journey, to the minute, and nothing of who reports."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar, Literal

from sqlalchemy import Connection, func, insert, select

from models.rider_report_tables import rider_reports
from services.refusal import Refusal

NEVER_CAME = "vehicle_never_came"
MOST_A_DAY = 20_000
"""Beyond it somebody is playing: what is told no longer is a rider's word."""
MOST_A_JOURNEY = 50
"""At one stop: a bus full of people waited."""


class EnoughReports(Refusal):
    """Ya hay demasiados avisos; gracias igual. / There are too many reports already; thank you all the same."""

    status: ClassVar[int] = 429
    retry_after_s: ClassVar[int | None] = 3600


@dataclass(frozen=True, slots=True)
class RiderReport:
    """What went wrong. `journey`: trip, service date as YYYYMMDD and start, where one is meant."""

    subject: Literal["stop", "trip"]
    problem: str
    stop_id: str | None = None
    route_id: str | None = None
    journey: tuple[str, str, int] | None = None


def keep(transaction: Connection, report: RiderReport, now: datetime) -> None:
    """Keep a report. Raises EnoughReports past MOST_A_DAY of all, or MOST_A_JOURNEY of one journey at one stop."""
    table, trip = rider_reports.c, report.journey or (None, None, None)
    today = select(func.count()).where(table.at > now - timedelta(days=1))
    if transaction.execute(today).scalar_one() >= MOST_A_DAY:
        raise EnoughReports
    if report.journey is not None:
        same = select(func.count()).where(
            table.trip_id == trip[0],
            table.service_date == trip[1],
            table.start_s == trip[2],
            table.stop_id.is_not_distinct_from(report.stop_id),
        )
        if transaction.execute(same).scalar_one() >= MOST_A_JOURNEY:
            raise EnoughReports
    transaction.execute(
        insert(rider_reports).values(
            at=now.replace(second=0, microsecond=0),
            subject=report.subject,
            problem=report.problem,
            stop_id=report.stop_id,
            route_id=report.route_id,
            trip_id=trip[0],
            service_date=trip[1],
            start_s=trip[2],
        )
    )
