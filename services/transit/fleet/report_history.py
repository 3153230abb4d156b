"""One vehicle's last reports, with what was believed and learnt after each: what a late report goes through again."""

from msgspec import Struct, field

from services.transit.matching.vehicle_state import VehicleState
from services.transit.model.position_report import PositionReport
from services.transit.model.prediction import MatchedPosition, VehiclePrediction
from services.transit.model.stop_passages import JourneyProgress
from services.transit.prediction.pending_predictions import PendingPredictions
from services.transit.travel_times.link_history import LearnedDeparture, LearnedTraversal

MAX_REPORTS = 40
"""How many reports of one vehicle, and for how long behind its newest."""
MAX_AGE_S = 2_700.0


class SavedState(Struct, frozen=True, rename={"state": "belief", "progress": "track"}):
    """What following one vehicle goes on from after a restart."""

    state: VehicleState
    progress: JourneyProgress | None = None


class ProcessedReport(Struct, frozen=True):
    """One report, and what was believed and learnt after it."""

    report: PositionReport
    state: VehicleState
    progress: JourneyProgress | None
    learned: tuple[LearnedTraversal | LearnedDeparture, ...] = ()


class ReportHistory(Struct):
    """The steps, oldest first; what stood before them; what was told and waits to come true.

    `place`: where the last step puts it, None before the first one. `reported_progress`: how far along it is by its
    own word (see
    `fleet.Call`), where it names its stops.
    """

    initial_state: SavedState | None = None
    processed: list[ProcessedReport] = field(default_factory=list)
    pending_predictions: PendingPredictions = field(default_factory=PendingPredictions)
    prediction: VehiclePrediction | None = None
    place: MatchedPosition | None = None
    reported_progress: JourneyProgress | None = None

    def latest_state(self) -> ProcessedReport | SavedState | None:
        """What the next report goes on from; None before the first."""
        return self.processed[-1] if self.processed else self.initial_state

    def remove_after(self, at: float) -> list[ProcessedReport] | None:
        """Take off the steps after an instant; None where it is already known, or older than all that is kept."""
        after = len(self.processed)
        while after and self.processed[after - 1].report.at > at:
            after -= 1
        before = (
            self.processed[after - 1].report.at
            if after
            else self.initial_state.state.at
            if self.initial_state
            else None
        )
        if before is not None and before >= at:
            return None
        undone = self.processed[after:]
        del self.processed[after:]
        return undone

    def remove_oldest(self) -> None:
        """Let go of the oldest steps: what falls out of memory is what the rest stands on."""
        newest = self.processed[-1].report.at
        fallen = max(0, len(self.processed) - MAX_REPORTS)
        while newest - self.processed[fallen].report.at > MAX_AGE_S:
            fallen += 1
        if fallen:
            self.initial_state = SavedState(self.processed[fallen - 1].state, self.processed[fallen - 1].progress)
            del self.processed[:fallen]

    def heard_at(self) -> float:
        """When the vehicle was last heard, by its own time."""
        last = self.latest_state()
        return max(last.state.at if last else 0.0, self.reported_progress.at if self.reported_progress else 0.0)
