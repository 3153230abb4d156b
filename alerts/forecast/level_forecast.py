"""The level 15 minutes to 6 hours ahead with its uncertainty: a ridge regression on lags of level and rain.

While nothing stirs, the level is expected to stay. Once it is high, rising or being rained on, each lead has its own
linear model of the change ahead (ARX), learnt in `learning` from the station's past alone. Its uncertainty is
that of its own past errors, by the state the water was in.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from itertools import pairwise
from math import erf, sqrt

import numpy as np
import numpy.typing as npt

from alerts.forecast.series import DAY_S, Array, Series, before, fallen, lowest
from models.rule import UNTRAINED, ExceedanceModel

LEADS_S = (900, 1800, 3600, 7200, 10_800, 21_600)
LEVEL_LAGS_S = (300, 900, 1800, 3600, 7200, 14_400)
RAIN_EDGES_S = (0, 1800, 3600, 7200, 14_400, 28_800, DAY_S)
RISE_S = 900
RAIN_S = 3 * 3600
WINDOW_S = DAY_S + LEVEL_LAGS_S[-1]
"""How much of the past a forecast looks at."""
LEARNT_SPELLS = 10
"""Spells of active water before a station's own fit is held to account, or shown."""
LEAST_INDEX = 0.2
"""A lead is published once it has beaten persistence by so much."""

NEVER = 1e9
"""Stands for infinity, which JSON does not know."""

_Z90 = 1.2815515594
_PRIOR_BANDS = (-1.0, 0.0, 2.0)


class Water(IntEnum):
    """The state of the water that decides which past errors are its uncertainty."""

    QUIET = 0
    STIRRED = 1
    HIGH = 2
    HIGH_RISING = 3


Bands = tuple[tuple[float, float, float], ...]
"""Per state of the water: low, middle and high error, in units of the row's own scale."""


@dataclass(frozen=True, slots=True)
class Active:
    """When the water is active: above this level, rising by this much in `RISE_S`, or with this much rain in `RAIN_S`.

    `usual_m` is the median level. All are quantiles of the station's own past; `NEVER` until there is one.
    """

    level_m: float = NEVER
    risen_m: float = NEVER
    rain_mm: float = NEVER
    usual_m: float = 0.0


@dataclass(frozen=True, slots=True)
class LeadModel:
    """The change expected `lead_s` ahead: offset + (features - centre) · slope. `index`: persistence index so far."""

    lead_s: int
    offset: float = 0.0
    centre: tuple[float, ...] = ()
    slope: tuple[float, ...] = ()
    bands: Bands = ()
    index: float | None = None
    published: bool = False


@dataclass(frozen=True, slots=True)
class Model:
    """All that was learnt of one station, as plain numbers: stored as JSON, read back with msgspec.

    `high_m` parts high water from the rest; `scale_m` is an ordinary rise; `spells` counts the spells learnt from.
    """

    step_s: int
    high_m: float
    scale_m: float
    with_rain: bool = False
    spells: int = 0
    active: Active = Active()
    leads: tuple[LeadModel, ...] = ()
    outlook: ExceedanceModel = UNTRAINED


@dataclass(frozen=True, slots=True)
class Ahead:
    """The level `lead_s` ahead: expected, and the values it stays below with 10, 50 and 90 %, m."""

    lead_s: int
    expected_m: float
    p10_m: float
    p50_m: float
    p90_m: float
    published: bool

    def chance_above(self, threshold_m: float) -> float:
        """P(level > threshold) at this lead, with normal tails fitted to the three quantiles on either side."""
        side_m = self.p90_m - self.p50_m if threshold_m > self.p50_m else self.p50_m - self.p10_m
        if side_m <= 0:
            return float(threshold_m < self.p50_m)
        return 0.5 * (1 - erf((threshold_m - self.p50_m) * _Z90 / side_m / sqrt(2)))


@dataclass(frozen=True, slots=True)
class Forecast:
    """What is expected from `at_s` on. `active` is False while the water is quiet and nothing is worth showing."""

    at_s: float
    level_m: float
    active: bool
    ahead: tuple[Ahead, ...] = field(default_factory=tuple)


@dataclass(frozen=True, slots=True)
class Known:
    """What each row of a series knows: features (n, p), and shape (n,) the level, its rise and the rain just fallen."""

    features: Array
    level_m: Array
    risen_m: Array
    rain_mm: Array

    @property
    def whole(self) -> npt.NDArray[np.bool_]:
        """Rows with all they need."""
        return np.asarray(np.isfinite(self.features).all(axis=1))


