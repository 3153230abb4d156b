"""The whole chain for many vehicles: a report comes in, a place, stops passed and estimates come out. All in memory.

Reports may come late and in any order. An older one is put where it belongs: what came after it is taken back,
unlearnt, and gone through again.
"""

from collections.abc import Iterable, Iterator

import msgspec
from msgspec import Struct

from models.network import Journey, Network, Pattern
from services.transit.fleet.report_history import ProcessedReport, ReportHistory, SavedState
from services.transit.matching.matcher import Matcher
from services.transit.model.journey_search import JourneySearch
from services.transit.model.position_report import PositionReport
from services.transit.model.prediction import Basis, MatchedPosition, Phase, TripPrediction, VehiclePrediction
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
from services.transit.prediction.unassigned_trips import AGENCY_SILENT_S, TripAssignments, UnassignedTrips
from services.transit.travel_times.link_history import LearnedDeparture, LearnedTraversal
from services.transit.travel_times.link_times import TravelTimes
from services.transit.travel_times.stalled_vehicles import is_expired

__all__ = [
    "SILENT_AFTER_S",
    "STARTED_KEPT_S",
    "STATE_KEPT_S",
    "Fleet",
    "LastStopReached",
    "ReportResult",
    "ReportedStop",
    "ScoredPrediction",
    "StopVisit",
]

Key = tuple[str, str, int]
"""Of a journey: trip, service date as YYYYMMDD, start."""

SILENT_AFTER_S = 600.0
"""A vehicle not heard for longer makes no journey any more."""
STATE_KEPT_S = 3_600.0
"""After so long without a word nothing is kept of it."""
STARTED_KEPT_S = 7_200.0
"""For so long it is remembered that some vehicle was seen making a journey."""
MAX_CACHED_JOURNEYS = 20_000


class StopVisit(Struct, frozen=True, gc=False):
    """A vehicle reached a stop of its journey. `left_at`: when it left, 0 where nobody saw. Instants are Unix seconds.

    One that was told before and is told again with other times was corrected by a late report.
    """

    vehicle: str
    trip_id: str
    service_date: str
    start_s: int
    pattern: int
    position: int
    stop_id: str
    arrived_at: float
    left_at: float = 0.0


class ReportedStop(Struct, frozen=True, gc=False):
    """A vehicle says itself that it stands at a stop of its journey: doors, beacons or people saw it.

    `arrived_at`, `left_at`: Unix seconds, 0 where not known (yet).
    """

    vehicle: str
    journey: Journey
    position: int
    arrived_at: float = 0.0
    left_at: float = 0.0


class ReportResult(Struct, frozen=True, gc=False):
    """What a report led to. `visits`: stops reached since, and those corrected; `scores`: estimates that came true."""

    place: MatchedPosition
    visits: tuple[StopVisit, ...]
    prediction: VehiclePrediction
    scores: tuple[ScoredPrediction, ...]


class LastStopReached(Struct, frozen=True, gc=False):
    """The last stop that was reached on a journey, by its position, when and by whom. `reached_at`: Unix seconds."""

    key: Key
    vehicle: str
    position: int
    reached_at: float


class StartedJourney(Struct, frozen=True, gc=False):
    """Which vehicle was last seen passing stops of a journey, when, and whether it passed the last one."""

    vehicle: str
    last_passage_at: float
    ended: bool


