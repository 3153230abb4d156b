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
    advance,
    first_seen,
    follows_schedule,
    link_traversal,
    with_traversal,
)
from services.transit.prediction.arrival_times import (
    PredictedTrip,
    journey_of,
    predict,
    predict_from,
    start_at_stop,
    start_at_terminal,
)
from services.transit.prediction.pending_predictions import ScoredPrediction
from services.transit.prediction.unassigned_trips import SILENT_S, TripAssignments, UnassignedTrips
from services.transit.travel_times.link_times import LearnedDeparture, LearnedTraversal, TravelTimes
from services.transit.travel_times.stalled_vehicles import lapsed

__all__ = [
    "BEGUN_S",
    "FORGOTTEN_S",
    "GONE_S",
    "Fleet",
    "LastStopReached",
    "ReportResult",
    "ReportedStop",
    "ScoredPrediction",
    "StopVisit",
]

Key = tuple[str, str, int]
"""Of a journey: trip, service date as YYYYMMDD, start."""

GONE_S = 600.0
"""A vehicle not heard for longer makes no journey any more."""
FORGOTTEN_S = 3_600.0
"""After so long without a word nothing is kept of it."""
BEGUN_S = 7_200.0
"""For so long it is remembered that some vehicle was seen making a journey."""
MOST_JOURNEYS = 20_000


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
    outlook: VehiclePrediction
    scores: tuple[ScoredPrediction, ...]


class LastStopReached(Struct, frozen=True, gc=False):
    """The last stop that was reached on a journey, by its position, when and by whom. `at`: Unix seconds."""

    key: Key
    vehicle: str
    position: int
    at: float


class StartedJourney(Struct, frozen=True, gc=False):
    """Which vehicle was last seen passing stops of a journey, when, and whether it passed the last one."""

    vehicle: str
    at: float
    ended: bool


