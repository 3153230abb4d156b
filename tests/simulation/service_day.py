"""Simulate a service day of some lines: follow it from the trackers' messages, and record predictions and real visits.

A few times in the day the fleet is replaced by a new one, restored from what the tables would hold.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random

from ingest.decode import decode
from models.network import Network
from models.reading import Message, Reading
from services.transit.fleet.assigned_trips import STARTED_KEPT_S
from services.transit.fleet.fleet import Fleet, ReportResult
from services.transit.fleet.readings import position_report_of
from services.transit.fleet.stop_visits import LastStopReached
from services.transit.model.prediction import Basis, TripPrediction, VehiclePrediction
from services.transit.serving.snapshot import ExpectedJourney, TransitSnapshot, empty_snapshot, with_changes
from services.transit.travel_times.link_times import TravelTimes
from simulators.buses.bus import MissedStops, StopVisit
from simulators.buses.operations import BusOperations
from simulators.buses.street_speeds import StreetConditions
from simulators.buses.trackers import FaultRates, Trackers
from simulators.devices.faults import delayed, duplicated, out_of_order
from simulators.devices.message import SimulatedMessage, in_due_order
from simulators.environment.weather import MINUTE
from simulators.lines.street_plan import corner_point, to_latlon

TICK_S = 60.0
VALID_S = 120.0
"""How long a published prediction without a vehicle is valid, as in the pipeline."""
RESTARTS = 4
FLOOD = (to_latlon(corner_point("7 y 520")),)
FLOODED_H = (15, 18)
"""Hours of the service day with water over avenue 7."""

Key = tuple[str, str, int]


@dataclass(frozen=True, slots=True)
class PublishedPrediction:
    """The prediction of one journey that was published at one instant.

    `bus`: the real bus behind the vehicle's name, empty without a vehicle. `trips_ahead`: see `current_prediction`.
    `stuck`: the bus's tracker reports the same position again and again.
    """

    at: float
    key: Key
    trip: TripPrediction
    bus: str
    vehicle: VehiclePrediction | None
    trips_ahead: int
    stuck: bool


@dataclass
class Truth:
    """What the buses did: stops visited, by bus and by journey, and stops missed_by_journey."""

    visits_by_bus: dict[str, list[StopVisit]] = field(default_factory=lambda: defaultdict(list))
    visits_by_journey: dict[Key, list[StopVisit]] = field(default_factory=lambda: defaultdict(list))
    missed_by_journey: dict[Key, list[MissedStops]] = field(default_factory=lambda: defaultdict(list))

    def log(self, event: StopVisit | MissedStops) -> None:
        """Record an event of the simulation."""
        match event:
            case StopVisit():
                self.visits_by_bus[event.vehicle].append(event)
                self.visits_by_journey[event.journey.key].append(event)
            case MissedStops():
                self.missed_by_journey[event.journey.key].append(event)


@dataclass
class Day:
    """A service day, from before the first bus to hours after the last one.

    `published`: all predictions published at each tick. `reports`: the number of position reports.
    """

    network: Network
    seed: int
    fault_rates: FaultRates
    begins: datetime
    hours: int
    truth: Truth = field(default_factory=Truth)
    published: list[PublishedPrediction] = field(default_factory=list)
    reports: int = 0

    def __post_init__(self) -> None:
        self._streets = StreetConditions()
        buses = BusOperations(self.network, self.seed, self.begins, self._streets, self.truth.log)
        self._trackers = Trackers(buses, self.seed, self.fault_rates)
        self._fleet = Fleet(self.network, TravelTimes())
        self._snapshot: TransitSnapshot = empty_snapshot(self.network)
        self._bus_by_vehicle: dict[str, str] = {}
        random = Random(f"{self.seed}/restarts")
        hours = sorted(random.uniform(0, self.hours) for _ in range(RESTARTS))
        self._restarts = [(self.begins + timedelta(hours=hour)).timestamp() for hour in hours]
        self._saved_vehicles: dict[str, tuple[VehiclePrediction, str]] = {}
        self._last_stops: dict[Key, LastStopReached] = {}
        self._expected: tuple[TripPrediction, ...] = ()

    def run(self) -> None:
        """Follow every report as it is received, and record what is published once a tick."""
        next_at = self.begins.timestamp()
        changed: dict[str, VehiclePrediction] = {}
        for message in in_due_order(self._received_messages()):
            due_at = message.due_at.timestamp()
            while next_at <= due_at:
                self._tick(next_at, changed)
                next_at += TICK_S
            self._receive(message, due_at, changed)
        ends = (self.begins + timedelta(hours=self.hours)).timestamp()
        while next_at <= ends:
            self._tick(next_at, changed)
            next_at += TICK_S

    def _received_messages(self) -> Iterator[SimulatedMessage]:
        random = Random(f"{self.seed}/network")
        messages = delayed(self._sent_messages(), random, share=0.01)
        return out_of_order(duplicated(messages, random, share=0.02), random, share=0.02)

    def _sent_messages(self) -> Iterator[SimulatedMessage]:
        now = self.begins
        while now < self.begins + timedelta(hours=self.hours):
            hour = (now - self.begins) / timedelta(hours=1)
            self._streets.flooded = FLOOD if FLOODED_H[0] <= hour + 4 < FLOODED_H[1] else ()
            self._bus_by_vehicle |= {
                f"laplata.{name}": bus for name, bus in self._trackers.vehicle_by_device(now.timestamp()).items()
            }
            yield from self._trackers.next_minute(now)
            now += MINUTE

    def _receive(self, message: SimulatedMessage, now: float, changed: dict[str, VehiclePrediction]) -> None:
        received_at = datetime.fromtimestamp(now, UTC)
        readings = list(decode(Message(message.topic, message.payload, received_at), "laplata"))
        reports = [position_report_of(one) for one in readings if isinstance(one, Reading)]
        assert len(reports) == len(readings), message
        for report in reports:
            assert report is not None
            result = self._fleet.follow_report(report, now)
            changed[report.vehicle] = result.prediction
            self._save(report.vehicle, result)
            self.reports += 1

    def _save(self, vehicle: str, result: ReportResult) -> None:
        """Keep what the tables would hold of a report."""
        before = self._saved_vehicles.get(vehicle)
        if before is None or result.prediction.matched_position.at >= before[0].matched_position.at:
            self._saved_vehicles[vehicle] = (result.prediction, self._fleet.saved_state(vehicle))
        for visit in result.visits:
            key = (visit.trip_id, visit.service_date, visit.start_s)
            if key not in self._last_stops or self._last_stops[key].reached_at <= visit.arrived_at:
                self._last_stops[key] = LastStopReached(key, visit.vehicle, visit.position, visit.arrived_at)

    def _restart(self, now: float) -> None:
        self._fleet = Fleet(self.network, self._fleet.travel_times)
        self._fleet.restore_trips(
            self._expected, [one for one in self._last_stops.values() if now - one.reached_at < STARTED_KEPT_S]
        )
        for vehicle, (prediction, saved_state) in self._saved_vehicles.items():
            self._fleet.restore_vehicle(vehicle, saved_state, prediction)

    def _tick(self, now: float, changed: dict[str, VehiclePrediction]) -> None:
        if self._restarts and now >= self._restarts[0]:
            self._restarts.pop(0)
            self._restart(now)
        self._fleet.remove_stale(now)
        self._expected = self._fleet.unassigned_trips(now)
        expected = [ExpectedJourney(trip, now + VALID_S) for trip in self._expected]
        self._snapshot = with_changes(self._snapshot, changed.values(), expected)
        changed.clear()
        stuck = {one.bus.vehicle for one in self._trackers.trackers if now < one.stuck_until + TICK_S}
        for key in self._snapshot.journey_predictions:
            current = self._snapshot.current_prediction(key, now)
            if current is not None and current.trip.basis is not Basis.NOT_COMING:
                bus = self._bus_by_vehicle[current.vehicle.vehicle] if current.vehicle else ""
                self.published.append(
                    PublishedPrediction(now, key, current.trip, bus, current.vehicle, current.trips_ahead, bus in stuck)
                )
