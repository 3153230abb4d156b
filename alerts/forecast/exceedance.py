"""Exceedance probability: how likely a rising stream reaches a threshold, by logistic regression on past rises."""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import exp, log
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from alerts.forecast.series import Array, Series, lagged, peak_ahead
from models.rule import UNTRAINED, ExceedanceModel, Stage

HORIZON_S = 6 * 3600
"""The longest lead time: a warning counts for a flood that begins within this time."""
MIN_GAP_S = 3 * 3600
"""Rising rows farther apart than this belong to two different rises."""
MAX_PEAKS = 500

_PRIOR_WEIGHT = 5.0
"""Weight of the default model in the regression: the number of rises needed to change the default noticeably."""
_MAX_MISSING_RATIO = 12.0
"""Training rows for a threshold farther than this many times the rise so far are left out."""
_MAX_ITERATIONS = 25
_MAX_LOG_ODDS = 30.0
_TRIGGERS = (0.0, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)


def exceedance_probability(model: ExceedanceModel, *, level_m: float, risen_m: float, threshold_m: float) -> float:
    """Probability in 0..1 that the level reaches `threshold_m` within `HORIZON_S`, having just risen by `risen_m` > 0.

    Without training the odds are 0.73 * risen / missing. This form has no scale: when a rise is observed at a random
    moment, only its size so far is known (Gott, "Implications of the Copernican principle for our future prospects",
    Nature 363 (1993), p. 315). That argument gives an even chance that the rise doubles. The factor 0.73 (42 %) is
    measured: the straight line over 15 minutes was right in 38 to 51 of 100 alarms. So a `raise_chance` of 0.42 without
    training is that straight line. Training on the stream's past changes the weights and adds the share of its peaks
    above this level that also reached the threshold.
    """
    missing_m = threshold_m - level_m
    if missing_m <= 0:
        return 1.0
    base, per_missing, per_peaks = model.weights
    peaks = peak_log_odds(model.peaks_m, level_m, threshold_m)
    odds = base + per_missing * log(missing_m / risen_m) + per_peaks * peaks
    return 1.0 / (1.0 + exp(-min(max(odds, -_MAX_LOG_ODDS), _MAX_LOG_ODDS)))


def peak_log_odds(peaks_m: Sequence[float], level_m: float, threshold_m: float) -> float:
    """Log odds that a past peak at or above `level_m` also reached `threshold_m`; 0 where there was no such peak.

    peaks_m: ascending.
    """
    reached = len(peaks_m) - bisect_left(peaks_m, threshold_m)
    below = len(peaks_m) - bisect_left(peaks_m, level_m) - reached
    return log((reached + 1) / (below + 1))


@dataclass(frozen=True, slots=True)
class RisingRows:
    """The rows of a record in which the level was rising. All arrays have shape (n,).

    `at_s`: time. `level_m`: level. `risen_m`: rise over the last window. `peak_m`: highest level within the horizon.
    `rise_id`: number of the rise that the row belongs to, from 0.
    """

    at_s: Array
    level_m: Array
    risen_m: Array
    peak_m: Array
    rise_id: Array

    def head(self, rows: int) -> "RisingRows":
        """The first `rows` rows."""
        return RisingRows(
            self.at_s[:rows], self.level_m[:rows], self.risen_m[:rows], self.peak_m[:rows], self.rise_id[:rows]
        )


def find_rising_rows(series: Series, rule: Stage) -> RisingRows:
    """The rising rows of a record, with the same definition of a rise as `alerts.rules.stage`."""
    level_m = series.level_m
    risen_m = level_m - lagged(level_m, series.steps(rule.rise_window_s))
    rows = np.flatnonzero(risen_m >= rule.rise_min_m)
    at_s: Array = series.start_s + rows.astype(np.float64) * series.step_s
    rise_id = np.cumsum(np.diff(at_s, prepend=at_s[:1]) > MIN_GAP_S).astype(np.float64)
    return RisingRows(at_s, level_m[rows], risen_m[rows], peak_ahead(level_m, series.steps(HORIZON_S))[rows], rise_id)


def models_over_time(rising: RisingRows, rule: Stage) -> Iterator[tuple[float, ExceedanceModel]]:
    """The model after each rise, once its horizon is over: (time in s from which the model holds, model), ascending.

    A model is fitted only on rows whose outcome was known at that time.
    """
    yield float("-inf"), UNTRAINED
    ends = np.flatnonzero(np.diff(rising.rise_id, append=np.inf) > 0) + 1
    for end in ends.tolist():
        yield float(rising.at_s[end - 1]) + HORIZON_S, fit_exceedance(rising.head(end), rule)


