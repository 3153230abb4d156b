"""Estimates that came true, summed by line, hour and horizon, so that a row is only ever added to. Pure.

Accuracy as the Transit ETA Accuracy Benchmark (by how far ahead the bus really was) and the MBTA (by how far ahead it
was told to be) define it; both judge the error, actual less told, seconds, limits included.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime
from operator import attrgetter
from zoneinfo import ZoneInfo

from services.transit.fleet.fleet import ScoredPrediction
from services.transit.model.accuracy_metrics import ETA_BENCHMARK_BINS, MAX_HORIZON_S, MBTA_BINS

ETA_ENDS_S = tuple(one.end_s for one in ETA_BENCHMARK_BINS)
ETA_LIMITS_S = tuple((one.min_error_s, one.max_error_s) for one in ETA_BENCHMARK_BINS)
MBTA_ENDS_S = tuple(one.end_s for one in MBTA_BINS)
MBTA_LIMITS_S = tuple((one.min_error_s, one.max_error_s) for one in MBTA_BINS)

Key = tuple[date, int, str, int, int]
"""Day and hour in the city's time, route, the benchmark's bin and the MBTA's."""


@dataclass(slots=True)
class ErrorSums:
    """In the order of the columns of `estimate_scores`."""

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
        """One estimate more."""
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
"""The columns of `estimate_scores` that are added up, in order."""
sums_of = attrgetter(*SUM_COLUMNS)


def count_by_key(scores: Iterable[ScoredPrediction], zone: ZoneInfo) -> list[tuple[object, ...]]:
    """Rows to be added to `estimate_scores`: its key, then its sums."""
    sums: dict[Key, ErrorSums] = {}
    for score in scores:
        if not 0.0 < score.horizon_s <= MAX_HORIZON_S:
            continue
        when = datetime.fromtimestamp(score.arrived_at, zone)
        eta_bin, mbta_bin = (
            bisect_right(ETA_ENDS_S, score.horizon_s),
            bisect_right(MBTA_ENDS_S, score.predicted_horizon_s),
        )
        key = (when.date(), when.hour, score.route_id, eta_bin, mbta_bin)
        sums.setdefault(key, ErrorSums()).add(score, eta_bin, mbta_bin)
    return [(*key, *sums_of(sums[key])) for key in sorted(sums)]


def _accurate(limits_s: Sequence[tuple[float, float]], bin_: int, error_s: float) -> bool:
    return bin_ < len(limits_s) and limits_s[bin_][0] <= error_s <= limits_s[bin_][1]
