"""A service day of some lines, followed from the bytes of their trackers, with what riders were told and the truth.

A few times in the day another process goes on from what the tables hold.
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
HOLDS_S = 120.0
"""How long what is said of a journey without a bus holds, as in the pipeline."""
RESTARTS = 4
FLOOD = (to_latlon(corner_point("7 y 520")),)
FLOODED_H = (15, 18)
"""Hours of the service day with water over avenue 7."""

Key = tuple[str, str, int]


@dataclass(frozen=True, slots=True)
class Told:
    """What was public at one instant about one journey. `bus` is the real one behind the name, empty where none is.

    `stuck`: its tracker says the same place again and again, wherever the bus is.
    """

    at: float
    key: Key
    coming: TripPrediction
    bus: str
    outlook: VehiclePrediction | None
    turn: int
    stuck: bool


@dataclass
class Truth:
    """What the buses did."""

    passings: dict[str, list[StopVisit]] = field(default_factory=lambda: defaultdict(list))
    made: dict[Key, list[StopVisit]] = field(default_factory=lambda: defaultdict(list))
    missed: dict[Key, list[MissedStops]] = field(default_factory=lambda: defaultdict(list))

    def log(self, event: StopVisit | MissedStops) -> None:
        """Take note, as the simulation tells."""
        match event:
            case StopVisit():
                self.passings[event.vehicle].append(event)
                self.made[event.journey.key].append(event)
            case MissedStops():
                self.missed[event.journey.key].append(event)


@dataclass
class Day:
    """A service day, from before the first bus until hours after the last."""

    network: Network
    seed: int
    odds: FaultRates
    begins: datetime
    hours: int
    truth: Truth = field(default_factory=Truth)
    told: list[Told] = field(default_factory=list)
    reports: int = 0

    def __post_init__(self) -> None:
        self._streets = StreetConditions()
        buses = BusOperations(self.network, self.seed, self.begins, self._streets, self.truth.log)
        self._trackers = Trackers(buses, self.seed, self.odds)
        self._fleet = Fleet(self.network, TravelTimes())
        self._view: TransitSnapshot = empty_snapshot(self.network)
        self._behind: dict[str, str] = {}
        random = Random(f"{self.seed}/restarts")
        hours = sorted(random.uniform(0, self.hours) for _ in range(RESTARTS))
        self._restarts = [(self.begins + timedelta(hours=hour)).timestamp() for hour in hours]
        self._kept: dict[str, tuple[VehiclePrediction, str]] = {}
        self._reached: dict[Key, LastStopReached] = {}
        self._expected: tuple[TripPrediction, ...] = ()

    def run(self) -> None:
        """Follow every report as it comes in, and look once a minute at what is public."""
        next_at = self.begins.timestamp()
        fresh: dict[str, VehiclePrediction] = {}
        for parcel in in_due_order(self._troubled()):
            due_at = parcel.due_at.timestamp()
            while next_at <= due_at:
                self._look(next_at, fresh)
                next_at += TICK_S
            self._take(parcel, due_at, fresh)
        ends = (self.begins + timedelta(hours=self.hours)).timestamp()
        while next_at <= ends:
            self._look(next_at, fresh)
            next_at += TICK_S

    def _troubled(self) -> Iterator[SimulatedMessage]:
        random = Random(f"{self.seed}/network")
        parcels = delayed(self._parcels(), random, share=0.01)
        return out_of_order(duplicated(parcels, random, share=0.02), random, share=0.02)

    def _parcels(self) -> Iterator[SimulatedMessage]:
        now = self.begins
        while now < self.begins + timedelta(hours=self.hours):
            hour = (now - self.begins) / timedelta(hours=1)
            self._streets.flooded = FLOOD if FLOODED_H[0] <= hour + 4 < FLOODED_H[1] else ()
            self._behind |= {
                f"laplata.{name}": bus for name, bus in self._trackers.vehicle_by_device(now.timestamp()).items()
            }
            yield from self._trackers.next_minute(now)
            now += MINUTE

    def _take(self, parcel: SimulatedMessage, now: float, fresh: dict[str, VehiclePrediction]) -> None:
        received_at = datetime.fromtimestamp(now, UTC)
        readings = list(decode(Message(parcel.topic, parcel.payload, received_at), "laplata"))
        reports = [position_report_of(one) for one in readings if isinstance(one, Reading)]
        assert len(reports) == len(readings), parcel
        for report in reports:
            assert report is not None
            followed = self._fleet.follow_report(report, now)
            fresh[report.vehicle] = followed.prediction
            self._keep(report.vehicle, followed)
            self.reports += 1

    def _keep(self, vehicle: str, followed: ReportResult) -> None:
        """What the tables hold of it."""
        before = self._kept.get(vehicle)
        if before is None or followed.prediction.matched_position.at >= before[0].matched_position.at:
            self._kept[vehicle] = (followed.prediction, self._fleet.saved_state(vehicle))
        for visit in followed.visits:
            key = (visit.trip_id, visit.service_date, visit.start_s)
            if key not in self._reached or self._reached[key].reached_at <= visit.arrived_at:
                self._reached[key] = LastStopReached(key, visit.vehicle, visit.position, visit.arrived_at)

    def _restart(self, now: float) -> None:
        self._fleet = Fleet(self.network, self._fleet.travel_times)
        self._fleet.restore_trips(
            self._expected, [one for one in self._reached.values() if now - one.reached_at < STARTED_KEPT_S]
        )
        for vehicle, (outlook, kept) in self._kept.items():
            self._fleet.restore_vehicle(vehicle, kept, outlook)

    def _look(self, now: float, fresh: dict[str, VehiclePrediction]) -> None:
        if self._restarts and now >= self._restarts[0]:
            self._restarts.pop(0)
            self._restart(now)
        self._fleet.remove_stale(now)
        self._expected = self._fleet.unassigned_trips(now)
        expected = [ExpectedJourney(coming, now + HOLDS_S) for coming in self._expected]
        self._view = with_changes(self._view, fresh.values(), expected)
        fresh.clear()
        stuck = {one.bus.vehicle for one in self._trackers.trackers if now < one.stuck_until + TICK_S}
        for key in self._view.journey_predictions:
            due = self._view.current_prediction(key, now)
            if due is not None and due.trip.basis is not Basis.NOT_COMING:
                bus = self._behind[due.vehicle.vehicle] if due.vehicle else ""
                self.told.append(Told(now, key, due.trip, bus, due.vehicle, due.trips_ahead, bus in stuck))
