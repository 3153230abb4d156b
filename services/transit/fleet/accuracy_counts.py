"""Errors of scored predictions, summed by route, hour and horizon: rows that are only ever added to.

A prediction is accurate by the Transit ETA Accuracy Benchmark (bins by the actual horizon) or by the MBTA (bins by the
predicted horizon) if its error lies within the limits of its bin, limits included. An error is actual less predicted
arrival, seconds.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime
from operator import attrgetter
from zoneinfo import ZoneInfo

from services.transit.model.accuracy_metrics import ETA_BENCHMARK_BINS, MAX_HORIZON_S, MBTA_BINS
from services.transit.prediction.pending_predictions import ScoredPrediction

ETA_ENDS_S = tuple(bin_.end_s for bin_ in ETA_BENCHMARK_BINS)
ETA_LIMITS_S = tuple((bin_.min_error_s, bin_.max_error_s) for bin_ in ETA_BENCHMARK_BINS)
MBTA_ENDS_S = tuple(bin_.end_s for bin_ in MBTA_BINS)
MBTA_LIMITS_S = tuple((bin_.min_error_s, bin_.max_error_s) for bin_ in MBTA_BINS)

Key = tuple[date, int, str, int, int]
"""Day and hour in the city's time zone, route, index of the benchmark's bin and of the MBTA's bin."""


@dataclass(slots=True)
class ErrorSums:
    """Sums over the predictions of one key. Fields are columns of `estimate_scores`, in their order."""

    n: int = 0
    sum_error_s: float = 0.0
    sum_absolute_s: float = 0.0
    sum_square_s2: float = 0.0
    sum_rider_error_s: float = 0.0
    sum_rider_absolute_s: float = 0.0
    eta_accurate: int = 0
    rider_accurate: int = 0
    mbta_accurate: int = 0
    inside: int = 0

    def add(self, score: ScoredPrediction, eta_bin: int, mbta_bin: int) -> None:
        """Add one prediction. `eta_bin`, `mbta_bin`: indices of its bins."""
        self.n += 1
        self.sum_error_s += score.error_s
        self.sum_absolute_s += abs(score.error_s)
        self.sum_square_s2 += score.error_s**2
        self.sum_rider_error_s += score.rider_error_s
        self.sum_rider_absolute_s += abs(score.rider_error_s)
        self.eta_accurate += _accurate(ETA_LIMITS_S, eta_bin, score.error_s)
        self.rider_accurate += _accurate(ETA_LIMITS_S, eta_bin, score.rider_error_s)
        self.mbta_accurate += _accurate(MBTA_LIMITS_S, mbta_bin, score.error_s)
        self.inside += score.inside_interval


SUM_COLUMNS = tuple(field.name for field in fields(ErrorSums))
"""Columns of `estimate_scores` that are added up, in order."""
sums_of = attrgetter(*SUM_COLUMNS)


def count_by_key(scores: Iterable[ScoredPrediction], zone: ZoneInfo) -> list[tuple[object, ...]]:
    """Rows to be added to `estimate_scores`: key, then sums. Horizons of more than MAX_HORIZON_S are left out."""
    sums: dict[Key, ErrorSums] = {}
    for score in scores:
        if not 0.0 < score.horizon_s <= MAX_HORIZON_S:
            continue
        arrived = datetime.fromtimestamp(score.arrived_at, zone)
        eta_bin = bisect_right(ETA_ENDS_S, score.horizon_s)
        mbta_bin = bisect_right(MBTA_ENDS_S, score.predicted_horizon_s)
        key = (arrived.date(), arrived.hour, score.route_id, eta_bin, mbta_bin)
        sums.setdefault(key, ErrorSums()).add(score, eta_bin, mbta_bin)
    return [(*key, *sums_of(sums[key])) for key in sorted(sums)]


def _accurate(limits_s: Sequence[tuple[float, float]], bin_: int, error_s: float) -> bool:
    return bin_ < len(limits_s) and limits_s[bin_][0] <= error_s <= limits_s[bin_][1]
