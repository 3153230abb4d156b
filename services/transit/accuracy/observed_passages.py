"""Observed stop passages, computed from recorded positions and each vehicle's reported trip. Ground truth for scoring.

Independent of the matcher: the positions of each trip are projected on its shape, never backwards, and a stop is
passed where the straight line between two positions crosses its distance along the shape.
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
"""Positions farther from the shape are ignored; more is allowed where the shape only joins the stops."""
MOST_BACK_M, FASTEST_MS, AHEAD_TOLERANCE_M = 60.0, 30.0, 100.0
LEAST_GAP_S, MOST_GAPS = 150.0, 1.75
"""A passage counts only between two positions no further apart in time than this, or than MOST_GAPS median gaps."""


@dataclass(slots=True)
class ObservedJourney:
    """One vehicle on one journey: `times` and distances of its positions; `passages` by position of the pattern."""

    journey: Journey
    pattern: Pattern
    times: list[float] = field(default_factory=list)
    along_m: list[float] = field(default_factory=list)
    passages: list[float | None] = field(default_factory=list)

    def distance_at(self, time: float) -> float | None:
        """The distance along the shape at the time of one of its positions, metres; None at any other time."""
        index = bisect_left(self.times, time)
        return self.along_m[index] if index < len(self.times) and self.times[index] == time else None


ObservedJourneyKey = tuple[str, str, str, int]
"""Vehicle, trip, service date, start."""


class ObservedPassages:
    """The observed journeys of recorded reports."""

    def __init__(self, network: Network, reports: Iterable[PositionReport]) -> None:
        self._network = network
        self._shapes: dict[str, _ProjectedShape] = {}
        self.journeys: dict[ObservedJourneyKey, ObservedJourney] = {}
        for report in reports:
            self._add_report(report)
        self.gap_s = max(LEAST_GAP_S, MOST_GAPS * _median_gap_s(self.journeys.values()))
        for journey in self.journeys.values():
            journey.passages = list(passage_times(journey, self.gap_s))

    def journey_of(self, report: PositionReport) -> ObservedJourney | None:
        """The observed journey a report belongs to."""
        journey = _reported_journey(self._network, report)
        return self.journeys.get(_observed_journey_key(report, journey)) if journey is not None else None

    def _add_report(self, report: PositionReport) -> None:
        journey = _reported_journey(self._network, report)
        if journey is None:
            return
        pattern = self._network.patterns[journey.trip.pattern]
        observed = self.journeys.setdefault(_observed_journey_key(report, journey), ObservedJourney(journey, pattern))
        if observed.times and report.at <= observed.times[-1]:
            return
        shape = self._shapes.setdefault(pattern.shape.id, _ProjectedShape(pattern))
        low_m, high_m = 0.0, float("inf")
        if observed.times:
            low_m = observed.along_m[-1] - MOST_BACK_M
            high_m = observed.along_m[-1] + FASTEST_MS * (report.at - observed.times[-1]) + AHEAD_TOLERANCE_M
        along_m, offset_m = shape.nearest(report.latitude, report.longitude, low_m, high_m)
        if offset_m <= (MOST_OFFSET_M if pattern.shape.surveyed else MOST_UNSURVEYED_OFFSET_M):
            observed.times.append(report.at)
            observed.along_m.append(max(along_m, observed.along_m[-1] if observed.along_m else 0.0))


def passage_times(observed: ObservedJourney, gap_s: float) -> Iterator[float | None]:
    """When each stop was passed; None where it was not, or where the positions around it are too far apart."""
    for stop_m in observed.pattern.stop_m:
        after = bisect_left(observed.along_m, stop_m)
        if after in (0, len(observed.along_m)) or observed.times[after] - observed.times[after - 1] > gap_s:
            yield None
            continue
        begin_m, end_m = observed.along_m[after - 1], observed.along_m[after]
        yield observed.times[after - 1] + (observed.times[after] - observed.times[after - 1]) * (stop_m - begin_m) / (
            end_m - begin_m
        )


class _ProjectedShape:
    """A shape projected on a plane."""

    def __init__(self, pattern: Pattern) -> None:
        shape = pattern.shape
        self._plane = Plane(shape.points[0][0])
        self._xy = [self._plane.xy(point) for point in shape.points]
        self._along_m: Sequence[float] = shape.along_m

    def nearest(self, latitude: float, longitude: float, low_m: float, high_m: float) -> tuple[float, float]:
        """Distance along the shape and offset of the nearest point between two distances, metres."""
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
    """The reported trip's journey on the nearest date; None for a repeated trip without a start time."""
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


def _median_gap_s(journeys: Iterable[ObservedJourney]) -> float:
    gaps = [later - earlier for journey in journeys for earlier, later in pairwise(journey.times)]
    return median(gaps) if gaps else 0.0
