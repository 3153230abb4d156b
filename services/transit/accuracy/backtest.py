"""A recorded day played again through the very code that runs, each estimate held against what then happened.

Walk-forward: nothing is known at a moment but what had arrived by then. Beside the fleet's own estimates stand those of
the timetable, and of the timetable shifted by the present delay, which is what OneBusAway and OpenTripPlanner do.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from models.network import Journey, Pattern
from services.transit.accuracy.observed_passages import ObservedJourney, ObservedPassages
from services.transit.fleet.fleet import Fleet, ReportedStop
from services.transit.model.accuracy_metrics import MAX_HORIZON_S, IntervalCoverage, PredictionErrors
from services.transit.model.position_report import PositionReport
from services.transit.model.prediction import TripPrediction

REACHED_M = 20.0
"""Stops nearer than this count as reached."""
FORGET_EVERY_S = 600.0


@dataclass(slots=True)
class BacktestResult:
    """The figures of a trial. `unanswered`: arrivals ours said nothing of. `compute_s`: ours, for all `inputs`."""

    scheduled: PredictionErrors = field(default_factory=PredictionErrors)
    scheduled_with_delay: PredictionErrors = field(default_factory=PredictionErrors)
    predicted: PredictionErrors = field(default_factory=PredictionErrors)
    rider_time: PredictionErrors = field(default_factory=PredictionErrors)
    coverage: IntervalCoverage = field(default_factory=IntervalCoverage)
    unanswered: int = 0
    inputs: int = 0
    compute_s: float = 0.0

    def figures(self) -> dict[str, object]:
        """All of it by name."""
        speed = round(1000.0 * self.compute_s / self.inputs, 3) if self.inputs else None
        return {
            "schedule": self.scheduled.summary(),
            "schedule_delay": self.scheduled_with_delay.summary(),
            "ours": self.predicted.summary()
            | self.coverage.summary()
            | {"unanswered": self.unanswered, "seconds": speed},
            "ours_rider": self.rider_time.summary(),
        }


@dataclass(frozen=True, slots=True)
class UpcomingArrivals:
    """The arrivals at stake at one moment: of which journey, now so late, and (position, actual arrival) of each."""

    journey: Journey
    pattern: Pattern
    delay_s: float
    arrivals: tuple[tuple[int, float], ...]


ComputeTime = Callable[[], float]
"""Seconds of computing so far: to measure with, never to decide by."""


class Backtest:
    """Plays recordings through one fleet."""

    def __init__(self, fleet: Fleet, clock: ComputeTime) -> None:
        self.result = BacktestResult()
        self._fleet = fleet
        self._clock = clock
        self._forgot_at = 0.0

    def warm_up(self, reports: Iterable[PositionReport], claimed: Callable[[PositionReport], PositionReport]) -> None:
        """Let the fleet follow what happened before."""
        for report in reports:
            self._follow_report(claimed(report))

    def score_positions(
        self,
        reports: Iterable[PositionReport],
        truth: ObservedPassages,
        claimed: Callable[[PositionReport], PositionReport],
    ) -> None:
        """Score every position that lies beyond the first stop of its trip. `claimed`: what the fleet is let see."""
        for report in reports:
            comings = self._follow_report(claimed(report))
            run = truth.journey_of(report)
            ahead = _upcoming_arrivals(run, report.at) if run is not None else None
            if ahead is not None:
                self._score(ahead, report.at, comings)

    def replay_stop_event(self, call: ReportedStop, ahead: UpcomingArrivals | None) -> None:
        """A stop event, scored where anything is at stake."""
        at = max(call.arrived_at, call.left_at)
        begun = self._clock()
        comings = self._fleet.follow_stop(call, at).prediction.trips
        self._count_input(at, begun)
        if ahead is not None:
            self._score(ahead, at, comings)

    def _follow_report(self, report: PositionReport) -> tuple[TripPrediction, ...]:
        begun = self._clock()
        comings = self._fleet.follow_report(report, report.at).prediction.trips
        self._count_input(report.at, begun)
        return comings

    def _count_input(self, at: float, begun: float) -> None:
        if at - self._forgot_at > FORGET_EVERY_S:
            self._fleet.remove_stale(at)
            self._forgot_at = at
        self.result.compute_s += self._clock() - begun
        self.result.inputs += 1

    def _score(self, ahead: UpcomingArrivals, at: float, comings: tuple[TripPrediction, ...]) -> None:
        result, journey = self.result, ahead.journey
        told = _PredictionLookup(self._fleet, ahead, comings)
        for position, actual in ahead.arrivals:
            planned = journey.arrival_at(position)
            result.scheduled.add_sample(at, actual, planned)
            result.scheduled_with_delay.add_sample(at, actual, planned + ahead.delay_s)
            found = told.at_position(position)
            if found is None:
                result.unanswered += 1
                continue
            coming, index = found
            result.predicted.add_sample(at, actual, coming.p50[index])
            result.rider_time.add_sample(at, actual, coming.rider_times[index])
            result.coverage.add_sample(actual, coming.p10[index], coming.p90[index])


class _PredictionLookup:
    """What was told of one vehicle, by position of the journey it truly makes."""

    def __init__(self, fleet: Fleet, ahead: UpcomingArrivals, comings: tuple[TripPrediction, ...]) -> None:
        key = ahead.journey.key
        same = (one for one in comings if (one.trip_id, one.service_date, one.start_s) == key)
        self._coming = next(same, comings[0] if comings else None)
        self._positions: dict[str, int] | None = None
        self._stop_ids = ahead.pattern.stop_ids
        if self._coming is not None and self._coming.pattern != ahead.pattern.index:
            stop_ids = fleet.network.patterns[self._coming.pattern].stop_ids
            self._positions = {stop_id: position for position, stop_id in reversed(list(enumerate(stop_ids)))}

    def at_position(self, position: int) -> tuple[TripPrediction, int] | None:
        """The estimate for a stop, also where the vehicle was taken for another that calls there."""
        if self._coming is None:
            return None
        there: int | None = position
        if self._positions is not None:
            there = self._positions.get(self._stop_ids[position])
        index = -1 if there is None else there - self._coming.first_position
        return (self._coming, index) if 0 <= index < len(self._coming.p50) else None


def _upcoming_arrivals(run: ObservedJourney, at: float) -> UpcomingArrivals | None:
    along_m = run.distance_at(at)
    stop_m = run.pattern.stop_m
    if along_m is None or along_m <= stop_m[0] or along_m >= stop_m[-1]:
        return None
    arrivals = tuple(_arrivals_after(run, along_m, at))
    return UpcomingArrivals(run.journey, run.pattern, at - _scheduled_at(run, along_m), arrivals) if arrivals else None


def _arrivals_after(run: ObservedJourney, along_m: float, at: float) -> Iterator[tuple[int, float]]:
    for position in range(bisect_right(run.pattern.stop_m, along_m + REACHED_M), len(run.pattern.stop_m)):
        passed = run.passages[position]
        if passed is not None and 0.0 < passed - at <= MAX_HORIZON_S:
            yield position, passed


def _scheduled_at(run: ObservedJourney, along_m: float) -> float:
    """When the timetable has the journey there."""
    stop_m = run.pattern.stop_m
    before = bisect_right(stop_m, along_m) - 1
    begin, end = run.journey.departure_at(before), run.journey.arrival_at(before + 1)
    return begin + (end - begin) * (along_m - stop_m[before]) / (stop_m[before + 1] - stop_m[before])
