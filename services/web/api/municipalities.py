"""API routes of municipalities, basins and the attention levels proposed for them."""

from fastapi import APIRouter

from services.queries.stations import places
from services.queries.stations.places import Attention, Basin
from services.queries.stations.places import Municipality as MunicipalityNow
from services.runtime.problem import NotFound
from services.web.access import PUBLIC
from services.web.api.paging import Page, Paged
from services.web.api.parameters import BasinId, Municipality, MunicipalityId
from services.web.context import DatabaseSnapshot
from services.web.routes import PreparedRoute

router = APIRouter(tags=["places"], dependencies=[PUBLIC], route_class=PreparedRoute)


class NoSuchMunicipality(NotFound):
    """No existe ese municipio. / There is no such municipality."""


class NoSuchBasin(NotFound):
    """No existe esa cuenca. / There is no such basin."""


@router.get("/municipalities")
def municipalities(snapshot: DatabaseSnapshot, paged: Paged) -> Page[MunicipalityNow]:
    """Municipalities with the attention level (NAR) proposed for each."""
    rows = places.list_municipalities(snapshot, after=paged.cursor, limit=paged.fetch_limit)
    return paged.page(rows, lambda one: one.id)


@router.get("/municipalities/{municipality_id}")
def municipality(snapshot: DatabaseSnapshot, municipality_id: MunicipalityId) -> MunicipalityNow:
    """One municipality."""
    found = places.one_municipality(snapshot, municipality_id)
    if found is None:
        raise NoSuchMunicipality
    return found


@router.get("/basins")
def basins(snapshot: DatabaseSnapshot, paged: Paged, municipality: Municipality = None) -> Page[Basin]:
    """Drainage basins with the attention level proposed for each."""
    rows = places.list_basins(snapshot, municipality=municipality, after=paged.cursor, limit=paged.fetch_limit)
    return paged.page(rows, lambda one: one.id)


@router.get("/basins/{basin_id}")
def basin(snapshot: DatabaseSnapshot, basin_id: BasinId) -> Basin:
    """One basin."""
    found = places.one_basin(snapshot, basin_id)
    if found is None:
        raise NoSuchBasin
    return found


@router.get("/attention")
def attention(snapshot: DatabaseSnapshot, paged: Paged) -> Page[Attention]:
    """All levels proposed for basins, municipalities or classes of sensors in outage, with their evidence."""
    rows = places.list_attention(snapshot, after=paged.cursor, limit=paged.fetch_limit)
    return paged.page(rows, lambda one: one.subject)