def known(series: Series) -> Known:
    """Everything a forecast looks at, row by row, from that row and the past."""
    level = series.level_m
    lags = sorted({series.steps(lag_s) for lag_s in LEVEL_LAGS_S})
    risen = level - before(level, series.steps(RISE_S))
    columns = [level, level - lowest(level, series.steps(DAY_S)), np.sign(risen) * np.sqrt(np.abs(risen))]
    columns += [before(level, near) - before(level, far) for near, far in zip([0, *lags[:-1]], lags, strict=True)]
    if series.rain_mm is None:
        return Known(np.stack(columns, axis=1), level, risen, np.zeros(len(level)))
    rain = _rain(series, series.rain_mm)
    columns += [*rain, rain[0] * level, rain[1] * level]
    return Known(np.stack(columns, axis=1), level, risen, fallen(series.rain_mm, series.steps(RAIN_S)))


def _rain(series: Series, rain_mm: Array) -> list[Array]:
    """Rain in each of the bins that the step can tell apart, most recent first."""
    edges = [0, *sorted({series.steps(edge_s) for edge_s in RAIN_EDGES_S[1:]})]
    sums = [np.zeros(len(rain_mm)), *(fallen(rain_mm, edge) for edge in edges[1:])]
    return [wider - narrower for narrower, wider in pairwise(sums)]


def is_active(seen: Known, active: Active) -> npt.NDArray[np.bool_]:
    """Shape (n,): whether the water is high, rising or being rained on."""
    high = seen.level_m > active.level_m
    return np.asarray(high | (seen.risen_m >= active.risen_m) | (seen.rain_mm >= active.rain_mm))


def waters(seen: Known, active: npt.NDArray[np.bool_], *, high_m: float, scale_m: float) -> npt.NDArray[np.int64]:
    """Shape (n,): the `Water` of each row."""
    high = np.where(seen.risen_m >= scale_m / 4, int(Water.HIGH_RISING), int(Water.HIGH))
    return np.where(seen.level_m > high_m, high, active.astype(np.int64))


def scales(seen: Known, scale_m: float) -> Array:
    """Shape (n,): the size of error to reckon with, which grows with the rise the water is in, where that is known."""
    return np.asarray(scale_m + np.abs(np.nan_to_num(seen.risen_m)))


def changes(model: LeadModel, features: Array) -> Array:
    """Shape (n,): the change expected of active water."""
    if not model.slope:
        return np.zeros(len(features))
    return np.asarray(model.offset + (features - np.array(model.centre)) @ np.array(model.slope))


def errors(model: LeadModel, water: npt.NDArray[np.int64], scale: Array) -> Array:
    """Shape (n, 3): low, middle and high error to add to what is expected."""
    bands = np.array(model.bands) if model.bands else np.tile(prior_bands(model.lead_s), (len(Water), 1))
    return np.asarray(bands[water] * scale[:, None])


def prior_bands(lead_s: int) -> Array:
    """The uncertainty of a station nobody has learnt from: some rises wide, growing with the root of the lead."""
    return np.array(_PRIOR_BANDS) * sqrt(lead_s / RISE_S)


def predict(model: Model, series: Series) -> Forecast | None:
    """The forecast from the last row of a series of at least `WINDOW_S`; None where its own level is missing.

    Where the rows before it have holes, the level is expected to stay.
    """
    if not len(series) or np.isnan(series.level_m[-1]):
        return None
    seen = known(series)
    last = Known(seen.features[-1:], seen.level_m[-1:], np.nan_to_num(seen.risen_m[-1:]), seen.rain_mm[-1:])
    active = is_active(last, model.active) & last.whole
    water = waters(last, active, high_m=model.high_m, scale_m=model.scale_m)
    scale = scales(last, model.scale_m)
    level_m = float(last.level_m[0])
    ahead = (_ahead(lead, last, bool(active[0]), errors(lead, water, scale)[0].tolist()) for lead in model.leads)
    at_s = series.start_s + (len(series) - 1) * series.step_s
    return Forecast(at_s, level_m, bool(active[0]), tuple(ahead))


def _ahead(lead: LeadModel, last: Known, active: bool, error: Sequence[float]) -> Ahead:
    expected_m = float(last.level_m[0] + (changes(lead, last.features)[0] if active else 0.0))
    low_m, middle_m, high_m = (expected_m + part for part in error)
    return Ahead(lead.lead_s, expected_m, low_m, middle_m, high_m, lead.published)
