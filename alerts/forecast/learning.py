"""Fit and backtest a station's level forecast, day by day through its record, only on outcomes known by then."""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from msgspec import structs

from alerts.forecast.exceedance import HORIZON_S, find_rising_rows, fit_exceedance
from alerts.forecast.lead_learner import COVERAGE, LeadLearner
from alerts.forecast.level_forecast import (
    LEADS_S,
    MIN_PERSISTENCE_INDEX,
    MIN_SPELLS,
    UNREACHABLE,
    ActivityThresholds,
    ForecastModel,
    LeadModel,
    Predictors,
    WaterState,
    error_bands,
    error_scales,
    expected_changes,
    is_active,
    predictors_of,
    prior_bands,
    water_states,
)
from alerts.forecast.series import DAY_S, Array, Series
from models.rule import Stage

RowMask = npt.NDArray[np.bool_]

HIGH_QUANTILE = 0.97
RISE_QUANTILE = 0.99
RAIN_QUANTILE = 0.95
WEEK_DAYS = 7

_COVERAGE_RATE_PER_H = 0.06
_COVERAGE_LIMITS = (0.5, 0.98)


@dataclass(frozen=True, slots=True)
class ScoredRows:
    """The rows on which a forecast is scored: above `level_m` now, or rising by more than `rise_m` within the lead.

    Where `rise_m` is None: above `level_m` now or at the target time. The rows are selected by their outcome, so two
    forecasts may only be compared on the same rows.
    """

    level_m: float
    rise_m: float | None = 0.1

    def mask(self, now_m: Array, then_m: Array) -> RowMask:
        """Shape (n,): the scored rows among those whose outcome is known."""
        later = then_m > self.level_m if self.rise_m is None else then_m - now_m > self.rise_m
        return np.asarray(((now_m > self.level_m) | later) & np.isfinite(now_m) & np.isfinite(then_m))


@dataclass(frozen=True, slots=True)
class LeadBacktest:
    """The forecasts of one lead at each row: expected level and quantiles, m, shape (n,)."""

    lead_s: int
    expected_m: Array
    p10_m: Array
    p50_m: Array
    p90_m: Array


@dataclass(frozen=True, slots=True)
class Backtest:
    """The result of a backtest.

    `leads`: the forecasts of each lead. `spells`, `active`, shape (n,): the number of spells learnt from by each row,
    and whether the stream was active. `model`: the model at the end.
    """

    leads: tuple[LeadBacktest, ...]
    spells: npt.NDArray[np.int64]
    active: RowMask
    model: ForecastModel


def fit_model(series: Series, rule: Stage) -> ForecastModel:
    """The level forecast and exceedance model of a station, fitted to its record and the rule on its level."""
    rising = find_rising_rows(series, rule)
    with_outcome = np.searchsorted(rising.at_s, series.start_s + len(series) * series.step_s - HORIZON_S)
    exceedance = fit_exceedance(rising.head(int(with_outcome)), rule)
    return structs.replace(backtest(series, ScoredRows(rule.thresholds_m[0])).model, exceedance=exceedance)


def backtest(series: Series, scored: ScoredRows) -> Backtest:
    """Forecast every row of a record in time order, learning each day from the outcomes known by then."""
    run = _BacktestRun(predictors_of(series), scored, series)
    for start in range(0, len(series), series.steps(DAY_S)):
        run.learn_until(start)
        run.forecast_rows(start, min(start + series.steps(DAY_S), len(series)))
    run.learn_until(len(series))
    return run.result()


