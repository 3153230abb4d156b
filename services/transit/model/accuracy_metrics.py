"""Accuracy metrics of arrival predictions: MAE, RMSE, the Transit ETA Accuracy Benchmark, MBTA's bins, coverage.

An error is actual less predicted arrival, seconds: positive where the bus came later than predicted. Sources:
TransitApp/ETA-Accuracy-Benchmark (bins by the time until the actual arrival); mbta/prediction_analyzer (bins by the
time until the predicted arrival).
"""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import nan, sqrt

MAX_HORIZON_S = 1_800.0
"""Only arrivals within half an hour count."""


@dataclass(frozen=True, slots=True)
class HorizonBin:
    """Horizons from `begin_s` up to, not including, `end_s`. Accurate: an error of `min_error_s` to `max_error_s`."""

    name: str
    begin_s: float
    end_s: float
    min_error_s: float
    max_error_s: float


ETA_BENCHMARK_BINS = (
    HorizonBin("0-3", 0, 180, -30, 90),
    HorizonBin("3-6", 180, 360, -60, 150),
    HorizonBin("6-10", 360, 600, -60, 210),
    HorizonBin("10-15", 600, 900, -90, 270),
)
MBTA_BINS = (
    HorizonBin("0-3", -30, 180, -60, 60),
    HorizonBin("3-6", 180, 360, -90, 120),
    HorizonBin("6-12", 360, 720, -150, 210),
    HorizonBin("12-30", 720, 1800, -240, 360),
)


@dataclass(slots=True)
class PredictionErrors:
    """Errors of one prediction method, each with its horizon until the actual and the predicted arrival; seconds."""

    errors_s: "array[float]" = field(default_factory=lambda: array("d"))
    actual_horizons_s: "array[float]" = field(default_factory=lambda: array("d"))
    predicted_horizons_s: "array[float]" = field(default_factory=lambda: array("d"))

    def add_sample(self, made_at: float, actual: float, predicted: float) -> None:
        """Add one prediction whose actual arrival is known. All three are instants."""
        self.errors_s.append(actual - predicted)
        self.actual_horizons_s.append(actual - made_at)
        self.predicted_horizons_s.append(predicted - made_at)

    def summary(self) -> dict[str, object]:
        """All metrics by name; only `n` without samples."""
        count = len(self.errors_s)
        if not count:
            return {"n": 0}
        absolute = sorted(map(abs, self.errors_s))
        return {
            "n": count,
            "mae_s": round(sum(absolute) / count, 2),
            "rmse_s": round(sqrt(sum(error * error for error in absolute) / count), 2),
            "bias_s": round(sum(self.errors_s) / count, 2),
            "p90_abs_s": round(absolute[int(0.9 * (count - 1))], 1),
            "eta_accuracy": _accurate_percentages(ETA_BENCHMARK_BINS, self.actual_horizons_s, self.errors_s),
            "mbta": _accurate_percentages(MBTA_BINS, self.predicted_horizons_s, self.errors_s),
        }


@dataclass(slots=True)
class IntervalCoverage:
    """How often the actual arrival lay between P10 and P90, and how wide that interval was."""

    count: int = 0
    inside: int = 0
    total_width_s: float = 0.0

    def add_sample(self, actual: float, p10: float, p90: float) -> None:
        """Add one prediction whose actual arrival is known."""
        self.count += 1
        self.inside += p10 <= actual <= p90
        self.total_width_s += p90 - p10

    def summary(self) -> dict[str, object]:
        """Coverage and mean width by name; None without samples."""
        if not self.count:
            return {"coverage_p10_p90": None, "mean_p10_p90_s": None}
        return {
            "coverage_p10_p90": round(self.inside / self.count, 4),
            "mean_p10_p90_s": round(self.total_width_s / self.count, 1),
        }


def _accurate_percentages(
    bins: Sequence[HorizonBin], horizons_s: Sequence[float], errors_s: Sequence[float]
) -> dict[str, float | None]:
    """Percentage of accurate predictions in each bin, None in an empty one; `overall`: the mean of the others."""
    counts, accurate = [0] * len(bins), [0] * len(bins)
    for horizon_s, error_s in zip(horizons_s, errors_s, strict=True):
        for index, bin_ in enumerate(bins):
            if bin_.begin_s <= horizon_s < bin_.end_s:
                counts[index] += 1
                accurate[index] += bin_.min_error_s <= error_s <= bin_.max_error_s
    percents = [100.0 * good / count if count else nan for good, count in zip(accurate, counts, strict=True)]
    filled = [percent for percent, count in zip(percents, counts, strict=True) if count]
    shares: dict[str, float | None] = {
        bin_.name: round(percent, 2) if count else None
        for bin_, percent, count in zip(bins, percents, counts, strict=True)
    }
    return shares | {"overall": round(sum(filled) / len(filled), 2) if filled else None}
