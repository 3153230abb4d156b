"""A recorded day played again through the very code that runs, each estimate held against what then happened.

Walk-forward: nothing is known at a moment but what had arrived by then. Beside the fleet's own estimates stand those of
the timetable, and of the timetable shifted by the present delay, which is what OneBusAway and OpenTripPlanner do.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from models.network import Journey, Pattern
from services.transit.accuracy.observed_passages import ObservedPassages, Run
from services.transit.fleet.fleet import Fleet, ReportedStop
from services.transit.model.accuracy_metrics import MAX_HORIZON_S, IntervalCoverage, PredictionErrors
from services.transit.model.position_report import PositionReport
from services.transit.model.prediction import TripPrediction

LEAST_AHEAD_M = 20.0
"""Stops nearer than this count as reached."""
FORGET_EACH_S = 600.0


@dataclass(slots=True)
class Result:
    """The figures of a trial. `unanswered`: arrivals ours said nothing of. `seconds`: ours, for all `positions`."""

    schedule: PredictionErrors = field(default_factory=PredictionErrors)
    delay: PredictionErrors = field(default_factory=PredictionErrors)
    ours: PredictionErrors = field(default_factory=PredictionErrors)
    rider: PredictionErrors = field(default_factory=PredictionErrors)
    coverage: IntervalCoverage = field(default_factory=IntervalCoverage)
    unanswered: int = 0
    positions: int = 0
    seconds: float = 0.0

    def figures(self) -> dict[str, object]:
        """All of it by name."""
        speed = round(1000.0 * self.seconds / self.positions, 3) if self.positions else None
        return {
            "schedule": self.schedule.summary(),
            "schedule_delay": self.delay.summary(),
            "ours": self.ours.summary() | self.coverage.summary() | {"unanswered": self.unanswered, "seconds": speed},
            "ours_rider": self.rider.summary(),
        }


@dataclass(frozen=True, slots=True)
class Ahead:
    """The arrivals at stake at one moment: of which journey, now so late, and (position, actual arrival) of each."""

    journey: Journey
    pattern: Pattern
    delay_s: float
    arrivals: tuple[tuple[int, float], ...]


Clock = Callable[[], float]
"""Seconds of computing so far: to measure with, never to decide by."""


class Backtest:
    """Plays recordings through one fleet."""

    def __init__(self, fleet: Fleet, clock: Clock) -> None:
        self.result = Result()
        self._fleet = fleet
        self._clock = clock
        self._forgot_at = 0.0

    def learn(self, reports: Iterable[PositionReport], claimed: Callable[[PositionReport], PositionReport]) -> None:
        """Let the fleet follow what happened before."""
        for report in reports:
            self._take(claimed(report))

    def play(
        self,
        reports: Iterable[PositionReport],
        truth: ObservedPassages,
        claimed: Callable[[PositionReport], PositionReport],
    ) -> None:
        """Score every position that lies beyond the first stop of its trip. `claimed`: what the fleet is let see."""
        for report in reports:
            comings = self._take(claimed(report))
            run = truth.run(report)
            ahead = _ahead(run, report.at) if run is not None else None
            if ahead is not None:
                self._judge(ahead, report.at, comings)

    def call(self, call: ReportedStop, ahead: Ahead | None) -> None:
        """A stop event, scored where anything is at stake."""
        at = max(call.arrived_at, call.left_at)
        begun = self._clock()
        comings = self._fleet.follow_stop(call, at).prediction.trips
        self._count(at, begun)
        if ahead is not None:
            self._judge(ahead, at, comings)

    def _take(self, report: PositionReport) -> tuple[TripPrediction, ...]:
        begun = self._clock()
        comings = self._fleet.follow_report(report, report.at).prediction.trips
        self._count(report.at, begun)
        return comings

    def _count(self, at: float, begun: float) -> None:
        if at - self._forgot_at > FORGET_EACH_S:
            self._fleet.remove_stale(at)
            self._forgot_at = at
        self.result.seconds += self._clock() - begun
        self.result.positions += 1

    def _judge(self, ahead: Ahead, at: float, comings: tuple[TripPrediction, ...]) -> None:
        result, journey = self.result, ahead.journey
        told = _Told(self._fleet, ahead, comings)
        for position, actual in ahead.arrivals:
            planned = journey.arrival_at(position)
            result.schedule.add_sample(at, actual, planned)
            result.delay.add_sample(at, actual, planned + ahead.delay_s)
            found = told.find(position)
            if found is None:
                result.unanswered += 1
                continue
            coming, index = found
            result.ours.add_sample(at, actual, coming.p50[index])
            result.rider.add_sample(at, actual, coming.rider_times[index])
            result.coverage.add_sample(actual, coming.p10[index], coming.p90[index])


class _Told:
    """What was told of one vehicle, by position of the journey it truly makes."""

    def __init__(self, fleet: Fleet, ahead: Ahead, comings: tuple[TripPrediction, ...]) -> None:
        key = ahead.journey.key
        same = (one for one in comings if (one.trip_id, one.service_date, one.start_s) == key)
        self._coming = next(same, comings[0] if comings else None)
        self._positions: dict[str, int] | None = None
        self._stop_ids = ahead.pattern.stop_ids
        if self._coming is not None and self._coming.pattern != ahead.pattern.index:
            stop_ids = fleet.network.patterns[self._coming.pattern].stop_ids
            self._positions = {stop_id: position for position, stop_id in reversed(list(enumerate(stop_ids)))}

    def find(self, position: int) -> tuple[TripPrediction, int] | None:
        """The estimate for a stop, also where the vehicle was taken for another that calls there."""
        if self._coming is None:
            return None
        there: int | None = position
        if self._positions is not None:
            there = self._positions.get(self._stop_ids[position])
        index = -1 if there is None else there - self._coming.first_position
        return (self._coming, index) if 0 <= index < len(self._coming.p50) else None


def _ahead(run: Run, at: float) -> Ahead | None:
    along_m = run.at(at)
    stop_m = run.pattern.stop_m
    if along_m is None or along_m <= stop_m[0] or along_m >= stop_m[-1]:
        return None
    arrivals = tuple(_coming(run, along_m, at))
    return Ahead(run.journey, run.pattern, at - _planned_at(run, along_m), arrivals) if arrivals else None


def _coming(run: Run, along_m: float, at: float) -> Iterator[tuple[int, float]]:
    for position in range(bisect_right(run.pattern.stop_m, along_m + LEAST_AHEAD_M), len(run.pattern.stop_m)):
        passed = run.passings[position]
        if passed is not None and 0.0 < passed - at <= MAX_HORIZON_S:
            yield position, passed


def _planned_at(run: Run, along_m: float) -> float:
    """When the timetable has the journey there."""
    stop_m = run.pattern.stop_m
    before = bisect_right(stop_m, along_m) - 1
    begin, end = run.journey.departure_at(before), run.journey.arrival_at(before + 1)
    return begin + (end - begin) * (along_m - stop_m[before]) / (stop_m[before + 1] - stop_m[before])
