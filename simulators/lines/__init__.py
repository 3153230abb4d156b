"""How does a schematic bus network of La Plata look: stops by street corner, lines, a timetable? Made up."""

from collections.abc import Iterable, Iterator, Mapping
from zlib import crc32
from zoneinfo import ZoneInfo

from models.network import FeedInfo, Network, Pattern, Route, Stop, Trip
from simulators.lines.bus_lines import AGENCIES, LINES, ZONE, Branch, BusLine
from simulators.lines.route_paths import PoleKey, RoutePath, path_pattern, route_path, stops_by_pole
from simulators.lines.street_plan import PlanPoint
from simulators.lines.timetable import (
    BranchDirection,
    frequency_trip,
    scheduled_timing,
    scheduled_trips,
    services,
    time_band,
    with_blocks,
)

VERSION = "laplata-esquematica-1"
NOTE = "Recorrido esquemático, no oficial / schematic, not official"
PUBLISHED = FeedInfo("Vigía", "https://example.org/vigia", "es", VERSION, licence=f"Apache-2.0. {NOTE}")
DIRECTION_WORDS = ("ida", "vuelta")
"""The words for directions 0 and 1 in ids."""
BranchPaths = Mapping[tuple[str, ...], tuple[RoutePath, RoutePath]]
"""By the corners of a branch: its outbound and its return path."""

TIME_BAND_STARTS_S = (10 * 3600, 8 * 3600, 23 * 3600)
"""A start time in each band of `timetable.time_band`, by the number of the band."""


def schematic_network(only: Iterable[str] | None = None) -> Network:
    """The whole network, or that of some lines by name. Always the same; stop codes do not depend on `only`.

    Raises KeyError if there is no such line.
    """
    wanted = {line.name: line for line in LINES}
    lines = list(LINES) if only is None else [wanted[name] for name in only]
    ways = {branch.corners: _both_directions(branch) for line in LINES for branch in line.branches}
    stops = stops_by_pole(one for both in ways.values() for one in both)
    patterns, trips = _patterns_and_trips(lines, ways, stops)
    used = {stop_id for pattern in patterns for stop_id in pattern.stop_ids}
    return Network(
        version=VERSION,
        zone=ZoneInfo(ZONE),
        agencies={one.id: one for one in AGENCIES},
        stops={stop.id: stop for stop in stops.values() if stop.id in used},
        routes={line.name.lower(): _route(line) for line in lines},
        patterns=tuple(patterns),
        trips={trip.id: trip for trip in trips},
        services=services(),
        published=(PUBLISHED,),
    )


def _both_directions(branch: Branch) -> tuple[RoutePath, RoutePath]:
    return route_path(branch.corners), route_path(branch.corners[::-1])


def _route(line: BusLine) -> Route:
    ends = " / ".join(f"{branch.headsigns[0]} - {branch.headsigns[1]}" for branch in line.branches)
    return Route(
        id=line.name.lower(),
        agency_id=line.agency,
        short_name=line.name,
        long_name=ends,
        color=line.color,
        text_color="FFFFFF",
        description=NOTE,
    )


def _patterns_and_trips(
    lines: Iterable[BusLine],
    ways: BranchPaths,
    stops: Mapping[PoleKey, Stop],
) -> tuple[list[Pattern], list[Trip]]:
    patterns: list[Pattern] = []
    trips: list[Trip] = []
    for line in lines:
        runs = list(_branch_directions(line, ways, stops, len(patterns)))
        patterns += [run.pattern for run, _ in runs]
        for service_id in services():
            trips += _trips(line, runs, service_id)
    return patterns, trips


def _branch_directions(
    line: BusLine,
    ways: BranchPaths,
    stops: Mapping[PoleKey, Stop],
    first: int,
) -> Iterator[tuple[BranchDirection, tuple[PlanPoint, ...]]]:
    """Each branch in each direction, with its stops as points of the street plan."""
    index = first
    for number, branch in enumerate(line.branches, 1):
        for direction, one in enumerate(ways[branch.corners]):
            shape_id = f"{line.name.lower()}-{number}-{DIRECTION_WORDS[direction]}"
            made = path_pattern(index, shape_id, direction, one, stops)
            corners = branch.corners[:: -1 if direction else 1]
            yield (
                BranchDirection(made, branch, branch.headsigns[1 - direction], corners[0], corners[-1]),
                tuple(pole.point for pole in one.poles),
            )
            index += 1


def _trips(line: BusLine, runs: list[tuple[BranchDirection, tuple[PlanPoint, ...]]], service_id: str) -> list[Trip]:
    made: list[tuple[BranchDirection, Trip]] = []
    for run, spots in runs:
        timings = {time_band(start_s): scheduled_timing(run.pattern, spots, start_s) for start_s in TIME_BAND_STARTS_S}
        share = crc32(f"{run.pattern.shape.id}".encode()) % 100 / 100
        if line.by_headway:
            made.append((run, frequency_trip(run, service_id, share, timings)))
        else:
            made += [(run, trip) for trip in scheduled_trips(run, service_id, share, timings)]
    if line.by_headway:
        return [trip for _, trip in made]
    return list(with_blocks(line.name.lower(), made))
