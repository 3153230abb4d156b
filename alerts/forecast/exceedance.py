"""The chance that a rise goes on as far as a threshold: first from nothing, then from the stream's own past."""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import exp, log
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from alerts.forecast.series import Array, Series, before, crest
from models.rule import UNTRAINED, ExceedanceModel, Stage

HORIZON_S = 6 * 3600
"""How long a warning stays one for the flood it precedes."""
APART_S = 3 * 3600
"""Rises this far apart count as two."""
MOST_PEAKS = 500

_DOUBT = 5.0
"""Weight of the default against the past: as many rises as it takes to move it noticeably."""
_FARTHEST = 12.0
"""Thresholds farther than so many times the rise so far teach nothing about this one."""
_MOST_ROUNDS = 25
_LIMIT = 30.0
_LADDER = (0.0, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)


def chance(outlook: ExceedanceModel, *, level_m: float, risen_m: float, threshold_m: float) -> float:
    """Probability in 0..1 that the level reaches `threshold_m` within `HORIZON_S`, having just risen by `risen_m` > 0.

    Without any past the odds are 0.73 * risen / missing. Their form has no scale: of a rise met at a random moment of
    its life nothing is known but how far it came (Gott, "Implications of the Copernican principle for our future
    prospects", Nature 363 (1993), p. 315), which would make it as likely as not to come as far again; the 0.73, 42 %,
    is the record of the straight line over 15 minutes, right in 38 to 51 of 100 alarms. So a `raise_chance` of 0.42
    without a past is that straight line. The stream's own past moves the weights and adds how often its crests above
    this level also reached the threshold.
    """
    missing_m = threshold_m - level_m
    if missing_m <= 0:
        return 1.0
    base, per_missing, per_peaks = outlook.weights
    odds = base + per_missing * log(missing_m / risen_m) + per_peaks * peak_odds(outlook.peaks_m, level_m, threshold_m)
    return 1.0 / (1.0 + exp(-min(max(odds, -_LIMIT), _LIMIT)))


def peak_odds(peaks_m: Sequence[float], level_m: float, threshold_m: float) -> float:
    """Log odds that a past crest at or above `level_m` also reached `threshold_m`; even where there was none."""
    reached = len(peaks_m) - bisect_left(peaks_m, threshold_m)
    stopped = len(peaks_m) - bisect_left(peaks_m, level_m) - reached
    return log((reached + 1) / (stopped + 1))


@dataclass(frozen=True, slots=True)
class Rises:
    """Every row of a record in which the water was rising, all shape (n,): when, how high, since one window ago by how
    much, how high it came within the horizon, and which rise it belongs to (counted from 0).
    """

    at_s: Array
    level_m: Array
    risen_m: Array
    crest_m: Array
    rise: Array

    def first(self, rows: int) -> "Rises":
        """The rises as known when only so many rows had been seen to their end."""
        return Rises(self.at_s[:rows], self.level_m[:rows], self.risen_m[:rows], self.crest_m[:rows], self.rise[:rows])


def rises(series: Series, rule: Stage) -> Rises:
    """The rising rows of a record, by the very rise that `alerts.rules.stage` looks at."""
    level_m = series.level_m
    risen_m = level_m - before(level_m, series.steps(rule.rise_window_s))
    rows = np.flatnonzero(risen_m >= rule.rise_min_m)
    at_s: Array = series.start_s + rows.astype(np.float64) * series.step_s
    rise = np.cumsum(np.diff(at_s, prepend=at_s[:1]) > APART_S).astype(np.float64)
    return Rises(at_s, level_m[rows], risen_m[rows], crest(level_m, series.steps(HORIZON_S))[rows], rise)


def outlooks(known: Rises, rule: Stage) -> Iterator[tuple[float, ExceedanceModel]]:
    """What was learnt so far, each time a rise and its horizon are over: (from when on, outlook), ascending.

    Nothing later than the moment it holds from has been looked at.
    """
    yield float("-inf"), UNTRAINED
    ends = np.flatnonzero(np.diff(known.rise, append=np.inf) > 0) + 1
    for end in ends.tolist():
        yield float(known.at_s[end - 1]) + HORIZON_S, learn(known.first(end), rule)


