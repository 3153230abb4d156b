"""A served city for the tests of riders' pages: a timetable in force, and predictions as rows."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec
from fastapi import FastAPI
from sqlalchemy import Engine, delete, insert

from models.network import Journey, Network
from models.tables.vehicles import expected_journeys, vehicle_outlooks
from services.runtime.settings import Settings
from services.transit.model.prediction import Basis, MatchedPosition, Phase, TripPrediction, VehiclePrediction
from services.transit.timetable.versions import store
from services.web.app import create_app
from tests.services.web.pages.site import Site

MONDAY = date(2026, 3, 2)
NOW = datetime(2026, 3, 2, 17, 32, tzinfo=UTC)
"""14:32 in the city."""


@dataclass
class Town:
    """A served city, and how tests act on it."""

    engine: Engine
    app: FastAPI
    site: Site
    network: Network
    clock: list[datetime] = field(default_factory=lambda: [NOW])

    @property
    def now(self) -> float:
        """Unix seconds."""
        return self.clock[0].timestamp()

    def at(self, moment: datetime) -> None:
        """Set the clock, and refresh the snapshot."""
        self.clock[0] = moment
        self.look()

    def look(self) -> None:
        """Refresh the snapshot of the application."""
        self.app.state.context.snapshot_cache.refresh()

    def journeys(self, line: str, stop_code: str, start: float, end: float) -> list[tuple[Journey, int]]:
        """The journeys of a line that leave a stop between two times, with the stop's position in each."""
        stop = next(one for one in self.network.stops.values() if one.code == stop_code)
        found = [
            (journey, position)
            for index, position in self.network.calls_by_stop[stop.id]
            if self.network.routes[self.network.patterns[index].route_id].short_name == line
            for journey in self.network.journeys_between(index, start - 7200, end + 7200)
            if start <= journey.departure_at(position) <= end
        ]
        return sorted(found, key=lambda one: one[0].departure_at(one[1]))

    def drive(
        self,
        vehicle: str,
        journey: Journey,
        heard_at: float,
        late_s: float = 0.0,
        seats: int | None = None,
        **more: Any,
    ) -> None:
        """Write the prediction of a bus on a journey, so late, that reported at that time. `seats`: taken, per cent."""
        coming = expectation(self.network, journey, heard_at, late_s, **more)
        claim = (*journey.key, journey.trip.pattern)
        place = MatchedPosition(Phase.IN_PROGRESS, heard_at, -34.92, -57.95, *claim, 0.0, 0.9)
        vehicle_prediction = VehiclePrediction(vehicle, self.network.version, place, (coming,), occupancy=seats)
        row = {
            "vehicle": vehicle,
            "observed_at": datetime.fromtimestamp(heard_at, UTC),
            "outlook": msgspec.json.encode(vehicle_prediction).decode(),
            "belief": "{}",
        }
        with self.engine.begin() as transaction:
            transaction.execute(delete(vehicle_outlooks).where(vehicle_outlooks.c.vehicle == vehicle))
            transaction.execute(insert(vehicle_outlooks).values(row))
        self.look()

    def withdraw(self, journey: Journey) -> None:
        """Write a journey as withdrawn."""
        self._write_expected(journey, basis=Basis.NOT_COMING, reason="no_vehicle")

    def expect(self, journey: Journey) -> None:
        """Write what the timetable and the past say of a journey that no bus makes yet."""
        self._write_expected(journey, basis=Basis.SCHEDULE)

    def _write_expected(self, journey: Journey, **more: Any) -> None:
        coming = expectation(self.network, journey, self.now, 0.0, **more)
        row = {
            "trip_id": journey.key[0],
            "service_date": journey.key[1],
            "start_s": journey.key[2],
            "until": self.clock[0] + timedelta(hours=1),
            "coming": msgspec.json.encode(coming).decode(),
        }
        with self.engine.begin() as transaction:
            transaction.execute(insert(expected_journeys).values(row))
        self.look()


def expectation(
    network: Network, journey: Journey, now: float, late_s: float, *, basis: Basis = Basis.LIVE, **more: Any
) -> TripPrediction:
    """A journey that keeps its times, but so late, from its next stop on; narrower the nearer."""
    positions = range(len(network.patterns[journey.trip.pattern].stop_ids))
    first = next((at for at in positions if journey.departure_at(at) + late_s >= now), positions[-1])
    p50 = [journey.arrival_at(at) + late_s for at in positions[first:]]
    spread = [15 + 0.1 * max(0.0, at - now) for at in p50]
    return TripPrediction(
        *journey.key,
        journey.trip.pattern,
        first,
        tuple(at - width for at, width in zip(p50, spread, strict=True)),
        tuple(p50),
        tuple(at + 2 * width for at, width in zip(p50, spread, strict=True)),
        tuple(at - 1.2 * width for at, width in zip(p50, spread, strict=True)),
        tuple(journey.departure_at(at) + late_s for at in positions[first:]),
        basis,
        **more,
    )


def put_in_force(engine: Engine, network: Network) -> None:
    """Import a timetable, in force since yesterday."""
    with engine.begin() as transaction:
        store(transaction, network, "city", NOW - timedelta(days=1))


@contextmanager
def town(engine: Engine) -> Iterator[Town]:
    """A city with the timetable in force, and no report yet."""
    clock = [NOW]
    app = create_app(Settings(), engine, lambda: clock[0], prepared_s=0.0)
    with Site(app) as site:
        app.state.context.snapshot_cache.refresh()
        yield Town(engine, app, site, app.state.context.snapshot_cache.snapshot().network, clock)
