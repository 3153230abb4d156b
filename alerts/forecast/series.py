"""Time series of level and rain on a regular grid, with the shifts and sliding windows used by the forecasts."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

DAY_S = 86_400
MAX_STEPS = 20_000_000


@dataclass(frozen=True, slots=True)
class Series:
    """A station's record on a regular grid. Row i is at `start_s` + i * `step_s`, seconds since 1970-01-01 UTC.

    `level_m`: shape (n,), NaN where nothing was measured. `rain_mm`: shape (n,), rain of the step that ends at the row,
    NaN where unknown; None where the station has no rain gauge.
    """

    start_s: float
    step_s: int
    level_m: Array
    rain_mm: Array | None = None

    def __len__(self) -> int:
        return len(self.level_m)

    def rows_until(self, at_s: float) -> int:
        """The number of rows before this time."""
        return min(max(int(np.ceil((at_s - self.start_s) / self.step_s)), 0), len(self))

    def steps(self, span_s: float) -> int:
        """A duration in whole steps, at least one."""
        return max(1, round(span_s / self.step_s))


def resample(
    at_s: Sequence[float],
    level_m: Sequence[float | None],
    *,
    step_s: int,
    rain_mm: Sequence[float | None] | None = None,
) -> Series:
    """Put readings on a grid of `step_s`. Each level goes to its nearest row; the last wins. Rain is summed per row.

    A single empty row takes the level of the row before, because clocks drift across a step. Longer gaps stay empty.
    Raises ValueError where the readings span more than `MAX_STEPS`.
    """
    at = np.asarray(at_s, dtype=np.float64)
    if not len(at):
        return Series(0.0, step_s, np.empty(0), None if rain_mm is None else np.empty(0))
    row = np.rint((at - at.min()) / step_s).astype(np.int64)
    if row.max() >= MAX_STEPS:
        raise ValueError(f"readings span more than {MAX_STEPS} steps of {step_s} s")
    level = np.full(row.max() + 1, np.nan)
    level[row] = np.array(level_m, dtype=np.float64)
    single_gap = np.isnan(level[1:-1]) & ~np.isnan(level[:-2]) & ~np.isnan(level[2:])
    level[1:-1][single_gap] = level[:-2][single_gap]
    rain = None if rain_mm is None else _rain_per_step(row, rain_mm, len(level))
    return Series(float(at.min()), step_s, level, rain)


def _rain_per_step(row: npt.NDArray[np.int64], rain_mm: Sequence[float | None], rows: int) -> Array:
    rain = np.array(rain_mm, dtype=np.float64)
    known = ~np.isnan(rain)
    total = np.bincount(row[known], weights=rain[known], minlength=rows)
    return np.where(np.bincount(row[known], minlength=rows) > 0, total, np.nan)


def lagged(values: Array, steps: int) -> Array:
    """The values `steps` rows earlier; NaN where there are none."""
    return np.concatenate([np.full(min(steps, len(values)), np.nan), values[: max(len(values) - steps, 0)]])


def led(values: Array, steps: int) -> Array:
    """The values `steps` rows later; NaN where there are none."""
    return np.concatenate([values[steps:], np.full(min(steps, len(values)), np.nan)])


def trailing_minimum(values: Array, steps: int) -> Array:
    """The minimum of each row and the `steps` - 1 rows before it, NaN ignored; NaN where all are NaN."""
    padded = np.concatenate([np.full(steps - 1, np.inf), np.where(np.isnan(values), np.inf, values)])
    minimum: Array = np.lib.stride_tricks.sliding_window_view(padded, steps).min(axis=1)
    return np.where(np.isinf(minimum), np.nan, minimum)


def peak_ahead(values: Array, steps: int) -> Array:
    """The maximum of each row and the `steps` rows after it, NaN ignored; NaN where all are NaN."""
    return -trailing_minimum(-values[::-1], steps + 1)[::-1]


def trailing_sum(rain_mm: Array, steps: int) -> Array:
    """The sum of each row and the `steps` - 1 rows before it; NaN counts as zero."""
    total = np.concatenate([[0.0], np.cumsum(np.nan_to_num(rain_mm))])
    rows = np.arange(1, len(rain_mm) + 1)
    return np.asarray(total[rows] - total[np.maximum(rows - steps, 0)])


def concatenate(earlier: Series, later: Series) -> Series:
    """Two records as one, with the later one's times and two empty days between them, whatever the real distance.

    Raises ValueError where their steps differ or only one has rain.
    """
    if earlier.step_s != later.step_s or (earlier.rain_mm is None) != (later.rain_mm is None):
        raise ValueError("records of different steps, or one with and one without rain, cannot be joined")
    gap = np.full(2 * later.steps(DAY_S), np.nan)
    start_s = later.start_s - (len(earlier) + len(gap)) * later.step_s
    level_m = np.concatenate([earlier.level_m, gap, later.level_m])
    if earlier.rain_mm is None or later.rain_mm is None:
        return Series(start_s, later.step_s, level_m)
    return Series(start_s, later.step_s, level_m, np.concatenate([earlier.rain_mm, gap, later.rain_mm]))
