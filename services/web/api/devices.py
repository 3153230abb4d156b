"""API routes of devices, registered or not, with the number of lost readings."""

from typing import Annotated

from fastapi import APIRouter, Query

from services.queries.stations import places
from services.queries.stations.places import Device
from services.runtime.problem import NotFound
from services.web.access import PUBLIC
from services.web.api.paging import Page, Paged
from services.web.api.parameters import Kind, Number, Station
from services.web.context import DatabaseSnapshot
from services.web.routes import PreparedRoute

router = APIRouter(tags=["devices"], dependencies=[PUBLIC], route_class=PreparedRoute)

Registered = Annotated[bool | None, Query(description="false: only devices without a station")]


class NoSuchDevice(NotFound):
    """No existe ese dispositivo. / There is no such device."""


@router.get("/devices")
def devices(
    snapshot: DatabaseSnapshot,
    paged: Paged,
    kind: Kind = None,
    station: Station = None,
    registered: Registered = None,
) -> Page[Device]:
    """Devices with their presence and the gaps in their sequence numbers."""
    rows = places.list_devices(
        snapshot, kind=kind, station=station, registered=registered, after=paged.cursor_number, limit=paged.fetch_limit
    )
    return paged.page(rows, lambda one: one.id)


@router.get("/devices/{device_id}")
def device(snapshot: DatabaseSnapshot, device_id: Number) -> Device:
    """One device."""
    found = places.one_device(snapshot, min(device_id, places.MAX_DEVICE_ID))
    if found is None:
        raise NoSuchDevice
    return found
