"""State of one vehicle between two reports: its last positions and a few weighted hypotheses, stored as one JSON row.

Where a field was renamed, `rename` keeps its name in the stored JSON. `Hypothesis` and `AnchorPosition` are stored as
arrays: the order of their fields stays.
"""

from enum import IntEnum
from math import exp

from msgspec import Struct

from models.geo import distance_m
from services.transit.model.prediction import MatchedPosition, Phase

PARKED_S = 600.0
"""A vehicle without a trip that has stood this long is parked, not on its way."""
MAX_DETOUR_S = 900.0
"""For this long a bus that left its route is on a detour and may come back; after that it is on a deadhead."""
STALLED_S = 1_800.0
"""A bus that has not moved on its route for this long counts as on layover: its timetable does not say why."""
NO_PROGRESS_M = 90.0
"""Anchors within this distance show no progress: anchors are 60 m apart, and positions of a bus at rest err."""


class HypothesisStage(IntEnum):
    """Stage of a journey."""

    WAITING = 0
    RUNNING = 1
    ARRIVED = 2
    """Reached its last stop with this very report."""
    ENDED = 3


HypothesisKey = tuple[int, str, str, int]
"""Identity of a hypothesis: pattern, trip, service date, start."""


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
    stage: HypothesisStage
    distance_m: float
    anchor_m: float
    last_seen_at: float
    weight: float
    report_weight: float = 0.0

    @property
    def total_weight(self) -> float:
        """Sum of both weights."""
        return self.weight + self.report_weight

    @property
    def key(self) -> HypothesisKey:
        """See `HypothesisKey`."""
        return (self.pattern, self.trip_id, self.service_date, self.start_s)


class AnchorPosition(Struct, frozen=True, gc=False, array_like=True):
    """A recorded position. `at`: Unix seconds."""

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
    anchors: tuple[AnchorPosition, ...]
    stationary_since: AnchorPosition
    hypotheses: tuple[Hypothesis, ...] = ()
    no_trip_weight: float = 0.0
    has_moved: bool = False
    reported_trip_id: str = ""
    out_of_service: bool = False
    unknown_route: bool = False
    in_scheduled_dwell: bool = False
    at_base: bool = False
    base: AnchorPosition | None = None
    last_journey: Hypothesis | None = None
    outlier: AnchorPosition | None = None

    @property
    def stationary_s(self) -> float:
        """For how long the vehicle has not moved."""
        return self.at - self.stationary_since.at

    @property
    def no_progress_s(self) -> float:
        """For how long all anchors lie within NO_PROGRESS_M of the present position.

        One anchor further away between two near ones is ignored: it was a reflection.
        """
        position, since, was_away = (self.latitude, self.longitude), self.at, False
        for anchor in reversed(self.anchors):
            if distance_m((anchor.latitude, anchor.longitude), position) < NO_PROGRESS_M:
                since, was_away = anchor.at, False
            elif was_away:
                break
            else:
                was_away = True
        return self.at - since

    @property
    def no_trip_probability(self) -> float:
        """Probability that the vehicle makes no journey."""
        no_trip = exp(self.no_trip_weight)
        return no_trip / (no_trip + sum(exp(hypothesis.total_weight) for hypothesis in self.hypotheses))

    def probability(self, hypothesis: Hypothesis) -> float:
        """Probability of one of its hypotheses."""
        total = exp(self.no_trip_weight) + sum(exp(other.total_weight) for other in self.hypotheses)
        return exp(hypothesis.total_weight) / total

    def matched_position(self) -> MatchedPosition:
        """The most probable journey and position, with what the vehicle is doing."""
        no_trip = exp(self.no_trip_weight)
        likelihoods = [exp(hypothesis.total_weight) for hypothesis in self.hypotheses]
        total = no_trip + sum(likelihoods)
        if not likelihoods or no_trip / total > 0.5:
            return self._position_off_route()
        by_pattern: dict[int, float] = {}
        for hypothesis, likelihood in zip(self.hypotheses, likelihoods, strict=True):
            by_pattern[hypothesis.pattern] = by_pattern.get(hypothesis.pattern, 0.0) + likelihood
        # The pattern first, then the journey: many journeys of one pattern share a weight that a single journey of
        # another may have for itself.
        best = max(self.hypotheses, key=lambda hypothesis: (by_pattern[hypothesis.pattern], hypothesis.total_weight))
        return self._position_on(best, self._phase_on(best), exp(best.total_weight) / total)

    def _phase_on(self, best: Hypothesis) -> Phase:
        moving = best.stage in (HypothesisStage.RUNNING, HypothesisStage.ARRIVED) and self.stationary_s < STALLED_S
        return Phase.IN_PROGRESS if moving and not self.in_scheduled_dwell else Phase.LAYOVER

    def _position_off_route(self) -> MatchedPosition:
        """The position of a vehicle off every route: parked, on a detour, or on a deadhead."""
        if self.at_base or self.stationary_s >= PARKED_S:
            return self._position_without_trip(Phase.AT_BASE)
        if self.unknown_route:
            return self._position_without_trip(Phase.IN_PROGRESS)
        if not self.has_moved:
            return self._position_without_trip(Phase.AT_BASE if self.stationary_s else Phase.UNKNOWN)
        if self.last_journey is not None and self._on_detour(self.last_journey):
            return self._position_on(self.last_journey, Phase.OFF_ROUTE, 1.0 - self.no_trip_probability)
        return self._position_without_trip(Phase.DEADHEAD)

    def _on_detour(self, last_journey: Hypothesis) -> bool:
        """Whether the vehicle may come back to the journey it left: one that was not over, left a short time ago."""
        running = (
            last_journey.stage is HypothesisStage.RUNNING and last_journey.trip_id != "" and not self.out_of_service
        )
        return running and self.at - last_journey.last_seen_at < MAX_DETOUR_S

    def _position_without_trip(self, phase: Phase) -> MatchedPosition:
        return MatchedPosition(phase, self.at, self.latitude, self.longitude, stationary_s=self.stationary_s)

    def _position_on(self, hypothesis: Hypothesis, phase: Phase, probability: float) -> MatchedPosition:
        return MatchedPosition(
            phase=phase,
            at=self.at,
            latitude=self.latitude,
            longitude=self.longitude,
            trip_id=hypothesis.trip_id,
            service_date=hypothesis.service_date,
            start_s=hypothesis.start_s,
            pattern=hypothesis.pattern,
            distance_m=hypothesis.distance_m,
            probability=probability,
            stationary_s=self.stationary_s,
            no_progress_s=self.no_progress_s,
        )
