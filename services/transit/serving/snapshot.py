"""What is known of a city's buses at one moment. A view never changes: the next is made from it and what is new."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from math import inf
from types import MappingProxyType

from msgspec import Struct
from msgspec.structs import replace as with_fields

from models.network import Journey, Network
from services.transit.model.prediction import Basis, TripPrediction, VehiclePrediction
from services.transit.model.service_alert import ServiceAlert
from services.transit.model.stop_index import StopIndex
from services.transit.timetable.scheduled_arrivals import JourneyKey, ScheduledArrivals
from services.transit.travel_times.stalled_vehicles import is_expired

SILENT_AFTER_S = 300.0
"""A bus not heard for longer is said not to report, whatever was last estimated: trackers may be minutes apart."""
HIDDEN_AFTER_S = 600.0
"""A bus not heard for longer is nowhere: no ghosts."""
RETENTION_S = 3_600.0
"""How long a vehicle's last place is kept behind the newest report of all."""
FEED_SILENT_AFTER_S = 300.0
FUTURE_TOLERANCE_S = 180.0
"""A report from farther ahead than this is of another time: a clock that was set back, or a demo begun anew."""


class Health(StrEnum):
    """How well an agency's buses are heard."""

    LIVE = "live"
    SILENT = "silent"
    """None of its buses was heard for FEED_SILENT_S: what is told is the timetable."""
    STALE = "blind"
    """This process cannot read what the others write: what it tells is old."""


class ExpectedJourney(Struct, frozen=True, gc=False):
    """What is said, until a moment, of a journey no vehicle makes."""

    prediction: TripPrediction
    valid_until: float


class JourneyPrediction(Struct, frozen=True, gc=False):
    """One journey as one vehicle makes it, or as it is expected where no vehicle does (`vehicle_prediction` None).

    `trips_ahead`: 0 for what the vehicle does now, 1 for its next journey and so on.
    """

    key: JourneyKey
    journey: Journey
    prediction: TripPrediction
    vehicle_prediction: VehiclePrediction | None = None
    trips_ahead: int = 0
    valid_until: float = 0.0


@dataclass(frozen=True)
class TransitSnapshot:
    """What is known of the buses at one moment. `revision` differs between any two snapshots of one process.

    `journey_predictions`: by journey, its predictions, the most credible first. `journeys_by_pattern`: by pattern, the
    journeys that have a prediction. `last_report_at`: by agency, the time of its newest report, Unix seconds; under ""
    the newest of all. `stale`: see Health.STALE.
    """

    network: Network
    schedule: ScheduledArrivals
    stop_index: StopIndex
    revision: int = 0
    vehicle_predictions: Mapping[str, VehiclePrediction] = field(default_factory=dict)
    journey_predictions: Mapping[JourneyKey, tuple[JourneyPrediction, ...]] = field(default_factory=dict)
    journeys_by_pattern: Mapping[int, tuple[JourneyKey, ...]] = field(default_factory=dict)
    last_report_at: Mapping[str, float] = field(default_factory=dict)
    alerts: tuple[ServiceAlert, ...] = ()
    stale: bool = False

    def current_prediction(self, key: JourneyKey, now: float) -> JourneyPrediction | None:
        """Who makes a journey, or what is expected of it; None where only the timetable speaks of it."""
        for journey_prediction in self.journey_predictions.get(key, ()):
            current = _valid_at(journey_prediction, now)
            if current is not None:
                return current
        return None

    def predictions_along(self, pattern: int, now: float) -> Iterable[JourneyPrediction]:
        """What is known of the journeys along a pattern."""
        for key in self.journeys_by_pattern.get(pattern, ()):
            journey_prediction = self.current_prediction(key, now)
            if journey_prediction is not None:
                yield journey_prediction

    def health(self, now: float, agency_id: str = "") -> Health:
        """How well an agency's buses are heard; of any agency, where none is named."""
        if self.stale:
            return Health.STALE
        return Health.LIVE if now - self.last_report_at.get(agency_id, 0.0) <= FEED_SILENT_AFTER_S else Health.SILENT


def empty_snapshot(network: Network, number: int = 0) -> TransitSnapshot:
    """A view of a network of whose buses nothing is known."""
    return TransitSnapshot(network, ScheduledArrivals(network), StopIndex(network), number)


def with_changes(
    snapshot: TransitSnapshot,
    vehicle_predictions: Iterable[VehiclePrediction] = (),
    expected: Iterable[ExpectedJourney] = (),
    alerts: tuple[ServiceAlert, ...] | None = None,
    now: float = inf,
) -> TransitSnapshot:
    """The view once more is known: vehicles' outlooks and journeys' expectations that changed, and all alerts.

    What was heard more than AHEAD_S after `now`, Unix seconds, is left out.
    """
    making = _SnapshotBuilder(snapshot)
    for vehicle_prediction in vehicle_predictions:
        if vehicle_prediction.matched_position.at <= now + FUTURE_TOLERANCE_S:
            making.add_vehicle(vehicle_prediction)
    for one in expected:
        making.add_expected_journey(one)
    making.drop_expired()
    return making.build(snapshot.alerts if alerts is None else alerts)


def marked_stale(snapshot: TransitSnapshot) -> TransitSnapshot:
    """The same view, known to be old."""
    return snapshot if snapshot.stale else replace(snapshot, revision=snapshot.revision + 1, stale=True)


def journey_key(coming: TripPrediction) -> JourneyKey:
    """Which journey it speaks of."""
    return (coming.trip_id, coming.service_date, coming.start_s)


