"""How good the estimates were, for the public: a sentence on a stop's page, and a page of tables with the measures."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import partial
from urllib.parse import urlencode

from sqlalchemy import Connection

from models.network import Route
from services.queries.transit.accuracy import sums_between
from services.queries.transit.rider_reports import never_came
from services.transit.accuracy.statistics import ALL_LINES, FEWEST, HORIZONS_MIN, Accuracy, Figures, by_line
from services.transit.accuracy.statistics import Row as Sums
from services.transit.fleet.accuracy_counts import ETA_LIMITS_S
from services.transit.rider.stop_arrivals import line_name
from services.web.pages.language import Words
from services.web.pages.transit.phrases import LONGEST_LINE, cut
from services.web.pages.transit.rendering import Ride

TOLD_BIN = 2
"""Of the horizons, the one the sentence speaks of: 6 to 10 minutes, when people leave home."""
PERIODS_DAYS = (0, 1, 7, 30)
MOST_LINES = 500
NOTHING = "—"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a table in words: what of, then its figures."""

    name: str
    query: str
    figures: tuple[str, ...]


def sentence(
    ride: Ride, connection: Connection, names: Mapping[str, Sequence[Route]]
) -> Callable[[Sequence[str]], str]:
    """Yesterday's accuracy of lines, today's where there is none: a function from their names to a sentence.

    The sentence is empty where too few estimates were measured.
    """
    ids = [route.id for routes in names.values() for route in routes]
    days, rows = _latest(ride, connection, ids)
    return partial(_sentence, ride.words, "rider.kept" if days else "rider.kept_today", _shares(by_line(rows), names))


def _shares(accuracy: Mapping[str, Accuracy], names: Mapping[str, Sequence[Route]]) -> dict[str, float]:
    """By name, the share of a line's estimates that were accurate; none of a line with too few."""
    shares: dict[str, float] = {}
    for name, routes in names.items():
        figures = [accuracy[route.id].by_horizon[TOLD_BIN] for route in routes if route.id in accuracy]
        share = _together([one for one in figures if one is not None])
        if share is not None:
            shares[name] = share
    return shares


def _latest(ride: Ride, connection: Connection, ids: Sequence[str] | None) -> tuple[int, list[Sums]]:
    """The sums of yesterday, 1, or where there are none those of today so far, 0."""
    today = _today(ride)
    yesterday = today - timedelta(days=1)
    rows = sums_between(connection, yesterday, yesterday, ids)
    return (1, rows) if rows else (0, sums_between(connection, today, today, ids))


def values(ride: Ride, connection: Connection, line: str, asked: int | None) -> dict[str, object]:
    """The page of the last whole days, as many as asked, 0 for today so far: of all lines, or of one by horizon."""
    network, today = ride.view.network, _today(ride)
    ids = [route.id for route in network.routes.values() if line_name(route).casefold() == line.casefold()]
    days = _latest(ride, connection, ids if line else None)[0] if asked is None else asked
    first, last = today - timedelta(days=days), today - timedelta(days=min(days, 1))
    accuracy = by_line(sums_between(connection, first, last, ids if line else None))
    start, end = (datetime.combine(day, time(), network.zone) for day in (first, last + timedelta(days=1)))
    missed = never_came(connection, start, end)
    names = {route.id: line_name(route) for route in network.routes.values()}
    total = sum(missed.get(route_id, 0) for route_id in ids) if line else sum(missed.values())
    whole = accuracy.get(ALL_LINES)
    return {
        "line": cut(line, LONGEST_LINE) if ids else "",
        "unknown": cut(line, LONGEST_LINE) if line and not ids else "",
        "first": f"{first.day}/{first.month}",
        "last": f"{last.day}/{last.month}",
        "days": days,
        "periods": [one for one in PERIODS_DAYS if one != days],
        "of_line": f"&{urlencode({'linea': line})}" if line else "",
        "also": f"&idioma={ride.asked}" if ride.asked else "",
        "overall": _row(ride, "", whole.overall, total) if whole else None,
        "by_line": [] if line else _lines(ride, accuracy, names, missed),
        "by_horizon": _horizons(ride.words, whole) if whole else [],
        "limits": _limits(ride.words),
    }


def _lines(
    ride: Ride, accuracy: Mapping[str, Accuracy], names: Mapping[str, str], missed: Mapping[str, int]
) -> list[Row]:
    """Every line there is something to say of, those most often reported missing first."""
    ids = sorted(
        (accuracy.keys() | missed.keys()) - {ALL_LINES}, key=lambda one: (-missed.get(one, 0), names.get(one, one))
    )
    return [
        _row(ride, names.get(one, one), accuracy[one].overall if one in accuracy else None, missed.get(one, 0))
        for one in ids[:MOST_LINES]
    ]


def _horizons(words: Words, accuracy: Accuracy) -> list[Row]:
    return [
        Row(words("precision.horizon", low=low, high=high), "", _figures(words, figures))
        for (low, high), figures in zip(HORIZONS_MIN, accuracy.by_horizon, strict=True)
        if figures is not None
    ]


def _row(ride: Ride, name: str, figures: Figures | None, missed: int) -> Row:
    query = urlencode({"linea": name} | ({"idioma": ride.asked} if ride.asked else {}))
    return Row(cut(name, LONGEST_LINE), query, (*_figures(ride.words, figures), ride.words.number(missed)))


def _figures(words: Words, figures: Figures | None) -> tuple[str, ...]:
    if figures is None:
        return (NOTHING,) * 7
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
    return NOTHING if share is None else words("precision.share", n=words.number(100 * share))


def _limits(words: Words) -> list[Row]:
    """The benchmark's limits as minutes early and late."""
    return [
        Row(
            words("precision.horizon", low=low, high=high),
            "",
            (words.number(-least_s / 60, 1), words.number(most_s / 60, 1)),
        )
        for (low, high), (least_s, most_s) in zip(HORIZONS_MIN, ETA_LIMITS_S, strict=False)
    ]


def _together(several: Sequence[Figures]) -> float | None:
    """The share of several routes' estimates that were accurate; None where there are too few."""
    n = sum(figures.n for figures in several)
    if n < FEWEST:
        return None
    return sum(figures.n * (figures.eta_accuracy or 0.0) for figures in several) / n


def _sentence(words: Words, key: str, shares: Mapping[str, float], names: Sequence[str]) -> str:
    told = [f"{cut(name, LONGEST_LINE)} {_share(words, shares[name])}" for name in names if name in shares]
    if not told:
        return ""
    (low, high), (_, late_s) = HORIZONS_MIN[TOLD_BIN], ETA_LIMITS_S[TOLD_BIN]
    return words(key, low=low, high=high, late=words.number(late_s / 60, 1), lines=", ".join(told))


def _today(ride: Ride) -> date:
    return ride.now.astimezone(ride.view.network.zone).date()
