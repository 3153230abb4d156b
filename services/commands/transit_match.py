"""`vigia transit match`: what the matcher makes of recorded positions, one line a report."""

import argparse
import csv
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from msgspec import structs

from ingest.gtfs.feed import BadTimetable, read_feed
from models.merging import TimeZonesDiffer, merge_networks
from models.network import Network
from services.replay.recorded_series import RecordError
from services.transit.accuracy.recorded_positions import read_positions
from services.transit.matching.matcher import Matcher
from services.transit.matching.vehicle_state import VehicleState
from services.transit.model.position_report import PositionReport
from services.transit.model.prediction import MatchedPosition

NAME = "match"
HELP = "Match recorded positions to the journeys of a timetable."

COLUMNS = ("vehicle_id", "timestamp", "trip_id", "distance_m", "phase")
_TRIP = ("trip_id", "block_id", "start_date", "start_s")
_ROUTE = ("route_id", "direction_id", "line")
CLAIMS = {
    "trip": _TRIP,
    "route": (*_TRIP, *_ROUTE),
    "all": (*_TRIP, *_ROUTE, "sign", "in_service"),
}
"""What is hidden of what the vehicles claim: all that names it, directly or not."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Which timetable, which positions, and where to."""
    parser.add_argument("--gtfs", type=Path, required=True, nargs="+", action="extend", metavar="FILE")
    parser.add_argument("--positions", type=Path, required=True, metavar="FILE", help="CSV, plain or gzip")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.csv", help="|".join(COLUMNS))
    parser.add_argument("--hide", choices=CLAIMS, help="match as if the vehicles did not claim this")


def run(arguments: argparse.Namespace) -> int:
    """Write a row for each report, in the file's order; print how many there were of each phase."""
    try:
        network = merge_networks([replace(read_feed(path), feed=path.stem) for path in arguments.gtfs])
        reports = read_positions(arguments.positions, network.zone, by_time=False)
        places = matched(network, [hidden(report, arguments.hide) for report in reports])
        _write(arguments.out, reports, places)
    except (BadTimetable, TimeZonesDiffer, RecordError, OSError) as trouble:
        print(f"vigia: {trouble}", file=sys.stderr)
        return 2
    phases = Counter(place.phase for place in places)
    print(f"{len(reports)} posiciones (positions): " + ", ".join(f"{n} {phase}" for phase, n in phases.most_common()))
    return 0


def hidden(report: PositionReport, hide: str | None) -> PositionReport:
    """A report as if the vehicle did not claim what CLAIMS lists."""
    return structs.replace(report, **dict.fromkeys(CLAIMS[hide])) if hide else report


def matched(network: Network, reports: Sequence[PositionReport]) -> list[MatchedPosition]:
    """What is believed after each report, as the pipeline would: taken by their times, given in the reports' order."""
    matcher = Matcher(network)
    beliefs: dict[str, VehicleState] = {}
    places: dict[int, MatchedPosition] = {}
    for number in sorted(range(len(reports)), key=lambda number: reports[number].at):
        report = reports[number]
        belief = beliefs[report.vehicle] = matcher.match(beliefs.get(report.vehicle), report)
        places[number] = belief.matched_position()
    return [places[number] for number in range(len(reports))]


def _write(path: Path, reports: Sequence[PositionReport], places: Sequence[MatchedPosition]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(COLUMNS)
        for report, place in zip(reports, places, strict=True):
            distance_m = "" if place.pattern < 0 else f"{place.distance_m:.1f}"
            rows.writerow((report.vehicle, f"{report.at:.10g}", place.trip_id, distance_m, place.phase))
