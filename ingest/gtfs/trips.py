"""Read the trips of a GTFS feed, and build them with shared patterns and timings."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from ingest.gtfs.fields import (
    BLANK,
    UNREADABLE,
    CodeCache,
    IntegerCache,
    TimeCache,
    is_usable_id,
    parse_integer,
    parse_or_refuse,
    parse_time_s,
    without_decimals,
)
from ingest.gtfs.files import FeedFiles
from ingest.gtfs.findings import Findings
from ingest.gtfs.shapes import FeedShape, increasing_distances, straight_shape
from ingest.gtfs.stop_distances import place_stops
from ingest.gtfs.stop_times import Times, build_timing, relative_to_start
from models.network import Frequency, Pattern, Route, Service, Shape, Stop, Timing, Trip

WARN_OFFSET_M = 100.0
"""A stop farther than this from the shape of its trip causes a warning."""
MAX_MEDIAN_OFFSET_M = 250.0
"""If half of the stops of a trip are farther than this from the shape, the shape is not used."""
MAX_REPEATS = 5000
"""Limit of departures of one frequency-based trip in a day."""


@dataclass(frozen=True, slots=True)
class TripRow:
    """A row of trips.txt."""

    line: int
    id: str
    route_id: str
    service_id: str
    direction_id: int | None
    shape_id: str
    headsign: str
    short_name: str
    block_id: str
    wheelchair: int


StopTimeRow = tuple[int, int, int, int, str, int, int, str, str]
"""A row of stop_times.txt: sequence, line number, arrival, departure, stop, pickup, drop-off, timepoint, distance."""


def read_trips(
    feed: FeedFiles, findings: Findings, routes: Mapping[str, Route], services: Mapping[str, Service]
) -> dict[str, TripRow]:
    """The rows of trips.txt whose route exists and whose service runs on some day."""
    found: dict[str, TripRow] = {}
    codes = CodeCache()
    names = ("trip_id", "route_id", "service_id", "direction_id", "shape_id")
    columns = (*names, "trip_headsign", "trip_short_name", "block_id", "wheelchair_accessible")
    for line, (name, route, service, direction, shape, headsign, short, block, wheelchair) in feed.rows(
        "trips.txt", *columns, needed=names[:3]
    ):
        where = f"trips.txt:{line}"
        if not is_usable_id(findings, where, "trip_id", name, found):
            continue
        if route not in routes:
            findings.refuse(where, f'route_id "{route}": no such route in routes.txt')
        elif service not in services or not services[service].boundary_dates:
            findings.warn("a trip whose service runs on no day is left out", where)
        else:
            direction_id = int(without_decimals(direction)) if without_decimals(direction) in {"0", "1"} else None
            found[name] = TripRow(
                line, name, route, service, direction_id, shape, headsign, short, block, codes[wheelchair]
            )
    return found


def read_stop_times(
    feed: FeedFiles, findings: Findings, trips: Mapping[str, TripRow], stops: Mapping[str, Stop]
) -> dict[str, list[StopTimeRow]]:
    """The rows of stop_times.txt of each trip, in their order."""
    found: dict[str, list[StopTimeRow]] = {name: [] for name in trips}
    clocks, numbers, codes = TimeCache(), IntegerCache(), CodeCache()
    same = {name: name for name in stops}
    needed = ("trip_id", "arrival_time", "departure_time", "stop_id", "stop_sequence")
    columns = (*needed, "pickup_type", "drop_off_type", "timepoint", "shape_dist_traveled")
    for line, (trip, arrival, departure, stop, sequence, pickup, drop, timepoint, given) in feed.rows(
        "stop_times.txt", *columns, needed=needed
    ):
        rows, at = found.get(trip), same.get(stop)
        call = (numbers[sequence], line, clocks[arrival], clocks[departure], at or "", codes[pickup], codes[drop])
        if rows is None:
            findings.warn("a trip that trips.txt has not, or that never runs, is left out", f"stop_times.txt:{line}")
        elif not stop:
            findings.warn("a row without a stop_id, of a service on demand, is left out", f"stop_times.txt:{line}")
        elif at is None or UNREADABLE in call or call[0] == BLANK:
            _refuse_row(findings, f"stop_times.txt:{line}", call, (stop, sequence, arrival, departure))
        else:
            rows.append((*call, timepoint, given))
    for rows in found.values():
        rows.sort()
    return found


def _refuse_row(
    findings: Findings, where: str, call: tuple[int, int, int, int, str, int, int], texts: tuple[str, ...]
) -> None:
    """Refuse a row of stop_times.txt, with each bad field."""
    stop, sequence, arrival, departure = texts
    if not call[4]:
        findings.refuse(where, f'stop_id "{stop[:60]}": no such stop with a place in stops.txt')
    if call[0] < 0:
        findings.refuse(where, f'stop_sequence "{sequence[:60]}": expected a whole number')
    for column, text, value in zip(("arrival_time", "departure_time"), (arrival, departure), call[2:4], strict=True):
        if value == UNREADABLE:
            parse_or_refuse(findings, where, column, text, parse_time_s, BLANK)


def read_frequencies(
    feed: FeedFiles, findings: Findings, trips: Mapping[str, TripRow]
) -> dict[str, tuple[Frequency, ...]]:
    """The headways of frequency-based trips."""
    found: dict[str, list[Frequency]] = {}
    needed = ("trip_id", "start_time", "end_time", "headway_secs")
    for line, (name, start, end, headway, exact) in feed.rows("frequencies.txt", *needed, "exact_times", needed=needed):
        where = f"frequencies.txt:{line}"
        if name not in trips:
            findings.warn("a trip that trips.txt has not, or that never runs, is left out", where)
            continue
        start_s = parse_or_refuse(findings, where, "start_time", start, parse_time_s, 0)
        end_s = parse_or_refuse(findings, where, "end_time", end, parse_time_s, 1)
        headway_s = parse_or_refuse(findings, where, "headway_secs", headway, parse_integer, 1)
        if headway_s < 1 or end_s <= start_s or end_s - start_s > headway_s * MAX_REPEATS:
            findings.refuse(
                where, f"every {headway} s from {start} to {end}: expected 1 to {MAX_REPEATS} departures, in order"
            )
            continue
        existing = found.setdefault(name, [])
        if any(start_s < one.end_s and one.start_s < end_s for one in existing):
            findings.refuse(where, f"from {start} to {end}: expected a time that no other headway of the trip covers")
            continue
        existing.append(Frequency(start_s, end_s, headway_s, without_decimals(exact) == "1"))
    return {name: tuple(sorted(rows, key=lambda row: row.start_s)) for name, rows in found.items()}


@dataclass
class TripBuilder:
    """Builds trips from rows. Equal patterns, timings and sequences are shared between trips."""

    findings: Findings
    stops: Mapping[str, Stop]
    shapes: Mapping[str, FeedShape]
    frequencies: Mapping[str, tuple[Frequency, ...]]
    patterns: list[Pattern] = field(default_factory=list)
    _pattern_index: dict[object, int] = field(default_factory=dict)
    _placed_stops: dict[object, tuple[Shape, tuple[float, ...]]] = field(default_factory=dict)
    _timings: dict[object, Timing] = field(default_factory=dict)
    _sequences: dict[tuple[int, ...], tuple[int, ...]] = field(default_factory=dict)

    def build_trip(self, row: TripRow, rows: Sequence[StopTimeRow]) -> Trip | None:
        """Build one trip and its pattern; None if the trip cannot run."""
        if len(rows) < 2:
            self.findings.warn("a trip with fewer than two stops is left out", f"trips.txt:{row.line}")
            return None
        sequences, lines, arrivals, departures, stop_ids, pickup, drop_off, timepoint, given = zip(*rows, strict=True)
        if not self._has_unique_sequence(sequences, lines) or not self._has_end_times(rows):
            return None
        pattern = self._shared_pattern(row, stop_ids, (_empty_if_zero(pickup), _empty_if_zero(drop_off)), given)
        start_s = arrivals[0] if departures[0] == BLANK else departures[0]
        timing = self._shared_timing(
            pattern, lines[0], relative_to_start(start_s, arrivals), relative_to_start(start_s, departures), timepoint
        )
        return Trip(
            row.id,
            pattern.index,
            row.service_id,
            start_s,
            timing,
            row.headsign,
            row.short_name,
            row.block_id,
            self._shared_sequence(sequences),
            self.frequencies.get(row.id, ()),
            row.wheelchair,
        )

    def _has_unique_sequence(self, sequences: tuple[int, ...], lines: tuple[int, ...]) -> bool:
        if len(set(sequences)) == len(sequences):
            return True
        line = next(
            line for (before, after), line in zip(pairwise(sequences), lines[1:], strict=True) if before == after
        )
        self.findings.refuse(
            f"stop_times.txt:{line}", "stop_sequence stands twice in one trip: each stop needs its own"
        )
        return False

    def _has_end_times(self, rows: Sequence[StopTimeRow]) -> bool:
        untimed = [row[1] for row in (rows[0], rows[-1]) if row[2] == BLANK and row[3] == BLANK]
        for line in untimed:
            self.findings.refuse(
                f"stop_times.txt:{line}", "no time: the first and the last stop of a trip must have one"
            )
        return not untimed

    def _shared_sequence(self, sequences: tuple[int, ...]) -> tuple[int, ...]:
        if sequences[0] == 1 and sequences[-1] == len(sequences):
            return ()
        return self._sequences.setdefault(sequences, sequences)

    def _shared_pattern(
        self,
        row: TripRow,
        stop_ids: tuple[str, ...],
        kinds: tuple[tuple[int, ...], tuple[int, ...]],
        given: Sequence[str],
    ) -> Pattern:
        key = (row.route_id, row.direction_id, row.shape_id, stop_ids, kinds)
        index = self._pattern_index.get(key)
        if index is None:
            where = (row.shape_id, stop_ids)
            if where not in self._placed_stops:
                self._placed_stops[where] = self._place_stops(row, stop_ids, given)
            shape, stop_m = self._placed_stops[where]
            index = self._pattern_index[key] = len(self.patterns)
            self.patterns.append(Pattern(index, row.route_id, row.direction_id, stop_ids, stop_m, shape, (), *kinds))
        return self.patterns[index]

    def _place_stops(
        self, row: TripRow, stop_ids: tuple[str, ...], given: Sequence[str]
    ) -> tuple[Shape, tuple[float, ...]]:
        """Place the stops on their shape, or on fallback lines if there is no shape or it is too far away."""
        stops, feed_shape = [self.stops[name] for name in stop_ids], self.shapes.get(row.shape_id)
        where = f"trips.txt:{row.line}"
        fallback = straight_shape(stops)
        if feed_shape is None:
            if row.shape_id:
                self.findings.warn("a shape that shapes.txt has not; the stops were joined by straight lines", where)
            return fallback, fallback.along_m
        placed = place_stops(feed_shape.shape, [stop.point for stop in stops], _given_in_metres(feed_shape, given))
        if float(np.median(placed.offset_m)) > MAX_MEDIAN_OFFSET_M:
            self.findings.warn("a shape far from its trip's stops; they were joined by straight lines", where)
            return fallback, fallback.along_m
        if max(placed.offset_m) > WARN_OFFSET_M:
            self.findings.warn(f"stops lie more than {WARN_OFFSET_M:g} m from their trip's shape", where)
        return feed_shape.shape, placed.stop_m

    def _shared_timing(
        self, pattern: Pattern, line: int, arrivals: Times, departures: Times, timepoint: tuple[str, ...]
    ) -> Timing:
        whole = None not in arrivals and None not in departures
        key = (arrivals, departures, timepoint, None if whole else pattern.index)
        timing = self._timings.get(key)
        if timing is None:
            timing, corrections = build_timing(arrivals, departures, timepoint, pattern.stop_m)
            self._timings[key] = timing
            for words in corrections:
                self.findings.warn(words, f"stop_times.txt:{line}")
        return timing


def _empty_if_zero(kinds: tuple[int, ...]) -> tuple[int, ...]:
    return kinds if any(kinds) else ()


def _given_in_metres(feed_shape: FeedShape, given: Sequence[str]) -> tuple[float, ...] | None:
    """The distances of the stops given in the feed, converted to metres along the shape."""
    stop_distances = increasing_distances(list(given)) if feed_shape.given_distances else ()
    return (
        tuple(np.interp(stop_distances, feed_shape.given_distances, feed_shape.shape.along_m).tolist())
        if stop_distances
        else None
    )
