"""Incremental ridge regression of one lead time, with its past errors by water state and the error bands from them."""

from dataclasses import dataclass, field, replace

import numpy as np

from alerts.forecast.level_forecast import ErrorBands, LeadModel, WaterState
from alerts.forecast.series import Array

COVERAGE = 0.8
"""The share of outcomes that should lie between P10 and P90."""

_RIDGE_PENALTY_S = 30 * 3600
"""Ridge penalty: the duration of active water needed to move a forecast away from persistence."""
_MIN_ERRORS = 30


@dataclass(slots=True)
class LeadLearner:
    """The state of one lead in a backtest.

    `gram`: weighted sums of products of the regression's columns (`add_outcomes`). `expected_m`, shape (n,), and
    `band_m`, shape (n, 3): the forecast and its error band at each row. `learnt_rows`: rows already learnt from.
    `coverage`: per water state, the quantile range now used for the band. `scored_errors`, `hourly_errors`: per water
    state, past errors divided by the error scale, of the scored rows and of one row an hour. `squared_errors`: sums of
    the forecast and of persistence.
    """

    model: LeadModel
    steps: int
    gram: Array
    expected_m: Array
    band_m: Array
    learnt_rows: int = 0
    coverage: list[float] = field(default_factory=lambda: [COVERAGE] * len(WaterState))
    scored_errors: list[list[Array]] = field(default_factory=lambda: [[] for _ in WaterState])
    hourly_errors: list[list[Array]] = field(default_factory=lambda: [[] for _ in WaterState])
    squared_errors: Array = field(default_factory=lambda: np.zeros(2))

    def add_outcomes(self, features: Array, change_m: Array, weight: Array, step_s: int) -> None:
        """Add rows with known outcome to the regression and solve it again.

        features: shape (n, p). change_m, weight: shape (n,).
        """
        columns = np.column_stack([np.ones(len(features)), features, change_m])
        self.gram += (columns * weight[:, None]).T @ columns
        self.model = self._solve_ridge(step_s)

    def _solve_ridge(self, step_s: int) -> LeadModel:
        """The ridge solution on standardised features, penalised towards persistence."""
        weight = self.gram[0, 0]
        mean = self.gram[0, 1:] / weight
        covariance = self.gram[1:, 1:] / weight - np.outer(mean, mean)
        deviation = np.sqrt(np.maximum(np.diag(covariance)[:-1], 1e-12))
        penalty = _RIDGE_PENALTY_S / step_s / weight
        correlation = covariance[:-1, :-1] / np.outer(deviation, deviation) + (penalty + 1e-6) * np.eye(len(deviation))
        slope = np.linalg.solve(correlation, covariance[:-1, -1] / deviation) / deviation
        offset = mean[-1] / (1 + penalty)
        return replace(self.model, offset=float(offset), centre=tuple(mean[:-1].tolist()), slope=tuple(slope.tolist()))

    def error_bands(self, prior: Array) -> ErrorBands:
        """Quantiles of past errors per water state; those of `prior`, shape (states, 3), where there are too few."""
        return tuple(self._error_band(state, prior) for state in WaterState)

    def _error_band(self, state: WaterState, prior: Array) -> tuple[float, float, float]:
        scored, coverage = np.concatenate(self.scored_errors[state] or [np.empty(0)]), self.coverage[state]
        if len(scored) < _MIN_ERRORS:
            low, middle, high = prior[state].tolist()
        elif state in {WaterState.HIGH, WaterState.HIGH_RISING}:
            low, middle, high = np.quantile(scored, ((1 - coverage) / 2, 0.5, (1 + coverage) / 2)).tolist()
        else:
            # Below high water, only rows before a rise are scored: they give the upper edge, all rows the lower edge.
            hourly = np.concatenate([*self.hourly_errors[state], scored])
            high = max(float(np.quantile(scored, coverage)), 0.0)
            low, middle = min(float(np.quantile(hourly, (1 - COVERAGE) / 2)), 0.0), 0.0
        return low, middle, high

    def persistence_index(self) -> float | None:
        """1 - squared error / squared error of persistence, on scored rows after the minimum of spells."""
        own, persistence = self.squared_errors.tolist()
        return 1 - own / persistence if persistence > 0 else None