class _BacktestRun:
    """A backtest in progress: the rows so far, with the water state, error scale and weight each had when it came."""

    def __init__(self, predictors: Predictors, scored: ScoredRows, series: Series) -> None:
        rows = len(series)
        self.predictors, self.scored, self.series = predictors, scored, series
        self.complete = predictors.complete
        self.active = np.zeros(rows, dtype=np.bool_)
        self.water_state = np.zeros(rows, dtype=np.int64)
        self.error_scale = np.zeros(rows)
        self.weight = np.zeros(rows)
        self.spells = np.zeros(rows, dtype=np.int64)
        self.model = ForecastModel(series.step_s, scored.level_m, 0.0, with_rain=series.rain_mm is not None)
        self.last_active_row = -(10**12)
        width = predictors.features.shape[1] + 2
        self.learners = [
            LeadLearner(
                LeadModel(lead_s),
                series.steps(lead_s),
                gram=np.zeros((width, width)),
                expected_m=np.full(rows, np.nan),
                band_m=np.full((rows, 3), np.nan),
            )
            for lead_s in LEADS_S
            if lead_s >= series.step_s
        ]

    def learn_until(self, now: int) -> None:
        """Learn from every outcome known before row `now`; once a week, update the thresholds and error bands too."""
        weekly = now // self.series.steps(DAY_S) % WEEK_DAYS == 0 or now == len(self.series)
        if weekly and now:
            active, scale_m = _activity_thresholds(self.predictors, now, with_rain=self.model.with_rain)
            lowest_m = float(np.nanmin(self.predictors.level_m[:now], initial=UNREACHABLE))
            self.model = structs.replace(self.model, active=active, scale_m=scale_m, lowest_m=lowest_m)
        for lead in self.learners:
            known_until = max(now - lead.steps, 0)
            if known_until > lead.learnt_rows:
                self._learn_rows(lead, slice(lead.learnt_rows, known_until))
                lead.learnt_rows = known_until
            if weekly:
                bands = lead.error_bands(self._prior_bands(lead))
                lead.model = replace(lead.model, bands=bands, index=lead.persistence_index())

    def _prior_bands(self, lead: LeadLearner) -> Array:
        """The bands before there are errors, shape (states, 3).

        Below high water the upper edge is that of any scored rise: a rise known only to exceed r exceeds x with
        probability r / x (the form of `exceedance.exceedance_probability`, at the start of the rise).
        """
        bands = np.tile(prior_bands(lead.model.lead_s), (len(WaterState), 1))
        if self.scored.rise_m is not None and self.model.scale_m > 0:
            upper = self.scored.rise_m / (1 - COVERAGE) / self.model.scale_m
            bands[[WaterState.QUIET, WaterState.STIRRED], 2] = upper
        return bands

    def forecast_rows(self, start: int, stop: int) -> None:
        """Forecast rows start..stop with the models as they are now."""
        rows = slice(start, stop)
        predictors = _slice(self.predictors, rows)
        active = is_active(predictors, self.model.active) & self.complete[rows]
        self.active[rows] = active
        self.water_state[rows] = water_states(predictors, active, high_m=self.model.high_m, scale_m=self.model.scale_m)
        self.error_scale[rows] = error_scales(predictors, self.model.scale_m)
        self.weight[rows] = _flood_weights(predictors.level_m, self.model.active)
        self._count_spells(start, active)
        for lead in self.learners:
            change_m = expected_changes(lead.model, predictors.features)
            lead.expected_m[rows] = predictors.level_m + np.where(active, change_m, 0.0)
            lead.band_m[rows] = error_bands(lead.model, self.water_state[rows], self.error_scale[rows])

    def result(self) -> Backtest:
        """The forecasts of all rows and the final model."""
        enough = self.model.spells >= MIN_SPELLS
        models = tuple(replace(lead.model, published=enough and _beats_persistence(lead)) for lead in self.learners)
        leads = tuple(_lead_backtest(lead) for lead in self.learners)
        return Backtest(leads, self.spells, self.active, structs.replace(self.model, leads=models))

    def _count_spells(self, start: int, active: RowMask) -> None:
        """Count spells of active water; two are at least a day apart."""
        min_gap = self.series.steps(DAY_S)
        begins = np.zeros(len(active), dtype=np.int64)
        for row in (start + np.flatnonzero(active)).tolist():
            if row - self.last_active_row > min_gap:
                begins[row - start] = 1
            self.last_active_row = row
        self.spells[start : start + len(active)] = self.model.spells + np.cumsum(begins)
        self.model = structs.replace(self.model, spells=self.model.spells + int(begins.sum()))

    def _learn_rows(self, lead: LeadLearner, rows: slice) -> None:
        """Learn from rows whose outcome is known now."""
        now_m = self.predictors.level_m[rows]
        then_m = self.predictors.level_m[rows.start + lead.steps : rows.stop + lead.steps]
        training = self.active[rows] & np.isfinite(then_m)
        if training.any():
            features = self.predictors.features[rows][training]
            lead.add_outcomes(features, (then_m - now_m)[training], self.weight[rows][training], self.series.step_s)
        self._score_rows(lead, rows, now_m, then_m)

    def _score_rows(self, lead: LeadLearner, rows: slice, now_m: Array, then_m: Array) -> None:
        """Record the errors of these rows, adjust the coverage, and add to the sums of the persistence index."""
        error_m = then_m - lead.expected_m[rows]
        scored = self.scored.mask(now_m, then_m) & np.isfinite(error_m)
        own_past = scored & (self.spells[rows] >= MIN_SPELLS)
        lead.squared_errors += [np.sum(error_m[own_past] ** 2), np.sum((then_m - now_m)[own_past] ** 2)]
        with np.errstate(invalid="ignore", divide="ignore"):
            relative = error_m / self.error_scale[rows]
        hourly = np.zeros(len(error_m), dtype=np.bool_)
        hourly[:: self.series.steps(3600)] = True
        bands = lead.band_m[rows]
        inside = (error_m >= bands[:, 0]) & (error_m <= bands[:, 2])
        for state in WaterState:
            in_state = np.isfinite(relative) & (self.water_state[rows] == state)
            lead.scored_errors[state].append(relative[in_state & scored])
            lead.hourly_errors[state].append(relative[in_state & hourly])
            missed = COVERAGE - inside[in_state & scored]
            change = _COVERAGE_RATE_PER_H * self.series.step_s / 3600 * float(missed.sum())
            lead.coverage[state] = min(max(lead.coverage[state] + change, _COVERAGE_LIMITS[0]), _COVERAGE_LIMITS[1])


