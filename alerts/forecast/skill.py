"""How well warnings and forecasts did on a recorded series: hits, misses, false alarms, lead times, errors. Pure.

Event: samples at or above the threshold, runs up to 6 h apart merged. Onset: an alert comes on after more than 3 h
without one. Convention B, the headline: an event is hit if the alert was on when it began, or was raised in the 6 h
before. Convention A: if an onset lies between 6 h before the event and its end; a late one has a negative lead. A
false alarm is an onset that lies so in no event.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median, quantiles

import numpy as np
import numpy.typing as npt

from alerts.forecast.learning import Notable, Walk
from alerts.forecast.level_forecast import LEARNT_SPELLS
from alerts.forecast.series import Array, Series, after

Flags = npt.NDArray[np.bool_]

MERGE_S = 6 * 3600
BEFORE_S = 6 * 3600
REARM_S = 3 * 3600


@dataclass(frozen=True, slots=True)
class Span:
    """From the first to the last sample of an event or an alert, seconds since 1970-01-01 UTC."""

    first_s: float
    last_s: float


@dataclass(frozen=True, slots=True)
class Score:
    """What became of the events of one threshold. `leads_min` has one entry per hit, in the order of the events."""

    events: int
    hits: int
    false_alarms: int
    leads_min: tuple[float, ...]

    @property
    def misses(self) -> int:
        """Events that no warning preceded."""
        return self.events - self.hits

    @property
    def pod(self) -> float | None:
        """Probability of detection, H/(H+M); None without events."""
        return _share(self.hits, self.events)

    @property
    def far(self) -> float | None:
        """False alarm ratio, F/(H+F); None without alarms."""
        return _share(self.false_alarms, self.hits + self.false_alarms)

    @property
    def csi(self) -> float | None:
        """Critical success index, H/(H+M+F); None with neither events nor alarms."""
        return _share(self.hits, self.events + self.false_alarms)

    @property
    def median_lead_min(self) -> float | None:
        """Half of the hits had at least this lead."""
        return median(self.leads_min) if self.leads_min else None

    @property
    def p10_lead_min(self) -> float | None:
        """Nine in ten hits had at least this lead."""
        if len(self.leads_min) < 2:
            return self.leads_min[0] if self.leads_min else None
        return quantiles(self.leads_min, n=10, method="inclusive")[0]

    def share_lead_ge(self, least_min: float) -> float | None:
        """The share of hits with at least this lead."""
        return _share(sum(lead >= least_min for lead in self.leads_min), len(self.leads_min))


def pooled(scores: Sequence[Score]) -> Score:
    """Several thresholds or series as one."""
    return Score(
        sum(score.events for score in scores),
        sum(score.hits for score in scores),
        sum(score.false_alarms for score in scores),
        tuple(lead for score in scores for lead in score.leads_min),
    )


def events_of(at_s: Array, level_m: Array, threshold_m: float) -> list[Span]:
    """The floods of a record; blanks (NaN) are below every threshold. Both shape (n,), times ascending."""
    return _spans(at_s, np.flatnonzero(level_m >= threshold_m), np.diff(at_s[level_m >= threshold_m]) > MERGE_S)


def alerts_of(at_s: Array, on: Flags) -> list[Span]:
    """The alerts of a record, each from its onset. Both shape (n,), times ascending.

    On at two samples in a row it was never off, however long nothing was measured between them.
    """
    rows = np.flatnonzero(on)
    return _spans(at_s, rows, (np.diff(at_s[rows]) > REARM_S) & (np.diff(rows) > 1))


def _spans(at_s: Array, rows: npt.NDArray[np.intp], apart: Flags) -> list[Span]:
    """The rows as stretches, broken where two of them are apart."""
    if not len(rows):
        return []
    breaks = np.flatnonzero(apart)
    firsts, lasts = at_s[rows[np.r_[0, breaks + 1]]], at_s[rows[np.r_[breaks, len(rows) - 1]]]
    return [Span(first, last) for first, last in zip(firsts.tolist(), lasts.tolist(), strict=True)]


def score_b(events: Sequence[Span], at_s: Array, on: Flags) -> Score:
    """Convention B. The lead is to the last onset that came before the crossing."""
    alerts = alerts_of(at_s, on)
    leads = []
    for event in events:
        earlier = [alert.first_s for alert in alerts if alert.first_s <= event.first_s]
        raised = bool(earlier) and earlier[-1] >= event.first_s - BEFORE_S
        if raised or on[np.searchsorted(at_s, event.first_s)]:
            leads.append((event.first_s - earlier[-1]) / 60)
    return Score(len(events), len(leads), _false_alarms(events, alerts), tuple(leads))


def score_a(events: Sequence[Span], at_s: Array, on: Flags) -> Score:
    """Convention A. The lead is to the first onset that belongs to the event."""
    alerts = alerts_of(at_s, on)
    leads = []
    for event in events:
        belong = [alert.first_s for alert in alerts if _belongs(alert, event)]
        if belong:
            leads.append((event.first_s - belong[0]) / 60)
    return Score(len(events), len(leads), _false_alarms(events, alerts), tuple(leads))


def _belongs(alert: Span, event: Span) -> bool:
    return event.first_s - BEFORE_S <= alert.first_s <= event.last_s


def _false_alarms(events: Sequence[Span], alerts: Sequence[Span]) -> int:
    return sum(not any(_belongs(alert, event) for event in events) for alert in alerts)


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


@dataclass(frozen=True, slots=True)
class LeadScore:
    """How one lead did on its `rows`: mean absolute error, persistence index, and what lay between P10 and P90.

    `learnt`: whether only rows count by which the station's own fit had learnt enough; without any, all rows count.
    `unforeseen`: the share of the rows in which nothing yet stirred when the forecast was made.
    """

    lead_s: int
    rows: int
    mae_m: float
    persistence_index: float
    coverage_p10_p90: float
    learnt: bool
    unforeseen: float
    published: bool


def score_forecast(walk: Walk, series: Series, notable: Notable, *, since_row: int = 0) -> list[LeadScore]:
    """Every lead on the notable rows from `since_row` on; leads without any are left out."""
    return [
        scored
        for place in range(len(walk.leads))
        if (scored := _score_lead(walk, place, series, notable, since_row)) is not None
    ]


def _score_lead(walk: Walk, place: int, series: Series, notable: Notable, since_row: int) -> LeadScore | None:
    lead = walk.leads[place]
    now_m, then_m = series.level_m, after(series.level_m, series.steps(lead.lead_s))
    rows = notable.rows(now_m, then_m) & np.isfinite(lead.expected_m)
    rows[:since_row] = False
    learnt = rows & (walk.spells >= LEARNT_SPELLS)
    rows = learnt if learnt.any() else rows
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
        learnt=bool(learnt.any()),
        unforeseen=float((~walk.active[rows]).mean()),
        published=walk.model.leads[place].published,
    )
