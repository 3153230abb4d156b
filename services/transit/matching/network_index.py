"""A network prepared for matching: its shapes on a plane, its journeys by time, and new hypotheses about them."""

from bisect import bisect_left
from math import hypot
from typing import NamedTuple

from models.network import Journey, Network, Pattern, Trip
from services.transit.matching.likelihood import (
    ANCHOR_SPACING_M,
    OFFSET_LIMIT_M,
    TERMINAL_RADIUS_M,
    UNSCHEDULED,
    UNSURVEYED_OFFSET_LIMIT_M,
    deviation_weight,
)
from services.transit.matching.reported_trip import ReportedTrip, RouteLookup
from services.transit.matching.spatial_index import XY, ShapeIndex, ShapeOnPlane
from services.transit.matching.vehicle_state import AnchorPosition, Hypothesis, HypothesisStage
from services.transit.model.journey_search import JourneySearch, has_exact_times

SCHEDULED_DWELL_S = 120
"""A scheduled stay of this length is longer than passengers alone need."""
MAX_JOURNEYS = 4
"""How many journeys of one pattern are considered at once."""


class Observation(NamedTuple):
    """What one report adds to the vehicle's state.

    `elapsed_s`: since the last report. `anchor`: the last anchor before this report; `moved_m`: displacement from it;
    `is_anchor`: this report is the next anchor. `stationary_s`: for how long the vehicle has not moved.
    """

    at: float
    xy: XY
    elapsed_s: float
    anchor: AnchorPosition
    moved_m: float
    is_anchor: bool
    stationary_s: float
    reported: ReportedTrip


class NetworkIndex:
    """One network, indexed once for all vehicles. Holds no vehicle's state."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.shape_index = ShapeIndex(network)
        self.plane = self.shape_index.plane
        self.journey_search = JourneySearch(network)
        self.route_lookup = RouteLookup(network)
        self.first_stops = [self.plane.xy(network.stops[pattern.stop_ids[0]].point) for pattern in network.patterns]
        self.last_stops = [self.plane.xy(network.stops[pattern.stop_ids[-1]].point) for pattern in network.patterns]
        self.search_radius_m = max((offset_limit_m(shape) for shape in self.shape_index.shapes), default=OFFSET_LIMIT_M)
        self._next_patterns: dict[int, tuple[int, ...]] = {}

    def xy(self, fix: AnchorPosition) -> XY:
        """A position on the plane."""
        return self.plane.xy((fix.latitude, fix.longitude))

    def pattern_of(self, hypothesis: Hypothesis) -> Pattern:
        """The pattern of a hypothesis."""
        return self.network.patterns[hypothesis.pattern]

    def trip_of(self, hypothesis: Hypothesis | None) -> Trip | None:
        """The trip of a hypothesis; None where it has none."""
        return self.network.trips.get(hypothesis.trip_id) if hypothesis is not None else None

    def shape_of(self, pattern: int) -> ShapeOnPlane:
        """The shape of a pattern, given by its index."""
        return self.shape_index.shapes[self.shape_index.shape_numbers[pattern]]

    def first_stop_m(self, hypothesis: Hypothesis) -> float:
        """Distance along the shape of the pattern's first stop."""
        return self.network.patterns[hypothesis.pattern].stop_m[0]

    def last_stop_m(self, hypothesis: Hypothesis) -> float:
        """Distance along the shape of the pattern's last stop."""
        return self.network.patterns[hypothesis.pattern].stop_m[-1]

    def has_left_first_stop(self, pattern: int, distance_m: float) -> bool:
        """Whether a bus at this distance along the shape has left the pattern's first stop."""
        return distance_m > self.network.patterns[pattern].stop_m[0] + ANCHOR_SPACING_M

    def next_patterns(self, pattern: int) -> tuple[int, ...]:
        """Indices of the patterns that begin within TERMINAL_RADIUS_M of the end of this one."""
        cached = self._next_patterns.get(pattern)
        if cached is None:
            x, y = self.last_stops[pattern]
            near = (
                index
                for index, (first_x, first_y) in enumerate(self.first_stops)
                if hypot(first_x - x, first_y - y) <= TERMINAL_RADIUS_M
            )
            cached = self._next_patterns[pattern] = tuple(near)
        return cached

    def report_weight(self, hypothesis: Hypothesis, reported: ReportedTrip) -> float:
        """Log-weight of what the vehicle reports, for a hypothesis."""
        return reported.weight_for(
            self.network.patterns[hypothesis.pattern],
            self.network.trips.get(hypothesis.trip_id),
            hypothesis.start_s,
        )

    def schedule_weight(self, hypothesis: Hypothesis, at: float) -> float:
        """Log-weight of the hypothesis' schedule deviation at an instant; 0 where no exact times are promised."""
        trip = self.network.trips.get(hypothesis.trip_id)
        if trip is None:
            return UNSCHEDULED
        if not has_exact_times(trip, hypothesis.start_s):
            return 0.0
        return deviation_weight(
            self.journey_search.deviation_s(hypothesis.pattern, trip, hypothesis.start_at, hypothesis.distance_m, at)
        )

    def has_scheduled_dwell(self, hypothesis: Hypothesis) -> bool:
        """Whether the timetable has the bus wait at the stop where it is, for SCHEDULED_DWELL_S or longer."""
        trip, stop_m = self.trip_of(hypothesis), self.pattern_of(hypothesis).stop_m
        if trip is None:
            return False
        position = bisect_left(stop_m, hypothesis.distance_m - OFFSET_LIMIT_M)
        at_stop = position < len(stop_m) and stop_m[position] <= hypothesis.distance_m + OFFSET_LIMIT_M
        return at_stop and trip.timing.departures_s[position] - trip.timing.arrivals_s[position] >= SCHEDULED_DWELL_S

    def journey_hypothesis(self, journey: Journey, distance_m: float, at: float, reported: ReportedTrip) -> Hypothesis:
        """A new hypothesis of a journey: waiting at its first stop, or running along its shape."""
        pattern = self.network.patterns[journey.trip.pattern]
        trip_id, service_date, start_s = journey.key
        running = self.has_left_first_stop(pattern.index, distance_m)
        begin_m = distance_m if running else pattern.stop_m[0]
        return Hypothesis(
            pattern=pattern.index,
            trip_id=trip_id,
            service_date=service_date,
            start_s=start_s,
            start_at=journey.start_at,
            stage=HypothesisStage.RUNNING if running else HypothesisStage.WAITING,
            distance_m=begin_m,
            anchor_m=begin_m,
            last_seen_at=at,
            weight=0.0,
            report_weight=reported.weight_for(pattern, journey.trip, start_s),
        )

    def unscheduled_hypothesis(
        self, pattern: int, distance_m: float, at: float, reported: ReportedTrip, stage: HypothesisStage
    ) -> Hypothesis:
        """A new hypothesis of a pattern without a trip: the timetable has no journey there then."""
        report_weight = reported.weight_for(self.network.patterns[pattern], None, 0)
        return Hypothesis(pattern, "", "", 0, at, stage, distance_m, distance_m, at, 0.0, report_weight)


def offset_limit_m(shape: ShapeOnPlane) -> float:
    """At this distance from a shape a bus is as likely off the route as on it."""
    return OFFSET_LIMIT_M if shape.surveyed else UNSURVEYED_OFFSET_LIMIT_M
