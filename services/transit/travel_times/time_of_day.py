"""The past of a link by day type and half hour: sums that fade from day to day, read by a kernel over time of day."""

from math import exp
from typing import NamedTuple

DAY_S = 86_400.0
BIN_S = 1_800.0
BINS = int(DAY_S // BIN_S)
KERNEL_WIDTH_S = 3_600.0
"""How far apart in time of day two passages may lie to speak e times less for each other."""
OTHER_DAY_TYPE_WEIGHT = 0.3
"""What a passage of a Sunday is worth for a working day."""
HALF_LIFE_DAYS = 14.0

Bins = dict[int, list[float]]
"""By day type and half hour: the last day that taught, and how many passages, as faded by then, and their seconds."""


class KernelMean(NamedTuple):
    """What is known around a time of day: the weight of it, its mean in seconds, and how alike what it is made of is to
    what was asked for, 1 being the same half hour of today.
    """

    weight: float
    mean_s: float
    similarity: float

    @property
    def effective_count(self) -> float:
        """How many passages of equal weight would have a mean as sure: the weights' sum squared over the sum of their
        squares (Kish, Survey Sampling, 1965).
        """
        return self.weight / self.similarity


NO_MEAN = KernelMean(0.0, 0.0, 1.0)


def kernel_mean(bins: Bins, wanted: int) -> KernelMean:
    """What is known around a time of day."""
    mass = total = squares = 0.0
    today = max((one[0] for one in bins.values()), default=0.0)
    kind, slot = divmod(wanted, BINS)
    for bin_, (day, weight, seconds) in bins.items():
        other, there = divmod(bin_, BINS)
        apart_s = min(abs(there - slot), BINS - abs(there - slot)) * BIN_S
        alike = (1.0 if other == kind else OTHER_DAY_TYPE_WEIGHT) * 0.5 ** ((today - day) / HALF_LIFE_DAYS)
        kernel = alike * exp(-apart_s / KERNEL_WIDTH_S)
        mass += kernel * weight
        total += kernel * seconds
        squares += kernel * kernel * weight
    return KernelMean(mass, total / mass, squares / mass) if mass > 1e-6 else NO_MEAN


def bin_of(since_zero_s: float, weekday: int) -> int:
    """By day type (working day, Saturday, Sunday) and half hour."""
    return max(0, weekday - 4) * BINS + int(since_zero_s % DAY_S // BIN_S)


def add_to_bin(bins: Bins, bin_: int, day: float, seconds: float, weight: float) -> None:
    """Sums decay from day to day; an older passage comes in at what is left of it."""
    one = bins.setdefault(bin_, [day, 0.0, 0.0])
    if day > one[0]:
        fade = 0.5 ** ((day - one[0]) / HALF_LIFE_DAYS)
        one[0], one[1], one[2] = day, one[1] * fade, one[2] * fade
    weight *= 0.5 ** ((one[0] - day) / HALF_LIFE_DAYS)
    one[1] += weight
    one[2] += weight * seconds
    if one[1] < 1e-6:
        del bins[bin_]
