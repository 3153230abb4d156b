"""How good estimates are, by the standard definitions: errors, the Transit ETA Accuracy Benchmark, MBTA's bins.

An error is actual less predicted arrival, seconds: positive where the bus came later than told. Sources:
TransitApp/ETA-Accuracy-Benchmark (by the time until the actual arrival); mbta/prediction_analyzer (by the time told).
"""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import nan, sqrt

AHEAD_S = 1_800.0
"""Only arrivals within half an hour count."""


@dataclass(frozen=True, slots=True)
class Bin:
    """Horizons from `begin_s` up to, not including, `end_s`; accurate is an error from `early_s` to `late_s`."""

    name: str
    begin_s: float
    end_s: float
    early_s: float
    late_s: float


ETA = (
    Bin("0-3", 0, 180, -30, 90),
    Bin("3-6", 180, 360, -60, 150),
    Bin("6-10", 360, 600, -60, 210),
    Bin("10-15", 600, 900, -90, 270),
)
MBTA = (
    Bin("0-3", -30, 180, -60, 60),
    Bin("3-6", 180, 360, -90, 120),
    Bin("6-12", 360, 720, -150, 210),
    Bin("12-30", 720, 1800, -240, 360),
)


@dataclass(slots=True)
class Tally:
    """One method's errors, with how far ahead each arrival was in truth and as told; seconds."""

    errors_s: "array[float]" = field(default_factory=lambda: array("d"))
    ahead_s: "array[float]" = field(default_factory=lambda: array("d"))
    told_s: "array[float]" = field(default_factory=lambda: array("d"))

    def take(self, made_at: float, actual: float, predicted: float) -> None:
        """One estimate that came true."""
        self.errors_s.append(actual - predicted)
        self.ahead_s.append(actual - made_at)
        self.told_s.append(predicted - made_at)

    def figures(self) -> dict[str, object]:
        """Everything by name; None where there is nothing to judge by."""
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
            "eta_accuracy": _shares(ETA, self.ahead_s, self.errors_s),
            "mbta": _shares(MBTA, self.told_s, self.errors_s),
        }


@dataclass(slots=True)
class Coverage:
    """How often the actual arrival lay between P10 and P90, and how wide that was."""

    count: int = 0
    inside: int = 0
    width_s: float = 0.0

    def take(self, actual: float, p10: float, p90: float) -> None:
        """One estimate that came true."""
        self.count += 1
        self.inside += p10 <= actual <= p90
        self.width_s += p90 - p10

    def figures(self) -> dict[str, object]:
        """Both by name; None where there is nothing to judge by."""
        if not self.count:
            return {"coverage_p10_p90": None, "mean_p10_p90_s": None}
        return {
            "coverage_p10_p90": round(self.inside / self.count, 4),
            "mean_p10_p90_s": round(self.width_s / self.count, 1),
        }


def _shares(bins: Sequence[Bin], ahead_s: Sequence[float], errors_s: Sequence[float]) -> dict[str, float | None]:
    """Percentages of accurate estimates; overall is the plain mean of the bins that have any."""
    counts, accurate = [0] * len(bins), [0] * len(bins)
    for ahead, error in zip(ahead_s, errors_s, strict=True):
        for index, one in enumerate(bins):
            if one.begin_s <= ahead < one.end_s:
                counts[index] += 1
                accurate[index] += one.early_s <= error <= one.late_s
    percents = [100.0 * good / all_ if all_ else nan for good, all_ in zip(accurate, counts, strict=True)]
    told = [percent for percent, all_ in zip(percents, counts, strict=True) if all_]
    shares: dict[str, float | None] = {
        one.name: round(percent, 2) if all_ else None for one, percent, all_ in zip(bins, percents, counts, strict=True)
    }
    return shares | {"overall": round(sum(told) / len(told), 2) if told else None}
