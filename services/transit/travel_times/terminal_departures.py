"""When buses leave their terminals: lateness by terminal, direction and time of day, layover.

What moving buses teach says nothing of when one that stands will go. Lateness is kept as counts between a few bounds,
so that its quantiles, and those of a bus that has not left yet, are read off directly.
"""

from bisect import bisect_left
from collections.abc import Sequence
from itertools import pairwise

BOUNDS_S = (-300, -120, -60, -30, 0, 30, 60, 90, 120, 180, 240, 300, 420, 600, 900, 1_500)
"""Lateness of departures, seconds; beyond the ends nothing is told apart."""
PRIOR_COUNTS = (1, 1, 2, 4, 10, 12, 10, 7, 5, 6, 4, 3, 4, 3, 1)
"""Of departures anywhere, how many fall between two bounds: the belief before any was seen."""
PRIOR_WEIGHT = 8.0
MAX_COUNT = 400.0
"""Older departures fade once so many are counted."""
MIN_LAYOVER_S = 120.0
"""A bus that arrives turns round in no less."""

LatenessCounts = list[float]
"""Departures between the bounds, one number less than there are bounds."""


def empty_counts() -> LatenessCounts:
    """Before the first departure."""
    return [0.0] * (len(BOUNDS_S) - 1)


def count_departure(counts: LatenessCounts, late_s: float) -> int:
    """One departure more; says where it was counted."""
    if sum(counts) >= MAX_COUNT:
        counts[:] = [0.98 * one for one in counts]
    inside = min(max(bisect_left(BOUNDS_S, late_s) - 1, 0), len(counts) - 1)
    counts[inside] += 1.0
    return inside


def lateness_quantiles_s(
    own: Sequence[float] | None, everywhere: Sequence[float], least_s: float
) -> tuple[float, float, float]:
    """P10, median and P90 of the lateness of a departure that is known to be at least so late already, seconds.

    A terminal of which little is known is believed to be like all others.
    """
    city = sum(everywhere) + PRIOR_WEIGHT
    guess = [
        PRIOR_WEIGHT * (all_ + PRIOR_WEIGHT * one / sum(PRIOR_COUNTS)) / city
        for all_, one in zip(everywhere, PRIOR_COUNTS, strict=True)
    ]
    return _quantiles([a + b for a, b in zip(guess, own, strict=True)] if own else guess, least_s)


def _quantiles(counts: Sequence[float], least_s: float) -> tuple[float, float, float]:
    """Of what lies above `least_s`, evenly spread between bounds. Past the last bound: any moment now."""
    parts = []
    for number, (begin, end) in zip(counts, pairwise(BOUNDS_S), strict=True):
        start = max(float(begin), least_s)
        if start < end:
            parts.append((number * (end - start) / (end - begin), start, float(end)))
    total = sum(number for number, _, _ in parts)
    if total <= 0:
        return least_s, least_s + 30.0, least_s + 300.0
    return _quantile(parts, 0.1 * total), _quantile(parts, 0.5 * total), _quantile(parts, 0.9 * total)


def _quantile(parts: Sequence[tuple[float, float, float]], wanted: float) -> float:
    for number, begin, end in parts:
        if wanted <= number:
            return begin + (end - begin) * wanted / number if number else begin
        wanted -= number
    return parts[-1][2]
