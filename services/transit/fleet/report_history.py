"""One vehicle's last reports, with what was believed and learnt after each: what a late report goes through again."""

from msgspec import Struct, field

from services.transit.matching.vehicle_state import VehicleState
from services.transit.model.position_report import PositionReport
from services.transit.model.prediction import MatchedPosition, VehiclePrediction
from services.transit.model.stop_passages import JourneyProgress
from services.transit.prediction.pending_predictions import PendingPredictions
from services.transit.travel_times.link_times import LearnedDeparture, LearnedTraversal

MOST_KEPT = 40
"""How many reports of one vehicle, and for how long behind its newest."""
KEPT_S = 2_700.0


class SavedState(Struct, frozen=True):
    """What following one vehicle goes on from after a restart."""

    belief: VehicleState
    track: JourneyProgress | None = None


class ProcessedReport(Struct, frozen=True):
    """One report, and what was believed and learnt after it."""

    report: PositionReport
    belief: VehicleState
    track: JourneyProgress | None
    lessons: tuple[LearnedTraversal | LearnedDeparture, ...] = ()


class ReportHistory(Struct):
    """The steps, oldest first; what stood before them; what was told and waits to come true.

    `place`: where the last step puts it, None before the first one. `called`: how far along it is by its own word (see
    `fleet.Call`), where it names its stops.
    """

    before: SavedState | None = None
    steps: list[ProcessedReport] = field(default_factory=list)
    samples: PendingPredictions = field(default_factory=PendingPredictions)
    outlook: VehiclePrediction | None = None
    place: MatchedPosition | None = None
    called: JourneyProgress | None = None

    def last(self) -> ProcessedReport | SavedState | None:
        """What the next report goes on from; None before the first."""
        return self.steps[-1] if self.steps else self.before

    def cut(self, at: float) -> list[ProcessedReport] | None:
        """Take off the steps after an instant; None where it is already known, or older than all that is kept."""
        after = len(self.steps)
        while after and self.steps[after - 1].report.at > at:
            after -= 1
        before = self.steps[after - 1].report.at if after else self.before.belief.at if self.before else None
        if before is not None and before >= at:
            return None
        undone = self.steps[after:]
        del self.steps[after:]
        return undone

    def trim(self) -> None:
        """Let go of the oldest steps: what falls out of memory is what the rest stands on."""
        newest = self.steps[-1].report.at
        fallen = max(0, len(self.steps) - MOST_KEPT)
        while newest - self.steps[fallen].report.at > KEPT_S:
            fallen += 1
        if fallen:
            self.before = SavedState(self.steps[fallen - 1].belief, self.steps[fallen - 1].track)
            del self.steps[:fallen]

    def heard_at(self) -> float:
        """When the vehicle was last heard, by its own time."""
        last = self.last()
        return max(last.belief.at if last else 0.0, self.called.at if self.called else 0.0)
