"""A station's record on a regular grid, and what of it is known at each of its steps."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

DAY_S = 86_400
MOST_STEPS = 20_000_000


@dataclass(frozen=True, slots=True)
class Series:
    """Row i stands for `start_s` + i * `step_s`, seconds since 1970-01-01 UTC.

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
        """How many rows lie before this moment."""
        return min(max(int(np.ceil((at_s - self.start_s) / self.step_s)), 0), len(self))

    def steps(self, span_s: float) -> int:
        """A span of time in whole steps, at least one."""
        return max(1, round(span_s / self.step_s))


def regular(
    at_s: Sequence[float],
    level_m: Sequence[float | None],
    *,
    step_s: int,
    rain_mm: Sequence[float | None] | None = None,
) -> Series:
    """Put readings on a grid of `step_s`: each on its nearest row, the last where two meet; rain adds up.

    A single empty row takes the level before it, as clocks drift across a step; longer holes stay holes.
    Raises ValueError where the readings span more than `MOST_STEPS`.
    """
    at = np.asarray(at_s, dtype=np.float64)
    if not len(at):
        return Series(0.0, step_s, np.empty(0), None if rain_mm is None else np.empty(0))
    row = np.rint((at - at.min()) / step_s).astype(np.int64)
    if row.max() >= MOST_STEPS:
        raise ValueError(f"readings span more than {MOST_STEPS} steps of {step_s} s")
    level = np.full(row.max() + 1, np.nan)
    level[row] = np.array(level_m, dtype=np.float64)
    lone = np.isnan(level[1:-1]) & ~np.isnan(level[:-2]) & ~np.isnan(level[2:])
    level[1:-1][lone] = level[:-2][lone]
    return Series(float(at.min()), step_s, level, None if rain_mm is None else _added(row, rain_mm, len(level)))


def _added(row: npt.NDArray[np.int64], rain_mm: Sequence[float | None], rows: int) -> Array:
    rain = np.array(rain_mm, dtype=np.float64)
    known = ~np.isnan(rain)
    total = np.bincount(row[known], weights=rain[known], minlength=rows)
    return np.where(np.bincount(row[known], minlength=rows) > 0, total, np.nan)


def before(values: Array, steps: int) -> Array:
    """The values so many steps earlier; NaN where there are none."""
    return np.concatenate([np.full(min(steps, len(values)), np.nan), values[: max(len(values) - steps, 0)]])


def after(values: Array, steps: int) -> Array:
    """The values so many steps later; NaN where there are none."""
    return np.concatenate([values[steps:], np.full(min(steps, len(values)), np.nan)])


def lowest(values: Array, steps: int) -> Array:
    """The lowest of each row and the `steps` - 1 before it, holes left out; NaN where all are holes."""
    padded = np.concatenate([np.full(steps - 1, np.inf), np.where(np.isnan(values), np.inf, values)])
    found: Array = np.lib.stride_tricks.sliding_window_view(padded, steps).min(axis=1)
    return np.where(np.isinf(found), np.nan, found)


def crest(values: Array, steps: int) -> Array:
    """The highest of each row and the `steps` after it, holes left out; NaN where all are holes."""
    return -lowest(-values[::-1], steps + 1)[::-1]


def fallen(rain_mm: Array, steps: int) -> Array:
    """Rain of each row and the `steps` - 1 before it; unknown rain counts as none."""
    total = np.concatenate([[0.0], np.cumsum(np.nan_to_num(rain_mm))])
    rows = np.arange(1, len(rain_mm) + 1)
    return np.asarray(total[rows] - total[np.maximum(rows - steps, 0)])


def joined(earlier: Series, later: Series) -> Series:
    """The two records as one that keeps the later's times, with two empty days between them, however far apart.

    Raises ValueError where their steps differ or only one has rain.
    """
    if earlier.step_s != later.step_s or (earlier.rain_mm is None) != (later.rain_mm is None):
        raise ValueError("records of different steps, or with and without rain, cannot teach each other")
    hole = np.full(2 * later.steps(DAY_S), np.nan)
    start_s = later.start_s - (len(earlier) + len(hole)) * later.step_s
    level_m = np.concatenate([earlier.level_m, hole, later.level_m])
    if earlier.rain_mm is None or later.rain_mm is None:
        return Series(start_s, later.step_s, level_m)
    return Series(start_s, later.step_s, level_m, np.concatenate([earlier.rain_mm, hole, later.rain_mm]))
