"""Verification scores of warnings and forecasts on a recorded series: hits, misses, false alarms, lead times, errors.

Event: samples at or above the threshold; runs up to 6 h apart are one event. Onset: an alert comes on after more than
3 h without one. Convention B, the headline: an event is a hit if the alert was on when the event began, or was raised
in the 6 h before. Convention A: an event is a hit if an onset lies between 6 h before the event and its end; the lead
of a late onset is negative. A false alarm is an onset that lies in no event's interval of convention A. All pure.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median, quantiles

import numpy as np
import numpy.typing as npt

from alerts.forecast.learning import Backtest, ScoredRows
from alerts.forecast.level_forecast import MIN_SPELLS
from alerts.forecast.series import Array, Series, led

BoolArray = npt.NDArray[np.bool_]

EVENT_MERGE_S = 6 * 3600
MAX_LEAD_S = 6 * 3600
REARM_S = 3 * 3600


@dataclass(frozen=True, slots=True)
class Span:
    """From the first to the last sample of an event or an alert, seconds since 1970-01-01 UTC."""

    first_s: float
    last_s: float


@dataclass(frozen=True, slots=True)
class Score:
    """Counts for one threshold. `leads_min`: lead time of each hit, minutes, in the order of the events."""

    events: int
    hits: int
    false_alarms: int
    leads_min: tuple[float, ...]

    @property
    def misses(self) -> int:
        """Events without a timely warning."""
        return self.events - self.hits

    @property
    def pod(self) -> float | None:
        """Probability of detection, H/(H+M); None without events."""
        return _ratio(self.hits, self.events)

    @property
    def far(self) -> float | None:
        """False alarm ratio, F/(H+F); None without alarms."""
        return _ratio(self.false_alarms, self.hits + self.false_alarms)

    @property
    def csi(self) -> float | None:
        """Critical success index, H/(H+M+F); None with neither events nor alarms."""
        return _ratio(self.hits, self.events + self.false_alarms)

    @property
    def median_lead_min(self) -> float | None:
        """Median lead time of the hits, minutes; None without hits."""
        return median(self.leads_min) if self.leads_min else None

    @property
    def p10_lead_min(self) -> float | None:
        """10 % quantile of the lead times, minutes: nine in ten hits had at least this lead. None without hits."""
        if len(self.leads_min) < 2:
            return self.leads_min[0] if self.leads_min else None
        return quantiles(self.leads_min, n=10, method="inclusive")[0]

    def share_with_lead(self, min_lead_min: float) -> float | None:
        """The share of hits with at least this lead; None without hits."""
        return _ratio(sum(lead >= min_lead_min for lead in self.leads_min), len(self.leads_min))


def pool_scores(scores: Sequence[Score]) -> Score:
    """The scores of several thresholds or series as one score."""
    return Score(
        sum(score.events for score in scores),
        sum(score.hits for score in scores),
        sum(score.false_alarms for score in scores),
        tuple(lead for score in scores for lead in score.leads_min),
    )


def find_events(at_s: Array, level_m: Array, threshold_m: float) -> list[Span]:
    """The events of a record. NaN counts as below the threshold. Both arrays have shape (n,), times ascending."""
    rows = np.flatnonzero(level_m >= threshold_m)
    return _group_rows(at_s, rows, np.diff(at_s[rows]) > EVENT_MERGE_S)


def find_alerts(at_s: Array, on: BoolArray) -> list[Span]:
    """The alerts of a record, each from its onset. Both arrays have shape (n,), times ascending.

    An alert that is on at two consecutive samples stays one alert, however long the gap between them.
    """
    rows = np.flatnonzero(on)
    return _group_rows(at_s, rows, (np.diff(at_s[rows]) > REARM_S) & (np.diff(rows) > 1))


def _group_rows(at_s: Array, rows: npt.NDArray[np.intp], split_after: BoolArray) -> list[Span]:
    """The rows as spans, split after each row where `split_after`, shape (rows - 1,), is true."""
    if not len(rows):
        return []
    breaks = np.flatnonzero(split_after)
    firsts, lasts = at_s[rows[np.r_[0, breaks + 1]]], at_s[rows[np.r_[breaks, len(rows) - 1]]]
    return [Span(first, last) for first, last in zip(firsts.tolist(), lasts.tolist(), strict=True)]


def score_by_state(events: Sequence[Span], at_s: Array, on: BoolArray) -> Score:
    """Score by convention B. The lead counts from the last onset before the event began."""
    alerts = find_alerts(at_s, on)
    leads = []
    for event in events:
        onsets = [alert.first_s for alert in alerts if alert.first_s <= event.first_s]
        raised = bool(onsets) and onsets[-1] >= event.first_s - MAX_LEAD_S
        if raised or on[np.searchsorted(at_s, event.first_s)]:
            leads.append((event.first_s - onsets[-1]) / 60)
    return Score(len(events), len(leads), _false_alarms(events, alerts), tuple(leads))


def score_by_onset(events: Sequence[Span], at_s: Array, on: BoolArray) -> Score:
    """Score by convention A. The lead counts from the first onset in the event's interval."""
    alerts = find_alerts(at_s, on)
    leads = []
    for event in events:
        onsets = [alert.first_s for alert in alerts if _warns_of(alert, event)]
        if onsets:
            leads.append((event.first_s - onsets[0]) / 60)
    return Score(len(events), len(leads), _false_alarms(events, alerts), tuple(leads))


