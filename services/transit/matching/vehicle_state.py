"""What is believed of one vehicle between two reports: a few hypotheses with their weights, as one small JSON row."""

from enum import IntEnum
from math import exp

from msgspec import Struct

from models.geo import distance_m
from services.transit.model.prediction import MatchedPosition, Phase

PARKED_S = 600.0
"""A vehicle with no journey that has stood this long is parked, not on its way."""
MAX_DETOUR_S = 900.0
"""How long a bus that left its line is thought to come back to it; after that it is on its way elsewhere."""
STALLED_S = 1_800.0
"""A bus that has not moved on its line for this long waits for something a timetable does not know."""

NO_PROGRESS_M = 90.0
"""A bus that gets no farther from where it is gets nowhere: marks are 60 m apart, and receivers tremble."""


class Stage(IntEnum):
    """Where in its journey a bus is."""

    WAITING = 0
    RUNNING = 1
    ARRIVED = 2
    """At its last stop, at this very report."""
    ENDED = 3


HypothesisKey = tuple[int, str, str, int]
"""What tells one hypothesis from another: pattern, trip, service date, start."""


class Hypothesis(Struct, frozen=True, gc=False, array_like=True):
    """One journey that the vehicle may be making, and its position along it. `trip_id` is empty for a route only.

    `distance_m`: along the pattern's shape; `anchor_m`: the same at the last anchor. `last_seen_at`: when the vehicle
    was last near that shape. `weight`: log-weight of positions and times, relative to the other hypotheses;
    `report_weight`: log-weight of what the vehicle itself reports.
    """

    pattern: int
    trip_id: str
    service_date: str
    start_s: int
    start_at: float
    stage: Stage
    distance_m: float
    anchor_m: float
    last_seen_at: float
    weight: float
    report_weight: float = 0.0

    @property
    def total_weight(self) -> float:
        """Both weights."""
        return self.weight + self.report_weight

    @property
    def key(self) -> HypothesisKey:
        """What tells it from the others."""
        return (self.pattern, self.trip_id, self.service_date, self.start_s)


class Fix(Struct, frozen=True, gc=False, array_like=True):
    """A position a good way from the one before it: evidence is weighed from mark to mark, not by the second."""

    at: float
    latitude: float
    longitude: float


_STORED_NAMES = {
    "anchors": "marks",
    "stationary_since": "stood",
    "no_trip_weight": "off",
    "has_moved": "travelled",
    "reported_trip_id": "claimed",
    "unknown_route": "elsewhere",
    "in_scheduled_dwell": "pausing",
    "last_journey": "last",
    "outlier": "doubtful",
}


