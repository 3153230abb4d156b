"""Immutable snapshot of what is known of a city's buses at one moment. The next one is made from it and the changes."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from math import inf
from types import MappingProxyType

from msgspec import Struct
from msgspec.structs import replace as with_fields

from models.network import Journey, Network
from models.place import Landmark
from services.transit.model.prediction import Basis, TripPrediction, VehiclePrediction
from services.transit.model.service_alert import ServiceAlert
from services.transit.model.stop_index import StopIndex
from services.transit.timetable.scheduled_arrivals import JourneyKey, ScheduledArrivals
from services.transit.travel_times.stalled_vehicles import is_expired

SILENT_AFTER_S = 300.0
"""A bus not heard for longer counts as not reporting, whatever its prediction: trackers may report minutes apart."""
HIDDEN_AFTER_S = 600.0
"""A bus not heard for longer is not shown anywhere, so that no ghost bus appears."""
RETENTION_S = 3_600.0
"""A vehicle is dropped from the snapshot when its last report is this much older than the newest report of all."""
FEED_SILENT_AFTER_S = 300.0
FUTURE_TOLERANCE_S = 180.0
"""A report from further in the future is ignored: a clock was set back after it, or a demo was started anew."""


class Health(StrEnum):
    """Whether an agency's buses report."""

    LIVE = "live"
    SILENT = "silent"
    """None of its buses reported for FEED_SILENT_AFTER_S: only the timetable is shown."""
    STALE = "blind"
    """This process cannot read what the pipelines write: its snapshot is old. The value is the published word."""


class ExpectedJourney(Struct, frozen=True, gc=False):
    """The prediction for a journey without a vehicle, valid until a moment, Unix seconds."""

    trip: TripPrediction
    valid_until: float


class JourneyPrediction(Struct, frozen=True, gc=False):
    """A prediction for one journey, by one vehicle or, where `vehicle` is None, without a vehicle.

    `trips_ahead`: 0 for the journey the vehicle makes now, 1 for its next and so on. `valid_until`: Unix seconds, of
    a journey without a vehicle only.
    """

    key: JourneyKey
    journey: Journey
    trip: TripPrediction
    vehicle: VehiclePrediction | None = None
    trips_ahead: int = 0
    valid_until: float = 0.0


@dataclass(frozen=True)
class TransitSnapshot:
    """What is known of the buses at one moment. `revision` differs between any two snapshots of one process.

    `journey_predictions`: by journey, its predictions, the most credible first. `journeys_by_pattern`: by pattern, the
    journeys that have a prediction. `last_report_at`: by agency, the time of its newest report, Unix seconds; under ""
    the newest of all. `landmarks`: of the seed, in its order. `stale`: see Health.STALE.
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
    landmarks: tuple[Landmark, ...] = ()
    stale: bool = False

    def current_prediction(self, key: JourneyKey, now: float) -> JourneyPrediction | None:
        """The most credible prediction for a journey that is valid at `now`; None where only the timetable is known."""
        for predicted in self.journey_predictions.get(key, ()):
            current = _valid_at(predicted, now)
            if current is not None:
                return current
        return None

    def predictions_along(self, pattern: int, now: float) -> Iterable[JourneyPrediction]:
        """The current predictions for the journeys along a pattern."""
        for key in self.journeys_by_pattern.get(pattern, ()):
            predicted = self.current_prediction(key, now)
            if predicted is not None:
                yield predicted

    def health(self, now: float, agency_id: str = "") -> Health:
        """Whether an agency's buses report; with no agency given, whether any bus does."""
        if self.stale:
            return Health.STALE
        return Health.LIVE if now - self.last_report_at.get(agency_id, 0.0) <= FEED_SILENT_AFTER_S else Health.SILENT


def empty_snapshot(network: Network, revision: int = 0) -> TransitSnapshot:
    """A snapshot of a network with no vehicles and no predictions."""
    return TransitSnapshot(network, ScheduledArrivals(network), StopIndex(network), revision)


