"""Verify the pipeline's quality checks, stage rule and forecast on a recorded series, without look-ahead."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise
from math import sqrt
from statistics import median

import numpy as np
import numpy.typing as npt

from alerts.forecast.exceedance import find_rising_rows, models_over_time
from alerts.forecast.learning import HIGH_QUANTILE, ScoredRows, backtest
from alerts.forecast.series import Array, Series, concatenate, resample, trailing_sum
from alerts.forecast.skill import LeadScore, Score, find_events, score_by_onset, score_by_state, score_forecast
from alerts.rules.stage import StageState, judge
from ingest.quality import flag_accuracy
from models.kind import Limits
from models.kinds.river import RIVER
from models.reading import UNTRUSTED, Flag, Reading
from models.rule import ColourThresholds, ExceedanceModel, RuleContext, Stage
from services.replay.recorded_series import SiteRecord

RISE_WINDOW_S = 900
MAX_STEP_S = 86_400
FLOW_KIND = replace(RIVER, limits=Limits(sensor=(0.0, 1e6)))
"""A flow is computed, not measured, so the limits of a level gauge on jumps and falls in metres do not apply."""


@dataclass(frozen=True, slots=True)
class RecordedSeries:
    """A river gauge's record as readings, with the flags they had on arrival. `series` holds the trusted ones."""

    readings: tuple[Reading, ...]
    at_s: Array
    level_m: Array
    series: Series


@dataclass(frozen=True, slots=True)
class ThresholdScores:
    """Scores of one threshold by both conventions (see `skill`), for the rule and for the straight-line baseline."""

    threshold: float
    rule_b: Score
    rule_a: Score
    baseline_b: Score
    baseline_a: Score


def as_received(record: SiteRecord, column: str, rain_column: str | None, *, flow: bool) -> RecordedSeries:
    """A record as the pipeline would have received it, reading by reading. Blank values were never sent.

    A flow is replaced by its square root, which behaves like a level, because the flow of a channel grows roughly with
    the square of its depth. Raises ValueError for fewer than two values, or values more than a day apart.
    """
    rows = [row for row, value in enumerate(record.columns[column]) if value is not None]
    times = [record.times[row] for row in rows]
    values = [_level_m(value, flow=flow) for value in record.columns[column] if value is not None]
    step_s = _step_s(times)
    kind = FLOW_KIND if flow else RIVER
    flags = [
        flag & ~Flag.SPIKE for flag in flag_accuracy.flags_of_series(kind, times, values)
    ]  # set by the next reading
    readings = tuple(
        Reading(RIVER.name, "", "", time, time, row, None, (value, None), flag)
        for row, (time, value, flag) in enumerate(zip(times, values, flags, strict=True))
    )
    at_s = np.array([time.timestamp() for time in times])
    trusted = [None if flag & UNTRUSTED else value for value, flag in zip(values, flags, strict=True)]
    rain = None if rain_column is None else [record.columns[rain_column][row] for row in rows]
    series = resample(at_s.tolist(), trusted, step_s=step_s, rain_mm=rain)
    return RecordedSeries(readings, at_s, np.array(values), series)


def _level_m(value: float, *, flow: bool) -> float:
    return sqrt(value) if flow and value >= 0 else value


def _step_s(times: Sequence[datetime]) -> int:
    """The median step, in whole minutes."""
    if len(times) < 2:
        raise ValueError("fewer than two values")
    median_s = median((later - earlier).total_seconds() for earlier, later in pairwise(times))
    if median_s > MAX_STEP_S:
        raise ValueError("values are more than a day apart")
    return max(60, round(median_s / 60) * 60)


def group_thresholds(levels: Sequence[float]) -> list[tuple[ColourThresholds, int]]:
    """Thresholds for the rule, three at a time: (thresholds by colour, how many are real); the last one is repeated."""
    groups = [levels[start : start + 3] for start in range(0, len(levels), 3)]
    return [((group[0], group[min(1, len(group) - 1)], group[-1]), len(group)) for group in groups]