class VehicleState(Struct, frozen=True, rename=_STORED_NAMES):
    """What is known of one vehicle after a report: its last positions, and its hypotheses with their weights.

    `version`: of the network that the hypotheses refer to. `at`, `latitude`, `longitude`: the last accepted position.
    `anchors`: its last few, the newest last. `stationary_since`: when and where it stopped moving. `no_trip_weight`:
    log-weight of making no journey at all. `has_moved`: whether it ever moved. `reported_trip_id`: the trip it reports.
    `unknown_route`: it reports a route that the network does not have. `in_scheduled_dwell`: it stands at a stop where
    the timetable has it wait. `base`: where it was last parked; `at_base`: it is there now. `last_journey`: the last
    journey it surely made, with stage ENDED where it was nearly over. `outlier`: a position too far away to be
    accepted, until a second one confirms it.
    """

    version: str
    at: float
    latitude: float
    longitude: float
    anchors: tuple[Fix, ...]
    stationary_since: Fix
    hypotheses: tuple[Hypothesis, ...] = ()
    no_trip_weight: float = 0.0
    has_moved: bool = False
    reported_trip_id: str = ""
    out_of_service: bool = False
    unknown_route: bool = False
    in_scheduled_dwell: bool = False
    at_base: bool = False
    base: Fix | None = None
    last_journey: Hypothesis | None = None
    outlier: Fix | None = None

    @property
    def stationary_s(self) -> float:
        """How long it has not moved."""
        return self.at - self.stationary_since.at

    @property
    def no_progress_s(self) -> float:
        """For how long all its marks lie around here: it has not got anywhere, however its receiver trembles. A mark
        elsewhere between two here was a reflection.
        """
        here, since, elsewhere = (self.latitude, self.longitude), self.at, False
        for mark in reversed(self.anchors):
            if distance_m((mark.latitude, mark.longitude), here) < NO_PROGRESS_M:
                since, elsewhere = mark.at, False
            elif elsewhere:
                break
            else:
                elsewhere = True
        return self.at - since

    @property
    def no_trip_probability(self) -> float:
        """How likely it makes no journey."""
        off = exp(self.no_trip_weight)
        return off / (off + sum(exp(one.total_weight) for one in self.hypotheses))

    def probability(self, one: Hypothesis) -> float:
        """How likely it makes one of its hypotheses' journeys."""
        return exp(one.total_weight) / (
            exp(self.no_trip_weight) + sum(exp(one.total_weight) for one in self.hypotheses)
        )

    def matched_position(self) -> MatchedPosition:
        """The likeliest of it all."""
        off, weights = exp(self.no_trip_weight), [exp(one.total_weight) for one in self.hypotheses]
        together = off + sum(weights)
        if not weights or off / together > 0.5:
            return self._position_off_route()
        lines: dict[int, float] = {}
        for one, weight in zip(self.hypotheses, weights, strict=True):
            lines[one.pattern] = lines.get(one.pattern, 0.0) + weight
        # The line first, then the journey: many journeys share the weight of a line that one of another may not have.
        best = max(self.hypotheses, key=lambda one: (lines[one.pattern], one.total_weight))
        return self._position_on(best, self._running_phase(best), exp(best.total_weight) / together)

    def _running_phase(self, best: Hypothesis) -> Phase:
        going = best.stage in (Stage.RUNNING, Stage.ARRIVED) and self.stationary_s < STALLED_S
        return Phase.IN_PROGRESS if going and not self.in_scheduled_dwell else Phase.LAYOVER

    def _position_off_route(self) -> MatchedPosition:
        """Off every line: parked, on a detour, or on its way elsewhere."""
        if self.at_base or self.stationary_s >= PARKED_S:
            return self._position_without_trip(Phase.AT_BASE)
        if self.unknown_route:
            return self._position_without_trip(Phase.IN_PROGRESS)
        if not self.has_moved:
            return self._position_without_trip(Phase.AT_BASE if self.stationary_s else Phase.UNKNOWN)
        if self.last_journey is not None and self._on_detour(self.last_journey):
            return self._position_on(self.last_journey, Phase.OFF_ROUTE, 1.0 - self.no_trip_probability)
        return self._position_without_trip(Phase.DEADHEAD)

    def _on_detour(self, last: Hypothesis) -> bool:
        """Whether it may come back to the journey it left: one that was not over, and not long ago."""
        going = last.stage is Stage.RUNNING and last.trip_id != "" and not self.out_of_service
        return going and self.at - last.last_seen_at < MAX_DETOUR_S

    def _position_without_trip(self, phase: Phase) -> MatchedPosition:
        return MatchedPosition(phase, self.at, self.latitude, self.longitude, stationary_s=self.stationary_s)

    def _position_on(self, one: Hypothesis, phase: Phase, probability: float) -> MatchedPosition:
        return MatchedPosition(
            phase=phase,
            at=self.at,
            latitude=self.latitude,
            longitude=self.longitude,
            trip_id=one.trip_id,
            service_date=one.service_date,
            start_s=one.start_s,
            pattern=one.pattern,
            distance_m=one.distance_m,
            probability=probability,
            stationary_s=self.stationary_s,
            no_progress_s=self.no_progress_s,
        )