class _SnapshotBuilder:
    """The next view while it is made: copies of what changes; tuples are replaced, never changed."""

    def __init__(self, snapshot: TransitSnapshot) -> None:
        self._view = snapshot
        self._outlooks = dict(snapshot.vehicle_predictions)
        self._dues = dict(snapshot.journey_predictions)
        self._along = dict(snapshot.journeys_by_pattern)
        self._heard = dict(snapshot.last_report_at)

    def add_vehicle(self, vehicle_prediction: VehiclePrediction) -> None:
        known = self._outlooks.get(vehicle_prediction.vehicle)
        if known is not None:
            self._remove_vehicle(known)
        self._outlooks[vehicle_prediction.vehicle] = vehicle_prediction
        self._raise_last_report("", vehicle_prediction.matched_position.at)
        if vehicle_prediction.version != self._view.network.version:
            return  # its patterns are another timetable's: only its place holds
        for turn, coming in enumerate(vehicle_prediction.trips):
            journey = self._find_journey(coming)
            if journey is not None:
                self._add(JourneyPrediction(journey_key(coming), journey, coming, vehicle_prediction, turn))
        trip = self._view.network.trips.get(vehicle_prediction.matched_position.trip_id)
        if trip is not None:
            route = self._view.network.routes[self._view.network.patterns[trip.pattern].route_id]
            self._raise_last_report(route.agency_id, vehicle_prediction.matched_position.at)

    def add_expected_journey(self, expected: ExpectedJourney) -> None:
        key, journey = journey_key(expected.prediction), self._find_journey(expected.prediction)
        self._remove(key, lambda journey_prediction: journey_prediction.vehicle_prediction is None)
        if journey is not None:
            self._add(JourneyPrediction(key, journey, expected.prediction, valid_until=expected.valid_until))

    def drop_expired(self) -> None:
        """Let go of what nobody would be told any more."""
        before = self._heard.get("", 0.0) - RETENTION_S
        for vehicle_prediction in [one for one in self._outlooks.values() if one.matched_position.at < before]:
            self._remove_vehicle(vehicle_prediction)
            del self._outlooks[vehicle_prediction.vehicle]
        stale = [
            journey_prediction.key
            for journey_predictions in self._dues.values()
            for journey_prediction in journey_predictions
            if journey_prediction.vehicle_prediction is None and journey_prediction.valid_until < before
        ]
        for key in stale:
            self._remove(key, lambda journey_prediction: journey_prediction.vehicle_prediction is None)

    def build(self, alerts: tuple[ServiceAlert, ...]) -> TransitSnapshot:
        return replace(
            self._view,
            revision=self._view.revision + 1,
            vehicle_predictions=MappingProxyType(self._outlooks),
            journey_predictions=MappingProxyType(self._dues),
            journeys_by_pattern=MappingProxyType(self._along),
            last_report_at=MappingProxyType(self._heard),
            alerts=alerts,
            stale=False,
        )

    def _find_journey(self, coming: TripPrediction) -> Journey | None:
        """The journey a coming speaks of; None where it is not of this network."""
        journey = self._view.schedule.journey(journey_key(coming))
        return journey if journey is not None and journey.trip.pattern == coming.pattern else None

    def _raise_last_report(self, agency_id: str, at: float) -> None:
        self._heard[agency_id] = max(at, self._heard.get(agency_id, 0.0))

    def _remove_vehicle(self, vehicle_prediction: VehiclePrediction) -> None:
        for coming in vehicle_prediction.trips:
            self._remove(
                journey_key(coming),
                lambda journey_prediction: journey_prediction.vehicle_prediction is vehicle_prediction,
            )

    def _add(self, journey_prediction: JourneyPrediction) -> None:
        known = self._dues.get(journey_prediction.key)
        if known is None:
            pattern = journey_prediction.journey.trip.pattern
            self._along[pattern] = (*self._along.get(pattern, ()), journey_prediction.key)
        self._dues[journey_prediction.key] = tuple(sorted((*(known or ()), journey_prediction), key=_credibility))

    def _remove(self, key: JourneyKey, unwanted: Callable[[JourneyPrediction], bool]) -> None:
        known = self._dues.get(key)
        if known is None:
            return
        kept = tuple(journey_prediction for journey_prediction in known if not unwanted(journey_prediction))
        if kept:
            self._dues[key] = kept
            return
        del self._dues[key]
        pattern = known[0].journey.trip.pattern
        self._along[pattern] = tuple(other for other in self._along[pattern] if other != key)


def _credibility(journey_prediction: JourneyPrediction) -> tuple[bool, int, float]:
    """The most credible sorts first: a vehicle before none, what it does before what it will do, then how sure."""
    return (
        journey_prediction.vehicle_prediction is None,
        journey_prediction.trips_ahead,
        -journey_prediction.vehicle_prediction.matched_position.probability
        if journey_prediction.vehicle_prediction
        else 0.0,
    )


def _valid_at(journey_prediction: JourneyPrediction, now: float) -> JourneyPrediction | None:
    """What is still true of it at a moment: a silent vehicle says less, then nothing."""
    if journey_prediction.vehicle_prediction is None:
        return journey_prediction if now <= journey_prediction.valid_until else None
    silent_s = now - journey_prediction.vehicle_prediction.matched_position.at
    if silent_s > HIDDEN_AFTER_S or (
        journey_prediction.prediction.basis is not Basis.NOT_COMING
        and is_expired(journey_prediction.vehicle_prediction.matched_position, now)
    ):
        return None
    if silent_s > SILENT_AFTER_S and journey_prediction.prediction.basis in (Basis.LIVE, Basis.RECENT):
        return with_fields(
            journey_prediction,
            prediction=with_fields(journey_prediction.prediction, basis=Basis.NOT_REPORTING, reason="silent"),
        )
    return journey_prediction
