"""A served town on a working morning: buses that report, one fallen silent, one that will not come, a street closed."""

from collections.abc import Iterator

import pytest
from onebusaway import OnebusawaySDK

from models.network import Network
from services.transit.model.prediction import Basis, TripPrediction, VehiclePrediction
from tests.databases import open_copy
from tests.services.web.api.transit_town import SEVEN, Town, town_on, trip_prediction, vehicle_prediction
from tests.transit_city import SHORT

DAY_MS = int((SEVEN - 7 * 3600) * 1000)
"""The service date."""
CLOSED = {
    "cause": "construction",
    "effect": "detour",
    "header": {"es": "Calle 7 cortada", "en": "Street 7 closed"},
    "concerns": [{"line": "10"}, {"stop": "L2"}],
}


def buses(city: Network) -> tuple[VehiclePrediction, ...]:
    """`late`, followed by its block's trip back; `recent` near its second stop; `silent`, for seven minutes."""
    back = trip_prediction(city, "10b-0720", late_s=90)
    late = trip_prediction(city, "10-0640", first=4, late_s=1_020)
    recent = trip_prediction(city, "10s-0650", first=1, late_s=500, basis=Basis.RECENT, recent_buses=3)
    silent = trip_prediction(city, "20", first=2, late_s=200, start_s=6 * 3600 + 5 * 600)
    return (
        vehicle_prediction(city, "late", SEVEN - 10, late, back, along_m=1_300),
        vehicle_prediction(city, "recent", SEVEN - 40, recent, along_m=390),
        vehicle_prediction(city, "silent", SEVEN - 420, silent, along_m=500),
    )


def lost(city: Network) -> TripPrediction:
    """The short turn at ten past, which no bus makes."""
    assert city.trips["10s-0710"].pattern == SHORT
    return trip_prediction(city, "10s-0710", basis=Basis.NOT_COMING, reason="no_vehicle")


def awaken(town: Town) -> None:
    """Write predictions of buses and a withdrawn journey, and publish a service alert of a closed street."""
    for one in buses(town.network):
        town.hear(one)
    town.expect(lost(town.network), SEVEN + 3_600)
    alerts = "/api/v1/transit/service-alerts"
    drafted = town.client.post(alerts, json=CLOSED, headers=town.operator).json()
    seen = {"version": drafted["version"]}
    published = town.client.post(f"{alerts}/{drafted['id']}/publish", json=seen, headers=town.operator)
    assert published.status_code == 200, published.text
    town.snapshot_cache.refresh()


def strict_client(town: Town) -> OnebusawaySDK:
    """The official client; it raises where an answer lacks a field or has one of another type."""
    return OnebusawaySDK(
        base_url=str(town.client.base_url), api_key="any", max_retries=0, _strict_response_validation=True
    )


@pytest.fixture(scope="package")
def town(database_url: str, migrated_name: str) -> Iterator[Town]:
    """A town shared by the tests that change nothing in it but problem reports."""
    with open_copy(database_url, migrated_name) as engine, town_on(engine) as made:
        awaken(made)
        yield made
