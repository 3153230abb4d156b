"""Statistics of vehicle speeds from histograms with bins of 5 km/h: mean, percentiles, share over the limit.

Histograms are small and can be merged. A bin holds speeds from its lower edge up to, not including, the upper one; the
last holds everything above. Figures suppose that vehicles spread evenly within a bin, so they err by less than a bin.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

BIN_WIDTH_KMH = 5
BIN_COUNT = 52

Histogram = tuple[int, ...]
"""Vehicles per bin from 0 km/h; bins beyond the last one given are empty. At most `BIN_COUNT`."""


@dataclass(frozen=True, slots=True)
class SpeedStatistics:
    """Figures of one street and hour; None without vehicles. `share_over`: share of vehicles at or over the limit."""

    vehicles: int
    mean_kmh: float | None
    p85_kmh: float | None
    p95_kmh: float | None
    limit_kmh: float
    share_over: float | None


def histogram(speeds_kmh: Iterable[float]) -> Histogram:
    """The histogram of single vehicles' speeds."""
    counts = [0] * BIN_COUNT
    for speed_kmh in speeds_kmh:
        counts[min(int(speed_kmh // BIN_WIDTH_KMH), BIN_COUNT - 1)] += 1
    return tuple(counts)


def merge_histograms(histograms: Iterable[Histogram]) -> Histogram:
    """The vehicles of several histograms in one."""
    counts = [0] * BIN_COUNT
    for counted in histograms:
        for bin_index, vehicles in enumerate(counted):
            counts[bin_index] += vehicles
    return tuple(counts)


def speed_statistics(counts: Histogram, limit_kmh: float) -> SpeedStatistics:
    """All figures of one street and hour against the limit in force there."""
    vehicles = sum(counts)
    if not vehicles:
        return SpeedStatistics(0, None, None, None, limit_kmh, None)
    middles = ((bin_index + 0.5) * BIN_WIDTH_KMH * count for bin_index, count in enumerate(counts))
    return SpeedStatistics(
        vehicles=vehicles,
        mean_kmh=sum(middles) / vehicles,
        p85_kmh=percentile_kmh(counts, 0.85),
        p95_kmh=percentile_kmh(counts, 0.95),
        limit_kmh=limit_kmh,
        share_over=vehicles_at_or_above(counts, limit_kmh) / vehicles,
    )


def percentile_kmh(counts: Histogram, share: float) -> float:
    """The speed that this share of the vehicles does not exceed, by interpolation within its bin.

    Raises ValueError without vehicles or for a share outside 0..1.
    """
    vehicles = sum(counts)
    if not vehicles or not 0 <= share <= 1:
        raise ValueError("a percentile needs vehicles, and a share between 0 and 1")
    wanted = share * vehicles
    below = 0
    for bin_index, count in enumerate(counts):
        if count and below + count >= wanted:
            return BIN_WIDTH_KMH * (bin_index + (wanted - below) / count)
        below += count
    raise AssertionError("the shares of a histogram add up to one")


def vehicles_at_or_above(counts: Histogram, speed_kmh: float) -> float:
    """Number of vehicles at or above a speed; of the bin that holds it, the share above it."""
    bin_number, within = divmod(speed_kmh, BIN_WIDTH_KMH)
    bin_index = int(bin_number)
    inside = counts[bin_index] * (1 - within / BIN_WIDTH_KMH) if bin_index < len(counts) else 0.0
    return sum(counts[bin_index + 1 :]) + inside


def rank_streets(streets: Mapping[str, SpeedStatistics], min_vehicles: int) -> list[str]:
    """Streets with at least this many vehicles, the worst first: by share over the limit, then by P85 above it."""
    ranked = [name for name, figures in streets.items() if figures.vehicles >= max(min_vehicles, 1)]
    return sorted(ranked, key=lambda name: (*_rank(streets[name]), name))


def _rank(figures: SpeedStatistics) -> tuple[float, float]:
    return (-(figures.share_over or 0.0), figures.limit_kmh - (figures.p85_kmh or 0.0))