class Fleet:
    """Every vehicle of a city on one timetable. Decides nothing by a clock: it is told what time it is."""

    def __init__(self, network: Network, history: TravelTimes) -> None:
        self.network = network
        self.history = history
        self._matcher = Matcher(network)
        self._vacant = UnassignedTrips(network, JourneySearch(network), history)
        self._trails: dict[str, ReportHistory] = {}
        self._journeys: dict[Key, Journey] = {}
        self._lines: dict[str, float] = {}
        self._companies: dict[str, float] = {}
        self._begun: dict[Key, StartedJourney] = {}

    def take(self, report: PositionReport, now: float) -> ReportResult:
        """Follow a vehicle to where it says it is, or was: a late report is put where it belongs.

        `now`: when it was received. One as old as another of the same vehicle, or older than all that is kept, only
        repeats what is believed already.
        """
        trail = self._trails.setdefault(report.vehicle, ReportHistory())
        visits, scores = self._put(trail, report)
        last = trail.last()
        assert last is not None  # a report was put, or another stood in its place
        place = trail.place or last.belief.place()
        pace = last.track.paces[1] if last.track is not None and last.track.key == _key(place) else 0.0
        prospects = predict(self.network, place, self.history, now, pace)
        outlook = self._look_out(trail, report.vehicle, place, prospects, now)
        trail.outlook = msgspec.structs.replace(
            outlook, speed_ms=report.speed_ms, bearing_deg=report.bearing_deg, occupancy=report.occupancy
        )
        return ReportResult(place, visits, trail.outlook, scores)

    def call(self, call: ReportedStop, now: float) -> ReportResult:
        """Follow a vehicle that names its stops: nothing to match, nothing to interpolate, and its dwell is seen."""
        trail = self._trails.setdefault(call.vehicle, ReportHistory())
        journey, pattern = call.journey, self.network.patterns[call.journey.trip.pattern]
        trail.called, scores = self._called(trail, call, pattern)
        crossing = trail.called.last
        if crossing is None or crossing.position != call.position:
            crossing = StopPassage(call.position, call.arrived_at)
            start = start_at_terminal(journey, pattern, self.history, call.arrived_at)
        else:
            start = msgspec.structs.replace(start_at_stop(pattern, crossing, self.history), pace=trail.called.paces[1])
        place = _at_stop(self.network, journey, pattern, call.position, trail.called.at)
        prospects = predict_from(self.network, journey, start, self.history, now)
        trail.outlook = self._look_out(trail, call.vehicle, place, prospects, now)
        return ReportResult(place, (_visit(call.vehicle, journey, pattern, crossing),), trail.outlook, scores)

    def expected(self, now: float) -> tuple[TripPrediction, ...]:
        """The journeys on the road or due soon that no vehicle makes: by the timetable and how it is usually kept, or
        withdrawn once well past their departure where a bus would have been heard.
        """
        heard = {vehicle: trail for vehicle, trail in self._trails.items() if now - trail.heard_at() <= GONE_S}
        told = {vehicle: trail.outlook for vehicle, trail in heard.items() if trail.outlook is not None}
        vague = {vehicle for vehicle, outlook in told.items() if lapsed(outlook.place, now)}
        made = {
            (one.trip_id, one.service_date, one.start_s)
            for vehicle, outlook in told.items()
            for one in outlook.coming
            if vehicle not in vague or one.basis is Basis.NOT_COMING
        }
        gone: set[Key] = set()
        underway: set[str] = set()
        present = heard.keys() - vague
        for key, one in self._begun.items():
            if one.ended:
                gone.add(key)
            elif one.vehicle not in present:
                # Where its company was heard long after, it was this bus that fell silent; else all may have.
                agency_id = self._agency_of(key)
                if self._companies.get(agency_id, 0.0) >= one.at + SILENT_S:
                    gone.add(key)
                else:
                    made.add(key)
                    underway.add(agency_id)
            elif key in made:
                underway.add(self._agency_of(key))
        return self._vacant.comings(TripAssignments(made, gone, self._lines, self._companies, underway), now)

    def _agency_of(self, key: Key) -> str:
        pattern = self.network.patterns[self.network.trips[key[0]].pattern]
        return self.network.routes[pattern.route_id].agency_id

    # Keeping and forgetting

    def forget(self, now: float) -> None:
        """Let go of vehicles not heard for long, and of journeys long done."""
        for vehicle in [name for name, trail in self._trails.items() if now - trail.heard_at() > FORGOTTEN_S]:
            del self._trails[vehicle]
        for key in [key for key, one in self._begun.items() if now - one.at > BEGUN_S]:
            del self._begun[key]

    def drop(self, vehicle: str) -> None:
        """Begin anew with a vehicle at its next report, whatever was believed of it."""
        self._trails.pop(vehicle, None)

    def follows(self, vehicle: str) -> bool:
        """Whether anything is believed of a vehicle."""
        return vehicle in self._trails

    def kept(self, vehicle: str) -> str:
        """What following a vehicle goes on from after a restart, as JSON. Raises KeyError where it is not followed."""
        last = self._trails[vehicle].last()
        if last is None:
            raise KeyError(vehicle)
        return msgspec.json.encode(SavedState(last.belief, last.track)).decode()

    def restore(self, vehicle: str, kept: str, outlook: VehiclePrediction) -> None:
        """Go on from what `kept` said, and from what was told of the vehicle where that was by this timetable.

        Raises msgspec.DecodeError or ValidationError where `kept` is something else.
        """
        trail = self._trails[vehicle] = ReportHistory(before=msgspec.json.decode(kept, type=SavedState))
        if outlook.version == self.network.version:
            trail.outlook = outlook
            self._hear(outlook.place.pattern, outlook.place.at)

    def recall(self, said: Iterable[TripPrediction], reached: Iterable[LastStopReached]) -> None:
        """Go on from what was `said` of journeys nobody makes, and from the last stop `reached` on each of the others.

        For a fleet of a new process, or of a new timetable: what was withdrawn stays so, and what was begun or ended is
        not told anew.
        """
        self._vacant.recall(said)
        for one in reached:
            trip = self.network.trips.get(one.key[0])
            if trip is not None:
                pattern = self.network.patterns[trip.pattern]
                self._begun[one.key] = StartedJourney(one.vehicle, one.at, one.position == len(pattern.stop_ids) - 1)
                self._hear(pattern.index, one.at)

    # One report

    def _put(
        self, trail: ReportHistory, report: PositionReport
    ) -> tuple[tuple[StopVisit, ...], tuple[ScoredPrediction, ...]]:
        undone = trail.cut(report.at)
        if undone is None:
            return (), ()
        for step in reversed(undone):
            for lesson in reversed(step.lessons):
                self.history.unlearn(lesson)
        visits: list[StopVisit] = []
        scores: list[ScoredPrediction] = []
        for one in (report, *(step.report for step in undone)):
            visits += self._go_on(trail, one, scores)
        trail.trim()
        return tuple(visits), tuple(scores)

    def _go_on(self, trail: ReportHistory, report: PositionReport, scores: list[ScoredPrediction]) -> list[StopVisit]:
        before = trail.last()
        belief = self._matcher.match(before.belief if before else None, report)
        place = trail.place = belief.place()
        journey = self._journey(place) if place.phase in (Phase.IN_PROGRESS, Phase.LAYOVER) else None
        track = before.track if before else None
        if journey is None or place.at != report.at:
            trail.steps.append(ProcessedReport(report, belief, track))
            return []
        pattern = self.network.patterns[journey.trip.pattern]
        crossings: tuple[StopPassage, ...] = ()
        lessons: tuple[LearnedTraversal | LearnedDeparture, ...] = ()
        if track is None or track.key != journey.key:
            track = first_seen(journey.key, pattern, place.at, place.distance_m)
        else:
            reached, crossings = advance(track, pattern, place.at, place.distance_m)
            if crossings:
                track, lessons = self._learn(report.vehicle, journey, pattern, track, crossings)
                ended = crossings[-1].position == len(pattern.stop_ids) - 1
                self._begun[journey.key] = StartedJourney(report.vehicle, report.at, ended)
            track = msgspec.structs.replace(
                track, at=reached.at, distance_m=reached.distance_m, next=reached.next, last=reached.last
            )
        trail.steps.append(ProcessedReport(report, belief, track, lessons))
        for crossing in crossings:
            scores += self._prove(trail, journey, pattern, crossing)
        return [_visit(report.vehicle, journey, pattern, crossing) for crossing in crossings]

    def _learn(
        self, vehicle: str, journey: Journey, pattern: Pattern, track: JourneyProgress, crossings: Iterable[StopPassage]
    ) -> tuple[JourneyProgress, tuple[LearnedTraversal | LearnedDeparture, ...]]:
        """A link is learnt once its far end has been passed and the position beyond it has arrived."""
        lessons: list[LearnedTraversal | LearnedDeparture] = []
        previous, pace = track.last, track.pace
        for crossing in crossings:
            one = link_traversal(journey, pattern, vehicle, previous, crossing, track.paces[0]) if previous else None
            if one is not None:
                lesson = self.history.learn(one)
                lessons.append(lesson)
                track = with_traversal(track, lesson.expected_s, lesson.took_s)
            if crossing.position == 0 and follows_schedule(journey):
                late_s = (crossing.left_at or crossing.at) - journey.start_at
                lessons.append(self.history.learn_departure(pattern.link_ids[0], journey.start_s, late_s))
            previous = crossing
        return msgspec.structs.replace(track, paces=(track.paces[1], pace)), tuple(lessons)

    def _called(
        self, trail: ReportHistory, call: ReportedStop, pattern: Pattern
    ) -> tuple[JourneyProgress, tuple[ScoredPrediction, ...]]:
        """How far along a vehicle is by its own word. At its first stop only its departure counts."""
        journey, position, track = call.journey, call.position, trail.called
        along_m, latest = pattern.stop_m[position], max(call.arrived_at, call.left_at)
        if track is None or track.key != journey.key:
            track = JourneyProgress(journey.key, latest, along_m, position)
        track = msgspec.structs.replace(track, at=latest, distance_m=along_m, next=position + 1)
        if position == 0 and not call.left_at:
            return track, ()
        if track.last is not None and track.last.position == position:
            return msgspec.structs.replace(track, last=StopPassage(position, track.last.at, call.left_at)), ()
        at = call.arrived_at if position and call.arrived_at else call.left_at
        crossing = StopPassage(position, at, call.left_at)
        track, _ = self._learn(call.vehicle, journey, pattern, track, (crossing,))
        scores = tuple(self._prove(trail, journey, pattern, crossing))
        return msgspec.structs.replace(track, last=crossing), scores

    def _look_out(
        self,
        trail: ReportHistory,
        vehicle: str,
        place: MatchedPosition,
        prospects: tuple[PredictedTrip, ...],
        now: float,
    ) -> VehiclePrediction:
        if prospects:
            trail.samples.note(prospects[0], now)
        self._hear(place.pattern, place.at)
        return VehiclePrediction(vehicle, self.network.version, place, tuple(one.coming for one in prospects))

    def _hear(self, pattern: int, at: float) -> None:
        if pattern >= 0:
            route = self.network.routes[self.network.patterns[pattern].route_id]
            self._lines[route.id] = max(at, self._lines.get(route.id, 0.0))
            self._companies[route.agency_id] = max(at, self._companies.get(route.agency_id, 0.0))

    def _prove(
        self, trail: ReportHistory, journey: Journey, pattern: Pattern, crossing: StopPassage
    ) -> Iterator[ScoredPrediction]:
        return trail.samples.prove(journey.key, crossing, pattern.route_id, self.history.trust.spread)

    def _journey(self, place: MatchedPosition) -> Journey | None:
        key = _key(place)
        known = self._journeys.get(key)
        if known is None:
            known = journey_of(self.network, place)
            if known is None:
                return None
            if len(self._journeys) >= MOST_JOURNEYS:
                self._journeys.clear()
            self._journeys[key] = known
        return known


def _key(place: MatchedPosition) -> Key:
    return (place.trip_id, place.service_date, place.start_s)


def _at_stop(network: Network, journey: Journey, pattern: Pattern, position: int, at: float) -> MatchedPosition:
    latitude, longitude = network.stops[pattern.stop_ids[position]].point
    trip_id, service_date, start_s = journey.key
    along_m = pattern.stop_m[position]
    return MatchedPosition(
        Phase.IN_PROGRESS, at, latitude, longitude, trip_id, service_date, start_s, pattern.index, along_m, 1.0
    )


def _visit(vehicle: str, journey: Journey, pattern: Pattern, crossing: StopPassage) -> StopVisit:
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
