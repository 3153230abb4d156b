"""Prediction accuracy from sums: mean error, bias, benchmark and coverage by line and horizon. Pure.

The definitions are those of `fleet.accuracy_counts`, which makes the sums. The figures are always shown together:
a shift of the predictions improves one of them at the cost of the others.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import sqrt
from typing import Self

from services.transit.fleet.accuracy_counts import ETA_LIMITS_S, MBTA_LIMITS_S, ErrorSums, sums_of

HORIZONS_MIN = ((0, 3), (3, 6), (6, 10), (10, 15), (15, 30))
"""The bins of the benchmark, by how far ahead the bus really was; the last bin has no limits of its own."""
MBTA_HORIZONS_MIN = ((0, 3), (3, 6), (6, 12), (12, 30))
LEAST_ESTIMATES = 20
"""A share of fewer estimates says nothing."""
ALL_LINES = ""


@dataclass(frozen=True, slots=True)
class BinSums:
    """The sums of one line in one bin of each benchmark."""

    route_id: str
    eta_bin: int
    mbta_bin: int
    sums: ErrorSums


@dataclass(frozen=True, slots=True)
class ErrorStatistics:
    """Error statistics of n predictions. Errors are actual less predicted, seconds: positive where the bus came later.

    `coverage`: share of arrivals from P10 to P90, both included; it should be 0.8. Shares are 0 to 1; None where the
    benchmark has no limits for that horizon, or where bins are missing for its mean.
    """

    n: int
    mae_s: float
    rmse_s: float
    bias_s: float
    rider_mae_s: float
    rider_bias_s: float
    coverage: float
    eta_accuracy: float | None
    rider_accuracy: float | None

    @classmethod
    def from_sums(cls, sums: ErrorSums, eta: float | None, rider: float | None) -> Self:
        """From the sums of at least one prediction."""
        n = sums.n
        return cls(
            n,
            sums.sum_absolute_s / n,
            sqrt(sums.sum_square_s2 / n),
            sums.sum_error_s / n,
            sums.sum_rider_absolute_s / n,
            sums.sum_rider_error_s / n,
            sums.inside / n,
            eta,
            rider,
        )


@dataclass(frozen=True, slots=True)
class LineStatistics:
    """Accuracy of one line, overall and by horizon; a horizon without predictions is None.

    `overall.eta_accuracy` is the plain mean of the benchmark's four bins, None unless each has a prediction. `mbta`:
    the share accurate by the MBTA's definition in each bin.
    """

    overall: ErrorStatistics
    by_horizon: tuple[ErrorStatistics | None, ...]
    mbta: tuple[float | None, ...]


def accuracy_by_line(rows: Iterable[BinSums]) -> dict[str, LineStatistics]:
    """The accuracy of each line that has sums, and of all of them under ALL_LINES."""
    lines: dict[str, list[BinSums]] = {}
    for row in rows:
        if row.sums.n:
            lines.setdefault(row.route_id, []).append(row)
            lines.setdefault(ALL_LINES, []).append(row)
    return {route_id: _line_statistics(found) for route_id, found in lines.items()}


def _line_statistics(rows: list[BinSums]) -> LineStatistics:
    eta, mbta = (
        _sums_by_bin((row.eta_bin, row.sums) for row in rows),
        _sums_by_bin((row.mbta_bin, row.sums) for row in rows),
    )
    bins = [_bin_statistics(eta.get(bin_), bin_) for bin_ in range(len(HORIZONS_MIN))]
    scored = [figures for figures in bins[: len(ETA_LIMITS_S)] if figures is not None]
    complete = len(scored) == len(ETA_LIMITS_S)
    overall = ErrorStatistics.from_sums(
        _total(row.sums for row in rows),
        sum(figures.eta_accuracy or 0.0 for figures in scored) / len(scored) if complete else None,
        sum(figures.rider_accuracy or 0.0 for figures in scored) / len(scored) if complete else None,
    )
    shares = (mbta.get(bin_) for bin_ in range(len(MBTA_LIMITS_S)))
    return LineStatistics(overall, tuple(bins), tuple(sums.mbta_accurate / sums.n if sums else None for sums in shares))


def _bin_statistics(sums: ErrorSums | None, bin_: int) -> ErrorStatistics | None:
    if sums is None:
        return None
    has_limits = bin_ < len(ETA_LIMITS_S)
    eta = sums.eta_accurate / sums.n if has_limits else None
    return ErrorStatistics.from_sums(sums, eta, sums.rider_accurate / sums.n if has_limits else None)


def _sums_by_bin(pairs: Iterable[tuple[int, ErrorSums]]) -> Mapping[int, ErrorSums]:
    groups: dict[int, list[ErrorSums]] = {}
    for bin_, sums in pairs:
        groups.setdefault(bin_, []).append(sums)
    return {bin_: _total(found) for bin_, found in groups.items()}


def _total(several: Iterable[ErrorSums]) -> ErrorSums:
    columns = zip(*map(sums_of, several), strict=True)
    return ErrorSums(*(sum(column) for column in columns))
