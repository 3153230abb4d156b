"""Statistics of vehicle speeds, from counts in bins of 5 km/h: small, mergeable, and enough for what streets are asked.

A bin holds speeds from its lower edge up to, but not at, the upper one; the last holds everything above. Whatever is
read from bins supposes that vehicles spread evenly within each, which errs by less than a bin.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

BIN_WIDTH_KMH = 5
BIN_COUNT = 52

Histogram = tuple[int, ...]
"""Vehicles per bin from 0 km/h; bins beyond the last one given are empty. At most `BIN_COUNT`."""


@dataclass(frozen=True, slots=True)
class SpeedStatistics:
    """What a street and hour are told by. Speeds in km/h, None without vehicles; `share_over` of the limit, 0 to 1."""

    vehicles: int
    mean_kmh: float | None
    p85_kmh: float | None
    p95_kmh: float | None
    limit_kmh: float
    share_over: float | None


def histogram(speeds_kmh: Iterable[float]) -> Histogram:
    """Single vehicles as counts."""
    counts = [0] * BIN_COUNT
    for speed_kmh in speeds_kmh:
        counts[min(int(speed_kmh // BIN_WIDTH_KMH), BIN_COUNT - 1)] += 1
    return tuple(counts)


def merge_histograms(histograms: Iterable[Histogram]) -> Histogram:
    """The vehicles of several histograms in one."""
    counts = [0] * BIN_COUNT
    for counted in histograms:
        for place, vehicles in enumerate(counted):
            counts[place] += vehicles
    return tuple(counts)


def speed_statistics(counts: Histogram, limit_kmh: float) -> SpeedStatistics:
    """All figures of one street and hour against the limit in force there."""
    vehicles = sum(counts)
    if not vehicles:
        return SpeedStatistics(0, None, None, None, limit_kmh, None)
    middles = ((place + 0.5) * BIN_WIDTH_KMH * count for place, count in enumerate(counts))
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
    for place, count in enumerate(counts):
        if count and below + count >= wanted:
            return BIN_WIDTH_KMH * (place + (wanted - below) / count)
        below += count
    raise AssertionError("the shares of a histogram add up to one")


def vehicles_at_or_above(counts: Histogram, speed_kmh: float) -> float:
    """Vehicles at or above a speed; of the bin that holds it, the share of its width above it."""
    place, within = divmod(speed_kmh, BIN_WIDTH_KMH)
    at = int(place)
    inside = counts[at] * (1 - within / BIN_WIDTH_KMH) if at < len(counts) else 0.0
    return sum(counts[at + 1 :]) + inside


def rank_streets(streets: Mapping[str, SpeedStatistics], least_vehicles: int) -> list[str]:
    """Streets with enough vehicles to speak of, the worst first: by share over the limit, then by P85 above it."""
    spoken_of = [(name, of) for name, of in streets.items() if of.vehicles >= max(least_vehicles, 1)]
    spoken_of.sort(key=lambda one: (-(one[1].share_over or 0.0), one[1].limit_kmh - (one[1].p85_kmh or 0.0), one[0]))
    return [name for name, _ in spoken_of]