def fit_exceedance(rising: RisingRows, rule: Stage) -> ExceedanceModel:
    """Fit the model on these rows: a logistic regression, penalised towards the default. Each rise has total weight 1.

    Returns `UNTRAINED` without rows.
    """
    if not len(rising.rise_id):
        return UNTRAINED
    peaks_m = np.zeros(int(rising.rise_id[-1]) + 1)
    np.maximum.at(peaks_m, rising.rise_id.astype(np.int64), rising.peak_m)
    ordered = np.sort(peaks_m)
    training = [_training_rows(rising, ordered, threshold_m) for threshold_m in rule.thresholds_m]
    base, per_missing, per_peaks = _regress(training).tolist()
    # A farther threshold, or one that was reached less often, must never be more probable.
    weights = (base, min(per_missing, 0.0), max(per_peaks, 0.0))
    thinned = ordered[np.unique(np.linspace(0, len(ordered) - 1, MAX_PEAKS).astype(np.int64))]
    trigger = _lowest_trigger(training, np.array(weights), rule)
    return ExceedanceModel(weights=weights, peaks_m=tuple(np.round(thinned, 4).tolist()), least_chance=trigger)


class _TrainingRows(NamedTuple):
    """Training rows for one threshold.

    `columns`: the regression's columns, shape (n, 3). The others have shape (n,). `reached`: 1 where the threshold was
    reached, else 0. `rise_id`: the rise of the row. `missing_ratio`: missing height divided by the rise so far.
    """

    columns: Array
    reached: Array
    rise_id: npt.NDArray[np.int64]
    missing_ratio: Array


def _training_rows(rising: RisingRows, peaks_m: Array, threshold_m: float) -> _TrainingRows:
    missing_m = threshold_m - rising.level_m
    near = (missing_m > 0) & (missing_m < _MAX_MISSING_RATIO * rising.risen_m)
    peaks_reached = len(peaks_m) - np.searchsorted(peaks_m, threshold_m)
    peaks_below = len(peaks_m) - np.searchsorted(peaks_m, rising.level_m[near]) - peaks_reached
    ratio = missing_m[near] / rising.risen_m[near]
    columns = np.stack([np.ones(len(ratio)), np.log(ratio), np.log((peaks_reached + 1) / (peaks_below + 1))], axis=1)
    reached = (rising.peak_m[near] >= threshold_m).astype(np.float64)
    return _TrainingRows(columns, reached, rising.rise_id[near].astype(np.int64), ratio)


def _regress(training: Sequence[_TrainingRows]) -> Array:
    """Weights of the penalised logistic regression, by Newton's method; the default weights without rows."""
    columns = np.concatenate([rows.columns for rows in training])
    reached = np.concatenate([rows.reached for rows in training])
    row_weight = np.concatenate([1.0 / np.bincount(rows.rise_id, minlength=1)[rows.rise_id] for rows in training])
    default = np.array(UNTRAINED.weights)
    weights = default
    for _ in range(_MAX_ITERATIONS):
        probability = _probabilities(columns, weights)
        gradient = columns.T @ (row_weight * (reached - probability)) - _PRIOR_WEIGHT * (weights - default)
        hessian = (columns * (row_weight * probability * (1 - probability))[:, None]).T @ columns
        hessian = hessian + _PRIOR_WEIGHT * np.eye(len(default))
        step = np.clip(np.linalg.solve(hessian, gradient), -1.0, 1.0)
        weights = weights + step
        if np.abs(step).max() < 1e-6:
            break
    return np.asarray(weights)


def _probabilities(columns: Array, weights: Array) -> Array:
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(columns @ weights, -_MAX_LOG_ODDS, _MAX_LOG_ODDS))))


def _lowest_trigger(training: Sequence[_TrainingRows], weights: Array, rule: Stage) -> float:
    """The lowest trigger at which past rises give no more false alarms than the straight line over the window.

    The trigger applies only beyond the reach of that line. Within its reach, the rule's `raise_chance` decides.
    """
    line_false_alarms = sum(
        len(np.unique(rows.rise_id[_not_reached(rows) & (rows.missing_ratio <= 1)])) for rows in training
    )
    for trigger in _TRIGGERS:
        if sum(_false_alarms(rows, weights, rule, trigger) for rows in training) <= line_false_alarms:
            return trigger
    return _TRIGGERS[-1]


def _not_reached(rows: _TrainingRows) -> npt.NDArray[np.bool_]:
    """Rows of rises that never reached the threshold."""
    return ~np.isin(rows.rise_id, rows.rise_id[rows.reached > 0])


def _false_alarms(rows: _TrainingRows, weights: Array, rule: Stage, trigger: float) -> int:
    """The number of rises that would have raised an alarm and never reached the threshold."""
    probability = _probabilities(rows.columns, weights)
    within_line = (rows.missing_ratio <= 1) & (probability >= rule.raise_chance)
    reach = rule.look_ahead_s / rule.rise_window_s
    beyond_line = (rows.missing_ratio <= reach) & (probability >= max(trigger, rule.raise_chance))
    return len(np.unique(rows.rise_id[_not_reached(rows) & (within_line | beyond_line)]))
