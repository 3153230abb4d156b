"""Recent reports of one vehicle, each with the state after it, so that a late report can be replayed in order."""

from msgspec import Struct, field

from services.transit.matching.vehicle_state import VehicleState
from services.transit.model.position_report import PositionReport
from services.transit.model.prediction import MatchedPosition, VehiclePrediction
from services.transit.model.stop_passages import JourneyProgress
from services.transit.prediction.pending_predictions import PendingPredictions
from services.transit.travel_times.link_history import LearnedDeparture, LearnedTraversal

MAX_REPORTS = 40
"""How many reports of one vehicle are kept."""
MAX_AGE_S = 2_700.0
"""A report older than this, counted from the vehicle's newest one, is removed."""


class SavedState(Struct, frozen=True, rename={"state": "belief", "progress": "track"}):
    """State of one vehicle, as stored in `vehicle_outlooks.belief`: following continues from it after a restart."""

    state: VehicleState
    progress: JourneyProgress | None = None


class ProcessedReport(Struct, frozen=True):
    """One report, the state after it, and what was learnt from it."""

    report: PositionReport
    state: VehicleState
    progress: JourneyProgress | None
    learned: tuple[LearnedTraversal | LearnedDeparture, ...] = ()


class ReportHistory(Struct):
    """Recent reports of one vehicle, and what was published for it. In memory only; `SavedState` is stored.

    `initial_state`: before the oldest report kept. `processed`: reports, the oldest first. `matched_position`: of the
    last report; None before the first one. `reported_progress`: progress of a vehicle that reports its stops (see
    `fleet.ReportedStop`).
    """

    initial_state: SavedState | None = None
    processed: list[ProcessedReport] = field(default_factory=list)
    pending_predictions: PendingPredictions = field(default_factory=PendingPredictions)
    prediction: VehiclePrediction | None = None
    matched_position: MatchedPosition | None = None
    reported_progress: JourneyProgress | None = None

    def latest_state(self) -> ProcessedReport | SavedState | None:
        """The state from which the next report is processed. None before the first report."""
        return self.processed[-1] if self.processed else self.initial_state

    def remove_after(self, at: float) -> list[ProcessedReport] | None:
        """Remove and return the reports after an instant.

        Returns None, and removes nothing, if a report of that instant is kept, or if all that is kept is newer than it.
        """
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
        removed = self.processed[after:]
        del self.processed[after:]
        return removed

    def remove_oldest(self) -> None:
        """Remove reports beyond MAX_REPORTS and MAX_AGE_S. The state after the last of them becomes initial."""
        newest_at = self.processed[-1].report.at
        removed = max(0, len(self.processed) - MAX_REPORTS)
        while newest_at - self.processed[removed].report.at > MAX_AGE_S:
            removed += 1
        if removed:
            self.initial_state = SavedState(self.processed[removed - 1].state, self.processed[removed - 1].progress)
            del self.processed[:removed]

    def heard_at(self) -> float:
        """When the vehicle was last heard, by its own clock, Unix seconds. 0 if never."""
        latest = self.latest_state()
        return max(latest.state.at if latest else 0.0, self.reported_progress.at if self.reported_progress else 0.0)
