"""A small served city with buses: its timetable and predictions in a real database."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import httpx
import msgspec
from sqlalchemy import Engine, text

from models.geo import point_at_distance
from models.network import Network, service_day_start
from services.people.api_keys import add_api_key
from services.runtime.database import open_database
from services.runtime.settings import Settings
from services.transit.model.prediction import Basis, MatchedPosition, Phase, TripPrediction, VehiclePrediction
from services.transit.serving.snapshot_cache import SnapshotCache
from services.transit.timetable.versions import store
from services.web.app import create_app
from tests.services.web.api.conftest import Clock
from tests.serving import listening
from tests.transit_city import MONDAY, ZONE, network
from tests.waiting import LIMIT_S

SEVEN = service_day_start(MONDAY, ZONE) + 7 * 3600
"""Seven in the morning of a working day, Unix seconds."""


def moment(at: float) -> datetime:
    """Unix seconds as a datetime."""
    return datetime.fromtimestamp(at, UTC)


@dataclass(frozen=True, slots=True)
class Town:
    """A served town, and how tests act on it."""

    database: Engine
    clock: Clock
    client: httpx.Client
    snapshot_cache: SnapshotCache
    token: str

    @property
    def network(self) -> Network:
        """The network as stored and read back."""
        return self.snapshot_cache.snapshot().network

    @property
    def operator(self) -> dict[str, str]:
        """The headers of a request by the operator."""
        return {"Authorization": f"Bearer {self.token}"}

    def get(self, path: str, **parameters: Any) -> Any:
        """The JSON answer of a request that must succeed."""
        answer = self.client.get(f"/api/v1/transit{path}", params=parameters)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def hear(self, vehicle_prediction: VehiclePrediction) -> None:
        """Write a vehicle's prediction, and refresh the server's snapshot."""
        with self.database.begin() as transaction:
            transaction.execute(
                text(
                    "INSERT INTO vehicle_outlooks (vehicle, observed_at, outlook, belief)"
                    " VALUES (:vehicle, :observed_at, :outlook, '{}') ON CONFLICT (vehicle) DO UPDATE"
                    " SET observed_at = excluded.observed_at, outlook = excluded.outlook,"
                    " changed_in = pg_current_xact_id()"
                ),
                {
                    "vehicle": vehicle_prediction.vehicle,
                    "observed_at": moment(vehicle_prediction.matched_position.at),
                    "outlook": msgspec.json.encode(vehicle_prediction).decode(),
                },
            )
        self.snapshot_cache.refresh()

    def expect(self, prediction: TripPrediction, until: float) -> None:
        """Write the prediction for a journey without a vehicle, and refresh the server's snapshot."""
        with self.database.begin() as transaction:
            transaction.execute(
                text(
                    "INSERT INTO expected_journeys (trip_id, service_date, start_s, until, coming)"
                    " VALUES (:trip_id, :service_date, :start_s, :until, :coming)"
                    " ON CONFLICT (trip_id, service_date, start_s) DO UPDATE SET until = excluded.until,"
                    " coming = excluded.coming, changed_in = pg_current_xact_id()"
                ),
                {
                    "trip_id": prediction.trip_id,
                    "service_date": prediction.service_date,
                    "start_s": prediction.start_s,
                    "until": moment(until),
                    "coming": msgspec.json.encode(prediction).decode(),
                },
            )
        self.snapshot_cache.refresh()


def trip_prediction(
    city: Network,
    trip_id: str,
    *,
    first: int = 0,
    late_s: float = 0.0,
    basis: Basis = Basis.LIVE,
    day: date = MONDAY,
    start_s: int | None = None,
    recent_buses: int = 0,
    reason: str = "",
) -> TripPrediction:
    """A journey that keeps its times, but late by so much, from position `first` on."""
    trip = city.trips[trip_id]
    journey = city.journey(trip_id, day, start_s)
    assert journey is not None
    positions = range(first, len(city.patterns[trip.pattern].stop_ids))
    p50 = tuple(journey.arrival_at(at) + late_s for at in positions)
    return TripPrediction(
        trip_id,
        f"{day:%Y%m%d}",
        journey.start_s,
        trip.pattern,
        first,
        tuple(at - 30 for at in p50),
        p50,
        tuple(at + 60 for at in p50),
        tuple(at - 20 for at in p50),
        tuple(journey.departure_at(at) + late_s for at in positions),
        basis,
        recent_buses,
        reason,
    )


def vehicle_prediction(
    city: Network, vehicle: str, at: float, *journeys: TripPrediction, along_m: float = 0.0
) -> VehiclePrediction:
    """A vehicle on the first of these journeys, so far along its shape, that reported at that time."""
    present = journeys[0]
    shape = city.patterns[present.pattern].shape
    place = MatchedPosition(
        Phase.IN_PROGRESS,
        at,
        *point_at_distance(shape.points, shape.along_m, along_m),
        present.trip_id,
        present.service_date,
        present.start_s,
        present.pattern,
        along_m,
        0.95,
    )
    return VehiclePrediction(vehicle, city.version, place, journeys, speed_ms=6.0, bearing_deg=90.0, occupancy=30)


@contextmanager
def town_on(database: Engine) -> Iterator[Town]:
    """The town's timetable in a database, served at seven, with no report yet."""
    clock = Clock()
    clock.now = moment(SEVEN)
    with database.begin() as transaction:
        store(transaction, network(), "town", clock.now)
        token = add_api_key(transaction, "ana", clock.now)
    settings = Settings(api_port=0, statement_timeout_s=60)
    url = database.url.render_as_string(hide_password=False)
    engine = open_database(url, name="test-api", statement_timeout_s=60, pool_size=5)
    app = create_app(settings, engine, clock, prepared_s=0.0)
    with listening(app, settings) as address, httpx.Client(base_url=address, timeout=LIMIT_S) as client:
        yield Town(database, clock, client, app.state.context.snapshot_cache, token)
    engine.dispose()
