"""Learning to forecast one station, day by day through its record, from what was known by then and nothing later."""

from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from alerts.forecast.exceedance import HORIZON_S, learn, rises
from alerts.forecast.level_forecast import (
    LEADS_S,
    LEARNT_SPELLS,
    LEAST_INDEX,
    NEVER,
    Active,
    Bands,
    Known,
    LeadModel,
    Model,
    Water,
    changes,
    errors,
    is_active,
    known,
    prior_bands,
    scales,
    waters,
)
from alerts.forecast.series import DAY_S, Array, Series
from models.rule import Stage

Rows = npt.NDArray[np.bool_]

HIGH_QUANTILE = 0.97
RISE_QUANTILE = 0.99
RAIN_QUANTILE = 0.95
COVERAGE = 0.8
WEEK_DAYS = 7

_SPELL_APART_S = DAY_S
_DOUBT_S = 30 * 3600
"""Ridge penalty: as much active water as it takes to move a forecast away from persistence."""
_LEAST_ROWS = 30
_RATE_PER_H = 0.06
_REACH = (0.5, 0.98)


@dataclass(frozen=True, slots=True)
class Notable:
    """Which rows a forecast is held to: above `level_m` now, or rising by `rise_m` within the lead.

    Where `rise_m` is None: above `level_m` now or at the target. The future picks these rows, so that two forecasts may
    only be compared on the same ones.
    """

    level_m: float
    rise_m: float | None = 0.1

    def rows(self, now_m: Array, then_m: Array) -> Rows:
        """Shape (n,): the notable rows among those whose outcome is known."""
        later = then_m > self.level_m if self.rise_m is None else then_m - now_m > self.rise_m
        return np.asarray(((now_m > self.level_m) | later) & np.isfinite(now_m) & np.isfinite(then_m))


@dataclass(frozen=True, slots=True)
class LeadWalk:
    """Forecasts of one lead as they would have been made, shape (n,): expected level and quantiles, m."""

    lead_s: int
    expected_m: Array
    p10_m: Array
    p50_m: Array
    p90_m: Array


@dataclass(frozen=True, slots=True)
class Walk:
    """A record walked through: what was forecast at each row, the spells learnt from by then, and the model at last."""

    leads: tuple[LeadWalk, ...]
    spells: npt.NDArray[np.int64]
    active: Rows
    model: Model


def fit(series: Series, rule: Stage) -> Model:
    """All that a record teaches of its station, for the rule that watches it: what is stored and read by the engine."""
    known_rises = rises(series, rule)
    over = np.searchsorted(known_rises.at_s, series.start_s + len(series) * series.step_s - HORIZON_S)
    outlook = learn(known_rises.first(int(over)), rule)
    return replace(walk(series, Notable(rule.thresholds_m[0])).model, outlook=outlook)


def walk(series: Series, notable: Notable) -> Walk:
    """Forecast every row of a record in time order, learning each day from the outcomes known by then."""
    seen = known(series)
    journey = _Journey(seen, notable, series)
    for start in range(0, len(series), series.steps(DAY_S)):
        journey.learn(start)
        journey.forecast(start, min(start + series.steps(DAY_S), len(series)))
    journey.learn(len(series))
    return journey.end()


@dataclass(slots=True)
class _Lead:
    """What one lead has learnt: sums of its regression, its past errors by the state of the water, what they give."""

    model: LeadModel
    steps: int
    gram: Array
    expected_m: Array
    error_m: Array
    taken: int = 0
    reach: list[float] = field(default_factory=lambda: [COVERAGE] * len(Water))
    notable: list[list[Array]] = field(default_factory=lambda: [[] for _ in Water])
    plain: list[list[Array]] = field(default_factory=lambda: [[] for _ in Water])
    squares: Array = field(default_factory=lambda: np.zeros(2))


