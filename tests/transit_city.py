"""A small invented timetable for the tests of transit: two directions, a short turn, a loop, blocks, a night trip.

Places are metres east and north of the centre:

    N6
    |        line 10 runs T1 T2 T3 T4 N5 N6, some trips only T1 to T4, and back R6 R5 R4 R3 R2 R1 across the street;
    N5       line 20 runs the loop T1 L2 L3 T2 T1, frequency-based
    |
    T1--T2--T3--T4
    |   |
    L2--L3

Trips of line 10 start every 20 minutes from 6:00 (`10-0600`), those of the short turn ten minutes after (`10s-0610`),
those back 40 minutes after (`10b-0640`). A block is a trip out and the next one back, all day. `10-2430` departs at
half past midnight of the next day. At weekends and on 2026-02-16, a holiday, every third trip runs (`w10-0600`).
"""

from collections.abc import Iterator, Sequence
from datetime import date
from itertools import pairwise
from math import hypot
from zoneinfo import ZoneInfo

from models.geo import METRES_PER_DEGREE, Plane, Point, cumulative_distances_m
from models.network import Agency, Frequency, Network, Pattern, Route, Service, Shape, Stop, Timing, Trip

ZONE = ZoneInfo("America/Argentina/Buenos_Aires")
MONDAY = date(2026, 3, 2)
"""A working day."""
SUNDAY = date(2026, 3, 1)
HOLIDAY = date(2026, 2, 16)
"""A Monday on which the trips of a Sunday run."""

OUT, SHORT, BACK, LOOP = range(4)
"""Indices of the patterns."""

_CENTRE = (-34.92, -57.95)
_PLANE = Plane(_CENTRE[0])
_SPEED_MS = 400 / 75
"""A link of 400 m takes 75 s."""
_PLACES = {
    "T1": (0, 0),
    "T2": (400, 0),
    "T3": (800, 0),
    "T4": (1200, 0),
    "N5": (1200, 400),
    "N6": (1200, 800),
    "R6": (1188, 800),
    "R5": (1188, 400),
    "R4": (1188, 12),
    "R3": (800, 12),
    "R2": (400, 12),
    "R1": (0, 12),
    "L2": (0, -400),
    "L3": (400, -400),
}
_YEAR = (date(2026, 1, 1), date(2026, 12, 31))


def at(east_m: float, north_m: float) -> Point:
    """A point of the city by metres from its centre."""
    return (_CENTRE[0] + north_m / METRES_PER_DEGREE, _CENTRE[1] + _PLANE.point(east_m, 0)[1])


def network(version: str = "test") -> Network:
    """The whole city."""
    patterns = (
        _pattern(OUT, "10", 0, ("T1", "T2", "T3", "T4", "N5", "N6")),
        _pattern(SHORT, "10", 0, ("T1", "T2", "T3", "T4")),
        _pattern(BACK, "10", 1, ("R6", "R5", "R4", "R3", "R2", "R1")),
        _pattern(LOOP, "20", None, ("T1", "L2", "L3", "T2", "T1")),
    )
    return Network(
        version=version,
        zone=ZONE,
        agencies={"muni": Agency("muni", "Municipalidad", "https://example.org", ZONE.key, "es")},
        stops={
            name: Stop(name, f"LP{number}", f"Parada {name}", at(*place))
            for number, (name, place) in _numbered_places()
        },
        routes={
            "10": Route("10", "muni", "10", "Troncal", color="1144AA", text_color="FFFFFF"),
            "20": Route("20", "muni", "20", "Circular"),
        },
        patterns=patterns,
        trips={trip.id: trip for trip in _trips(patterns)},
        services={service.id: service for service in _services()},
    )


def _numbered_places() -> Iterator[tuple[int, tuple[str, tuple[int, int]]]]:
    return enumerate(_PLACES.items(), 1)


def _pattern(index: int, route_id: str, direction_id: int | None, stops: Sequence[str]) -> Pattern:
    points = tuple(at(*_PLACES[stop]) for stop in stops)
    shape = Shape(f"shape-{index}", points, cumulative_distances_m(points))
    links = tuple(f"{here}>{there}" for here, there in pairwise(stops))
    return Pattern(index, route_id, direction_id, tuple(stops), shape.along_m, shape, links)


def _timing(pattern: Pattern, dwell_s: int = 15, waits_at: int = 3) -> Timing:
    """Constant speed; at the fourth stop, a timepoint, the bus waits `dwell_s`."""
    places = [_PLACES[stop] for stop in pattern.stop_ids]
    arrivals, departures, clock = [0], [0], 0
    for position, (here, there) in enumerate(pairwise(places), 1):
        clock += round(hypot(there[0] - here[0], there[1] - here[1]) / _SPEED_MS)
        arrivals.append(clock)
        clock += dwell_s if position == waits_at and position + 1 < len(places) else 0
        departures.append(clock)
    promised = tuple(position in {0, waits_at, len(places) - 1} for position in range(len(places)))
    return Timing(tuple(arrivals), tuple(departures), promised)


def _trips(patterns: Sequence[Pattern]) -> Iterator[Trip]:
    timings = [_timing(pattern) for pattern in patterns]
    lines = ((OUT, "10", 0, "Norte"), (SHORT, "10s", 600, "Troncal"), (BACK, "10b", 2400, "Centro"))
    for pattern, prefix, after_s, headsign in lines:
        for number, start_s in enumerate(range(6 * 3600 + after_s, 22 * 3600, 1200)):
            block = "" if pattern == SHORT else f"block-{number % 6}"
            clock = _hhmm(start_s)
            yield Trip(f"{prefix}-{clock}", pattern, "weekday", start_s, timings[pattern], headsign, block_id=block)
            if number % 3 == 0:
                yield Trip(f"w{prefix}-{clock}", pattern, "weekend", start_s, timings[pattern], headsign)
    yield Trip("10-2430", OUT, "daily", 24 * 3600 + 1800, timings[OUT], "Norte")
    headways = (Frequency(6 * 3600, 9 * 3600, 600, exact=False), Frequency(9 * 3600, 20 * 3600, 900, exact=True))
    yield Trip("20", LOOP, "daily", 6 * 3600, timings[LOOP], "Circular", frequencies=headways)


def _hhmm(start_s: int) -> str:
    return f"{start_s // 3600:02}{start_s // 60 % 60:02}"


def _services() -> Iterator[Service]:
    start, end = _YEAR
    yield Service("weekday", (True, True, True, True, True, False, False), start, end, removed=frozenset({HOLIDAY}))
    yield Service("weekend", (False, False, False, False, False, True, True), start, end, added=frozenset({HOLIDAY}))
    yield Service("daily", (True, True, True, True, True, True, True), start, end)
