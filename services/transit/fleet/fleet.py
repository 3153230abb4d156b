"""Follow the vehicles of a city: report history, matching, stop passages, travel times, predictions. In memory.

Reports may come late and in any order. An older report is inserted where it belongs: the reports after it are removed,
what was learnt from them is removed too, and all are processed again in order.
"""

from collections.abc import Iterable, Iterator

import msgspec
from msgspec import Struct

from models.network import Journey, Network, Pattern
from services.transit.fleet.assigned_trips import AssignedTrips, StartedJourney
from services.transit.fleet.report_history import ProcessedReport, ReportHistory, SavedState
from services.transit.fleet.stop_visits import Key, LastStopReached, StopVisit, stop_visit
from services.transit.matching.matcher import Matcher
from services.transit.model.journey_search import JourneySearch
from services.transit.model.position_report import PositionReport
from services.transit.model.prediction import MatchedPosition, Phase, TripPrediction, VehiclePrediction
from services.transit.model.stop_passages import (
    JourneyProgress,
    StopPassage,
    add_traversal,
    advance_progress,
    journey_has_exact_times,
    link_traversal,
    start_progress,
)
from services.transit.prediction.arrival_times import (
    PredictedTrip,
    journey_of,
    predict_trips,
    predict_trips_from,
    start_at_stop,
    start_at_terminal,
)
from services.transit.prediction.pending_predictions import ScoredPrediction
from services.transit.prediction.unassigned_trips import UnassignedTrips
from services.transit.travel_times.link_history import LearnedDeparture, LearnedTraversal
from services.transit.travel_times.link_times import TravelTimes

SILENT_AFTER_S = 600.0
"""A vehicle not heard for longer than this makes no journey any more."""
STATE_KEPT_S = 3_600.0
"""The state of a vehicle not heard for longer than this is deleted."""
MAX_CACHED_JOURNEYS = 20_000


class ReportedStop(Struct, frozen=True, gc=False):
    """A vehicle reports itself that it stands at a stop of its journey: by doors, beacons or people.

    `position`: index of the stop in the pattern. `arrived_at`, `left_at`: Unix seconds, 0 where not known (yet).
    """

    vehicle: str
    journey: Journey
    position: int
    arrived_at: float = 0.0
    left_at: float = 0.0


class ReportResult(Struct, frozen=True, gc=False):
    """Result of one report. `visits`: stops reached since the last one, and visits it corrects. `scores`: errors of
    earlier predictions.
    """

    matched_position: MatchedPosition
    visits: tuple[StopVisit, ...]
    prediction: VehiclePrediction
    scores: tuple[ScoredPrediction, ...]