class _Journey:
    """One walk under way: the rows so far, with what was thought of each when it came."""

    def __init__(self, seen: Known, notable: Notable, series: Series) -> None:
        rows = len(series)
        self.seen, self.notable, self.series = seen, notable, series
        self.whole = seen.whole
        self.active = np.zeros(rows, dtype=np.bool_)
        self.water = np.zeros(rows, dtype=np.int64)
        self.scale = np.zeros(rows)
        self.weight = np.zeros(rows)
        self.spells = np.zeros(rows, dtype=np.int64)
        self.model = Model(series.step_s, notable.level_m, 0.0, with_rain=series.rain_mm is not None)
        self.last_active = -(10**12)
        width = seen.features.shape[1] + 2
        self.leads = [
            _Lead(LeadModel(lead_s), steps, np.zeros((width, width)), np.full(rows, np.nan), np.full((rows, 3), np.nan))
            for lead_s, steps in ((lead_s, series.steps(lead_s)) for lead_s in LEADS_S)
            if lead_s >= series.step_s
        ]

    def learn(self, now: int) -> None:
        """Take in every outcome known before row `now`; once a week also what is high, and how wide to reckon."""
        weekly = now // self.series.steps(DAY_S) % WEEK_DAYS == 0 or now == len(self.series)
        if weekly and now:
            active, scale_m = _bounds(self.seen, now, with_rain=self.model.with_rain)
            self.model = replace(self.model, active=active, scale_m=scale_m)
        for lead in self.leads:
            known_until = max(now - lead.steps, 0)
            if known_until > lead.taken:
                self._take(lead, slice(lead.taken, known_until))
                lead.taken = known_until
            if weekly:
                bands = _bands(lead, self._prior(lead))
                lead.model = replace(lead.model, bands=bands, index=_index(lead))

    def _prior(self, lead: _Lead) -> Array:
        """The bands before there are errors; below high water the upper edge is that of any notable rise.

        A rise known only to exceed r exceeds x with chance r / x (`exceedance.chance`, seen from its foot).
        """
        bands = np.tile(prior_bands(lead.model.lead_s), (len(Water), 1))
        if self.notable.rise_m is not None and self.model.scale_m > 0:
            upper = self.notable.rise_m / (1 - COVERAGE) / self.model.scale_m
            bands[[Water.QUIET, Water.STIRRED], 2] = upper
        return bands

    def forecast(self, start: int, stop: int) -> None:
        """Say what is expected at rows start..stop, from the models as they are."""
        rows = slice(start, stop)
        seen = _part(self.seen, rows)
        active = is_active(seen, self.model.active) & self.whole[rows]
        self.active[rows] = active
        self.water[rows] = waters(seen, active, high_m=self.model.high_m, scale_m=self.model.scale_m)
        self.scale[rows] = scales(seen, self.model.scale_m)
        self.weight[rows] = _weight(seen.level_m, self.model.active)
        self._count_spells(start, active)
        for lead in self.leads:
            change = changes(lead.model, seen.features)
            lead.expected_m[rows] = seen.level_m + np.where(active, change, 0.0)
            lead.error_m[rows] = errors(lead.model, self.water[rows], self.scale[rows])

    def end(self) -> Walk:
        """What came of it."""
        learnt = self.model.spells >= LEARNT_SPELLS
        models = tuple(
            replace(lead.model, published=learnt and lead.model.index is not None and lead.model.index > LEAST_INDEX)
            for lead in self.leads
        )
        walks = tuple(_walked(lead) for lead in self.leads)
        return Walk(walks, self.spells, self.active, replace(self.model, leads=models))

    def _count_spells(self, start: int, active: Rows) -> None:
        apart = self.series.steps(DAY_S)
        begun = np.zeros(len(active), dtype=np.int64)
        for row in (start + np.flatnonzero(active)).tolist():
            if row - self.last_active > apart:
                begun[row - start] = 1
            self.last_active = row
        self.spells[start : start + len(active)] = self.model.spells + np.cumsum(begun)
        self.model = replace(self.model, spells=self.model.spells + int(begun.sum()))

    def _take(self, lead: _Lead, rows: slice) -> None:
        """Learn from rows whose outcome is known now."""
        now_m = self.seen.level_m[rows]
        then_m = self.seen.level_m[rows.start + lead.steps : rows.stop + lead.steps]
        lessons = self.active[rows] & np.isfinite(then_m)
        if lessons.any():
            columns = _columns(self.seen.features[rows][lessons], (then_m - now_m)[lessons])
            lead.gram += (columns * self.weight[rows][lessons, None]).T @ columns
            lead.model = _solved(lead, self.series.step_s)
        self._judge(lead, rows, now_m, then_m)

    def _judge(self, lead: _Lead, rows: slice, now_m: Array, then_m: Array) -> None:
        """Keep the errors made, move the bands towards their coverage, and hold the lead to account."""
        error_m = then_m - lead.expected_m[rows]
        notable = self.notable.rows(now_m, then_m) & np.isfinite(error_m)
        learnt = notable & (self.spells[rows] >= LEARNT_SPELLS)
        lead.squares += [np.sum(error_m[learnt] ** 2), np.sum((then_m - now_m)[learnt] ** 2)]
        with np.errstate(invalid="ignore", divide="ignore"):
            relative = error_m / self.scale[rows]
        hourly = np.zeros(len(error_m), dtype=np.bool_)
        hourly[:: self.series.steps(3600)] = True
        bands = lead.error_m[rows]
        inside = (error_m >= bands[:, 0]) & (error_m <= bands[:, 2])
        for water in Water:
            mine = np.isfinite(relative) & (self.water[rows] == water)
            lead.notable[water].append(relative[mine & notable])
            lead.plain[water].append(relative[mine & hourly])
            missed = COVERAGE - inside[mine & notable]
            pull = _RATE_PER_H * self.series.step_s / 3600 * float(missed.sum())
            lead.reach[water] = min(max(lead.reach[water] + pull, _REACH[0]), _REACH[1])


