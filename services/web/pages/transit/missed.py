"""The bus that did not come: which ones it may have been, and the report of it."""

from dataclasses import dataclass

from fastapi import Request

from models.network import Stop
from services.queries.transit.rider_reports import Code, RiderReport, TooManyReports
from services.transit.rider.stop_arrivals import line_name
from services.transit.timetable.scheduled_arrivals import ScheduledCall
from services.web.context import context_of
from services.web.pages.transit.phrases import at
from services.web.pages.transit.rendering import Ride

BACK_S = 3_600.0
"""How long ago it may have been due."""
MOST_JOURNEYS = 24
BETWEEN = "|"


@dataclass(frozen=True, slots=True)
class Choice:
    """One journey that was due, and what stands for it in the form."""

    value: str
    said: str


def journeys(ride: Ride, stop: Stop, line: str) -> list[Choice]:
    """What was due of late at the stop, of one line where it is named, the newest first."""
    due = [call for call in _due(ride, stop) if not line or _line(ride, call).casefold() == line.casefold()]
    return [Choice(_value(call), _said(ride, call)) for call in due[:MOST_JOURNEYS]]


def report(ride: Ride, stop: Stop, value: str) -> RiderReport | None:
    """The report of a choice; None where nothing of the kind was due, whoever made the form."""
    call = next((call for call in _due(ride, stop) if _value(call) == value), None)
    if call is None:
        return None
    return RiderReport(
        at=ride.now,
        source="page",
        code=Code.VEHICLE_NEVER_CAME,
        stop_id=stop.id,
        route_id=call.pattern.route_id,
        trip_id=call.journey.trip.id,
        service_date=call.journey.service_date,
    )


def allow(request: Request) -> None:
    """One more report from this address. Raises TooManyReports."""
    reports, address = context_of(request).rider_report_limit, request.client.host if request.client else ""
    if reports.is_exceeded(address):
        raise TooManyReports
    reports.add(address)


def _due(ride: Ride, stop: Stop) -> list[ScheduledCall]:
    now = ride.now.timestamp()
    calls = ride.view.planned.calls(stop.id, now - BACK_S, now)
    return sorted((call for call in calls if _boards(call)), key=lambda call: call.at, reverse=True)


def _boards(call: ScheduledCall) -> bool:
    return call.position < len(call.pattern.stop_ids) - 1


def _value(call: ScheduledCall) -> str:
    trip_id, day, start_s = call.key
    return BETWEEN.join((trip_id, day, str(start_s)))


def _said(ride: Ride, call: ScheduledCall) -> str:
    return f"{at(ride.words, call.at)} {_line(ride, call)} {call.journey.trip.headsign}".strip()


def _line(ride: Ride, call: ScheduledCall) -> str:
    return line_name(ride.view.network.routes[call.pattern.route_id])