class Fleet:
    """Every vehicle of a city on one timetable. The time is an argument of each method; no clock is read."""

    def __init__(self, network: Network, travel_times: TravelTimes) -> None:
        self.network = network
        self.travel_times = travel_times
        self._matcher = Matcher(network)
        self._assigned = AssignedTrips(network)
        self._unassigned = UnassignedTrips(network, JourneySearch(network), travel_times)
        self._histories: dict[str, ReportHistory] = {}
        self._journeys: dict[Key, Journey] = {}

    def follow_report(self, report: PositionReport, now: float) -> ReportResult:
        """Follow a vehicle to the position of a report; a late report corrects the past.

        `now`: when the report was received, Unix seconds. A report of the same time as another of the vehicle, or older
        than all that are kept, changes nothing.
        """
        history = self._histories.setdefault(report.vehicle, ReportHistory())
        visits, scores = self._insert_report(history, report)
        latest = history.latest_state()
        assert latest is not None  # the report was inserted, or another of its time was there
        matched = history.matched_position or latest.state.matched_position()
        slowness = (
            latest.progress.past_slowness[1]
            if latest.progress is not None and latest.progress.key == _journey_key(matched)
            else 0.0
        )
        trips = predict_trips(self.network, matched, self.travel_times, now, slowness)
        prediction = self._vehicle_prediction(history, report.vehicle, matched, trips, now)
        history.prediction = msgspec.structs.replace(
            prediction, speed_ms=report.speed_ms, bearing_deg=report.bearing_deg, occupancy=report.occupancy
        )
        return ReportResult(matched, visits, history.prediction, scores)

    def follow_stop(self, stop: ReportedStop, now: float) -> ReportResult:
        """Follow a vehicle that reports its stops: no matching, no interpolation, and its dwell is observed."""
        history = self._histories.setdefault(stop.vehicle, ReportHistory())
        journey, pattern = stop.journey, self.network.patterns[stop.journey.trip.pattern]
        history.reported_progress, scores = self._progress_at_stop(history, stop, pattern)
        passage = history.reported_progress.last_passage
        if passage is None or passage.position != stop.position:
            passage = StopPassage(stop.position, stop.arrived_at)
            start = start_at_terminal(journey, pattern, self.travel_times, stop.arrived_at)
        else:
            start = msgspec.structs.replace(
                start_at_stop(pattern, passage, self.travel_times), slowness=history.reported_progress.past_slowness[1]
            )
        matched = _position_at_stop(self.network, journey, pattern, stop.position, history.reported_progress.at)
        trips = predict_trips_from(self.network, journey, start, self.travel_times, now)
        history.prediction = self._vehicle_prediction(history, stop.vehicle, matched, trips, now)
        return ReportResult(matched, (stop_visit(stop.vehicle, journey, pattern, passage),), history.prediction, scores)

    def unassigned_trips(self, now: float) -> tuple[TripPrediction, ...]:
        """Predictions of the journeys, on their way or due soon, that no vehicle makes.

        A journey well past its departure is withdrawn if its bus would have been heard.
        """
        heard = {
            vehicle: history.prediction
            for vehicle, history in self._histories.items()
            if now - history.heard_at() <= SILENT_AFTER_S
        }
        return self._unassigned.predictions(self._assigned.assignments(heard, now), now)

    # State of vehicles

    def remove_stale(self, now: float) -> None:
        """Delete the state of vehicles not heard for STATE_KEPT_S, and of journeys long ended."""
        for vehicle in [name for name, one in self._histories.items() if now - one.heard_at() > STATE_KEPT_S]:
            del self._histories[vehicle]
        self._assigned.remove_stale(now)

    def reset_vehicle(self, vehicle: str) -> None:
        """Delete the state of a vehicle. Its next report is the first."""
        self._histories.pop(vehicle, None)

    def is_followed(self, vehicle: str) -> bool:
        """Whether there is a state of a vehicle."""
        return vehicle in self._histories

    def saved_state(self, vehicle: str) -> str:
        """The state of a vehicle, as JSON for `restore_vehicle`. Raises KeyError if the vehicle is not followed."""
        latest = self._histories[vehicle].latest_state()
        if latest is None:
            raise KeyError(vehicle)
        return msgspec.json.encode(SavedState(latest.state, latest.progress)).decode()

    def restore_vehicle(self, vehicle: str, saved_state: str, prediction: VehiclePrediction) -> None:
        """Continue from a saved state, and from the vehicle's last prediction if it was made by this timetable.

        Raises msgspec.DecodeError or ValidationError if `saved_state` is not one.
        """
        history = ReportHistory(initial_state=msgspec.json.decode(saved_state, type=SavedState))
        self._histories[vehicle] = history
        if prediction.version == self.network.version:
            history.prediction = prediction
            self._assigned.set_heard_at(prediction.matched_position.pattern, prediction.matched_position.at)

    def restore_trips(self, published: Iterable[TripPrediction], last_stops: Iterable[LastStopReached]) -> None:
        """Continue from the predictions published for journeys without a vehicle, and from the last stop of the others.

        For the fleet of a new process, or of a new timetable: a withdrawn journey stays withdrawn, and no journey that
        has begun or ended is predicted without a vehicle.
        """
        self._unassigned.restore(published)
        self._assigned.restore(last_stops)

    # One report

    def _insert_report(
        self, history: ReportHistory, report: PositionReport
    ) -> tuple[tuple[StopVisit, ...], tuple[ScoredPrediction, ...]]:
        """Process a report, and the reports after it again."""
        removed = history.remove_after(report.at)
        if removed is None:
            return (), ()
        for processed in reversed(removed):
            for learned in reversed(processed.learned):
                self.travel_times.remove_learned(learned)
        visits: list[StopVisit] = []
        scores: list[ScoredPrediction] = []
        for one in (report, *(processed.report for processed in removed)):
            visits += self._process_report(history, one, scores)
        history.remove_oldest()
        return tuple(visits), tuple(scores)

    def _process_report(
        self, history: ReportHistory, report: PositionReport, scores: list[ScoredPrediction]
    ) -> list[StopVisit]:
        """Match a report, learn from the stops passed since the one before, and append it to the history.

        Adds the errors of earlier predictions to `scores`.
        """
        before = history.latest_state()
        state = self._matcher.match(before.state if before else None, report)
        matched = history.matched_position = state.matched_position()
        journey = self._journey_at(matched) if matched.phase in (Phase.IN_PROGRESS, Phase.LAYOVER) else None
        progress = before.progress if before else None
        if journey is None or matched.at != report.at:
            history.processed.append(ProcessedReport(report, state, progress))
            return []
        pattern = self.network.patterns[journey.trip.pattern]
        passages: tuple[StopPassage, ...] = ()
        learned: tuple[LearnedTraversal | LearnedDeparture, ...] = ()
        if progress is None or progress.key != journey.key:
            progress = start_progress(journey.key, pattern, matched.at, matched.distance_m)
        else:
            advanced, passages = advance_progress(progress, pattern, matched.at, matched.distance_m)
            if passages:
                progress, learned = self._learn_passages(report.vehicle, journey, pattern, progress, passages)
                ended = passages[-1].position == len(pattern.stop_ids) - 1
                self._assigned.started[journey.key] = StartedJourney(report.vehicle, report.at, ended)
            progress = msgspec.structs.replace(
                progress,
                at=advanced.at,
                distance_m=advanced.distance_m,
                next_position=advanced.next_position,
                last_passage=advanced.last_passage,
            )
        history.processed.append(ProcessedReport(report, state, progress, learned))
        for passage in passages:
            scores += self._score_passage(history, journey, pattern, passage)
        return [stop_visit(report.vehicle, journey, pattern, passage) for passage in passages]

    def _learn_passages(
        self,
        vehicle: str,
        journey: Journey,
        pattern: Pattern,
        progress: JourneyProgress,
        passages: Iterable[StopPassage],
    ) -> tuple[JourneyProgress, tuple[LearnedTraversal | LearnedDeparture, ...]]:
        """Learn the travel times of the links between stops passed. The position beyond their far ends has arrived."""
        learned: list[LearnedTraversal | LearnedDeparture] = []
        previous, slowness = progress.last_passage, progress.slowness
        for passage in passages:
            traversal = (
                link_traversal(journey, pattern, vehicle, previous, passage, progress.past_slowness[0])
                if previous
                else None
            )
            if traversal is not None:
                sample = self.travel_times.add_traversal(traversal)
                learned.append(sample)
                progress = add_traversal(progress, sample.expected_s, sample.took_s)
            if passage.position == 0 and journey_has_exact_times(journey):
                late_s = (passage.left_at or passage.at) - journey.start_at
                learned.append(self.travel_times.add_departure(pattern.link_ids[0], journey.start_s, late_s))
            previous = passage
        return msgspec.structs.replace(progress, past_slowness=(progress.past_slowness[1], slowness)), tuple(learned)

    def _progress_at_stop(
        self, history: ReportHistory, stop: ReportedStop, pattern: Pattern
    ) -> tuple[JourneyProgress, tuple[ScoredPrediction, ...]]:
        """Progress of a vehicle that reports a stop. At its first stop only its departure counts as a passage."""
        journey, position, progress = stop.journey, stop.position, history.reported_progress
        distance_m, latest = pattern.stop_m[position], max(stop.arrived_at, stop.left_at)
        if progress is None or progress.key != journey.key:
            progress = JourneyProgress(journey.key, latest, distance_m, position)
        progress = msgspec.structs.replace(progress, at=latest, distance_m=distance_m, next_position=position + 1)
        if position == 0 and not stop.left_at:
            return progress, ()
        last_passage = progress.last_passage
        if last_passage is not None and last_passage.position == position:
            passage = StopPassage(position, last_passage.at, stop.left_at)
            return msgspec.structs.replace(progress, last_passage=passage), ()
        at = stop.arrived_at if position and stop.arrived_at else stop.left_at
        passage = StopPassage(position, at, stop.left_at)
        progress, _ = self._learn_passages(stop.vehicle, journey, pattern, progress, (passage,))
        scores = tuple(self._score_passage(history, journey, pattern, passage))
        return msgspec.structs.replace(progress, last_passage=passage), scores

    def _vehicle_prediction(
        self,
        history: ReportHistory,
        vehicle: str,
        matched: MatchedPosition,
        trips: tuple[PredictedTrip, ...],
        now: float,
    ) -> VehiclePrediction:
        """The prediction to be published. Its present trip is recorded, to be scored at each stop passed."""
        if trips:
            history.pending_predictions.add_predictions(trips[0], now)
        self._assigned.set_heard_at(matched.pattern, matched.at)
        return VehiclePrediction(vehicle, self.network.version, matched, tuple(trip.prediction for trip in trips))

    def _score_passage(
        self, history: ReportHistory, journey: Journey, pattern: Pattern, passage: StopPassage
    ) -> Iterator[ScoredPrediction]:
        return history.pending_predictions.score_passage(
            journey.key, passage, pattern.route_id, self.travel_times.source_weights.intervals
        )

    def _journey_at(self, matched: MatchedPosition) -> Journey | None:
        key = _journey_key(matched)
        journey = self._journeys.get(key)
        if journey is None:
            journey = journey_of(self.network, matched)
            if journey is None:
                return None
            if len(self._journeys) >= MAX_CACHED_JOURNEYS:
                self._journeys.clear()
            self._journeys[key] = journey
        return journey


def _journey_key(matched: MatchedPosition) -> Key:
    return (matched.trip_id, matched.service_date, matched.start_s)


def _position_at_stop(
    network: Network, journey: Journey, pattern: Pattern, position: int, at: float
) -> MatchedPosition:
    latitude, longitude = network.stops[pattern.stop_ids[position]].point
    trip_id, service_date, start_s = journey.key
    distance_m = pattern.stop_m[position]
    return MatchedPosition(
        Phase.IN_PROGRESS, at, latitude, longitude, trip_id, service_date, start_s, pattern.index, distance_m, 1.0
    )