def verify_alerts(
    record: RecordedSeries, levels: Sequence[float], training: RecordedSeries | None = None
) -> list[ThresholdScores]:
    """The scores of every level, in the order given. levels: ascending. training: an earlier record to fit on first."""
    scores: list[ThresholdScores] = []
    for thresholds, count in group_thresholds(levels):
        rule = Stage(thresholds_m=thresholds, period_s=record.series.step_s)
        nar = _replay_rule(record, rule, _exceedance_models(record, rule, training))
        for colour, threshold_m in enumerate(thresholds[:count], start=1):
            scores.append(_score_threshold(record, threshold_m, nar >= colour))
    return scores


def verify_forecast(
    record: RecordedSeries, scored: ScoredRows, training: RecordedSeries | None = None
) -> list[LeadScore]:
    """The forecast's scores at every lead on the scored rows of the record. training: as for `verify_alerts`."""
    series = record.series if training is None else concatenate(training.series, record.series)
    since_row = len(series) - len(record.series)
    return score_forecast(backtest(series, scored), series, scored, since_row=since_row)


def scored_rows(record: RecordedSeries, levels: Sequence[float], *, flow: bool) -> ScoredRows:
    """The rows to score. A level: above the lowest threshold, or rising by 0.1 m. A flow: above its 97th percentile."""
    if flow:
        return ScoredRows(float(np.nanquantile(record.series.level_m, HIGH_QUANTILE)), None)
    return ScoredRows(min(levels))


def _exceedance_models(
    record: RecordedSeries, rule: Stage, training: RecordedSeries | None
) -> list[tuple[float, ExceedanceModel]]:
    series = record.series if training is None else concatenate(training.series, record.series)
    return list(models_over_time(find_rising_rows(series, rule), rule))


def _replay_rule(
    record: RecordedSeries, rule: Stage, models: list[tuple[float, ExceedanceModel]]
) -> npt.NDArray[np.int64]:
    """The colour after every reading, judged with the exceedance model that was fitted by its time. Shape (n,)."""
    state, nar = StageState(), np.zeros(len(record.readings), dtype=np.int64)
    rain = (
        None
        if record.series.rain_mm is None
        else trailing_sum(record.series.rain_mm, record.series.steps(RISE_WINDOW_S))
    )
    current = 0
    for row, reading in enumerate(record.readings):
        at_s = float(record.at_s[row])
        while current + 1 < len(models) and models[current + 1][0] <= at_s:
            current += 1
        rain_mm = None if rain is None else float(rain[round((at_s - record.series.start_s) / record.series.step_s)])
        state, _ = judge(rule, state, reading, RuleContext(rain_15_min_mm=rain_mm, exceedance=models[current][1]))
        nar[row] = state.nar
    return nar


def _score_threshold(record: RecordedSeries, threshold_m: float, on: npt.NDArray[np.bool_]) -> ThresholdScores:
    events = find_events(record.at_s, record.level_m, threshold_m)
    baseline = record.level_m + _rise_15_min_m(record) >= threshold_m
    return ThresholdScores(
        threshold_m,
        score_by_state(events, record.at_s, on),
        score_by_onset(events, record.at_s, on),
        score_by_state(events, record.at_s, baseline),
        score_by_onset(events, record.at_s, baseline),
    )


def _rise_15_min_m(record: RecordedSeries) -> Array:
    """The rise over the last 15 minutes, from the sample then; in proportion where samples are farther apart."""
    earlier = np.searchsorted(record.at_s, record.at_s - RISE_WINDOW_S + record.series.step_s / 4, side="right") - 1
    age_s = record.at_s - record.at_s[np.maximum(earlier, 0)]
    usable = (earlier >= 0) & (age_s <= 1.5 * max(RISE_WINDOW_S, record.series.step_s)) & (age_s > 0)
    risen_m = (record.level_m - record.level_m[np.maximum(earlier, 0)]) * np.minimum(
        RISE_WINDOW_S / np.maximum(age_s, 1), 1
    )
    return np.where(usable, risen_m, 0.0)
