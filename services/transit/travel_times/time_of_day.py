"""Traversal times of a link by day type and half hour: sums that decay from day to day, and a kernel mean over them."""

from math import exp
from typing import NamedTuple

DAY_S = 86_400.0
BIN_S = 1_800.0
BINS = int(DAY_S // BIN_S)
KERNEL_WIDTH_S = 3_600.0
"""Two traversals this far apart in time of day say e times less of each other."""
OTHER_DAY_TYPE_WEIGHT = 0.3
"""Weight of a traversal on a Sunday for a working day, and so on for any two day types."""
HALF_LIFE_DAYS = 14.0

Bins = dict[int, list[float]]
"""By `bin_of`: [last day with a traversal, number of traversals, sum of their seconds], both decayed to that day."""


class KernelMean(NamedTuple):
    """Mean traversal time around a time of day.

    `weight`: sum of the traversals' weights. `mean_s`: seconds. `similarity`: mean weight of the traversals in the
    mean; 1 if all are of the same half hour of the last day.
    """

    weight: float
    mean_s: float
    similarity: float

    @property
    def effective_count(self) -> float:
        """Effective sample size: the sum of the weights squared over the sum of their squares (Kish, Survey Sampling,
        1965).
        """
        return self.weight / self.similarity


NO_MEAN = KernelMean(0.0, 0.0, 1.0)


def kernel_mean(bins: Bins, wanted_bin: int) -> KernelMean:
    """Mean traversal time around a bin. Its weight is 0 where nothing was observed."""
    weights = total_s = squares = 0.0
    today = max((sums[0] for sums in bins.values()), default=0.0)
    wanted_type, wanted_slot = divmod(wanted_bin, BINS)
    for bin_, (day, count, seconds) in bins.items():
        day_type, slot = divmod(bin_, BINS)
        apart_s = min(abs(slot - wanted_slot), BINS - abs(slot - wanted_slot)) * BIN_S
        similarity = (1.0 if day_type == wanted_type else OTHER_DAY_TYPE_WEIGHT) * 0.5 ** (
            (today - day) / HALF_LIFE_DAYS
        )
        kernel = similarity * exp(-apart_s / KERNEL_WIDTH_S)
        weights += kernel * count
        total_s += kernel * seconds
        squares += kernel * kernel * count
    return KernelMean(weights, total_s / weights, squares / weights) if weights > 1e-6 else NO_MEAN


def bin_of(since_day_start_s: float, weekday: int) -> int:
    """Bin by day type (working day, Saturday, Sunday) and half hour.

    `since_day_start_s`: seconds after the start of the service day. `weekday`: of that date, Monday is 0.
    """
    return max(0, weekday - 4) * BINS + int(since_day_start_s % DAY_S // BIN_S)


def add_to_bin(bins: Bins, bin_: int, day: float, seconds: float, count: float) -> None:
    """Add traversals to a bin; a negative `count` removes them. Sums decay from day to day.

    A traversal of an earlier day than the bin's last one is added with the weight it would have left by then.
    """
    sums = bins.setdefault(bin_, [day, 0.0, 0.0])
    if day > sums[0]:
        decay = 0.5 ** ((day - sums[0]) / HALF_LIFE_DAYS)
        sums[0], sums[1], sums[2] = day, sums[1] * decay, sums[2] * decay
    count *= 0.5 ** ((sums[0] - day) / HALF_LIFE_DAYS)
    sums[1] += count
    sums[2] += count * seconds
    if sums[1] < 1e-6:
        del bins[bin_]