def _warns_of(alert: Span, event: Span) -> bool:
    return event.first_s - MAX_LEAD_S <= alert.first_s <= event.last_s


def _false_alarms(events: Sequence[Span], alerts: Sequence[Span]) -> int:
    return sum(not any(_warns_of(alert, event) for event in events) for alert in alerts)


def _ratio(part: int, total: int) -> float | None:
    return part / total if total else None


@dataclass(frozen=True, slots=True)
class LeadScore:
    """Scores of one lead on its `rows`: mean absolute error, persistence index, coverage of P10 to P90.

    `own_past`: True where only rows after the minimum of spells are scored. Without any such rows, all are scored.
    `quiet_share`: the share of the rows in which the stream was still quiet when the forecast was made.
    """

    lead_s: int
    rows: int
    mae_m: float
    persistence_index: float
    coverage_p10_p90: float
    own_past: bool
    quiet_share: float
    published: bool


def score_forecast(result: Backtest, series: Series, scored: ScoredRows, *, since_row: int = 0) -> list[LeadScore]:
    """The scores of every lead on the scored rows from `since_row` on; leads without such rows are left out."""
    return [
        score
        for index in range(len(result.leads))
        if (score := _score_one_lead(result, index, series, scored, since_row)) is not None
    ]


def _score_one_lead(
    result: Backtest, index: int, series: Series, scored: ScoredRows, since_row: int
) -> LeadScore | None:
    lead = result.leads[index]
    now_m, then_m = series.level_m, led(series.level_m, series.steps(lead.lead_s))
    rows = scored.mask(now_m, then_m) & np.isfinite(lead.expected_m)
    rows[:since_row] = False
    own_past = rows & (result.spells >= MIN_SPELLS)
    rows = own_past if own_past.any() else rows
    if not rows.any():
        return None
    error_m, change_m = (then_m - lead.expected_m)[rows], (then_m - now_m)[rows]
    inside = (then_m[rows] >= lead.p10_m[rows]) & (then_m[rows] <= lead.p90_m[rows])
    return LeadScore(
        lead_s=lead.lead_s,
        rows=int(rows.sum()),
        mae_m=float(np.abs(error_m).mean()),
        persistence_index=float(1 - np.sum(error_m**2) / max(float(np.sum(change_m**2)), np.finfo(np.float64).tiny)),
        coverage_p10_p90=float(inside.mean()),
        own_past=bool(own_past.any()),
        quiet_share=float((~result.active[rows]).mean()),
        published=result.model.leads[index].published,
    )
