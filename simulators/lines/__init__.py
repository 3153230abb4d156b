"""A schematic La Plata by bus: stops by street corner, lines with branches, a timetable. Made up, not official."""

from collections.abc import Iterable, Iterator, Mapping
from zlib import crc32
from zoneinfo import ZoneInfo

from models.network import Network, Pattern, Route, Stop, Trip
from simulators.lines.bus_lines import AGENCIES, LINES, ZONE, Branch, Line
from simulators.lines.route_paths import PoleKey, Way, coded, pattern, way
from simulators.lines.street_plan import Spot
from simulators.lines.timetable import Run, band, in_blocks, planned, repeated, services, timing

VERSION = "laplata-esquematica-1"
NOTE = "Recorrido esquemático, no oficial / schematic, not official"
WORDS = ("ida", "vuelta")
"""How ids tell the directions 0 and 1."""
Ways = Mapping[tuple[str, ...], tuple[Way, Way]]
"""By a branch's corners, its way out and its way back."""

BAND_STARTS_S = (10 * 3600, 8 * 3600, 23 * 3600)
"""A start in each band of `timetable.band`, by its number."""


def network(only: Iterable[str] | None = None) -> Network:
    """The whole timetable, or that of some lines by name. The same every time; stop codes do not depend on `only`.

    KeyError where there is no such line.
    """
    wanted = {line.name: line for line in LINES}
    lines = list(LINES) if only is None else [wanted[name] for name in only]
    ways = {branch.corners: _both(branch) for line in LINES for branch in line.branches}
    stops = coded(one for both in ways.values() for one in both)
    patterns, trips = _made(lines, ways, stops)
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
    )


def _both(branch: Branch) -> tuple[Way, Way]:
    return way(branch.corners), way(branch.corners[::-1])


def _route(line: Line) -> Route:
    ends = " / ".join(f"{branch.ends[0]} - {branch.ends[1]}" for branch in line.branches)
    return Route(
        id=line.name.lower(),
        agency_id=line.agency,
        short_name=line.name,
        long_name=ends,
        color=line.color,
        text_color="FFFFFF",
        description=NOTE,
    )


def _made(
    lines: Iterable[Line],
    ways: Ways,
    stops: Mapping[PoleKey, Stop],
) -> tuple[list[Pattern], list[Trip]]:
    patterns: list[Pattern] = []
    trips: list[Trip] = []
    for line in lines:
        runs = list(_runs(line, ways, stops, len(patterns)))
        patterns += [run.pattern for run, _ in runs]
        for service_id in services():
            trips += _trips(line, runs, service_id)
    return patterns, trips


def _runs(
    line: Line,
    ways: Ways,
    stops: Mapping[PoleKey, Stop],
    first: int,
) -> Iterator[tuple[Run, tuple[Spot, ...]]]:
    """Each branch in each direction, with where its stops are on the plan."""
    index = first
    for number, branch in enumerate(line.branches, 1):
        for direction, one in enumerate(ways[branch.corners]):
            shape_id = f"{line.name.lower()}-{number}-{WORDS[direction]}"
            made = pattern(index, shape_id, direction, one, stops)
            corners = branch.corners[:: -1 if direction else 1]
            yield (
                Run(made, branch, branch.ends[1 - direction], corners[0], corners[-1]),
                tuple(pole.spot for pole in one.poles),
            )
            index += 1


def _trips(line: Line, runs: list[tuple[Run, tuple[Spot, ...]]], service_id: str) -> list[Trip]:
    made: list[tuple[Run, Trip]] = []
    for run, spots in runs:
        timings = {band(start_s): timing(run.pattern, spots, start_s) for start_s in BAND_STARTS_S}
        share = crc32(f"{run.pattern.shape.id}".encode()) % 100 / 100
        if line.by_headway:
            made.append((run, repeated(run, service_id, share, timings)))
        else:
            made += [(run, trip) for trip in planned(run, service_id, share, timings)]
    if line.by_headway:
        return [trip for _, trip in made]
    return list(in_blocks(line.name.lower(), made))