def with_changes(
    snapshot: TransitSnapshot,
    vehicle_predictions: Iterable[VehiclePrediction] = (),
    expected: Iterable[ExpectedJourney] = (),
    alerts: tuple[ServiceAlert, ...] | None = None,
    now: float = inf,
) -> TransitSnapshot:
    """The next snapshot: with the predictions that changed and all service alerts (None: those of the snapshot).

    A vehicle whose report lies more than FUTURE_TOLERANCE_S after `now`, Unix seconds, is left out.
    """
    builder = _SnapshotBuilder(snapshot)
    for vehicle_prediction in vehicle_predictions:
        if vehicle_prediction.matched_position.at <= now + FUTURE_TOLERANCE_S:
            builder.add_vehicle(vehicle_prediction)
    for journey in expected:
        builder.add_expected_journey(journey)
    builder.drop_expired()
    return builder.build(snapshot.alerts if alerts is None else alerts)


def with_landmarks(snapshot: TransitSnapshot, landmarks: tuple[Landmark, ...]) -> TransitSnapshot:
    """The same snapshot with these landmarks of the city."""
    if landmarks == snapshot.landmarks:
        return snapshot
    return replace(snapshot, revision=snapshot.revision + 1, landmarks=landmarks)


def marked_stale(snapshot: TransitSnapshot) -> TransitSnapshot:
    """The same snapshot, marked as old."""
    return snapshot if snapshot.stale else replace(snapshot, revision=snapshot.revision + 1, stale=True)


def journey_key(prediction: TripPrediction) -> JourneyKey:
    """The key of the journey that a prediction is for."""
    return (prediction.trip_id, prediction.service_date, prediction.start_s)


