"""What is believed of one vehicle between two reports: a few hypotheses with their weights, as one small JSON row."""

from enum import IntEnum
from math import exp

from msgspec import Struct

from models.geo import distance_m
from services.transit.model.prediction import MatchedPosition, Phase

AT_BASE_S = 600.0
"""A vehicle with no journey that has stood this long is parked, not on its way."""
DETOUR_S = 900.0
"""How long a bus that left its line is thought to come back to it; after that it is on its way elsewhere."""
STALLED_S = 1_800.0
"""A bus that has not moved on its line for this long waits for something a timetable does not know."""

HERE_M = 90.0
"""A bus that gets no farther from where it is gets nowhere: marks are 60 m apart, and receivers tremble."""


class Stage(IntEnum):
    """Where in its journey a bus is."""

    WAITING = 0
    RUNNING = 1
    ARRIVED = 2
    """At its last stop, at this very report."""
    ENDED = 3


Key = tuple[int, str, str, int]
"""What tells one hypothesis from another: pattern, trip, service date, start."""


class Hypothesis(Struct, frozen=True, gc=False, array_like=True):
    """One journey the bus may be making, and where on it. `trip_id` is empty where only the line is known.

    `distance_m` is along the pattern's shape; `mark_m` what it was at the last mark; `seen_at` when the bus was last
    near that line. `weight` is the logarithm of what positions
    and times say for it, relative to the other hypotheses; `claim` of what the vehicle itself claims.
    """

    pattern: int
    trip_id: str
    service_date: str
    start_s: int
    start_at: float
    stage: Stage
    distance_m: float
    mark_m: float
    seen_at: float
    weight: float
    claim: float = 0.0

    @property
    def total(self) -> float:
        """Both weights."""
        return self.weight + self.claim

    @property
    def key(self) -> Key:
        """What tells it from the others."""
        return (self.pattern, self.trip_id, self.service_date, self.start_s)


class Fix(Struct, frozen=True, gc=False, array_like=True):
    """A position a good way from the one before it: evidence is weighed from mark to mark, not by the second."""

    at: float
    latitude: float
    longitude: float


class VehicleState(Struct, frozen=True):
    """All that is believed of a vehicle.

    `marks`: its last few, the newest last. `stood`: where and when it last came to be elsewhere. Weights are natural
    logarithms; `off` is that of making no journey at all. `travelled`: whether it ever moved. `claimed`: the trip it
    claims; `elsewhere`: it claims a line the network does not know. `pausing`: it stands where its timetable lets it.
    `base`: where it last was parked; `at_base`: it is there. `last`: the last journey it was surely making, ended where
    it was nearly over. `doubtful`: a position too far to be true, until a second one there confirms it.
    """

    version: str
    at: float
    latitude: float
    longitude: float
    marks: tuple[Fix, ...]
    stood: Fix
    hypotheses: tuple[Hypothesis, ...] = ()
    off: float = 0.0
    travelled: bool = False
    claimed: str = ""
    out_of_service: bool = False
    elsewhere: bool = False
    pausing: bool = False
    at_base: bool = False
    base: Fix | None = None
    last: Hypothesis | None = None
    doubtful: Fix | None = None

    @property
    def still_s(self) -> float:
        """How long it has not moved."""
        return self.at - self.stood.at

    @property
    def paused_s(self) -> float:
        """For how long all its marks lie around here: it has not got anywhere, however its receiver trembles. A mark
        elsewhere between two here was a reflection.
        """
        here, since, elsewhere = (self.latitude, self.longitude), self.at, False
        for mark in reversed(self.marks):
            if distance_m((mark.latitude, mark.longitude), here) < HERE_M:
                since, elsewhere = mark.at, False
            elif elsewhere:
                break
            else:
                elsewhere = True
        return self.at - since

    @property
    def off_probability(self) -> float:
        """How likely it makes no journey."""
        off = exp(self.off)
        return off / (off + sum(exp(one.total) for one in self.hypotheses))

    def probability(self, one: Hypothesis) -> float:
        """How likely it makes one of its hypotheses' journeys."""
        return exp(one.total) / (exp(self.off) + sum(exp(one.total) for one in self.hypotheses))

    def place(self) -> MatchedPosition:
        """The likeliest of it all."""
        off, weights = exp(self.off), [exp(one.total) for one in self.hypotheses]
        together = off + sum(weights)
        if not weights or off / together > 0.5:
            return self._astray()
        lines: dict[int, float] = {}
        for one, weight in zip(self.hypotheses, weights, strict=True):
            lines[one.pattern] = lines.get(one.pattern, 0.0) + weight
        # The line first, then the journey: many journeys share the weight of a line that one of another may not have.
        best = max(self.hypotheses, key=lambda one: (lines[one.pattern], one.total))
        return self._on(best, self._running_phase(best), exp(best.total) / together)

    def _running_phase(self, best: Hypothesis) -> Phase:
        going = best.stage in (Stage.RUNNING, Stage.ARRIVED) and self.still_s < STALLED_S
        return Phase.IN_PROGRESS if going and not self.pausing else Phase.LAYOVER

    def _astray(self) -> MatchedPosition:
        """Off every line: parked, on a detour, or on its way elsewhere."""
        if self.at_base or self.still_s >= AT_BASE_S:
            return self._nowhere(Phase.AT_BASE)
        if self.elsewhere:
            return self._nowhere(Phase.IN_PROGRESS)
        if not self.travelled:
            return self._nowhere(Phase.AT_BASE if self.still_s else Phase.UNKNOWN)
        if self.last is not None and self._on_detour(self.last):
            return self._on(self.last, Phase.OFF_ROUTE, 1.0 - self.off_probability)
        return self._nowhere(Phase.DEADHEAD)

    def _on_detour(self, last: Hypothesis) -> bool:
        """Whether it may come back to the journey it left: one that was not over, and not long ago."""
        going = last.stage is Stage.RUNNING and last.trip_id != "" and not self.out_of_service
        return going and self.at - last.seen_at < DETOUR_S

    def _nowhere(self, phase: Phase) -> MatchedPosition:
        return MatchedPosition(phase, self.at, self.latitude, self.longitude, still_s=self.still_s)

    def _on(self, one: Hypothesis, phase: Phase, probability: float) -> MatchedPosition:
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
            still_s=self.still_s,
            paused_s=self.paused_s,
        )
