"""Lateness of departures from terminals, counted by terminal, direction and part of the day.

Travel times of moving buses do not say when a standing bus departs. Lateness is kept as a histogram, so that its
quantiles, and those of a bus that has not left yet, can be read from it directly.
"""

from bisect import bisect_left
from collections.abc import Sequence
from itertools import pairwise

BOUNDS_S = (-300, -120, -60, -30, 0, 30, 60, 90, 120, 180, 240, 300, 420, 600, 900, 1_500)
"""Bounds of the histogram's bins: lateness of departures, seconds. A value beyond the ends counts in the end bin."""
PRIOR_COUNTS = (1, 1, 2, 4, 10, 12, 10, 7, 5, 6, 4, 3, 4, 3, 1)
"""Histogram assumed before any departure was observed."""
PRIOR_WEIGHT = 8.0
"""How many departures the assumed histogram counts for."""
MAX_COUNT = 400.0
"""Older departures fade once this many are counted."""
MIN_LAYOVER_S = 120.0
"""Least time between the arrival of a bus and its next departure."""

LatenessCounts = list[float]
"""Departures in each bin; one bin fewer than there are bounds. A count fades, so it is a float."""


def empty_counts() -> LatenessCounts:
    """Counts before the first departure."""
    return [0.0] * (len(BOUNDS_S) - 1)


def count_departure(counts: LatenessCounts, late_s: float) -> int:
    """Count one departure. Returns the index of its bin."""
    if sum(counts) >= MAX_COUNT:
        counts[:] = [0.98 * count for count in counts]
    bin_ = min(max(bisect_left(BOUNDS_S, late_s) - 1, 0), len(counts) - 1)
    counts[bin_] += 1.0
    return bin_


def lateness_quantiles_s(
    terminal: Sequence[float] | None, city: Sequence[float], least_s: float
) -> tuple[float, float, float]:
    """P10, median and P90 of the lateness of a departure that is at least `least_s` late already, seconds.

    `terminal`, `city`: counts of this terminal and of all. A terminal with few departures is taken to be like all.
    """
    total = sum(city) + PRIOR_WEIGHT
    prior = [
        PRIOR_WEIGHT * (count + PRIOR_WEIGHT * assumed / sum(PRIOR_COUNTS)) / total
        for count, assumed in zip(city, PRIOR_COUNTS, strict=True)
    ]
    return _quantiles([a + b for a, b in zip(prior, terminal, strict=True)] if terminal else prior, least_s)


def _quantiles(counts: Sequence[float], least_s: float) -> tuple[float, float, float]:
    """Quantiles of the histogram above `least_s`. Within a bin departures are spread evenly.

    Past the last bound a bus may depart at any moment: then the quantiles are `least_s` plus 0, 30 and 300 s.
    """
    parts = []
    for count, (begin, end) in zip(counts, pairwise(BOUNDS_S), strict=True):
        start = max(float(begin), least_s)
        if start < end:
            parts.append((count * (end - start) / (end - begin), start, float(end)))
    total = sum(count for count, _, _ in parts)
    if total <= 0:
        return least_s, least_s + 30.0, least_s + 300.0
    return _quantile(parts, 0.1 * total), _quantile(parts, 0.5 * total), _quantile(parts, 0.9 * total)


def _quantile(parts: Sequence[tuple[float, float, float]], rank: float) -> float:
    """The lateness below which `rank` departures lie. `parts`: (count, begin, end) in rising order."""
    for count, begin, end in parts:
        if rank <= count:
            return begin + (end - begin) * rank / count if count else begin
        rank -= count
    return parts[-1][2]
