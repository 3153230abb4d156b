"""The pipeline's own quality checks, rule and forecast over a recorded series, each row with what was known by it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise
from math import sqrt
from statistics import median

import numpy as np
import numpy.typing as npt

from alerts.forecast.exceedance import outlooks, rises
from alerts.forecast.learning import HIGH_QUANTILE, Notable, walk
from alerts.forecast.series import Array, Series, fallen, joined, regular
from alerts.forecast.skill import LeadScore, Score, events_of, score_a, score_b, score_forecast
from alerts.rules.stage import StageState, judge
from ingest.quality import flag_accuracy
from models.kind import Limits
from models.kinds.river import RIVER
from models.reading import UNTRUSTED, Flag, Reading
from models.rule import ColourThresholds, ExceedanceModel, RuleContext, Stage
from services.replay.recorded_series import SiteRecord

RISE_S = 900
LONGEST_STEP_S = 86_400
FLOW = replace(RIVER, limits=Limits(sensor=(0.0, 1e6)))
"""A flow is computed, not sensed: a gauge's limits on jumps and falls, in metres, say nothing of it."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """What a river gauge sent, as readings with the flags they had on arrival; `series` holds the believable ones."""

    readings: tuple[Reading, ...]
    at_s: Array
    level_m: Array
    series: Series


@dataclass(frozen=True, slots=True)
class Figures:
    """One threshold under both conventions (see `skill`), for the rule and for the plain straight line."""

    threshold: float
    b: Score
    a: Score
    baseline_b: Score
    baseline_a: Score


def recorded(record: SiteRecord, column: str, rain_column: str | None, *, flow: bool) -> Recorded:
    """A record as the pipeline would have met it, reading by reading; blanks were never sent.

    A flow is turned into something level-like by its square root, as the flow of a channel grows about with the square
    of its depth. Raises ValueError where there are fewer than two values, or they are more than a day apart.
    """
    rows = [row for row, value in enumerate(record.columns[column]) if value is not None]
    times = [record.times[row] for row in rows]
    values = [_level_m(value, flow=flow) for value in record.columns[column] if value is not None]
    step_s = _step_s(times)
    kind = FLOW if flow else RIVER
    flags = [flag & ~Flag.SPIKE for flag in flag_accuracy.flags_of_series(kind, times, values)]  # known too late
    readings = tuple(
        Reading(RIVER.name, "", "", time, time, row, None, (value, None), flag)
        for row, (time, value, flag) in enumerate(zip(times, values, flags, strict=True))
    )
    at_s = np.array([time.timestamp() for time in times])
    believed = [None if flag & UNTRUSTED else value for value, flag in zip(values, flags, strict=True)]
    rain = None if rain_column is None else [record.columns[rain_column][row] for row in rows]
    series = regular(at_s.tolist(), believed, step_s=step_s, rain_mm=rain)
    return Recorded(readings, at_s, np.array(values), series)


def _level_m(value: float, *, flow: bool) -> float:
    return sqrt(value) if flow and value >= 0 else value


def _step_s(times: Sequence[datetime]) -> int:
    """The usual step in whole minutes."""
    if len(times) < 2:
        raise ValueError("fewer than two values")
    usual_s = median((later - earlier).total_seconds() for earlier, later in pairwise(times))
    if usual_s > LONGEST_STEP_S:
        raise ValueError("values are more than a day apart")
    return max(60, round(usual_s / 60) * 60)


def colours(levels: Sequence[float]) -> list[tuple[ColourThresholds, int]]:
    """Thresholds for the rule, three at a time: (the colours, how many of them are asked for); the last repeats."""
    groups = [levels[start : start + 3] for start in range(0, len(levels), 3)]
    return [((group[0], group[min(1, len(group) - 1)], group[-1]), len(group)) for group in groups]


def verify_alerts(record: Recorded, levels: Sequence[float], learnt: Recorded | None = None) -> list[Figures]:
    """The figures of every level, ascending."""
    found: list[Figures] = []
    for thresholds, asked in colours(levels):
        rule = Stage(thresholds_m=thresholds, period_s=record.series.step_s)
        nar = _replayed(record, rule, _outlooks(record, rule, learnt))
        for colour, threshold_m in enumerate(thresholds[:asked], start=1):
            found.append(_figures(record, threshold_m, nar >= colour))
    return found


def verify_forecast(record: Recorded, notable: Notable, learnt: Recorded | None = None) -> list[LeadScore]:
    """How the forecast did at every lead on the notable rows of the record."""
    series = record.series if learnt is None else joined(learnt.series, record.series)
    since_row = len(series) - len(record.series)
    return score_forecast(walk(series, notable), series, notable, since_row=since_row)


def notable_rows(record: Recorded, levels: Sequence[float], *, flow: bool) -> Notable:
    """A level: above the lowest threshold, or rising by 0.1 m. A flow: above its 97th percentile now or then."""
    if flow:
        return Notable(float(np.nanquantile(record.series.level_m, HIGH_QUANTILE)), None)
    return Notable(min(levels))


def _outlooks(record: Recorded, rule: Stage, learnt: Recorded | None) -> list[tuple[float, ExceedanceModel]]:
    series = record.series if learnt is None else joined(learnt.series, record.series)
    return list(outlooks(rises(series, rule), rule))


def _replayed(record: Recorded, rule: Stage, known: list[tuple[float, ExceedanceModel]]) -> npt.NDArray[np.int64]:
    """The colour after every reading, each judged by what had been learnt when it came."""
    state, nar = StageState(), np.zeros(len(record.readings), dtype=np.int64)
    rain = None if record.series.rain_mm is None else fallen(record.series.rain_mm, record.series.steps(RISE_S))
    place = 0
    for row, reading in enumerate(record.readings):
        at_s = float(record.at_s[row])
        while place + 1 < len(known) and known[place + 1][0] <= at_s:
            place += 1
        rain_mm = None if rain is None else float(rain[round((at_s - record.series.start_s) / record.series.step_s)])
        state, _ = judge(rule, state, reading, RuleContext(rain_15_min_mm=rain_mm, exceedance=known[place][1]))
        nar[row] = state.nar
    return nar


def _figures(record: Recorded, threshold_m: float, on: npt.NDArray[np.bool_]) -> Figures:
    events = events_of(record.at_s, record.level_m, threshold_m)
    plain = record.level_m + _risen_m(record) >= threshold_m
    return Figures(
        threshold_m,
        score_b(events, record.at_s, on),
        score_a(events, record.at_s, on),
        score_b(events, record.at_s, plain),
        score_a(events, record.at_s, plain),
    )


def _risen_m(record: Recorded) -> Array:
    """The rise over the last 15 minutes, from the sample then or, where they are farther apart, in proportion."""
    earlier = np.searchsorted(record.at_s, record.at_s - RISE_S + record.series.step_s / 4, side="right") - 1
    age_s = record.at_s - record.at_s[np.maximum(earlier, 0)]
    there = (earlier >= 0) & (age_s <= 1.5 * max(RISE_S, record.series.step_s)) & (age_s > 0)
    risen_m = (record.level_m - record.level_m[np.maximum(earlier, 0)]) * np.minimum(RISE_S / np.maximum(age_s, 1), 1)
    return np.where(there, risen_m, 0.0)
