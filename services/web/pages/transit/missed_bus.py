"""The bus that did not come: which ones it may have been, and the report of it."""

from dataclasses import dataclass

from fastapi import Request

from models.network import Stop
from services.queries.transit.rider_reports import ReportCode, RiderReport, TooManyReports
from services.transit.rider.stop_arrivals import line_name
from services.transit.timetable.scheduled_arrivals import ScheduledCall
from services.web.context import context_of
from services.web.pages.transit.phrases import clock_time
from services.web.pages.transit.rendering import RiderRequest

LOOKBACK_S = 3_600.0
"""How long ago it may have been due."""
MOST_JOURNEYS = 24
SEPARATOR = "|"


@dataclass(frozen=True, slots=True)
class JourneyChoice:
    """One journey that was due, and what stands for it in the form."""

    value: str
    said: str


def recent_journeys(ride: RiderRequest, stop: Stop, line: str) -> list[JourneyChoice]:
    """What was due of late at the stop, of one line where it is named, the newest first."""
    journey_prediction = [
        call
        for call in _scheduled_calls(ride, stop)
        if not line or _line_name(ride, call).casefold() == line.casefold()
    ]
    return [JourneyChoice(_form_value(call), _label(ride, call)) for call in journey_prediction[:MOST_JOURNEYS]]


def missed_report(ride: RiderRequest, stop: Stop, value: str) -> RiderReport | None:
    """The report of a choice; None where nothing of the kind was due, whoever made the form."""
    call = next((call for call in _scheduled_calls(ride, stop) if _form_value(call) == value), None)
    if call is None:
        return None
    return RiderReport(
        at=ride.now,
        source="page",
        code=ReportCode.VEHICLE_NEVER_CAME,
        stop_id=stop.id,
        route_id=call.pattern.route_id,
        trip_id=call.journey.trip.id,
        service_date=call.journey.service_date,
    )


def count_report(request: Request) -> None:
    """One more report from this address. Raises TooManyReports."""
    report_limit, address = context_of(request).rider_report_limit, request.client.host if request.client else ""
    if report_limit.is_exceeded(address):
        raise TooManyReports
    report_limit.add(address)


def _scheduled_calls(ride: RiderRequest, stop: Stop) -> list[ScheduledCall]:
    now = ride.now.timestamp()
    calls = ride.snapshot.schedule.calls(stop.id, now - LOOKBACK_S, now)
    return sorted((call for call in calls if _boards(call)), key=lambda call: call.scheduled_at, reverse=True)


def _boards(call: ScheduledCall) -> bool:
    return call.position < len(call.pattern.stop_ids) - 1


def _form_value(call: ScheduledCall) -> str:
    trip_id, day, start_s = call.key
    return SEPARATOR.join((trip_id, day, str(start_s)))


def _label(ride: RiderRequest, call: ScheduledCall) -> str:
    return f"{clock_time(ride.words, call.scheduled_at)} {_line_name(ride, call)} {call.journey.trip.headsign}".strip()


def _line_name(ride: RiderRequest, call: ScheduledCall) -> str:
    return line_name(ride.snapshot.network.routes[call.pattern.route_id])
