"""Public accuracy of predictions: a sentence on the page of a stop, and a page of tables with all measures."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import partial
from urllib.parse import urlencode

from sqlalchemy import Connection

from models.network import Route
from services.queries.transit.accuracy import sums_between
from services.queries.transit.rider_reports import count_never_came
from services.transit.accuracy.statistics import (
    ALL_LINES,
    HORIZONS_MIN,
    LEAST_ESTIMATES,
    ErrorStatistics,
    LineStatistics,
    accuracy_by_line,
)
from services.transit.accuracy.statistics import BinSums as Sums
from services.transit.fleet.accuracy_counts import ETA_LIMITS_S
from services.transit.rider.stop_arrivals import line_name
from services.web.pages.language import Words
from services.web.pages.transit.phrases import LONGEST_LINE, truncated
from services.web.pages.transit.rendering import RiderRequest

SENTENCE_BIN = 2
"""The horizon of the sentence: 6 to 10 minutes, when people leave home."""
PERIODS_DAYS = (0, 1, 7, 30)
MOST_LINES = 500
NO_FIGURE = "—"


@dataclass(frozen=True, slots=True)
class TableRow:
    """One row of a table in words: its name, then its figures."""

    name: str
    query: str
    figures: tuple[str, ...]


def accuracy_sentence(
    rider: RiderRequest, connection: Connection, names: Mapping[str, Sequence[Route]]
) -> Callable[[Sequence[str]], str]:
    """Yesterday's accuracy of lines, today's where there is none: a function from their names to a sentence.

    The sentence is empty where too few predictions were scored.
    """
    ids = [route.id for routes in names.values() for route in routes]
    days, rows = _latest_sums(rider, connection, ids)
    return partial(
        _format_sentence,
        rider.words,
        "rider.kept" if days else "rider.kept_today",
        _shares_by_name(accuracy_by_line(rows), names),
    )


def _shares_by_name(accuracy: Mapping[str, LineStatistics], names: Mapping[str, Sequence[Route]]) -> dict[str, float]:
    """By name of a line, the share of its predictions that were accurate; none where there were too few."""
    shares: dict[str, float] = {}
    for name, routes in names.items():
        figures = [accuracy[route.id].by_horizon[SENTENCE_BIN] for route in routes if route.id in accuracy]
        share = _combined_share([one for one in figures if one is not None])
        if share is not None:
            shares[name] = share
    return shares


def _latest_sums(rider: RiderRequest, connection: Connection, ids: Sequence[str] | None) -> tuple[int, list[Sums]]:
    """The sums of yesterday (1) or, where there are none, those of today so far (0)."""
    today = _today(rider)
    yesterday = today - timedelta(days=1)
    rows = sums_between(connection, yesterday, yesterday, ids)
    return (1, rows) if rows else (0, sums_between(connection, today, today, ids))


def page_values(
    rider: RiderRequest, connection: Connection, line: str, requested_days: int | None
) -> dict[str, object]:
    """The page of the last whole days, as many as requested, 0 for today so far: of all lines, or of one by horizon."""
    network, today = rider.snapshot.network, _today(rider)
    ids = [route.id for route in network.routes.values() if line_name(route).casefold() == line.casefold()]
    days = _latest_sums(rider, connection, ids if line else None)[0] if requested_days is None else requested_days
    first, last = today - timedelta(days=days), today - timedelta(days=min(days, 1))
    accuracy = accuracy_by_line(sums_between(connection, first, last, ids if line else None))
    start, end = (datetime.combine(day, time(), network.zone) for day in (first, last + timedelta(days=1)))
    never_came_counts = count_never_came(connection, start, end)
    names = {route.id: line_name(route) for route in network.routes.values()}
    total = sum(never_came_counts.get(route_id, 0) for route_id in ids) if line else sum(never_came_counts.values())
    overall = accuracy.get(ALL_LINES)
    return {
        "line": truncated(line, LONGEST_LINE) if ids else "",
        "unknown": truncated(line, LONGEST_LINE) if line and not ids else "",
        "first": f"{first.day}/{first.month}",
        "last": f"{last.day}/{last.month}",
        "days": days,
        "periods": [one for one in PERIODS_DAYS if one != days],
        "of_line": f"&{urlencode({'linea': line})}" if line else "",
        "also": f"&idioma={rider.requested_language}" if rider.requested_language else "",
        "overall": _line_row(rider, "", overall.overall, total) if overall else None,
        "by_line": [] if line else _line_rows(rider, accuracy, names, never_came_counts),
        "by_horizon": _horizon_rows(rider.words, overall) if overall else [],
        "limits": _limit_rows(rider.words),
    }


def _line_rows(
    rider: RiderRequest,
    accuracy: Mapping[str, LineStatistics],
    names: Mapping[str, str],
    never_came_counts: Mapping[str, int],
) -> list[TableRow]:
    """Every line with figures, those most often reported missing first."""
    ids = sorted(
        (accuracy.keys() | never_came_counts.keys()) - {ALL_LINES},
        key=lambda route_id: (-never_came_counts.get(route_id, 0), names.get(route_id, route_id)),
    )
    return [
        _line_row(
            rider,
            names.get(route_id, route_id),
            accuracy[route_id].overall if route_id in accuracy else None,
            never_came_counts.get(route_id, 0),
        )
        for route_id in ids[:MOST_LINES]
    ]


def _horizon_rows(words: Words, accuracy: LineStatistics) -> list[TableRow]:
    return [
        TableRow(words("precision.horizon", low=low, high=high), "", _figures(words, figures))
        for (low, high), figures in zip(HORIZONS_MIN, accuracy.by_horizon, strict=True)
        if figures is not None
    ]


def _line_row(rider: RiderRequest, name: str, figures: ErrorStatistics | None, never_came_count: int) -> TableRow:
    query = urlencode({"linea": name} | ({"idioma": rider.requested_language} if rider.requested_language else {}))
    return TableRow(
        truncated(name, LONGEST_LINE), query, (*_figures(rider.words, figures), rider.words.number(never_came_count))
    )


def _figures(words: Words, figures: ErrorStatistics | None) -> tuple[str, ...]:
    if figures is None:
        return (NO_FIGURE,) * 7
    return (
        words.number(figures.n),
        words.number(figures.mae_s),
        words.number(figures.bias_s, signed=True),
        words.number(figures.rider_bias_s, signed=True),
        _share(words, figures.eta_accuracy),
        _share(words, figures.rider_accuracy),
        _share(words, figures.coverage),
    )


def _share(words: Words, share: float | None) -> str:
    return NO_FIGURE if share is None else words("precision.share", n=words.number(100 * share))


def _limit_rows(words: Words) -> list[TableRow]:
    """The benchmark's limits as minutes early and late."""
    return [
        TableRow(
            words("precision.horizon", low=low, high=high),
            "",
            (words.number(-least_s / 60, 1), words.number(most_s / 60, 1)),
        )
        for (low, high), (least_s, most_s) in zip(HORIZONS_MIN, ETA_LIMITS_S, strict=False)
    ]


def _combined_share(statistics: Sequence[ErrorStatistics]) -> float | None:
    """The share of several routes' predictions that were accurate; None where there are too few."""
    n = sum(figures.n for figures in statistics)
    if n < LEAST_ESTIMATES:
        return None
    return sum(figures.n * (figures.eta_accuracy or 0.0) for figures in statistics) / n


def _format_sentence(words: Words, key: str, shares: Mapping[str, float], names: Sequence[str]) -> str:
    parts = [f"{truncated(name, LONGEST_LINE)} {_share(words, shares[name])}" for name in names if name in shares]
    if not parts:
        return ""
    (low, high), (_, late_s) = HORIZONS_MIN[SENTENCE_BIN], ETA_LIMITS_S[SENTENCE_BIN]
    return words(key, low=low, high=high, late=words.number(late_s / 60, 1), lines=", ".join(parts))


def _today(rider: RiderRequest) -> date:
    return rider.now.astimezone(rider.snapshot.network.zone).date()
