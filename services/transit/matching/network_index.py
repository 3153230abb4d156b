"""A network as a matcher needs it: its lines on a plane, its journeys by time, and hypotheses newly thought of."""

from bisect import bisect_left
from math import hypot
from typing import NamedTuple

from models.network import Journey, Network, Pattern, Trip
from services.transit.matching.likelihood import LIMIT_M, MARK_M, TERMINAL_M, UNPLANNED, UNSURVEYED_M, deviating
from services.transit.matching.reported_trip import ReportedTrip, RouteLookup
from services.transit.matching.spatial_index import XY, ShapeIndex, ShapeOnPlane
from services.transit.matching.vehicle_state import Fix, Hypothesis, Stage
from services.transit.model.journey_search import JourneySearch, has_schedule

PAUSE_S = 120
"""A timetable's stay of so long is no stop for passengers alone."""
MOST_JOURNEYS = 4
"""How many journeys of one line are thought of at once."""


class Observation(NamedTuple):
    """What one report adds: where, how long after the last one, how far from the last mark, and what it claims."""

    at: float
    here: XY
    since_s: float
    mark: Fix
    moved_m: float
    marked: bool
    still_s: float
    claims: ReportedTrip


class NetworkIndex:
    """One network, prepared once. Holds no vehicle's state."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.grid = ShapeIndex(network)
        self.plane = self.grid.plane
        self.journeys = JourneySearch(network)
        self.lines = RouteLookup(network)
        self.begins = [self.plane.xy(network.stops[pattern.stop_ids[0]].point) for pattern in network.patterns]
        self.ends = [self.plane.xy(network.stops[pattern.stop_ids[-1]].point) for pattern in network.patterns]
        self.reach_m = max((limit_m(track) for track in self.grid.tracks), default=LIMIT_M)
        self._following: dict[int, tuple[int, ...]] = {}

    def xy(self, mark: Fix) -> XY:
        """A mark on the plane."""
        return self.plane.xy((mark.latitude, mark.longitude))

    def pattern(self, one: Hypothesis) -> Pattern:
        """The line a hypothesis is about."""
        return self.network.patterns[one.pattern]

    def track(self, pattern: int) -> ShapeOnPlane:
        """The way of a line."""
        return self.grid.tracks[self.grid.track_of[pattern]]

    def begin_m(self, one: Hypothesis) -> float:
        """How far along its shape its line's first stop lies."""
        return self.network.patterns[one.pattern].stop_m[0]

    def end_m(self, one: Hypothesis) -> float:
        """How far along its shape its line's last stop lies."""
        return self.network.patterns[one.pattern].stop_m[-1]

    def claim(self, one: Hypothesis, claims: ReportedTrip) -> float:
        """What the vehicle's claims say for a hypothesis."""
        return claims.weight(self.network.patterns[one.pattern], self.network.trips.get(one.trip_id), one.start_s)

    def planned(self, one: Hypothesis, at: float) -> float:
        """How likely a bus is so early or late, in natural logarithms; 0 where nothing was promised."""
        trip = self.network.trips.get(one.trip_id)
        if trip is None:
            return UNPLANNED
        if not has_schedule(trip, one.start_s):
            return 0.0
        return deviating(self.journeys.deviation_s(one.pattern, trip, one.start_at, one.distance_m, at))

    def pauses(self, one: Hypothesis) -> bool:
        """Whether the timetable has a bus stand for a while at the stop where it is."""
        trip, stop_m = self.trip(one), self.pattern(one).stop_m
        if trip is None:
            return False
        position = bisect_left(stop_m, one.distance_m - LIMIT_M)
        here = position < len(stop_m) and stop_m[position] <= one.distance_m + LIMIT_M
        return here and trip.timing.departures_s[position] - trip.timing.arrivals_s[position] >= PAUSE_S

    def following(self, pattern: int) -> tuple[int, ...]:
        """The lines that begin where this one ends."""
        known = self._following.get(pattern)
        if known is None:
            x, y = self.ends[pattern]
            near = (index for index, (bx, by) in enumerate(self.begins) if hypot(bx - x, by - y) <= TERMINAL_M)
            known = self._following[pattern] = tuple(near)
        return known

    def begun(self, pattern: int, along: float) -> bool:
        """Whether a bus there has left the first stop."""
        return along > self.network.patterns[pattern].stop_m[0] + MARK_M

    def thought(self, journey: Journey, along: float, at: float, claims: ReportedTrip) -> Hypothesis:
        """A journey newly thought of: waiting where it begins, or running along its line."""
        line = self.network.patterns[journey.trip.pattern]
        trip_id, service_date, start_s = journey.key
        begun = self.begun(line.index, along)
        where = along if begun else line.stop_m[0]
        return Hypothesis(
            pattern=line.index,
            trip_id=trip_id,
            service_date=service_date,
            start_s=start_s,
            start_at=journey.start_at,
            stage=Stage.RUNNING if begun else Stage.WAITING,
            distance_m=where,
            mark_m=where,
            seen_at=at,
            weight=0.0,
            claim=claims.weight(line, journey.trip, start_s),
        )

    def unplanned(self, pattern: int, along: float, at: float, claims: ReportedTrip, stage: Stage) -> Hypothesis:
        """A line newly thought of, on which the timetable knows no journey."""
        line = self.network.patterns[pattern]
        return Hypothesis(pattern, "", "", 0, at, stage, along, along, at, 0.0, claims.weight(line, None, 0))

    def trip(self, one: Hypothesis | None) -> Trip | None:
        """The trip a hypothesis is about, if any."""
        return self.network.trips.get(one.trip_id) if one is not None else None


def limit_m(track: ShapeOnPlane) -> float:
    """How far from a line a bus is as likely off it as on it."""
    return LIMIT_M if track.surveyed else UNSURVEYED_M
