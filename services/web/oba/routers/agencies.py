"""OneBusAway endpoints of agencies: coverage, stops, lines and vehicles; and the current time."""

from fastapi import APIRouter

from services.transit.serving import departure_board
from services.web.oba.elements import references
from services.web.oba.elements import schema as oba
from services.web.oba.elements.vehicles import VehicleStatus
from services.web.oba.requests import CurrentRequest, Id, NoSuchResource, ObaRequest
from services.web.oba.responses import oba_endpoint
from services.web.oba.routers.trips import vehicle_journey, vehicle_status

router = APIRouter()


@oba_endpoint(router, "/agencies-with-coverage.json")
def agencies_with_coverage(request: CurrentRequest) -> oba.Answer[oba.Listing[oba.Coverage]]:
    """Every agency and the area of its stops."""
    elements = []
    for agency_id in request.index.network.agencies:
        box = request.index.coverage_by_agency.get(request.index.agency_id(agency_id))
        if box is None:
            continue
        lat, lon = box.centre
        request.collector.add_agency(agency_id)
        elements.append(
            oba.Coverage(
                agency_id=request.index.agency_id(agency_id),
                lat=lat,
                lon=lon,
                lat_span=box.north - box.south,
                lon_span=box.east - box.west,
            )
        )
    return request.list_answer(elements)


@oba_endpoint(router, "/current-time.json")
def current_time(request: CurrentRequest) -> oba.Answer[oba.Entry[oba.CurrentTime]]:
    """The time of the server."""
    local = request.now.astimezone(request.index.network.zone)
    element = oba.CurrentTime(time=round(request.now_s * 1000), readable_time=local.isoformat(timespec="seconds"))
    return request.entry_answer(element)


@oba_endpoint(router, "/agency/{agency_id:path}.json")
def agency(request: CurrentRequest, agency_id: Id) -> oba.Answer[oba.Entry[oba.Agency]]:
    """One agency."""
    return request.entry_answer(references.agency_element(request.index, _require_agency(request, agency_id)))


@oba_endpoint(router, "/stop-ids-for-agency/{agency_id:path}.json")
def stop_ids_for_agency(request: CurrentRequest, agency_id: Id) -> oba.Answer[oba.Listing[str]]:
    """The ids of an agency's stops."""
    _require_agency(request, agency_id)
    return request.list_answer([request.index.stop_id(one.id) for one in request.index.stops_by_agency[agency_id]])


@oba_endpoint(router, "/route-ids-for-agency/{agency_id:path}.json")
def route_ids_for_agency(request: CurrentRequest, agency_id: Id) -> oba.Answer[oba.Listing[str]]:
    """The ids of an agency's lines."""
    return request.list_answer([request.index.route_id(one) for one in _agency_routes(request, agency_id)])


@oba_endpoint(router, "/stops-for-agency/{agency_id:path}.json")
def stops_for_agency(request: CurrentRequest, agency_id: Id) -> oba.Answer[oba.Listing[oba.Stop]]:
    """An agency's stops."""
    _require_agency(request, agency_id)
    found = request.index.stops_by_agency[agency_id]
    for one in found:
        request.collector.add_stop_references(one)
    return request.list_answer([references.stop_element(request.index, one) for one in found])


@oba_endpoint(router, "/routes-for-agency/{agency_id:path}.json")
def routes_for_agency(request: CurrentRequest, agency_id: Id) -> oba.Answer[oba.Listing[oba.Route]]:
    """An agency's lines."""
    found = _agency_routes(request, agency_id)
    request.collector.add_agency(_require_agency(request, agency_id))
    return request.list_answer([references.route_element(request.index, one) for one in found])


@oba_endpoint(router, "/vehicles-for-agency/{agency_id:path}.json")
def vehicles_for_agency(request: CurrentRequest, agency_id: Id) -> oba.Answer[oba.Listing[VehicleStatus]]:
    """An agency's buses that reported of late."""
    known_id = _require_agency(request, agency_id)
    tracked = [
        one
        for one in departure_board.vehicles(request.snapshot, request.now_s)
        if one.route is not None and one.route.agency_id == known_id
    ]
    elements = [
        vehicle_status(request, one, vehicle_journey(request, one, request.now_s), request.now_s) for one in tracked
    ]
    return request.list_answer(elements)


def _require_agency(request: ObaRequest, agency_id: str) -> str:
    """The agency's id in the network. Raises NoSuchResource."""
    known_id = request.index.find_agency(agency_id)
    if known_id is None:
        raise NoSuchResource
    return known_id


def _agency_routes(request: ObaRequest, agency_id: str) -> list[str]:
    known_id = _require_agency(request, agency_id)
    return [route.id for route in request.index.network.routes.values() if route.agency_id == known_id]
