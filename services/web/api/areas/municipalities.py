"""API routes of municipalities and basins, with the levels proposed and declared for them."""

from collections.abc import Mapping
from dataclasses import replace

from fastapi import APIRouter

from alerts.declared.level import Declared
from services.queries.city.declared import DeclaredNow, declared_levels, declared_now
from services.queries.stations import places
from services.queries.stations.places import Attention, Basin
from services.queries.stations.places import Municipality as MunicipalityNow
from services.runtime.problem import NotFound
from services.web.access import PUBLIC, ReadBy
from services.web.api.paging import Page, Paged
from services.web.api.parameters import BasinId, Municipality, MunicipalityId
from services.web.context import DatabaseSnapshot, Now
from services.web.routes import PreparedRoute

router = APIRouter(tags=["places"], dependencies=[PUBLIC], route_class=PreparedRoute)


class NoSuchMunicipality(NotFound):
    """No existe ese municipio. / There is no such municipality."""


class NoSuchBasin(NotFound):
    """No existe esa cuenca. / There is no such basin."""


@router.get("/municipalities")
def municipalities(snapshot: DatabaseSnapshot, now: Now, audience: ReadBy, paged: Paged) -> Page[MunicipalityNow]:
    """Municipalities with the attention level (NAR) proposed for each."""
    rows = places.list_municipalities(snapshot, after=paged.cursor, limit=paged.fetch_limit)
    declared = declared_levels(snapshot, now, audience)
    told = [replace(one, declared=_declared(declared, f"municipality:{one.id}")) for one in rows]
    return paged.page(told, lambda one: one.id)


@router.get("/municipalities/{municipality_id}")
def municipality(
    snapshot: DatabaseSnapshot, now: Now, audience: ReadBy, municipality_id: MunicipalityId
) -> MunicipalityNow:
    """One municipality."""
    found = places.one_municipality(snapshot, municipality_id)
    if found is None:
        raise NoSuchMunicipality
    declared = declared_levels(snapshot, now, audience)
    return replace(found, declared=_declared(declared, f"municipality:{found.id}"))


@router.get("/basins")
def basins(
    snapshot: DatabaseSnapshot, now: Now, audience: ReadBy, paged: Paged, municipality: Municipality = None
) -> Page[Basin]:
    """Drainage basins with the attention level proposed for each."""
    rows = places.list_basins(snapshot, municipality=municipality, after=paged.cursor, limit=paged.fetch_limit)
    declared = declared_levels(snapshot, now, audience)
    return paged.page([_basin(declared, one) for one in rows], lambda one: one.id)


@router.get("/basins/{basin_id}")
def basin(snapshot: DatabaseSnapshot, now: Now, audience: ReadBy, basin_id: BasinId) -> Basin:
    """One basin."""
    found = places.one_basin(snapshot, basin_id)
    if found is None:
        raise NoSuchBasin
    return _basin(declared_levels(snapshot, now, audience), found)


@router.get("/attention")
def attention(snapshot: DatabaseSnapshot, paged: Paged) -> Page[Attention]:
    """All levels proposed for basins, municipalities or classes of sensors in outage, with their evidence."""
    rows = places.list_attention(snapshot, after=paged.cursor, limit=paged.fetch_limit)
    return paged.page(rows, lambda one: one.subject)


def _basin(declared: Mapping[str, Declared], basin: Basin) -> Basin:
    return replace(basin, declared=_declared(declared, f"basin:{basin.id}", f"municipality:{basin.municipality}"))


def _declared(declared: Mapping[str, Declared], *areas: str) -> DeclaredNow | None:
    """What is declared for the first of these areas that has a declaration."""
    return next((declared_now(declared[area]) for area in areas if area in declared), None)
