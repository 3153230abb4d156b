"""Records of a stream that are dry, constant, empty, of one row, with gaps, or otherwise odd, on five-minute steps."""

from collections.abc import Mapping

import numpy as np

from alerts.forecast.series import Array

STEP_S = 300
ROWS = 35 * 24 * 12
"""More than the month that learning asks for."""


def _with_gaps() -> Array:
    level_m = 0.4 + 0.2 * np.sin(np.arange(2 * ROWS) / 144)
    level_m[(np.arange(2 * ROWS) // 50) % 2 == 0] = np.nan
    return level_m


def _one_flood() -> Array:
    level_m = np.full(ROWS, 0.4)
    level_m[5000:5060] = np.linspace(0.4, 3.0, 60)
    return level_m


def _one_hole() -> Array:
    level_m = np.full(2 * ROWS, 0.4)
    level_m[1000 : 1000 + ROWS // 2] = np.nan
    return level_m


def _falling() -> Array:
    return np.linspace(2.0, 0.1, ROWS)


def _steps() -> Array:
    return np.where((np.arange(ROWS) // 288) % 2 == 0, 0.3, 1.2)


ODD_RECORDS: Mapping[str, Array] = {
    "empty": np.empty(0),
    "one row": np.array([0.4]),
    "two rows": np.array([0.4, 0.5]),
    "constant": np.full(ROWS, 0.4),
    "dry": np.zeros(ROWS),
    "below zero": np.full(ROWS, -0.2),
    "with gaps": _with_gaps(),
    "one hole": _one_hole(),
    "one flood": _one_flood(),
    "only falling": _falling(),
    "steps": _steps(),
    "huge": np.full(ROWS, 1e150),
}
"""Levels, m, by what is odd about them; NaN where nothing was measured."""
