"""`vigia transit score`: accuracy of predictions on a recorded day, with no look ahead."""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from time import process_time
from typing import Any

from ingest.gtfs.feed import BadTimetable, read_feed
from models.merging import TimeZonesDiffer, merge_networks
from models.network import Network
from services.commands.transit_match import HIDEABLE, hidden
from services.replay.recorded_series import RecordError
from services.transit.accuracy.backtest import Backtest
from services.transit.accuracy.observed_passages import ObservedPassages
from services.transit.accuracy.recorded_positions import read_positions
from services.transit.accuracy.recorded_stop_events import RecordedJourney, read_stop_events
from services.transit.accuracy.stop_event_replay import reported_stops
from services.transit.fleet.fleet import Fleet
from services.transit.model.position_report import PositionReport
from services.transit.travel_times.link_times import TravelTimes

NAME = "score"
HELP = "Errors, accuracy and coverage of arrival estimates on recorded positions or stop events."


def arguments(parser: argparse.ArgumentParser) -> None:
    """A timetable, what to score, and what to learn from before."""
    parser.add_argument("--gtfs", type=Path, action="append", required=True, help="a feed, zip or folder; may repeat")
    parser.add_argument("--positions", type=Path, nargs="+", default=[], metavar="FILE", help="positions to score")
    parser.add_argument("--stop-events", type=Path, nargs="+", default=[], metavar="FILE", help="stop events to score")
    parser.add_argument(
        "--history",
        type=Path,
        nargs="+",
        default=[],
        metavar="FILE",
        help="the same of earlier days, to learn from first: what does not lie before the scored is left out",
    )
    parser.add_argument(
        "--day",
        metavar="YYYYMMDD",
        help="score this service date of the stop events, learn from those before it; "
        "default: those not in the history, or the last one",
    )
    parser.add_argument("--hide", choices=HIDEABLE, help="follow as if the vehicles did not claim this")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of words")


def run(arguments: argparse.Namespace) -> int:
    """Print the figures of the timetable, of the timetable with the present delay, and of the predictions."""
    try:
        network = merge_networks([replace(read_feed(path), feed=path.stem) for path in arguments.gtfs])
        backtest = _backtest(network, arguments)
    except (BadTimetable, TimeZonesDiffer, RecordError, OSError) as trouble:
        print(f"vigia: {trouble}", file=sys.stderr)
        return 2
    report = {"positions": backtest.result.inputs, "hidden": arguments.hide} | backtest.result.figures()
    print(json.dumps(report) if arguments.json else _table(report))
    return 0


def _backtest(network: Network, arguments: argparse.Namespace) -> Backtest:
    if bool(arguments.positions) == bool(arguments.stop_events):
        raise RecordError("give either --positions or --stop-events")
    backtest = Backtest(Fleet(network, TravelTimes()), process_time)
    if arguments.positions:
        _replay_positions(network, backtest, arguments)
    else:
        _replay_stop_events(network, backtest, arguments)
    return backtest


def _replay_positions(network: Network, backtest: Backtest, arguments: argparse.Namespace) -> None:
    reports = _positions(network, arguments.positions)
    if not reports:
        raise RecordError("no positions to score")
    history = [one for one in _positions(network, arguments.history) if one.at < reports[0].at]
    backtest.warm_up(history, lambda report: hidden(report, arguments.hide))
    backtest.score_positions(reports, ObservedPassages(network, reports), lambda report: hidden(report, arguments.hide))


def _positions(network: Network, paths: Sequence[Path]) -> list[PositionReport]:
    return sorted((one for path in paths for one in read_positions(path, network.zone)), key=lambda one: one.at)


def _replay_stop_events(network: Network, backtest: Backtest, arguments: argparse.Namespace) -> None:
    given = [journey for path in arguments.stop_events for journey in read_stop_events(path)]
    if not given:
        raise RecordError("no stop events to score")
    known = [
        journey for path in arguments.history if path not in arguments.stop_events for journey in read_stop_events(path)
    ]
    first, last = _days(given, known, arguments.day)
    history = {
        (journey.service_date, journey.name): journey for journey in (*known, *given) if journey.service_date < first
    }
    for stop, _ in reported_stops(network, history.values(), scored=False):
        backtest.replay_stop_event(stop, None)
    for stop, upcoming in reported_stops(
        network, (journey for journey in given if first <= journey.service_date <= last), scored=True
    ):
        backtest.replay_stop_event(stop, upcoming)


def _days(given: Sequence[RecordedJourney], known: Sequence[RecordedJourney], day: str | None) -> tuple[date, date]:
    """The first and the last day to score: the one asked for; else those not in the history; else the last."""
    if day is not None:
        return _date(day), _date(day)
    days = sorted({journey.service_date for journey in given})
    fresh = sorted(set(days) - {journey.service_date for journey in known}) if known else []
    return (fresh or days[-1:])[0], days[-1]


def _date(words: str) -> date:
    try:
        return date.fromisoformat(words)
    except ValueError:
        raise RecordError(f"--day {words}: not a date like 20250319") from None


def _table(report: dict[str, Any]) -> str:
    head = "método (method)        n     MAE    RMSE   sesgo (bias)  ETA %  0-3  3-6 6-10 10-15   MBTA %"
    lines = [head, *(_row(name, report[name]) for name in ("schedule", "schedule_delay", "ours", "ours_rider"))]
    ours = report["ours"]
    if ours["n"]:
        lines.append(
            f"P10-P90: {ours['coverage_p10_p90']:.3f}, {ours['mean_p10_p90_s']:.0f} s; "
            f"sin respuesta (unanswered): {ours['unanswered']}; s/1000: {ours['seconds']}"
        )
    return "\n".join(lines)


def _row(name: str, row: dict[str, Any]) -> str:
    if not row["n"]:
        return f"{name:<15} {0:>8}"
    eta = row["eta_accuracy"]
    bins = " ".join(f"{eta[one]:4.0f}" if eta[one] is not None else "   -" for one in ("0-3", "3-6", "6-10", "10-15"))
    overall, mbta = (one["overall"] if one["overall"] is not None else float("nan") for one in (eta, row["mbta"]))
    return (
        f"{name:<15} {row['n']:>8} {row['mae_s']:7.1f} {row['rmse_s']:7.1f} {row['bias_s']:7.1f}"
        f"       {overall:6.1f} {bins}   {mbta:6.1f}"
    )
