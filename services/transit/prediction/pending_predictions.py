"""Predictions of one vehicle that wait for the arrival: scored when the vehicle passes the stop."""

from collections.abc import Iterator

from msgspec import Struct, field

from services.transit.model.stop_passages import StopPassage
from services.transit.prediction.arrival_times import PredictedTrip
from services.transit.travel_times.prediction_intervals import KNOTS_S, PredictionIntervals

Key = tuple[str, str, int]
"""Key of a journey: trip, service date as YYYYMMDD, start."""


class ScoredPrediction(Struct, frozen=True, gc=False):
    """Error of one prediction. `error_s`: actual less median arrival, positive where the bus came later than predicted.

    `arrived_at`: Unix seconds. `horizon_s`: time from the prediction to the actual arrival; `predicted_horizon_s`: to
    the predicted arrival. `rider_error_s`: actual arrival less the rider's time. `inside_interval`: whether the bus
    came between P10 and P90.
    """

    route_id: str
    arrived_at: float
    horizon_s: float
    predicted_horizon_s: float
    error_s: float
    rider_error_s: float
    inside_interval: bool


class PendingPrediction(Struct, frozen=True, gc=False):
    """One published prediction for one stop, and the estimate and spread behind it. Instants are Unix seconds."""

    made_at: float
    estimate: float
    spread_s: float
    p10: float
    p50: float
    p90: float
    rider_time: float


class PendingPredictions(Struct):
    """Pending predictions of one vehicle for its present journey: for each coming stop one a horizon, farthest first.

    `key`: of the journey. `by_position`: by index of the stop. `nearest_knot`: by index of the stop, the nearest
    horizon that was recorded, as an index into KNOTS_S.
    """

    key: Key = ("", "", 0)
    by_position: dict[int, list[PendingPrediction]] = field(default_factory=dict)
    nearest_knot: dict[int, int] = field(default_factory=dict)

    def add_predictions(self, predicted: PredictedTrip, now: float) -> None:
        """Record the prediction of each stop that has come within a new horizon: at most len(KNOTS_S) for each stop."""
        prediction, estimates = predicted.prediction, predicted.estimates
        if estimates is None:
            return
        key = (prediction.trip_id, prediction.service_date, prediction.start_s)
        if key != self.key:
            self.key, self.by_position, self.nearest_knot = key, {}, {}
        knot, last = -1, len(KNOTS_S) - 1
        nearest_knot = self.nearest_knot
        for index, arrival in enumerate(estimates.arrivals):
            while knot < last and arrival - now >= KNOTS_S[knot + 1]:
                knot += 1
            position = prediction.first_position + index
            if knot < 0 or position == 0 or knot >= nearest_knot.get(position, len(KNOTS_S)):
                continue
            nearest_knot[position] = knot
            self.by_position.setdefault(position, []).append(
                PendingPrediction(
                    now,
                    arrival,
                    estimates.spreads_s[index],
                    prediction.p10[index],
                    prediction.p50[index],
                    prediction.p90[index],
                    prediction.be_there_at(index),
                )
            )

    def score_passage(
        self, key: Key, passage: StopPassage, route_id: str, intervals: PredictionIntervals
    ) -> Iterator[ScoredPrediction]:
        """Score the predictions for a stop that the vehicle has passed. `intervals` learns from each error."""
        if key != self.key:
            return
        for pending in self.by_position.pop(passage.position, ()):
            if passage.at <= pending.made_at:
                continue
            intervals.add_error(pending.estimate - pending.made_at, (passage.at - pending.estimate) / pending.spread_s)
            yield ScoredPrediction(
                route_id=route_id,
                arrived_at=passage.at,
                horizon_s=passage.at - pending.made_at,
                predicted_horizon_s=pending.p50 - pending.made_at,
                error_s=passage.at - pending.p50,
                rider_error_s=passage.at - pending.rider_time,
                inside_interval=pending.p10 <= passage.at <= pending.p90,
            )
