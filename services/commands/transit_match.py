"""`vigia transit match`: match recorded positions to trips and write one row for each report."""

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
HIDEABLE = {
    "trip": _TRIP,
    "route": (*_TRIP, *_ROUTE),
    "all": (*_TRIP, *_ROUTE, "sign", "in_service"),
}
"""Fields of a report that `--hide` removes: all that names the trip or route, directly or not."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Timetables, positions and output."""
    parser.add_argument("--gtfs", type=Path, required=True, nargs="+", action="extend", metavar="FILE")
    parser.add_argument("--positions", type=Path, required=True, metavar="FILE", help="CSV, plain or gzip")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.csv", help="|".join(COLUMNS))
    parser.add_argument("--hide", choices=HIDEABLE, help="match as if the vehicles did not report this")


def run(arguments: argparse.Namespace) -> int:
    """Write one row for each report, in the file's order; print the number of reports by phase."""
    try:
        network = merge_networks([replace(read_feed(path), feed=path.stem) for path in arguments.gtfs])
        reports = read_positions(arguments.positions, network.zone, by_time=False)
        positions = matched(network, [hidden(report, arguments.hide) for report in reports])
        _write(arguments.out, reports, positions)
    except (BadTimetable, TimeZonesDiffer, RecordError, OSError) as error:
        print(f"vigia: {error}", file=sys.stderr)
        return 2
    phases = Counter(position.phase for position in positions)
    print(f"{len(reports)} posiciones (positions): " + ", ".join(f"{n} {phase}" for phase, n in phases.most_common()))
    return 0


def hidden(report: PositionReport, hide: str | None) -> PositionReport:
    """The report without the fields that HIDEABLE lists under `hide`."""
    return structs.replace(report, **dict.fromkeys(HIDEABLE[hide])) if hide else report


def matched(network: Network, reports: Sequence[PositionReport]) -> list[MatchedPosition]:
    """The matched position after each report, in the order given; reports are matched in the order of their times."""
    matcher = Matcher(network)
    states: dict[str, VehicleState] = {}
    positions: dict[int, MatchedPosition] = {}
    for number in sorted(range(len(reports)), key=lambda number: reports[number].at):
        report = reports[number]
        state = states[report.vehicle] = matcher.match(states.get(report.vehicle), report)
        positions[number] = state.matched_position()
    return [positions[number] for number in range(len(reports))]


def _write(path: Path, reports: Sequence[PositionReport], positions: Sequence[MatchedPosition]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(COLUMNS)
        for report, position in zip(reports, positions, strict=True):
            distance_m = "" if position.pattern < 0 else f"{position.distance_m:.1f}"
            rows.writerow((report.vehicle, f"{report.at:.10g}", position.trip_id, distance_m, position.phase))
