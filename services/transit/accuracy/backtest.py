"""Backtest on a recorded day: replay its reports through the fleet and score each prediction by the actual arrival.

Walk-forward: at each moment only what had arrived by then is known. Two baselines are scored beside the fleet's
predictions: the timetable, and the timetable shifted by the present delay, as OneBusAway and OpenTripPlanner do.
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
CLEANUP_INTERVAL_S = 600.0


@dataclass(slots=True)
class BacktestResult:
    """The figures of a backtest. `unanswered`: arrivals without a prediction. `compute_s`: by the fleet, all inputs."""

    scheduled: PredictionErrors = field(default_factory=PredictionErrors)
    scheduled_with_delay: PredictionErrors = field(default_factory=PredictionErrors)
    predicted: PredictionErrors = field(default_factory=PredictionErrors)
    rider_time: PredictionErrors = field(default_factory=PredictionErrors)
    coverage: IntervalCoverage = field(default_factory=IntervalCoverage)
    unanswered: int = 0
    inputs: int = 0
    compute_s: float = 0.0

    def figures(self) -> dict[str, object]:
        """All figures by the names of the report."""
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
    """The arrivals to score at one moment: the journey, its present delay, and (position, actual arrival) of each."""

    journey: Journey
    pattern: Pattern
    delay_s: float
    arrivals: tuple[tuple[int, float], ...]


ComputeTime = Callable[[], float]
"""Seconds of computing so far. Only measured, never used to decide."""


class Backtest:
    """Replays recordings through one fleet and scores its predictions."""

    def __init__(self, fleet: Fleet, clock: ComputeTime) -> None:
        self.result = BacktestResult()
        self._fleet = fleet
        self._clock = clock
        self._last_cleanup_at = 0.0

    def warm_up(self, reports: Iterable[PositionReport], visible: Callable[[PositionReport], PositionReport]) -> None:
        """Let the fleet follow earlier reports, without scoring."""
        for report in reports:
            self._follow_report(visible(report))

    def score_positions(
        self,
        reports: Iterable[PositionReport],
        passages: ObservedPassages,
        visible: Callable[[PositionReport], PositionReport],
    ) -> None:
        """Score each report after the first stop of its trip. `visible`: a report as the fleet may see it."""
        for report in reports:
            predictions = self._follow_report(visible(report))
            observed = passages.journey_of(report)
            upcoming = _upcoming_arrivals(observed, report.at) if observed is not None else None
            if upcoming is not None:
                self._score(upcoming, report.at, predictions)

    def replay_stop_event(self, call: ReportedStop, upcoming: UpcomingArrivals | None) -> None:
        """Follow a stop event; score the predictions where `upcoming` is given."""
        at = max(call.arrived_at, call.left_at)
        begun_s = self._clock()
        predictions = self._fleet.follow_stop(call, at).prediction.trips
        self._count_input(at, begun_s)
        if upcoming is not None:
            self._score(upcoming, at, predictions)

    def _follow_report(self, report: PositionReport) -> tuple[TripPrediction, ...]:
        begun_s = self._clock()
        predictions = self._fleet.follow_report(report, report.at).prediction.trips
        self._count_input(report.at, begun_s)
        return predictions

    def _count_input(self, at: float, begun_s: float) -> None:
        if at - self._last_cleanup_at > CLEANUP_INTERVAL_S:
            self._fleet.remove_stale(at)
            self._last_cleanup_at = at
        self.result.compute_s += self._clock() - begun_s
        self.result.inputs += 1

    def _score(self, upcoming: UpcomingArrivals, at: float, predictions: tuple[TripPrediction, ...]) -> None:
        result, journey = self.result, upcoming.journey
        lookup = _PredictionLookup(self._fleet, upcoming, predictions)
        for position, arrived_at in upcoming.arrivals:
            scheduled_at = journey.arrival_at(position)
            result.scheduled.add_sample(at, arrived_at, scheduled_at)
            result.scheduled_with_delay.add_sample(at, arrived_at, scheduled_at + upcoming.delay_s)
            found = lookup.at_position(position)
            if found is None:
                result.unanswered += 1
                continue
            prediction, index = found
            result.predicted.add_sample(at, arrived_at, prediction.p50[index])
            result.rider_time.add_sample(at, arrived_at, prediction.rider_times[index])
            result.coverage.add_sample(arrived_at, prediction.p10[index], prediction.p90[index])


class _PredictionLookup:
    """The predictions for one vehicle, by position of the journey it really makes."""

    def __init__(self, fleet: Fleet, upcoming: UpcomingArrivals, predictions: tuple[TripPrediction, ...]) -> None:
        key = upcoming.journey.key
        of_journey = (
            prediction
            for prediction in predictions
            if (prediction.trip_id, prediction.service_date, prediction.start_s) == key
        )
        self._prediction = next(of_journey, predictions[0] if predictions else None)
        self._positions: dict[str, int] | None = None
        self._stop_ids = upcoming.pattern.stop_ids
        if self._prediction is not None and self._prediction.pattern != upcoming.pattern.index:
            stop_ids = fleet.network.patterns[self._prediction.pattern].stop_ids
            self._positions = {stop_id: position for position, stop_id in reversed(list(enumerate(stop_ids)))}

    def at_position(self, position: int) -> tuple[TripPrediction, int] | None:
        """The prediction for a stop, also where the vehicle was matched to another trip that calls there."""
        if self._prediction is None:
            return None
        predicted_position: int | None = position
        if self._positions is not None:
            predicted_position = self._positions.get(self._stop_ids[position])
        index = -1 if predicted_position is None else predicted_position - self._prediction.first_position
        return (self._prediction, index) if 0 <= index < len(self._prediction.p50) else None


def _upcoming_arrivals(observed: ObservedJourney, at: float) -> UpcomingArrivals | None:
    along_m = observed.distance_at(at)
    stop_m = observed.pattern.stop_m
    if along_m is None or along_m <= stop_m[0] or along_m >= stop_m[-1]:
        return None
    arrivals = tuple(_arrivals_after(observed, along_m, at))
    return (
        UpcomingArrivals(observed.journey, observed.pattern, at - _scheduled_at(observed, along_m), arrivals)
        if arrivals
        else None
    )


def _arrivals_after(observed: ObservedJourney, along_m: float, at: float) -> Iterator[tuple[int, float]]:
    for position in range(bisect_right(observed.pattern.stop_m, along_m + REACHED_M), len(observed.pattern.stop_m)):
        passed = observed.passages[position]
        if passed is not None and 0.0 < passed - at <= MAX_HORIZON_S:
            yield position, passed


def _scheduled_at(observed: ObservedJourney, along_m: float) -> float:
    """When the timetable has the journey at a distance along its shape."""
    stop_m = observed.pattern.stop_m
    before = bisect_right(stop_m, along_m) - 1
    begin, end = observed.journey.departure_at(before), observed.journey.arrival_at(before + 1)
    return begin + (end - begin) * (along_m - stop_m[before]) / (stop_m[before + 1] - stop_m[before])
