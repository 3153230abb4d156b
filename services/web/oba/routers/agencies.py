"""Agencies: where they run, and all their stops, lines and buses. And the time."""

from fastapi import APIRouter

from services.transit.serving import departure_board
from services.web.oba.elements import references
from services.web.oba.elements import schema as oba
from services.web.oba.elements.vehicles import VehicleStatus
from services.web.oba.requests import Asked, Asking, Id, NoSuchResource
from services.web.oba.responses import where
from services.web.oba.routers.trips import journey_underway, vehicle_status

router = APIRouter()


@where(router, "/agencies-with-coverage.json")
def agencies_with_coverage(asked: Asked) -> oba.Answer[oba.Listing[oba.Coverage]]:
    """Every agency and where its stops lie."""
    told = []
    for agency_id in asked.index.network.agencies:
        box = asked.index.coverage.get(asked.index.agency_id(agency_id))
        if box is None:
            continue
        lat, lon = box.centre
        asked.referred.agency(agency_id)
        told.append(
            oba.Coverage(
                agency_id=asked.index.agency_id(agency_id),
                lat=lat,
                lon=lon,
                lat_span=box.north - box.south,
                lon_span=box.east - box.west,
            )
        )
    return asked.listing(told)


@where(router, "/current-time.json")
def current_time(asked: Asked) -> oba.Answer[oba.Entry[oba.CurrentTime]]:
    """What time it is here."""
    local = asked.now.astimezone(asked.index.network.zone)
    told = oba.CurrentTime(time=round(asked.now_s * 1000), readable_time=local.isoformat(timespec="seconds"))
    return asked.entry(told)


@where(router, "/agency/{agency_id:path}.json")
def agency(asked: Asked, agency_id: Id) -> oba.Answer[oba.Entry[oba.Agency]]:
    """One agency."""
    return asked.entry(references.agency(asked.index, _known(asked, agency_id)))


@where(router, "/stop-ids-for-agency/{agency_id:path}.json")
def stop_ids_for_agency(asked: Asked, agency_id: Id) -> oba.Answer[oba.Listing[str]]:
    """The ids of an agency's stops."""
    _known(asked, agency_id)
    return asked.listing([asked.index.stop_id(one.id) for one in asked.index.stops_of[agency_id]])


@where(router, "/route-ids-for-agency/{agency_id:path}.json")
def route_ids_for_agency(asked: Asked, agency_id: Id) -> oba.Answer[oba.Listing[str]]:
    """The ids of an agency's lines."""
    return asked.listing([asked.index.route_id(one) for one in _routes(asked, agency_id)])


@where(router, "/stops-for-agency/{agency_id:path}.json")
def stops_for_agency(asked: Asked, agency_id: Id) -> oba.Answer[oba.Listing[oba.Stop]]:
    """An agency's stops."""
    _known(asked, agency_id)
    found = asked.index.stops_of[agency_id]
    for one in found:
        asked.referred.stop_context(one)
    return asked.listing([references.stop(asked.index, one) for one in found])


@where(router, "/routes-for-agency/{agency_id:path}.json")
def routes_for_agency(asked: Asked, agency_id: Id) -> oba.Answer[oba.Listing[oba.Route]]:
    """An agency's lines."""
    found = _routes(asked, agency_id)
    asked.referred.agency(_known(asked, agency_id))
    return asked.listing([references.route(asked.index, one) for one in found])


@where(router, "/vehicles-for-agency/{agency_id:path}.json")
def vehicles_for_agency(asked: Asked, agency_id: Id) -> oba.Answer[oba.Listing[VehicleStatus]]:
    """An agency's buses heard of late."""
    known = _known(asked, agency_id)
    seen = [
        one
        for one in departure_board.vehicles(asked.view, asked.now_s)
        if one.route is not None and one.route.agency_id == known
    ]
    told = [vehicle_status(asked, one, journey_underway(asked, one, asked.now_s), asked.now_s) for one in seen]
    return asked.listing(told)


def _known(asked: Asking, agency_id: str) -> str:
    """The agency's id in the network. Raises NoSuchResource."""
    known = asked.index.agency(agency_id)
    if known is None:
        raise NoSuchResource
    return known


def _routes(asked: Asking, agency_id: str) -> list[str]:
    known = _known(asked, agency_id)
    return [route.id for route in asked.index.network.routes.values() if route.agency_id == known]
