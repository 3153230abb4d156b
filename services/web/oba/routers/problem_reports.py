"""OneBusAway endpoints of problem reports. The position an app sends is not read: stop and trip say where."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from msgspec import Struct

from services.queries.transit.rider_reports import ReportCode, RiderReport, TooManyReports, store_report
from services.web.http.addresses import client_of
from services.web.oba.elements import schema as oba
from services.web.oba.requests import LONGEST_ID, CurrentRequest, Id, ObaRequest, ServiceDay, parse_service_day
from services.web.oba.responses import answer, oba_endpoint
from services.web.oba.routers.stops import require_stop
from services.web.oba.routers.trips import require_trip

SOURCE = "onebusaway"
LONGEST_RECEIVED_COMMENT = 2_000

router = APIRouter()

OptionalId = Annotated[str | None, Query(max_length=LONGEST_ID)]


class ProblemReport(Struct, frozen=True):
    """What a rider reports, as far as the app sends it."""

    code: ReportCode
    comment: str
    service_date: str | None
    stop_id: str | None
    vehicle: str | None
    on_board: bool | None


async def _stop_id(
    stop: Annotated[OptionalId, Query(alias="stopID")] = None,
    alias: Annotated[OptionalId, Query(alias="stopId", description="The same as stopID")] = None,
) -> str | None:
    return stop or alias


async def _vehicle_id(
    number: Annotated[OptionalId, Query(alias="userVehicleNumber", description="As painted on the bus")] = None,
    vehicle: Annotated[OptionalId, Query(alias="vehicleID")] = None,
    alias: Annotated[OptionalId, Query(alias="vehicleId", description="The same as vehicleID")] = None,
) -> str | None:
    return number or vehicle or alias


async def _problem_report(
    stop: Annotated[str | None, Depends(_stop_id)],
    vehicle: Annotated[str | None, Depends(_vehicle_id)],
    code: Annotated[str, Query(max_length=100, description="One of the contract's; what is not is `other`")] = "",
    comment: Annotated[
        str,
        Query(
            max_length=LONGEST_RECEIVED_COMMENT, alias="userComment", description="The first 500 characters are kept"
        ),
    ] = "",
    service_date: ServiceDay = None,
    on_board: Annotated[bool | None, Query(alias="userOnVehicle")] = None,
) -> ProblemReport:
    known = ReportCode(code) if code in frozenset(ReportCode) else ReportCode.OTHER
    return ProblemReport(known, comment, service_date, stop, vehicle, on_board)


ReportParameters = Annotated[ProblemReport, Depends(_problem_report)]


@oba_endpoint(router, "/report-problem-with-stop.json")
def report_problem_with_a_stop(
    http_request: Request,
    request: CurrentRequest,
    report: ReportParameters,
    stop_id: Annotated[str, Query(max_length=LONGEST_ID, alias="stopId")],
) -> oba.Answer[oba.Nothing]:
    """The same as report-problem-with-stop/{id}, as some apps send it."""
    return report_problem_with_stop(http_request, request, report, stop_id)


@oba_endpoint(router, "/report-problem-with-stop/{stop_id:path}.json")
def report_problem_with_stop(
    http_request: Request, request: CurrentRequest, problem: ReportParameters, stop_id: Id
) -> oba.Answer[oba.Nothing]:
    """A rider reports a problem with a stop."""
    report = RiderReport(
        at=request.now,
        source=SOURCE,
        code=problem.code,
        stop_id=require_stop(request, stop_id).id,
        comment=problem.comment,
    )
    return _store(http_request, request, report)


@oba_endpoint(router, "/report-problem-with-trip.json")
def report_problem_with_a_trip(
    http_request: Request,
    request: CurrentRequest,
    report: ReportParameters,
    trip_id: Annotated[str, Query(max_length=LONGEST_ID, alias="tripId")],
) -> oba.Answer[oba.Nothing]:
    """The same as report-problem-with-trip/{id}, as some apps send it."""
    return report_problem_with_trip(http_request, request, report, trip_id)


@oba_endpoint(router, "/report-problem-with-trip/{trip_id:path}.json")
def report_problem_with_trip(
    http_request: Request, request: CurrentRequest, problem: ReportParameters, trip_id: Id
) -> oba.Answer[oba.Nothing]:
    """A rider reports a problem with a trip; `vehicle_never_came` counts among the buses that did not come."""
    trip, network = require_trip(request, trip_id), request.index.network
    stop = request.index.find_stop(problem.stop_id) if problem.stop_id else None
    report = RiderReport(
        at=request.now,
        source=SOURCE,
        code=problem.code,
        stop_id=stop.id if stop else None,
        route_id=network.patterns[trip.pattern].route_id,
        trip_id=trip.id,
        service_date=parse_service_day(problem.service_date, network, request.now_s) if problem.service_date else None,
        vehicle=problem.vehicle.replace("\0", "") if problem.vehicle else None,
        on_board=problem.on_board,
        comment=problem.comment,
    )
    return _store(http_request, request, report)


def _store(http_request: Request, request: ObaRequest, report: RiderReport) -> oba.Answer[oba.Nothing]:
    """Store a report. Raises TooManyReports."""
    reporters, address = request.context.rider_report_limit, client_of(http_request)
    if reporters.is_exceeded(address):
        raise TooManyReports
    with request.context.engine.begin() as transaction:
        store_report(transaction, report)
    reporters.add(address)
    return answer(oba.Nothing(), request.now_s)
