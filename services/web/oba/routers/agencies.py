"""Agencies: where they run, and all their stops, lines and buses. And the time."""

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
def agencies_with_coverage(asked: CurrentRequest) -> oba.Answer[oba.Listing[oba.Coverage]]:
    """Every agency and where its stops lie."""
    told = []
    for agency_id in asked.index.network.agencies:
        box = asked.index.coverage_by_agency.get(asked.index.agency_id(agency_id))
        if box is None:
            continue
        lat, lon = box.centre
        asked.collector.add_agency(agency_id)
        told.append(
            oba.Coverage(
                agency_id=asked.index.agency_id(agency_id),
                lat=lat,
                lon=lon,
                lat_span=box.north - box.south,
                lon_span=box.east - box.west,
            )
        )
    return asked.list_answer(told)


@oba_endpoint(router, "/current-time.json")
def current_time(asked: CurrentRequest) -> oba.Answer[oba.Entry[oba.CurrentTime]]:
    """What time it is here."""
    local = asked.now.astimezone(asked.index.network.zone)
    told = oba.CurrentTime(time=round(asked.now_s * 1000), readable_time=local.isoformat(timespec="seconds"))
    return asked.entry_answer(told)


@oba_endpoint(router, "/agency/{agency_id:path}.json")
def agency(asked: CurrentRequest, agency_id: Id) -> oba.Answer[oba.Entry[oba.Agency]]:
    """One agency."""
    return asked.entry_answer(references.agency_element(asked.index, _require_agency(asked, agency_id)))


@oba_endpoint(router, "/stop-ids-for-agency/{agency_id:path}.json")
def stop_ids_for_agency(asked: CurrentRequest, agency_id: Id) -> oba.Answer[oba.Listing[str]]:
    """The ids of an agency's stops."""
    _require_agency(asked, agency_id)
    return asked.list_answer([asked.index.stop_id(one.id) for one in asked.index.stops_by_agency[agency_id]])


@oba_endpoint(router, "/route-ids-for-agency/{agency_id:path}.json")
def route_ids_for_agency(asked: CurrentRequest, agency_id: Id) -> oba.Answer[oba.Listing[str]]:
    """The ids of an agency's lines."""
    return asked.list_answer([asked.index.route_id(one) for one in _agency_routes(asked, agency_id)])


@oba_endpoint(router, "/stops-for-agency/{agency_id:path}.json")
def stops_for_agency(asked: CurrentRequest, agency_id: Id) -> oba.Answer[oba.Listing[oba.Stop]]:
    """An agency's stops."""
    _require_agency(asked, agency_id)
    found = asked.index.stops_by_agency[agency_id]
    for one in found:
        asked.collector.add_stop_references(one)
    return asked.list_answer([references.stop_element(asked.index, one) for one in found])


@oba_endpoint(router, "/routes-for-agency/{agency_id:path}.json")
def routes_for_agency(asked: CurrentRequest, agency_id: Id) -> oba.Answer[oba.Listing[oba.Route]]:
    """An agency's lines."""
    found = _agency_routes(asked, agency_id)
    asked.collector.add_agency(_require_agency(asked, agency_id))
    return asked.list_answer([references.route_element(asked.index, one) for one in found])


@oba_endpoint(router, "/vehicles-for-agency/{agency_id:path}.json")
def vehicles_for_agency(asked: CurrentRequest, agency_id: Id) -> oba.Answer[oba.Listing[VehicleStatus]]:
    """An agency's buses heard of late."""
    known = _require_agency(asked, agency_id)
    seen = [
        one
        for one in departure_board.vehicles(asked.snapshot, asked.now_s)
        if one.route is not None and one.route.agency_id == known
    ]
    told = [vehicle_status(asked, one, vehicle_journey(asked, one, asked.now_s), asked.now_s) for one in seen]
    return asked.list_answer(told)


def _require_agency(asked: ObaRequest, agency_id: str) -> str:
    """The agency's id in the network. Raises NoSuchResource."""
    known = asked.index.find_agency(agency_id)
    if known is None:
        raise NoSuchResource
    return known


def _agency_routes(asked: ObaRequest, agency_id: str) -> list[str]:
    known = _require_agency(asked, agency_id)
    return [route.id for route in asked.index.network.routes.values() if route.agency_id == known]
