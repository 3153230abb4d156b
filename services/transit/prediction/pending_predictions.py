"""Estimates that wait to come true: a few for each coming stop, held against when the bus passes."""

from collections.abc import Iterator

from msgspec import Struct, field

from services.transit.model.stop_passages import StopPassage
from services.transit.prediction.arrival_times import PredictedTrip
from services.transit.travel_times.prediction_intervals import KNOTS_S, PredictionIntervals

Key = tuple[str, str, int]


class ScoredPrediction(Struct, frozen=True, gc=False):
    """How one estimate came true. `error_s`: actual less median, positive where the bus came later than told.

    `horizon_s`: how far ahead the arrival really was; `predicted_horizon_s`: how far ahead it was told to be.
    """

    route_id: str
    arrived_at: float
    horizon_s: float
    predicted_horizon_s: float
    error_s: float
    rider_error_s: float
    inside_interval: bool


class PendingPrediction(Struct, frozen=True, gc=False):
    """An estimate as it was told, and the ride's arrival and spread behind it."""

    made_at: float
    raw_arrival: float
    spread_s: float
    p10: float
    p50: float
    p90: float
    rider: float


class PendingPredictions(Struct):
    """One vehicle's, of the journey it makes now: for each coming stop one estimate a horizon, the farthest first.

    `nearest_knot`: the nearest horizon noted for a stop, an index into KNOTS_S.
    """

    key: Key = ("", "", 0)
    by_position: dict[int, list[PendingPrediction]] = field(default_factory=dict)
    nearest_knot: dict[int, int] = field(default_factory=dict)

    def add_predictions(self, prospect: PredictedTrip, now: float) -> None:
        """Keep what is told of a stop when it first comes within a horizon: at most len(KNOTS_S) for each stop."""
        coming, ride = prospect.prediction, prospect.estimates
        if ride is None:
            return
        key = (coming.trip_id, coming.service_date, coming.start_s)
        if key != self.key:
            self.key, self.by_position, self.nearest_knot = key, {}, {}
        knot, last = -1, len(KNOTS_S) - 1
        nearest = self.nearest_knot
        for index, raw in enumerate(ride.arrivals):
            while knot < last and raw - now >= KNOTS_S[knot + 1]:
                knot += 1
            position = coming.first_position + index
            if knot < 0 or position == 0 or knot >= nearest.get(position, len(KNOTS_S)):
                continue
            nearest[position] = knot
            self.by_position.setdefault(position, []).append(
                PendingPrediction(
                    now,
                    raw,
                    ride.spreads_s[index],
                    coming.p10[index],
                    coming.p50[index],
                    coming.p90[index],
                    coming.rider_times[index],
                )
            )

    def score_passage(
        self, key: Key, crossing: StopPassage, route_id: str, spread: PredictionIntervals
    ) -> Iterator[ScoredPrediction]:
        """The bus passed a stop: what was told of it comes true, or not, and the spread learns from it."""
        if key != self.key:
            return
        for sample in self.by_position.pop(crossing.position, ()):
            if crossing.at <= sample.made_at:
                continue
            spread.add_error(sample.raw_arrival - sample.made_at, (crossing.at - sample.raw_arrival) / sample.spread_s)
            yield ScoredPrediction(
                route_id=route_id,
                arrived_at=crossing.at,
                horizon_s=crossing.at - sample.made_at,
                predicted_horizon_s=sample.p50 - sample.made_at,
                error_s=crossing.at - sample.p50,
                rider_error_s=crossing.at - sample.rider,
                inside_interval=sample.p10 <= crossing.at <= sample.p90,
            )
