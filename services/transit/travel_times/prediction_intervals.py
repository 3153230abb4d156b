"""How wide an estimate is: quantiles of past errors by horizon, learnt from every estimate that came true.

Errors are told in units of the spread that the links along the way imply. For each horizon the quantiles of that
ratio are followed by stochastic approximation: each error above a quantile raises it a little, each one below lowers
it, in proportions that settle where the share below is right (Robbins and Monro 1951; as adaptive conformal inference,
Gibbs and Candès 2021). Nothing later than the moment of an estimate is ever looked at.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from math import sqrt

from msgspec import Struct, field

KNOTS_S = (60.0, 180.0, 360.0, 600.0, 900.0, 1_350.0, 1_800.0, 2_700.0)
"""Horizons at which errors are followed; between them, along a straight line."""
QUANTILES = (0.10, 0.20, 0.90)
"""P10, the one told to riders (four buses in five come at or after it), P90; the median is followed beside them."""
PRIOR_QUANTILES = (-1.0, -0.65, 1.3)
FIRST_STEP, LAST_STEP = 0.03, 0.003
MEDIAN_STEP_SHARE = 0.1
"""Of the other quantiles' steps is the median's: all stops of one bus err together, and a middle that wanders costs
more than a width that does.
"""
SETTLED_COUNT = 3_000
"""After so many errors at a horizon the steps are smallest."""
MAX_RATIO = 6.0
"""In spreads: further off an error does not pull harder, and no quantile goes."""
CORRELATION = 0.08
"""Between the errors of any two links of one journey: a slow driver is slow everywhere."""
BASE_SPREAD_S = 12.0
"""No position, no stop and no clock is known better."""


Quantiles = tuple[float, float, float, float]
"""In spreads from what the links along the way come to: P10, the riders' quantile, the median, P90."""


class ErrorQuantiles(Struct, array_like=True):
    """The quantiles at one horizon, in spreads, and how many errors shaped them."""

    count: int = 0
    values: list[float] = field(default_factory=lambda: list(PRIOR_QUANTILES))
    median: float = 0.0

    def quantiles(self) -> Quantiles:
        """All four, in their order: P10 and the riders' no later than the median, P90 no earlier."""
        p10, rider, p90 = self.values
        return min(p10, self.median), min(rider, self.median), self.median, max(p90, self.median)

    def add_error(self, ratio: float, weight: float) -> None:
        """One error more, in spreads."""
        step = weight * FIRST_STEP / (1.0 + (FIRST_STEP / LAST_STEP - 1.0) * self.count / SETTLED_COUNT)
        self.count = min(self.count + 1, SETTLED_COUNT)
        moved = [
            _updated_quantile(value, share, ratio, step) for value, share in zip(self.values, QUANTILES, strict=True)
        ]
        self.values = [min(moved[0], 0.0), min(moved[1], 0.0), max(moved[2], 0.0)]
        self.median = _updated_quantile(self.median, 0.5, ratio, MEDIAN_STEP_SHARE * step)


class PredictionIntervals(Struct):
    """The quantiles at every horizon."""

    knots: list[ErrorQuantiles] = field(default_factory=lambda: [ErrorQuantiles() for _ in KNOTS_S])

    def quantiles_along(self, arrivals: Iterable[float], now: float) -> Iterator[Quantiles]:
        """The quantiles of estimates ever further ahead."""
        at, last = 0, len(KNOTS_S) - 1
        here, there = self.knots[0].quantiles(), self.knots[1].quantiles()
        for arrival in arrivals:
            ahead_s = arrival - now
            while at < last and ahead_s >= KNOTS_S[at + 1]:
                at += 1
                here, there = there, self.knots[min(at + 1, last)].quantiles()
            if at == last or ahead_s <= KNOTS_S[at]:
                yield here
                continue
            share = (ahead_s - KNOTS_S[at]) / (KNOTS_S[at + 1] - KNOTS_S[at])
            p10, rider, p50, p90 = here
            yield (
                p10 + share * (there[0] - p10),
                rider + share * (there[1] - rider),
                p50 + share * (there[2] - p50),
                p90 + share * (there[3] - p90),
            )

    def add_error(self, horizon_s: float, ratio: float) -> None:
        """How an estimate came true: how far ahead it was, and its error in spreads, positive where it was early."""
        low, high, share = _knots_around(horizon_s)
        self.knots[low].add_error(ratio, 1.0 - share)
        if high != low:
            self.knots[high].add_error(ratio, share)


def spread_s(variance: float, sum_of_deviations_s: float) -> float:
    """What the links along the way imply: their variances and, as they correlate, the square of their sum."""
    return sqrt(
        BASE_SPREAD_S * BASE_SPREAD_S
        + (1.0 - CORRELATION) * variance
        + CORRELATION * sum_of_deviations_s * sum_of_deviations_s
    )


def _updated_quantile(value: float, share: float, ratio: float, step: float) -> float:
    """A quantile after one error more."""
    return min(MAX_RATIO, max(-MAX_RATIO, value + step * (share - (ratio <= value)) / sqrt(share * (1.0 - share))))


def _knots_around(horizon_s: float) -> tuple[int, int, float]:
    above = bisect_right(KNOTS_S, horizon_s)
    if above == 0:
        return 0, 0, 0.0
    if above == len(KNOTS_S):
        return above - 1, above - 1, 0.0
    begin, end = KNOTS_S[above - 1], KNOTS_S[above]
    return above - 1, above, (horizon_s - begin) / (end - begin)
