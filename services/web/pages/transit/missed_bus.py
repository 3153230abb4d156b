"""Reports of a bus that did not come: the journeys to choose from, and the report itself."""

from dataclasses import dataclass

from fastapi import Request

from models.network import Stop
from services.queries.transit.rider_reports import ReportCode, RiderReport, TooManyReports
from services.transit.rider.stop_arrivals import line_name
from services.transit.timetable.scheduled_arrivals import ScheduledCall
from services.web.context import context_of
from services.web.http.addresses import client_of
from services.web.pages.transit.phrases import clock_time
from services.web.pages.transit.rendering import RiderRequest

LOOKBACK_S = 3_600.0
"""How long ago it may have been scheduled."""
MOST_JOURNEYS = 24
SEPARATOR = "|"


@dataclass(frozen=True, slots=True)
class JourneyChoice:
    """One scheduled journey, and its value in the form."""

    value: str
    said: str


def recent_journeys(rider: RiderRequest, stop: Stop, line: str) -> list[JourneyChoice]:
    """The journeys scheduled of late at the stop, of all lines or of one, the newest first."""
    journey_prediction = [
        call
        for call in _scheduled_calls(rider, stop)
        if not line or _line_name(rider, call).casefold() == line.casefold()
    ]
    return [JourneyChoice(_form_value(call), _label(rider, call)) for call in journey_prediction[:MOST_JOURNEYS]]


def missed_report(rider: RiderRequest, stop: Stop, value: str) -> RiderReport | None:
    """The report of a choice; None where no such journey was scheduled, whoever made the form."""
    call = next((call for call in _scheduled_calls(rider, stop) if _form_value(call) == value), None)
    if call is None:
        return None
    return RiderReport(
        at=rider.now,
        source="page",
        code=ReportCode.VEHICLE_NEVER_CAME,
        stop_id=stop.id,
        route_id=call.pattern.route_id,
        trip_id=call.journey.trip.id,
        service_date=call.journey.service_date,
    )


def count_report(request: Request) -> None:
    """Count one more report from this address. Raises TooManyReports."""
    report_limit, address = context_of(request).rider_report_limit, client_of(request)
    if report_limit.is_exceeded(address):
        raise TooManyReports
    report_limit.add(address)


def _scheduled_calls(rider: RiderRequest, stop: Stop) -> list[ScheduledCall]:
    now = rider.now.timestamp()
    calls = rider.snapshot.schedule.calls(stop.id, now - LOOKBACK_S, now)
    return sorted((call for call in calls if _boards(call)), key=lambda call: call.scheduled_at, reverse=True)


def _boards(call: ScheduledCall) -> bool:
    return call.position < len(call.pattern.stop_ids) - 1


def _form_value(call: ScheduledCall) -> str:
    trip_id, day, start_s = call.key
    return SEPARATOR.join((trip_id, day, str(start_s)))


def _label(rider: RiderRequest, call: ScheduledCall) -> str:
    return (
        f"{clock_time(rider.words, call.scheduled_at)} {_line_name(rider, call)} {call.journey.trip.headsign}".strip()
    )


def _line_name(rider: RiderRequest, call: ScheduledCall) -> str:
    return line_name(rider.snapshot.network.routes[call.pattern.route_id])
