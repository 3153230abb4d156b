"""Which journeys have a vehicle, and when each route and agency was last heard."""

from collections.abc import Iterable, Mapping

from msgspec import Struct

from models.network import Network
from services.transit.fleet.stop_visits import Key, LastStopReached
from services.transit.model.prediction import Basis, VehiclePrediction
from services.transit.prediction.unassigned_trips import AGENCY_SILENT_S, TripAssignments
from services.transit.travel_times.stalled_vehicles import is_expired

STARTED_KEPT_S = 7_200.0
"""For this long a journey on which a vehicle passed stops is remembered."""


class StartedJourney(Struct, frozen=True, gc=False):
    """The last vehicle that passed stops of a journey, when it did, and whether it passed the last stop."""

    vehicle: str
    last_passage_at: float
    ended: bool


class AssignedTrips:
    """Journeys of one network that vehicles make or have made.

    `started`: by key of the journey. `route_heard_at`, `agency_heard_at`: last report of any bus, Unix seconds.
    """

    def __init__(self, network: Network) -> None:
        self.started: dict[Key, StartedJourney] = {}
        self.route_heard_at: dict[str, float] = {}
        self.agency_heard_at: dict[str, float] = {}
        self._network = network

    def set_heard_at(self, pattern: int, at: float) -> None:
        """Record that a vehicle on a pattern was heard. `pattern`: index into the network's patterns, -1 for none."""
        if pattern >= 0:
            route = self._network.routes[self._network.patterns[pattern].route_id]
            self.route_heard_at[route.id] = max(at, self.route_heard_at.get(route.id, 0.0))
            self.agency_heard_at[route.agency_id] = max(at, self.agency_heard_at.get(route.agency_id, 0.0))

    def assignments(self, heard: Mapping[str, VehiclePrediction | None], now: float) -> TripAssignments:
        """The assignments at one moment. `heard`: the vehicles heard lately, each with its last prediction, if any."""
        predictions = {vehicle: prediction for vehicle, prediction in heard.items() if prediction is not None}
        expired = {
            vehicle for vehicle, prediction in predictions.items() if is_expired(prediction.matched_position, now)
        }
        assigned = {
            (trip.trip_id, trip.service_date, trip.start_s)
            for vehicle, prediction in predictions.items()
            for trip in prediction.trips
            if vehicle not in expired or trip.basis is Basis.NOT_COMING
        }
        ended: set[Key] = set()
        active_agencies: set[str] = set()
        present = heard.keys() - expired
        for key, started in self.started.items():
            if started.ended:
                ended.add(key)
            elif started.vehicle not in present:
                # If the agency was heard well after the vehicle, only the vehicle fell silent; else perhaps all did.
                agency_id = self._agency_id_of(key)
                if self.agency_heard_at.get(agency_id, 0.0) >= started.last_passage_at + AGENCY_SILENT_S:
                    ended.add(key)
                else:
                    assigned.add(key)
                    active_agencies.add(agency_id)
            elif key in assigned:
                active_agencies.add(self._agency_id_of(key))
        return TripAssignments(assigned, ended, self.route_heard_at, self.agency_heard_at, active_agencies)

    def restore(self, last_stops: Iterable[LastStopReached]) -> None:
        """Continue from the last stop reached on each journey. Trips that the network does not know are left out."""
        for last_stop in last_stops:
            trip = self._network.trips.get(last_stop.key[0])
            if trip is not None:
                pattern = self._network.patterns[trip.pattern]
                self.started[last_stop.key] = StartedJourney(
                    last_stop.vehicle, last_stop.reached_at, last_stop.position == len(pattern.stop_ids) - 1
                )
                self.set_heard_at(pattern.index, last_stop.reached_at)

    def remove_stale(self, now: float) -> None:
        """Remove journeys whose last passage is older than STARTED_KEPT_S."""
        for key in [key for key, one in self.started.items() if now - one.last_passage_at > STARTED_KEPT_S]:
            del self.started[key]

    def _agency_id_of(self, key: Key) -> str:
        pattern = self._network.patterns[self._network.trips[key[0]].pattern]
        return self._network.routes[pattern.route_id].agency_id
