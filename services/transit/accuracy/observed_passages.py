"""When buses truly passed their stops, by recorded positions and the trip they claim: what estimates are held to.

Independent of the matcher: each trip's positions are put on its own line, never backwards, and a stop is passed where
the straight line between two positions crosses its distance.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from statistics import median

from models.geo import Plane, nearest_on_segment
from models.network import DAY_S, Journey, Network, Pattern
from services.transit.model.position_report import PositionReport

MOST_OFFSET_M, MOST_UNSURVEYED_OFFSET_M = 60.0, 250.0
"""Positions further from the line count as unseen; more is allowed where the line only joins the stops."""
MOST_BACK_M, FASTEST_MS, AHEAD_TOLERANCE_M = 60.0, 30.0, 100.0
LEAST_GAP_S, MOST_GAPS = 150.0, 1.75
"""A passing counts only between two positions no further apart in time than this, or so many usual gaps."""


@dataclass(slots=True)
class ObservedJourney:
    """One vehicle on one journey: `times` and distances of its positions; `passages` by position of the pattern."""

    journey: Journey
    pattern: Pattern
    times: list[float] = field(default_factory=list)
    along_m: list[float] = field(default_factory=list)
    passages: list[float | None] = field(default_factory=list)

    def distance_at(self, time: float) -> float | None:
        """How far along it was at one of its times, metres; None at any other."""
        index = bisect_left(self.times, time)
        return self.along_m[index] if index < len(self.times) and self.times[index] == time else None


ObservedJourneyKey = tuple[str, str, str, int]
"""Vehicle, trip, service date, start."""


class ObservedPassages:
    """The runs of recorded reports."""

    def __init__(self, network: Network, reports: Iterable[PositionReport]) -> None:
        self._network = network
        self._shapes: dict[str, _ProjectedShape] = {}
        self.journeys: dict[ObservedJourneyKey, ObservedJourney] = {}
        for report in reports:
            self._add_report(report)
        self.gap_s = max(LEAST_GAP_S, MOST_GAPS * _median_gap_s(self.journeys.values()))
        for run in self.journeys.values():
            run.passages = list(passage_times(run, self.gap_s))

    def journey_of(self, report: PositionReport) -> ObservedJourney | None:
        """The run a report belongs to."""
        journey = _reported_journey(self._network, report)
        return self.journeys.get(_observed_journey_key(report, journey)) if journey is not None else None

    def _add_report(self, report: PositionReport) -> None:
        journey = _reported_journey(self._network, report)
        if journey is None:
            return
        pattern = self._network.patterns[journey.trip.pattern]
        run = self.journeys.setdefault(_observed_journey_key(report, journey), ObservedJourney(journey, pattern))
        if run.times and report.at <= run.times[-1]:
            return
        line = self._shapes.setdefault(pattern.shape.id, _ProjectedShape(pattern))
        low_m, high_m = 0.0, float("inf")
        if run.times:
            low_m = run.along_m[-1] - MOST_BACK_M
            high_m = run.along_m[-1] + FASTEST_MS * (report.at - run.times[-1]) + AHEAD_TOLERANCE_M
        along_m, offset_m = line.nearest(report.latitude, report.longitude, low_m, high_m)
        if offset_m <= (MOST_OFFSET_M if pattern.shape.surveyed else MOST_UNSURVEYED_OFFSET_M):
            run.times.append(report.at)
            run.along_m.append(max(along_m, run.along_m[-1] if run.along_m else 0.0))


def passage_times(run: ObservedJourney, gap_s: float) -> Iterator[float | None]:
    """For each stop when it was passed; None where it was not, or not seen closely enough."""
    for stop_m in run.pattern.stop_m:
        after = bisect_left(run.along_m, stop_m)
        if after in (0, len(run.along_m)) or run.times[after] - run.times[after - 1] > gap_s:
            yield None
            continue
        begin_m, end_m = run.along_m[after - 1], run.along_m[after]
        yield run.times[after - 1] + (run.times[after] - run.times[after - 1]) * (stop_m - begin_m) / (end_m - begin_m)


class _ProjectedShape:
    """A shape on a plane."""

    def __init__(self, pattern: Pattern) -> None:
        shape = pattern.shape
        self._plane = Plane(shape.points[0][0])
        self._xy = [self._plane.xy(point) for point in shape.points]
        self._along_m: Sequence[float] = shape.along_m

    def nearest(self, latitude: float, longitude: float, low_m: float, high_m: float) -> tuple[float, float]:
        """How far along, and how far off, the nearest point between two distances lies, metres."""
        x, y = self._plane.xy((latitude, longitude))
        first = max(0, bisect_right(self._along_m, low_m) - 1)
        last = min(len(self._xy) - 1, bisect_left(self._along_m, high_m))
        best = (0.0, float("inf"))
        for index in range(first, last):
            share, off_m = nearest_on_segment(x, y, *self._xy[index], *self._xy[index + 1])
            if off_m < best[1]:
                best = (self._along_m[index] + share * (self._along_m[index + 1] - self._along_m[index]), off_m)
        return best


def _reported_journey(network: Network, report: PositionReport) -> Journey | None:
    """The journey of the claimed trip on the date that lies nearest; None where a repeated trip does not say which."""
    trip = network.trips.get(report.trip_id or "")
    if trip is None or (trip.frequencies and report.start_s is None):
        return None
    today = datetime.fromtimestamp(report.at, network.zone).date()
    zero, _ = network.service_day(today)
    start_s = trip.start_s if report.start_s is None else report.start_s
    days = round((report.at - zero - start_s - trip.duration_s / 2) / DAY_S)
    return network.journey(trip.id, today + timedelta(days=days), start_s)


def _observed_journey_key(report: PositionReport, journey: Journey) -> ObservedJourneyKey:
    return (report.vehicle, *journey.key)


def _median_gap_s(runs: Iterable[ObservedJourney]) -> float:
    gaps = [there - here for run in runs for here, there in pairwise(run.times)]
    return median(gaps) if gaps else 0.0
