"""A network as a matcher needs it: its lines on a plane, its journeys by time, and hypotheses newly thought of."""

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
from services.transit.matching.vehicle_state import Fix, Hypothesis, Stage
from services.transit.model.journey_search import JourneySearch, has_exact_times

SCHEDULED_DWELL_S = 120
"""A timetable's stay of so long is no stop for passengers alone."""
MAX_JOURNEYS = 4
"""How many journeys of one line are thought of at once."""


class Observation(NamedTuple):
    """What one report adds: where, how long after the last one, how far from the last mark, and what it claims."""

    at: float
    xy: XY
    elapsed_s: float
    anchor: Fix
    moved_m: float
    is_anchor: bool
    stationary_s: float
    reported: ReportedTrip


class NetworkIndex:
    """One network, prepared once. Holds no vehicle's state."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.shape_index = ShapeIndex(network)
        self.plane = self.shape_index.plane
        self.journey_search = JourneySearch(network)
        self.route_lookup = RouteLookup(network)
        self.first_stops = [self.plane.xy(network.stops[pattern.stop_ids[0]].point) for pattern in network.patterns]
        self.last_stops = [self.plane.xy(network.stops[pattern.stop_ids[-1]].point) for pattern in network.patterns]
        self.search_radius_m = max((offset_limit_m(track) for track in self.shape_index.shapes), default=OFFSET_LIMIT_M)
        self._next_patterns: dict[int, tuple[int, ...]] = {}

    def xy(self, mark: Fix) -> XY:
        """A mark on the plane."""
        return self.plane.xy((mark.latitude, mark.longitude))

    def pattern_of(self, one: Hypothesis) -> Pattern:
        """The line a hypothesis is about."""
        return self.network.patterns[one.pattern]

    def shape_of(self, pattern: int) -> ShapeOnPlane:
        """The way of a line."""
        return self.shape_index.shapes[self.shape_index.shape_numbers[pattern]]

    def first_stop_m(self, one: Hypothesis) -> float:
        """How far along its shape its line's first stop lies."""
        return self.network.patterns[one.pattern].stop_m[0]

    def last_stop_m(self, one: Hypothesis) -> float:
        """How far along its shape its line's last stop lies."""
        return self.network.patterns[one.pattern].stop_m[-1]

    def report_weight(self, one: Hypothesis, claims: ReportedTrip) -> float:
        """What the vehicle's claims say for a hypothesis."""
        return claims.weight_for(self.network.patterns[one.pattern], self.network.trips.get(one.trip_id), one.start_s)

    def schedule_weight(self, one: Hypothesis, at: float) -> float:
        """How likely a bus is so early or late, in natural logarithms; 0 where nothing was promised."""
        trip = self.network.trips.get(one.trip_id)
        if trip is None:
            return UNSCHEDULED
        if not has_exact_times(trip, one.start_s):
            return 0.0
        return deviation_weight(self.journey_search.deviation_s(one.pattern, trip, one.start_at, one.distance_m, at))

    def has_scheduled_dwell(self, one: Hypothesis) -> bool:
        """Whether the timetable has a bus stand for a while at the stop where it is."""
        trip, stop_m = self.trip_of(one), self.pattern_of(one).stop_m
        if trip is None:
            return False
        position = bisect_left(stop_m, one.distance_m - OFFSET_LIMIT_M)
        here = position < len(stop_m) and stop_m[position] <= one.distance_m + OFFSET_LIMIT_M
        return here and trip.timing.departures_s[position] - trip.timing.arrivals_s[position] >= SCHEDULED_DWELL_S

    def next_patterns(self, pattern: int) -> tuple[int, ...]:
        """The lines that begin where this one ends."""
        known = self._next_patterns.get(pattern)
        if known is None:
            x, y = self.last_stops[pattern]
            near = (
                index for index, (bx, by) in enumerate(self.first_stops) if hypot(bx - x, by - y) <= TERMINAL_RADIUS_M
            )
            known = self._next_patterns[pattern] = tuple(near)
        return known

    def has_left_first_stop(self, pattern: int, along: float) -> bool:
        """Whether a bus there has left the first stop."""
        return along > self.network.patterns[pattern].stop_m[0] + ANCHOR_SPACING_M

    def journey_hypothesis(self, journey: Journey, along: float, at: float, claims: ReportedTrip) -> Hypothesis:
        """A journey newly thought of: waiting where it begins, or running along its line."""
        line = self.network.patterns[journey.trip.pattern]
        trip_id, service_date, start_s = journey.key
        begun = self.has_left_first_stop(line.index, along)
        where = along if begun else line.stop_m[0]
        return Hypothesis(
            pattern=line.index,
            trip_id=trip_id,
            service_date=service_date,
            start_s=start_s,
            start_at=journey.start_at,
            stage=Stage.RUNNING if begun else Stage.WAITING,
            distance_m=where,
            anchor_m=where,
            last_seen_at=at,
            weight=0.0,
            report_weight=claims.weight_for(line, journey.trip, start_s),
        )

    def unscheduled_hypothesis(
        self, pattern: int, along: float, at: float, claims: ReportedTrip, stage: Stage
    ) -> Hypothesis:
        """A line newly thought of, on which the timetable knows no journey."""
        line = self.network.patterns[pattern]
        return Hypothesis(pattern, "", "", 0, at, stage, along, along, at, 0.0, claims.weight_for(line, None, 0))

    def trip_of(self, one: Hypothesis | None) -> Trip | None:
        """The trip a hypothesis is about, if any."""
        return self.network.trips.get(one.trip_id) if one is not None else None


def offset_limit_m(track: ShapeOnPlane) -> float:
    """How far from a line a bus is as likely off it as on it."""
    return OFFSET_LIMIT_M if track.surveyed else UNSURVEYED_OFFSET_LIMIT_M
