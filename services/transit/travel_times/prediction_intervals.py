"""Prediction intervals: quantiles of past prediction errors by horizon, learnt from every scored prediction.

An error is measured in units of the spread that the links along the way imply; that ratio is scale-free. For each
horizon, the quantiles of the ratio are followed by stochastic approximation: each error above a quantile raises it a
little, each one below lowers it, in proportions that come to rest where the share below is right (Robbins and Monro
1951; adaptive conformal inference: Gibbs and Candès 2021). Nothing later than the moment of a prediction is used.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from math import sqrt

from msgspec import Struct, field

KNOTS_S = (60.0, 180.0, 360.0, 600.0, 900.0, 1_350.0, 1_800.0, 2_700.0)
"""Horizons at which quantiles are kept; between two of them quantiles are interpolated linearly."""
QUANTILES = (0.10, 0.20, 0.90)
"""P10, the rider's time (four buses in five come at or after it), P90. The median is kept beside them."""
PRIOR_QUANTILES = (-1.0, -0.65, 1.3)
FIRST_STEP, LAST_STEP = 0.03, 0.003
MEDIAN_STEP_SHARE = 0.1
"""Step of the median, as a share of the other quantiles' step. All stops of one bus err together, and a median that
wanders costs more than a width that does.
"""
SETTLED_COUNT = 3_000
"""After this many errors at a horizon the steps are smallest."""
MAX_RATIO = 6.0
"""Bound of every quantile, in spreads."""
CORRELATION = 0.08
"""Correlation between the errors of any two links of one trip: a slow driver is slow everywhere."""
BASE_SPREAD_S = 12.0
"""Least spread: no position, no stop and no clock is known better."""


Quantiles = tuple[float, float, float, float]
"""P10, the rider's quantile, the median, P90; each in spreads from the estimate that the links give."""


class ErrorQuantiles(Struct, array_like=True):
    """Quantiles of the error at one horizon, in spreads. `values` follow QUANTILES; `count`: number of errors."""

    count: int = 0
    values: list[float] = field(default_factory=lambda: list(PRIOR_QUANTILES))
    median: float = 0.0

    def quantiles(self) -> Quantiles:
        """All four, in order: P10 and the rider's quantile are at most the median, P90 is at least the median."""
        p10, rider, p90 = self.values
        return min(p10, self.median), min(rider, self.median), self.median, max(p90, self.median)

    def add_error(self, ratio: float, weight: float) -> None:
        """Add one error. `ratio`: the error in spreads. `weight`: 0 to 1, how near its horizon lies to this one."""
        step = weight * FIRST_STEP / (1.0 + (FIRST_STEP / LAST_STEP - 1.0) * self.count / SETTLED_COUNT)
        self.count = min(self.count + 1, SETTLED_COUNT)
        moved = [
            _updated_quantile(value, share, ratio, step) for value, share in zip(self.values, QUANTILES, strict=True)
        ]
        self.values = [min(moved[0], 0.0), min(moved[1], 0.0), max(moved[2], 0.0)]
        self.median = _updated_quantile(self.median, 0.5, ratio, MEDIAN_STEP_SHARE * step)


class PredictionIntervals(Struct):
    """Quantiles of prediction errors, as stored in `transit_trust`. `knots`: one for each horizon of KNOTS_S."""

    knots: list[ErrorQuantiles] = field(default_factory=lambda: [ErrorQuantiles() for _ in KNOTS_S])

    def quantiles_along(self, arrivals: Iterable[float], now: float) -> Iterator[Quantiles]:
        """Quantiles for each of several arrivals in rising order. `arrivals`, `now`: Unix seconds."""
        knot, last = 0, len(KNOTS_S) - 1
        below, above = self.knots[0].quantiles(), self.knots[1].quantiles()
        for arrival in arrivals:
            horizon_s = arrival - now
            while knot < last and horizon_s >= KNOTS_S[knot + 1]:
                knot += 1
                below, above = above, self.knots[min(knot + 1, last)].quantiles()
            if knot == last or horizon_s <= KNOTS_S[knot]:
                yield below
                continue
            share = (horizon_s - KNOTS_S[knot]) / (KNOTS_S[knot + 1] - KNOTS_S[knot])
            p10, rider, p50, p90 = below
            yield (
                p10 + share * (above[0] - p10),
                rider + share * (above[1] - rider),
                p50 + share * (above[2] - p50),
                p90 + share * (above[3] - p90),
            )

    def add_error(self, horizon_s: float, ratio: float) -> None:
        """Add the error of a scored prediction.

        `horizon_s`: how far ahead it was. `ratio`: actual less predicted arrival, in spreads.
        """
        low, high, share = _knots_around(horizon_s)
        self.knots[low].add_error(ratio, 1.0 - share)
        if high != low:
            self.knots[high].add_error(ratio, share)


def spread_s(variance: float, sum_of_deviations_s: float) -> float:
    """Spread of an arrival, seconds: from the sum of the links' variances and, since they correlate, the square of the
    sum of their standard deviations.
    """
    return sqrt(
        BASE_SPREAD_S * BASE_SPREAD_S
        + (1.0 - CORRELATION) * variance
        + CORRELATION * sum_of_deviations_s * sum_of_deviations_s
    )


def _updated_quantile(value: float, share: float, ratio: float, step: float) -> float:
    """A quantile after one more error."""
    return min(MAX_RATIO, max(-MAX_RATIO, value + step * (share - (ratio <= value)) / sqrt(share * (1.0 - share))))


def _knots_around(horizon_s: float) -> tuple[int, int, float]:
    """The knots below and above a horizon, and how far it lies between them, 0 to 1."""
    above = bisect_right(KNOTS_S, horizon_s)
    if above == 0:
        return 0, 0, 0.0
    if above == len(KNOTS_S):
        return above - 1, above - 1, 0.0
    begin, end = KNOTS_S[above - 1], KNOTS_S[above]
    return above - 1, above, (horizon_s - begin) / (end - begin)