def learn(known: Rises, rule: Stage) -> ExceedanceModel:
    """The outlook after these rises: a logistic regression drawn to the default, each rise weighing one in all."""
    if not len(known.rise):
        return UNTRAINED
    peaks_m = np.zeros(int(known.rise[-1]) + 1)
    np.maximum.at(peaks_m, known.rise.astype(np.int64), known.crest_m)
    ordered = np.sort(peaks_m)
    lessons = [_lessons(known, ordered, threshold_m) for threshold_m in rule.thresholds_m]
    base, per_missing, per_peaks = _regress(lessons).tolist()
    weights = (base, min(per_missing, 0.0), max(per_peaks, 0.0))  # what is farther, or was rarer, is never likelier
    thinned = ordered[np.unique(np.linspace(0, len(ordered) - 1, MOST_PEAKS).astype(np.int64))]
    least = _least_chance(lessons, np.array(weights), rule)
    return ExceedanceModel(weights=weights, peaks_m=tuple(np.round(thinned, 4).tolist()), least_chance=least)


class _Lessons(NamedTuple):
    """What past rises say of one threshold, row by row: the regression's columns (n, 3), and shape (n,) whether the
    threshold was reached, which rise the row belongs to, and how often what was risen is missing.
    """

    columns: Array
    reached: Array
    rise: npt.NDArray[np.int64]
    far: Array


def _lessons(known: Rises, peaks_m: Array, threshold_m: float) -> _Lessons:
    missing_m = threshold_m - known.level_m
    near = (missing_m > 0) & (missing_m < _FARTHEST * known.risen_m)
    reached = len(peaks_m) - np.searchsorted(peaks_m, threshold_m)
    stopped = len(peaks_m) - np.searchsorted(peaks_m, known.level_m[near]) - reached
    far = missing_m[near] / known.risen_m[near]
    columns = np.stack([np.ones(len(far)), np.log(far), np.log((reached + 1) / (stopped + 1))], axis=1)
    crested = (known.crest_m[near] >= threshold_m).astype(np.float64)
    return _Lessons(columns, crested, known.rise[near].astype(np.int64), far)


def _regress(lessons: Sequence[_Lessons]) -> Array:
    """Weights of the penalised logistic regression, by Newton's method; the default where there are no rows."""
    columns = np.concatenate([one.columns for one in lessons])
    reached = np.concatenate([one.reached for one in lessons])
    weight = np.concatenate([1.0 / np.bincount(one.rise, minlength=1)[one.rise] for one in lessons])
    default = np.array(UNTRAINED.weights)
    found = default
    for _ in range(_MOST_ROUNDS):
        likely = _likely(columns, found)
        slope = columns.T @ (weight * (reached - likely)) - _DOUBT * (found - default)
        curve = (columns * (weight * likely * (1 - likely))[:, None]).T @ columns + _DOUBT * np.eye(len(default))
        step = np.clip(np.linalg.solve(curve, slope), -1.0, 1.0)
        found = found + step
        if np.abs(step).max() < 1e-6:
            break
    return np.asarray(found)


def _likely(columns: Array, weights: Array) -> Array:
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(columns @ weights, -_LIMIT, _LIMIT))))


def _least_chance(lessons: Sequence[_Lessons], weights: Array, rule: Stage) -> float:
    """The lowest rung at which the past rises give no more false alarms than by the straight line over the window.

    The rule itself decides within the reach of that line; the rung is for what lies beyond.
    """
    by_line = sum(len(np.unique(one.rise[_failed(one) & (one.far <= 1)])) for one in lessons)
    for rung in _LADDER:
        if sum(_false_alarms(one, weights, rule, rung) for one in lessons) <= by_line:
            return rung
    return _LADDER[-1]


def _failed(one: _Lessons) -> npt.NDArray[np.bool_]:
    """Rows of rises that never reached the threshold."""
    return ~np.isin(one.rise, one.rise[one.reached > 0])


def _false_alarms(one: _Lessons, weights: Array, rule: Stage, rung: float) -> int:
    likely = _likely(one.columns, weights)
    line = (one.far <= 1) & (likely >= rule.raise_chance)
    beyond = (one.far <= rule.look_ahead_s / rule.rise_window_s) & (likely >= max(rung, rule.raise_chance))
    return len(np.unique(one.rise[_failed(one) & (line | beyond)]))