class _SnapshotBuilder:
    """Builds the next snapshot from copies of the last one's mappings. Tuples are replaced, never changed."""

    def __init__(self, snapshot: TransitSnapshot) -> None:
        self._previous = snapshot
        self._vehicle_predictions = dict(snapshot.vehicle_predictions)
        self._journey_predictions = dict(snapshot.journey_predictions)
        self._journeys_by_pattern = dict(snapshot.journeys_by_pattern)
        self._last_report_at = dict(snapshot.last_report_at)

    def add_vehicle(self, vehicle_prediction: VehiclePrediction) -> None:
        previous = self._vehicle_predictions.get(vehicle_prediction.vehicle)
        if previous is not None:
            self._remove_vehicle(previous)
        self._vehicle_predictions[vehicle_prediction.vehicle] = vehicle_prediction
        self._raise_last_report("", vehicle_prediction.matched_position.at)
        if vehicle_prediction.version != self._previous.network.version:
            return  # The indexes of its patterns are of another timetable: only its position is valid.
        for trips_ahead, prediction in enumerate(vehicle_prediction.trips):
            journey = self._find_journey(prediction)
            if journey is not None:
                self._add(
                    JourneyPrediction(journey_key(prediction), journey, prediction, vehicle_prediction, trips_ahead)
                )
        trip = self._previous.network.trips.get(vehicle_prediction.matched_position.trip_id)
        if trip is not None:
            route = self._previous.network.routes[self._previous.network.patterns[trip.pattern].route_id]
            self._raise_last_report(route.agency_id, vehicle_prediction.matched_position.at)

    def add_expected_journey(self, expected: ExpectedJourney) -> None:
        key, journey = journey_key(expected.trip), self._find_journey(expected.trip)
        self._remove(key, lambda predicted: predicted.vehicle is None)
        if journey is not None:
            self._add(JourneyPrediction(key, journey, expected.trip, valid_until=expected.valid_until))

    def drop_expired(self) -> None:
        """Drop what is older than RETENTION_S."""
        oldest_at = self._last_report_at.get("", 0.0) - RETENTION_S
        for vehicle_prediction in [
            one for one in self._vehicle_predictions.values() if one.matched_position.at < oldest_at
        ]:
            self._remove_vehicle(vehicle_prediction)
            del self._vehicle_predictions[vehicle_prediction.vehicle]
        expired = [
            predicted.key
            for journey_predictions in self._journey_predictions.values()
            for predicted in journey_predictions
            if predicted.vehicle is None and predicted.valid_until < oldest_at
        ]
        for key in expired:
            self._remove(key, lambda predicted: predicted.vehicle is None)

    def build(self, alerts: tuple[ServiceAlert, ...]) -> TransitSnapshot:
        return replace(
            self._previous,
            revision=self._previous.revision + 1,
            vehicle_predictions=MappingProxyType(self._vehicle_predictions),
            journey_predictions=MappingProxyType(self._journey_predictions),
            journeys_by_pattern=MappingProxyType(self._journeys_by_pattern),
            last_report_at=MappingProxyType(self._last_report_at),
            alerts=alerts,
            stale=False,
        )

    def _find_journey(self, prediction: TripPrediction) -> Journey | None:
        """The journey that a prediction is for; None where it is not of this network."""
        journey = self._previous.schedule.journey(journey_key(prediction))
        return journey if journey is not None and journey.trip.pattern == prediction.pattern else None

    def _raise_last_report(self, agency_id: str, at: float) -> None:
        self._last_report_at[agency_id] = max(at, self._last_report_at.get(agency_id, 0.0))

    def _remove_vehicle(self, vehicle_prediction: VehiclePrediction) -> None:
        for prediction in vehicle_prediction.trips:
            self._remove(
                journey_key(prediction),
                lambda predicted: predicted.vehicle is vehicle_prediction,
            )

    def _add(self, predicted: JourneyPrediction) -> None:
        predictions = self._journey_predictions.get(predicted.key)
        if predictions is None:
            pattern = predicted.journey.trip.pattern
            self._journeys_by_pattern[pattern] = (*self._journeys_by_pattern.get(pattern, ()), predicted.key)
        self._journey_predictions[predicted.key] = tuple(sorted((*(predictions or ()), predicted), key=_credibility))

    def _remove(self, key: JourneyKey, is_unwanted: Callable[[JourneyPrediction], bool]) -> None:
        predictions = self._journey_predictions.get(key)
        if predictions is None:
            return
        kept = tuple(predicted for predicted in predictions if not is_unwanted(predicted))
        if kept:
            self._journey_predictions[key] = kept
            return
        del self._journey_predictions[key]
        pattern = predictions[0].journey.trip.pattern
        self._journeys_by_pattern[pattern] = tuple(
            other_key for other_key in self._journeys_by_pattern[pattern] if other_key != key
        )


def _credibility(predicted: JourneyPrediction) -> tuple[bool, int, float]:
    """Sort key, most credible first: with a vehicle, the present trip before later ones, the likelier match."""
    return (
        predicted.vehicle is None,
        predicted.trips_ahead,
        -predicted.vehicle.matched_position.probability if predicted.vehicle else 0.0,
    )


def _valid_at(predicted: JourneyPrediction, now: float) -> JourneyPrediction | None:
    """The prediction at `now`: NOT_REPORTING once its vehicle is silent, None once it is hidden or expired."""
    if predicted.vehicle is None:
        return predicted if now <= predicted.valid_until else None
    silent_s = now - predicted.vehicle.matched_position.at
    if silent_s > HIDDEN_AFTER_S or (
        predicted.trip.basis is not Basis.NOT_COMING and is_expired(predicted.vehicle.matched_position, now)
    ):
        return None
    if silent_s > SILENT_AFTER_S and predicted.trip.basis in (Basis.LIVE, Basis.RECENT):
        return with_fields(
            predicted,
            trip=with_fields(predicted.trip, basis=Basis.NOT_REPORTING, reason="silent"),
        )
    return predicted