def _activity_thresholds(predictors: Predictors, rows: int, *, with_rain: bool) -> tuple[ActivityThresholds, float]:
    """The thresholds of active water and the size of an ordinary rise in m, from the first `rows` rows."""
    level = predictors.level_m[:rows][np.isfinite(predictors.level_m[:rows])]
    risen = predictors.risen_m[:rows][np.isfinite(predictors.risen_m[:rows])]
    if not len(level) or not len(risen):
        return ActivityThresholds(), 0.0
    usual, high = np.quantile(level, (0.5, HIGH_QUANTILE)).tolist()
    rise = float(np.quantile(risen, RISE_QUANTILE))
    rain = float(np.quantile(predictors.rain_mm[:rows], RAIN_QUANTILE)) if with_rain else UNREACHABLE
    scale_m = float(np.quantile(np.abs(risen), RISE_QUANTILE))
    tiny = float(np.finfo(np.float64).tiny)
    return ActivityThresholds(high, max(rise, tiny), max(rain, tiny), usual), max(scale_m, 1e-6)


def _slice(predictors: Predictors, rows: slice) -> Predictors:
    return Predictors(
        predictors.features[rows], predictors.level_m[rows], predictors.risen_m[rows], predictors.rain_mm[rows]
    )


def _flood_weights(level_m: Array, active: ActivityThresholds) -> Array:
    """Weights of the rows in the fit, shape (n,): high water weighs more, because the forecast serves floods."""
    span_m = max(active.level_m - active.usual_m, 1e-6)
    return np.clip((level_m - active.usual_m) / span_m, 0.3, 2.0) ** 2


def _beats_persistence(lead: LeadLearner) -> bool:
    return lead.model.index is not None and lead.model.index > MIN_PERSISTENCE_INDEX


def _lead_backtest(lead: LeadLearner) -> LeadBacktest:
    p10_m, p50_m, p90_m = (lead.expected_m + lead.band_m[:, edge] for edge in range(3))
    return LeadBacktest(lead.model.lead_s, lead.expected_m, p10_m, p50_m, p90_m)
