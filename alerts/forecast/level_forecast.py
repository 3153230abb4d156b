"""Water level forecast 15 minutes to 6 hours ahead, with uncertainty: ridge regression on lags of level and rain.

While the stream is quiet, the forecast is persistence: the level stays. While it is active (high, rising or with recent
rain), each lead has its own linear model of the change (ARX), which `learning` fits to the station's past alone. The
uncertainty is taken from the past errors of the forecast in the same water state.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from itertools import pairwise
from math import erf, sqrt

import numpy as np
import numpy.typing as npt
from msgspec import Struct

from alerts.forecast.series import DAY_S, Array, Series, lagged, trailing_minimum, trailing_sum
from models.rule import UNTRAINED, ExceedanceModel

LEADS_S = (900, 1800, 3600, 7200, 10_800, 21_600)
LEVEL_LAGS_S = (300, 900, 1800, 3600, 7200, 14_400)
RAIN_EDGES_S = (0, 1800, 3600, 7200, 14_400, 28_800, DAY_S)
RISE_WINDOW_S = 900
RAIN_WINDOW_S = 3 * 3600
HISTORY_S = DAY_S + LEVEL_LAGS_S[-1]
"""The length of the record that a forecast needs."""
MIN_SPELLS = 10
"""Spells of active water before a station's own fit is scored or published."""
MIN_PERSISTENCE_INDEX = 0.2
"""A lead is published once its persistence index is above this."""

UNREACHABLE = 1e9
"""Stands for infinity, which JSON does not have."""

_Z90 = 1.2815515594
_PRIOR_BAND = (-1.0, 0.0, 2.0)


class WaterState(IntEnum):
    """The state of the stream. Past errors in the same state give the uncertainty of a forecast."""

    QUIET = 0
    STIRRED = 1
    HIGH = 2
    HIGH_RISING = 3


ErrorBands = tuple[tuple[float, float, float], ...]
"""Per water state: low, middle and high error, as multiples of the row's error scale."""


@dataclass(frozen=True, slots=True)
class ActivityThresholds:
    """The stream is active above `level_m`, or with a rise of `risen_m` in `RISE_WINDOW_S` or more, or with `rain_mm`
    in `RAIN_WINDOW_S` or more.

    `usual_m`: the median level. All are quantiles of the station's own past; `UNREACHABLE` until there is one.
    """

    level_m: float = UNREACHABLE
    risen_m: float = UNREACHABLE
    rain_mm: float = UNREACHABLE
    usual_m: float = 0.0


@dataclass(frozen=True, slots=True)
class LeadModel:
    """The change expected `lead_s` ahead: offset + (predictors - centre) · slope. `index`: persistence index so far."""

    lead_s: int
    offset: float = 0.0
    centre: tuple[float, ...] = ()
    slope: tuple[float, ...] = ()
    bands: ErrorBands = ()
    index: float | None = None
    published: bool = False


class ForecastModel(Struct, frozen=True, rename={"exceedance": "outlook"}):
    """Everything fitted for one station, as plain numbers. Stored as JSON and decoded with msgspec.

    `high_m`: the level from which the water state is high. `scale_m`: the size of an ordinary rise. `spells`: the
    number of spells of active water in the training record. `lowest_m`: the lowest level of that record; no forecast
    goes below it, or below the level now.
    """

    step_s: int
    high_m: float
    scale_m: float
    with_rain: bool = False
    spells: int = 0
    active: ActivityThresholds = ActivityThresholds()
    leads: tuple[LeadModel, ...] = ()
    exceedance: ExceedanceModel = UNTRAINED
    lowest_m: float = -UNREACHABLE


@dataclass(frozen=True, slots=True)
class LeadForecast:
    """The level forecast for `lead_s` ahead: expected value and the 10 %, 50 % and 90 % quantiles, m."""

    lead_s: int
    expected_m: float
    p10_m: float
    p50_m: float
    p90_m: float
    published: bool

    def probability_above(self, threshold_m: float) -> float:
        """P(level > threshold) at this lead, with normal tails fitted to the three quantiles on either side."""
        side_m = self.p90_m - self.p50_m if threshold_m > self.p50_m else self.p50_m - self.p10_m
        if side_m <= 0:
            return float(threshold_m < self.p50_m)
        return 0.5 * (1 - erf((threshold_m - self.p50_m) * _Z90 / side_m / sqrt(2)))


@dataclass(frozen=True, slots=True)
class Forecast:
    """A station's forecast from the level at `at_s`. `active` is False while the stream is quiet or rows are missing.

    `complete`: no row that the forecast needs is missing.
    """

    at_s: float
    level_m: float
    active: bool
    complete: bool
    leads: tuple[LeadForecast, ...] = field(default_factory=tuple)


@dataclass(frozen=True, slots=True)
class Predictors:
    """The input of the regression for each row of a series.

    `features`: shape (n, p). The others have shape (n,): the level, its rise over `RISE_WINDOW_S` and the rain of
    `RAIN_WINDOW_S`.
    """

    features: Array
    level_m: Array
    risen_m: Array
    rain_mm: Array

    @property
    def complete(self) -> npt.NDArray[np.bool_]:
        """Rows in which no feature is missing."""
        return np.asarray(np.isfinite(self.features).all(axis=1))