class Fleet:
    """Every vehicle of a city on one timetable. Decides nothing by a clock: it is told what time it is."""

    def __init__(self, network: Network, history: TravelTimes) -> None:
        self.network = network
        self.travel_times = history
        self._matcher = Matcher(network)
        self._unassigned = UnassignedTrips(network, JourneySearch(network), history)
        self._histories: dict[str, ReportHistory] = {}
        self._journeys: dict[Key, Journey] = {}
        self._route_heard_at: dict[str, float] = {}
        self._agency_heard_at: dict[str, float] = {}
        self._started: dict[Key, StartedJourney] = {}

    def follow_report(self, report: PositionReport, now: float) -> ReportResult:
        """Follow a vehicle to where it says it is, or was: a late report is put where it belongs.

        `now`: when it was received. One as old as another of the same vehicle, or older than all that is kept, only
        repeats what is believed already.
        """
        trail = self._histories.setdefault(report.vehicle, ReportHistory())
        visits, scores = self._insert_report(trail, report)
        last = trail.latest_state()
        assert last is not None  # a report was put, or another stood in its place
        place = trail.place or last.state.matched_position()
        pace = (
            last.progress.past_slowness[1]
            if last.progress is not None and last.progress.key == _journey_key(place)
            else 0.0
        )
        prospects = predict_trips(self.network, place, self.travel_times, now, pace)
        outlook = self._vehicle_prediction(trail, report.vehicle, place, prospects, now)
        trail.prediction = msgspec.structs.replace(
            outlook, speed_ms=report.speed_ms, bearing_deg=report.bearing_deg, occupancy=report.occupancy
        )
        return ReportResult(place, visits, trail.prediction, scores)

    def follow_stop(self, call: ReportedStop, now: float) -> ReportResult:
        """Follow a vehicle that names its stops: nothing to match, nothing to interpolate, and its dwell is seen."""
        trail = self._histories.setdefault(call.vehicle, ReportHistory())
        journey, pattern = call.journey, self.network.patterns[call.journey.trip.pattern]
        trail.reported_progress, scores = self._progress_at_stop(trail, call, pattern)
        crossing = trail.reported_progress.last_passage
        if crossing is None or crossing.position != call.position:
            crossing = StopPassage(call.position, call.arrived_at)
            start = start_at_terminal(journey, pattern, self.travel_times, call.arrived_at)
        else:
            start = msgspec.structs.replace(
                start_at_stop(pattern, crossing, self.travel_times), pace=trail.reported_progress.past_slowness[1]
            )
        place = _position_at_stop(self.network, journey, pattern, call.position, trail.reported_progress.at)
        prospects = predict_trips_from(self.network, journey, start, self.travel_times, now)
        trail.prediction = self._vehicle_prediction(trail, call.vehicle, place, prospects, now)
        return ReportResult(place, (_stop_visit(call.vehicle, journey, pattern, crossing),), trail.prediction, scores)

    def unassigned_trips(self, now: float) -> tuple[TripPrediction, ...]:
        """The journeys on the road or due soon that no vehicle makes: by the timetable and how it is usually kept, or
        withdrawn once well past their departure where a bus would have been heard.
        """
        heard = {
            vehicle: trail for vehicle, trail in self._histories.items() if now - trail.heard_at() <= SILENT_AFTER_S
        }
        told = {vehicle: trail.prediction for vehicle, trail in heard.items() if trail.prediction is not None}
        vague = {vehicle for vehicle, outlook in told.items() if is_expired(outlook.matched_position, now)}
        made = {
            (one.trip_id, one.service_date, one.start_s)
            for vehicle, outlook in told.items()
            for one in outlook.trips
            if vehicle not in vague or one.basis is Basis.NOT_COMING
        }
        gone: set[Key] = set()
        underway: set[str] = set()
        present = heard.keys() - vague
        for key, one in self._started.items():
            if one.ended:
                gone.add(key)
            elif one.vehicle not in present:
                # Where its company was heard long after, it was this bus that fell silent; else all may have.
                agency_id = self._agency_id_of(key)
                if self._agency_heard_at.get(agency_id, 0.0) >= one.last_passage_at + AGENCY_SILENT_S:
                    gone.add(key)
                else:
                    made.add(key)
                    underway.add(agency_id)
            elif key in made:
                underway.add(self._agency_id_of(key))
        return self._unassigned.predictions(
            TripAssignments(made, gone, self._route_heard_at, self._agency_heard_at, underway), now
        )

    def _agency_id_of(self, key: Key) -> str:
        pattern = self.network.patterns[self.network.trips[key[0]].pattern]
        return self.network.routes[pattern.route_id].agency_id

    # Keeping and forgetting

    def remove_stale(self, now: float) -> None:
        """Let go of vehicles not heard for long, and of journeys long done."""
        for vehicle in [name for name, trail in self._histories.items() if now - trail.heard_at() > STATE_KEPT_S]:
            del self._histories[vehicle]
        for key in [key for key, one in self._started.items() if now - one.last_passage_at > STARTED_KEPT_S]:
            del self._started[key]

    def reset_vehicle(self, vehicle: str) -> None:
        """Begin anew with a vehicle at its next report, whatever was believed of it."""
        self._histories.pop(vehicle, None)

    def is_followed(self, vehicle: str) -> bool:
        """Whether anything is believed of a vehicle."""
        return vehicle in self._histories

    def saved_state(self, vehicle: str) -> str:
        """What following a vehicle goes on from after a restart, as JSON. Raises KeyError where it is not followed."""
        last = self._histories[vehicle].latest_state()
        if last is None:
            raise KeyError(vehicle)
        return msgspec.json.encode(SavedState(last.state, last.progress)).decode()

    def restore_vehicle(self, vehicle: str, kept: str, outlook: VehiclePrediction) -> None:
        """Go on from what `saved_state` said, and from what was told of the vehicle where that was by this timetable.

        Raises msgspec.DecodeError or ValidationError where `saved_state` is something else.
        """
        trail = self._histories[vehicle] = ReportHistory(initial_state=msgspec.json.decode(kept, type=SavedState))
        if outlook.version == self.network.version:
            trail.prediction = outlook
            self._set_heard_at(outlook.matched_position.pattern, outlook.matched_position.at)

    def restore_trips(self, said: Iterable[TripPrediction], reached: Iterable[LastStopReached]) -> None:
        """Go on from what was `said` of journeys nobody makes, and from the last stop `reached` on each of the others.

        For a fleet of a new process, or of a new timetable: what was withdrawn stays so, and what was begun or ended is
        not told anew.
        """
        self._unassigned.restore(said)
        for one in reached:
            trip = self.network.trips.get(one.key[0])
            if trip is not None:
                pattern = self.network.patterns[trip.pattern]
                self._started[one.key] = StartedJourney(
                    one.vehicle, one.reached_at, one.position == len(pattern.stop_ids) - 1
                )
                self._set_heard_at(pattern.index, one.reached_at)

    # One report

    def _insert_report(
        self, trail: ReportHistory, report: PositionReport
    ) -> tuple[tuple[StopVisit, ...], tuple[ScoredPrediction, ...]]:
        undone = trail.remove_after(report.at)
        if undone is None:
            return (), ()
        for step in reversed(undone):
            for lesson in reversed(step.learned):
                self.travel_times.remove_learned(lesson)
        visits: list[StopVisit] = []
        scores: list[ScoredPrediction] = []
        for one in (report, *(step.report for step in undone)):
            visits += self._process_report(trail, one, scores)
        trail.remove_oldest()
        return tuple(visits), tuple(scores)

    def _process_report(
        self, trail: ReportHistory, report: PositionReport, scores: list[ScoredPrediction]
    ) -> list[StopVisit]:
        before = trail.latest_state()
        belief = self._matcher.match(before.state if before else None, report)
        place = trail.place = belief.matched_position()
        journey = self._journey_at(place) if place.phase in (Phase.IN_PROGRESS, Phase.LAYOVER) else None
        track = before.progress if before else None
        if journey is None or place.at != report.at:
            trail.processed.append(ProcessedReport(report, belief, track))
            return []
        pattern = self.network.patterns[journey.trip.pattern]
        crossings: tuple[StopPassage, ...] = ()
        lessons: tuple[LearnedTraversal | LearnedDeparture, ...] = ()
        if track is None or track.key != journey.key:
            track = start_progress(journey.key, pattern, place.at, place.distance_m)
        else:
            reached, crossings = advance_progress(track, pattern, place.at, place.distance_m)
            if crossings:
                track, lessons = self._learn_passages(report.vehicle, journey, pattern, track, crossings)
                ended = crossings[-1].position == len(pattern.stop_ids) - 1
                self._started[journey.key] = StartedJourney(report.vehicle, report.at, ended)
            track = msgspec.structs.replace(
                track,
                at=reached.at,
                distance_m=reached.distance_m,
                next_position=reached.next_position,
                last_passage=reached.last_passage,
            )
        trail.processed.append(ProcessedReport(report, belief, track, lessons))
        for crossing in crossings:
            scores += self._score_passage(trail, journey, pattern, crossing)
        return [_stop_visit(report.vehicle, journey, pattern, crossing) for crossing in crossings]

    def _learn_passages(
        self, vehicle: str, journey: Journey, pattern: Pattern, track: JourneyProgress, crossings: Iterable[StopPassage]
    ) -> tuple[JourneyProgress, tuple[LearnedTraversal | LearnedDeparture, ...]]:
        """A link is learnt once its far end has been passed and the position beyond it has arrived."""
        lessons: list[LearnedTraversal | LearnedDeparture] = []
        previous, pace = track.last_passage, track.slowness
        for crossing in crossings:
            one = (
                link_traversal(journey, pattern, vehicle, previous, crossing, track.past_slowness[0])
                if previous
                else None
            )
            if one is not None:
                lesson = self.travel_times.add_traversal(one)
                lessons.append(lesson)
                track = add_traversal(track, lesson.expected_s, lesson.took_s)
            if crossing.position == 0 and journey_has_exact_times(journey):
                late_s = (crossing.left_at or crossing.at) - journey.start_at
                lessons.append(self.travel_times.add_departure(pattern.link_ids[0], journey.start_s, late_s))
            previous = crossing
        return msgspec.structs.replace(track, past_slowness=(track.past_slowness[1], pace)), tuple(lessons)

    def _progress_at_stop(
        self, trail: ReportHistory, call: ReportedStop, pattern: Pattern
    ) -> tuple[JourneyProgress, tuple[ScoredPrediction, ...]]:
        """How far along a vehicle is by its own word. At its first stop only its departure counts."""
        journey, position, track = call.journey, call.position, trail.reported_progress
        along_m, latest = pattern.stop_m[position], max(call.arrived_at, call.left_at)
        if track is None or track.key != journey.key:
            track = JourneyProgress(journey.key, latest, along_m, position)
        track = msgspec.structs.replace(track, at=latest, distance_m=along_m, next_position=position + 1)
        if position == 0 and not call.left_at:
            return track, ()
        if track.last_passage is not None and track.last_passage.position == position:
            return msgspec.structs.replace(
                track, last_passage=StopPassage(position, track.last_passage.at, call.left_at)
            ), ()
        at = call.arrived_at if position and call.arrived_at else call.left_at
        crossing = StopPassage(position, at, call.left_at)
        track, _ = self._learn_passages(call.vehicle, journey, pattern, track, (crossing,))
        scores = tuple(self._score_passage(trail, journey, pattern, crossing))
        return msgspec.structs.replace(track, last_passage=crossing), scores

    def _vehicle_prediction(
        self,
        trail: ReportHistory,
        vehicle: str,
        place: MatchedPosition,
        prospects: tuple[PredictedTrip, ...],
        now: float,
    ) -> VehiclePrediction:
        if prospects:
            trail.pending_predictions.add_predictions(prospects[0], now)
        self._set_heard_at(place.pattern, place.at)
        return VehiclePrediction(vehicle, self.network.version, place, tuple(one.prediction for one in prospects))

    def _set_heard_at(self, pattern: int, at: float) -> None:
        if pattern >= 0:
            route = self.network.routes[self.network.patterns[pattern].route_id]
            self._route_heard_at[route.id] = max(at, self._route_heard_at.get(route.id, 0.0))
            self._agency_heard_at[route.agency_id] = max(at, self._agency_heard_at.get(route.agency_id, 0.0))

    def _score_passage(
        self, trail: ReportHistory, journey: Journey, pattern: Pattern, crossing: StopPassage
    ) -> Iterator[ScoredPrediction]:
        return trail.pending_predictions.score_passage(
            journey.key, crossing, pattern.route_id, self.travel_times.source_weights.intervals
        )

    def _journey_at(self, place: MatchedPosition) -> Journey | None:
        key = _journey_key(place)
        known = self._journeys.get(key)
        if known is None:
            known = journey_of(self.network, place)
            if known is None:
                return None
            if len(self._journeys) >= MAX_CACHED_JOURNEYS:
                self._journeys.clear()
            self._journeys[key] = known
        return known


def _journey_key(place: MatchedPosition) -> Key:
    return (place.trip_id, place.service_date, place.start_s)


def _position_at_stop(
    network: Network, journey: Journey, pattern: Pattern, position: int, at: float
) -> MatchedPosition:
    latitude, longitude = network.stops[pattern.stop_ids[position]].point
    trip_id, service_date, start_s = journey.key
    along_m = pattern.stop_m[position]
    return MatchedPosition(
        Phase.IN_PROGRESS, at, latitude, longitude, trip_id, service_date, start_s, pattern.index, along_m, 1.0
    )


def _stop_visit(vehicle: str, journey: Journey, pattern: Pattern, crossing: StopPassage) -> StopVisit:
    trip_id, service_date, start_s = journey.key
    return StopVisit(
        vehicle,
        trip_id,
        service_date,
        start_s,
        pattern.index,
        crossing.position,
        pattern.stop_ids[crossing.position],
        crossing.at,
        crossing.left_at,
    )