def _bounds(seen: Known, rows: int, *, with_rain: bool) -> tuple[Active, float]:
    """What counts as active water, and an ordinary rise, by the rows before this one."""
    level = seen.level_m[:rows][np.isfinite(seen.level_m[:rows])]
    risen = seen.risen_m[:rows][np.isfinite(seen.risen_m[:rows])]
    if not len(level) or not len(risen):
        return Active(), 0.0
    usual, high = np.quantile(level, (0.5, HIGH_QUANTILE)).tolist()
    rise = float(np.quantile(risen, RISE_QUANTILE))
    rain = float(np.quantile(seen.rain_mm[:rows], RAIN_QUANTILE)) if with_rain else NEVER
    scale_m = float(np.quantile(np.abs(risen), RISE_QUANTILE))
    tiny = np.finfo(np.float64).tiny
    return Active(high, max(rise, tiny), max(rain, tiny), usual), max(scale_m, 1e-6)


def _part(seen: Known, rows: slice) -> Known:
    return Known(seen.features[rows], seen.level_m[rows], seen.risen_m[rows], seen.rain_mm[rows])


def _weight(level_m: Array, active: Active) -> Array:
    """The fit serves floods: high water weighs more than a ripple."""
    span_m = max(active.level_m - active.usual_m, 1e-6)
    return np.clip((level_m - active.usual_m) / span_m, 0.3, 2.0) ** 2


def _columns(features: Array, change_m: Array) -> Array:
    """One, the features and the change: their weighted products are all that the regression needs."""
    return np.column_stack([np.ones(len(features)), features, change_m])


def _solved(lead: _Lead, step_s: int) -> LeadModel:
    """The ridge solution on standardised features, drawn to "the level stays"."""
    weight = lead.gram[0, 0]
    mean = lead.gram[0, 1:] / weight
    spread = lead.gram[1:, 1:] / weight - np.outer(mean, mean)
    deviation = np.sqrt(np.maximum(np.diag(spread)[:-1], 1e-12))
    penalty = _DOUBT_S / step_s / weight
    related = spread[:-1, :-1] / np.outer(deviation, deviation) + (penalty + 1e-6) * np.eye(len(deviation))
    slope = np.linalg.solve(related, spread[:-1, -1] / deviation) / deviation
    offset = mean[-1] / (1 + penalty)
    return replace(lead.model, offset=float(offset), centre=tuple(mean[:-1].tolist()), slope=tuple(slope.tolist()))


def _bands(lead: _Lead, prior: Array) -> Bands:
    """Quantiles of past errors, state by state; those of a station without a past where there are too few."""
    found = []
    for water in Water:
        notable, reach = np.concatenate(lead.notable[water] or [np.empty(0)]), lead.reach[water]
        if len(notable) < _LEAST_ROWS:
            found.append(tuple(prior[water].tolist()))
        elif water in {Water.HIGH, Water.HIGH_RISING}:
            found.append(tuple(np.quantile(notable, ((1 - reach) / 2, 0.5, (1 + reach) / 2)).tolist()))
        else:
            # Below high water only a coming rise is notable: the upper edge is for that case, the lower for any.
            plain = np.concatenate([*lead.plain[water], notable])
            upper = max(float(np.quantile(notable, reach)), 0.0)
            found.append((min(float(np.quantile(plain, (1 - COVERAGE) / 2)), 0.0), 0.0, upper))
    return tuple(found)


def _index(lead: _Lead) -> float | None:
    """1 - squared error / squared error of persistence, on notable rows after the station was learnt."""
    mine, persistence = lead.squares.tolist()
    return 1 - mine / persistence if persistence > 0 else None


def _walked(lead: _Lead) -> LeadWalk:
    low, middle, high = (lead.expected_m + lead.error_m[:, edge] for edge in range(3))
    return LeadWalk(lead.model.lead_s, lead.expected_m, low, middle, high)