def predictors_of(series: Series) -> Predictors:
    """The predictors of every row, computed from that row and earlier rows only."""
    level = series.level_m
    lags = sorted({series.steps(lag_s) for lag_s in LEVEL_LAGS_S})
    risen = level - lagged(level, series.steps(RISE_WINDOW_S))
    columns = [level, level - trailing_minimum(level, series.steps(DAY_S)), np.sign(risen) * np.sqrt(np.abs(risen))]
    columns += [lagged(level, near) - lagged(level, far) for near, far in zip([0, *lags[:-1]], lags, strict=True)]
    if series.rain_mm is None:
        return Predictors(np.stack(columns, axis=1), level, risen, np.zeros(len(level)))
    bins = _rain_bins(series, series.rain_mm)
    columns += [*bins, bins[0] * level, bins[1] * level]
    recent_rain_mm = trailing_sum(series.rain_mm, series.steps(RAIN_WINDOW_S))
    return Predictors(np.stack(columns, axis=1), level, risen, recent_rain_mm)


def _rain_bins(series: Series, rain_mm: Array) -> list[Array]:
    """Rain in each of the bins that the step can resolve, most recent first."""
    edges = [0, *sorted({series.steps(edge_s) for edge_s in RAIN_EDGES_S[1:]})]
    sums = [np.zeros(len(rain_mm)), *(trailing_sum(rain_mm, edge) for edge in edges[1:])]
    return [wider - narrower for narrower, wider in pairwise(sums)]


def is_active(predictors: Predictors, active: ActivityThresholds) -> npt.NDArray[np.bool_]:
    """Shape (n,): whether the stream is high, rising or has had recent rain."""
    high = predictors.level_m > active.level_m
    return np.asarray(high | (predictors.risen_m >= active.risen_m) | (predictors.rain_mm >= active.rain_mm))


def water_states(
    predictors: Predictors, active: npt.NDArray[np.bool_], *, high_m: float, scale_m: float
) -> npt.NDArray[np.int64]:
    """Shape (n,): the `WaterState` of each row."""
    high = np.where(predictors.risen_m >= scale_m / 4, int(WaterState.HIGH_RISING), int(WaterState.HIGH))
    return np.where(predictors.level_m > high_m, high, active.astype(np.int64))


def error_scales(predictors: Predictors, scale_m: float) -> Array:
    """Shape (n,): the size of error to expect, m. It grows with the current rise, where that is known."""
    return np.asarray(scale_m + np.abs(np.nan_to_num(predictors.risen_m)))


def expected_changes(model: LeadModel, features: Array) -> Array:
    """Shape (n,): the change of level expected while the stream is active, m."""
    if not model.slope:
        return np.zeros(len(features))
    return np.asarray(model.offset + (features - np.array(model.centre)) @ np.array(model.slope))


def error_bands(model: LeadModel, states: npt.NDArray[np.int64], scales: Array) -> Array:
    """Shape (n, 3): low, middle and high error to add to the expected level, m."""
    bands = np.array(model.bands) if model.bands else np.tile(prior_bands(model.lead_s), (len(WaterState), 1))
    return np.asarray(bands[states] * scales[:, None])


def prior_bands(lead_s: int) -> Array:
    """The error band of a station without training: a few rises wide, growing with the square root of the lead."""
    return np.array(_PRIOR_BAND) * sqrt(lead_s / RISE_WINDOW_S)


def predict(model: ForecastModel, series: Series) -> Forecast | None:
    """The forecast from the last row of a series of at least `HISTORY_S`; None where that row has no level.

    Where earlier rows have gaps, the forecast is persistence.
    """
    if not len(series) or np.isnan(series.level_m[-1]):
        return None
    rows = predictors_of(series)
    last = Predictors(rows.features[-1:], rows.level_m[-1:], np.nan_to_num(rows.risen_m[-1:]), rows.rain_mm[-1:])
    active = is_active(last, model.active) & last.complete
    state = water_states(last, active, high_m=model.high_m, scale_m=model.scale_m)
    scale = error_scales(last, model.scale_m)
    level_m = float(last.level_m[0])
    lowest_m = min(model.lowest_m, level_m)
    leads = (
        _forecast_lead(lead, last, bool(active[0]), error_bands(lead, state, scale)[0].tolist(), lowest_m)
        for lead in model.leads
    )
    at_s = series.start_s + (len(series) - 1) * series.step_s
    return Forecast(at_s, level_m, bool(active[0]), bool(last.complete[0]), tuple(leads))


def _forecast_lead(
    model: LeadModel, last: Predictors, active: bool, band_m: Sequence[float], lowest_m: float
) -> LeadForecast:
    change_m = expected_changes(model, last.features)[0] if active else 0.0
    expected_m = max(float(last.level_m[0] + change_m), lowest_m)
    p10_m, p50_m, p90_m = (max(expected_m + error_m, lowest_m) for error_m in band_m)
    return LeadForecast(model.lead_s, expected_m, p10_m, p50_m, p90_m, model.published)
