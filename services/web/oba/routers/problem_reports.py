"""What riders report through their apps. The position an app sends along is not even read: stop and trip say where."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from msgspec import Struct

from services.queries.transit.rider_reports import Code, RiderReport, TooManyReports, keep
from services.web.oba.elements import schema as oba
from services.web.oba.requests import LONGEST_ID, Asked, Asking, Id, ServiceDay, service_day
from services.web.oba.responses import answer, where
from services.web.oba.routers.stops import stop_of
from services.web.oba.routers.trips import trip_of

SOURCE = "onebusaway"
LONGEST_SENT = 2_000

router = APIRouter()

Named = Annotated[str | None, Query(max_length=LONGEST_ID)]


class Said(Struct, frozen=True):
    """What a rider says, whatever of it an app sends."""

    code: Code
    comment: str
    service_date: str | None
    stop_id: str | None
    vehicle: str | None
    on_board: bool | None


async def _stop(
    stop: Annotated[Named, Query(alias="stopID")] = None,
    also: Annotated[Named, Query(alias="stopId", description="The same as stopID")] = None,
) -> str | None:
    return stop or also


async def _vehicle(
    number: Annotated[Named, Query(alias="userVehicleNumber", description="As painted on the bus")] = None,
    vehicle: Annotated[Named, Query(alias="vehicleID")] = None,
    also: Annotated[Named, Query(alias="vehicleId", description="The same as vehicleID")] = None,
) -> str | None:
    return number or vehicle or also


async def _said(
    stop: Annotated[str | None, Depends(_stop)],
    vehicle: Annotated[str | None, Depends(_vehicle)],
    code: Annotated[str, Query(max_length=100, description="One of the contract's; what is not is `other`")] = "",
    comment: Annotated[
        str, Query(max_length=LONGEST_SENT, alias="userComment", description="The first 500 characters are kept")
    ] = "",
    service_date: ServiceDay = None,
    on_board: Annotated[bool | None, Query(alias="userOnVehicle")] = None,
) -> Said:
    known = Code(code) if code in frozenset(Code) else Code.OTHER
    return Said(known, comment, service_date, stop, vehicle, on_board)


Report = Annotated[Said, Depends(_said)]


@where(router, "/report-problem-with-stop.json")
def report_problem_with_a_stop(
    request: Request, asked: Asked, said: Report, stop_id: Annotated[str, Query(max_length=LONGEST_ID, alias="stopId")]
) -> oba.Answer[oba.Nothing]:
    """The same as report-problem-with-stop/{id}, as some apps send it."""
    return report_problem_with_stop(request, asked, said, stop_id)


@where(router, "/report-problem-with-stop/{stop_id:path}.json")
def report_problem_with_stop(request: Request, asked: Asked, said: Report, stop_id: Id) -> oba.Answer[oba.Nothing]:
    """A rider says what is wrong with a stop."""
    report = RiderReport(
        at=asked.now, source=SOURCE, code=said.code, stop_id=stop_of(asked, stop_id).id, comment=said.comment
    )
    return _kept(request, asked, report)


@where(router, "/report-problem-with-trip.json")
def report_problem_with_a_trip(
    request: Request, asked: Asked, said: Report, trip_id: Annotated[str, Query(max_length=LONGEST_ID, alias="tripId")]
) -> oba.Answer[oba.Nothing]:
    """The same as report-problem-with-trip/{id}, as some apps send it."""
    return report_problem_with_trip(request, asked, said, trip_id)


@where(router, "/report-problem-with-trip/{trip_id:path}.json")
def report_problem_with_trip(request: Request, asked: Asked, said: Report, trip_id: Id) -> oba.Answer[oba.Nothing]:
    """A rider says what is wrong with a trip; `vehicle_never_came` counts among the buses that did not pass."""
    trip, network = trip_of(asked, trip_id), asked.index.network
    stop = asked.index.stop(said.stop_id) if said.stop_id else None
    report = RiderReport(
        at=asked.now,
        source=SOURCE,
        code=said.code,
        stop_id=stop.id if stop else None,
        route_id=network.patterns[trip.pattern].route_id,
        trip_id=trip.id,
        service_date=service_day(said.service_date, network, asked.now_s) if said.service_date else None,
        vehicle=said.vehicle.replace("\0", "") if said.vehicle else None,
        on_board=said.on_board,
        comment=said.comment,
    )
    return _kept(request, asked, report)


def _kept(request: Request, asked: Asking, report: RiderReport) -> oba.Answer[oba.Nothing]:
    """Keep a report. Raises TooManyReports."""
    reporters, address = asked.context.rider_report_limit, request.client.host if request.client else ""
    if reporters.is_exceeded(address):
        raise TooManyReports
    with asked.context.engine.begin() as transaction:
        keep(transaction, report)
    reporters.add(address)
    return answer(oba.Nothing(), asked.now_s)
