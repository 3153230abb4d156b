"""A feed's trips: which stops they call at and when, shared as patterns and timings."""

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
"""A stop farther than this from its trip's shape is worth a word ..."""
MAX_MEDIAN_OFFSET_M = 250.0
"""... and where half of a trip's stops are farther than this, the shape is not its own."""
MAX_REPEATS = 5000
"""Of one trip by headway in a day."""


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
"""A row of stop_times.txt: sequence, line, arrival, departure, stop, pickup, drop off, timepoint, distance given."""


def read_trips(
    feed: FeedFiles, findings: Findings, routes: Mapping[str, Route], services: Mapping[str, Service]
) -> dict[str, TripRow]:
    """The trips whose route there is and whose service runs some day."""
    found: dict[str, TripRow] = {}
    codes = CodeCache()
    names = ("trip_id", "route_id", "service_id", "direction_id", "shape_id")
    asked = (*names, "trip_headsign", "trip_short_name", "block_id", "wheelchair_accessible")
    for line, (name, route, service, direction, shape, sign, short, block, chair) in feed.rows(
        "trips.txt", *asked, needed=names[:3]
    ):
        where = f"trips.txt:{line}"
        if not is_usable_id(findings, where, "trip_id", name, found):
            continue
        if route not in routes:
            findings.refuse(where, f'route_id "{route}": no such route in routes.txt')
        elif service not in services or not services[service].boundary_dates:
            findings.warn("a trip whose service runs on no day is left out", where)
        else:
            way = int(without_decimals(direction)) if without_decimals(direction) in {"0", "1"} else None
            found[name] = TripRow(line, name, route, service, way, shape, sign, short, block, codes[chair])
    return found


def read_stop_times(
    feed: FeedFiles, findings: Findings, trips: Mapping[str, TripRow], stops: Mapping[str, Stop]
) -> dict[str, list[StopTimeRow]]:
    """Each trip's rows of stop_times.txt, in their order."""
    found: dict[str, list[StopTimeRow]] = {name: [] for name in trips}
    clocks, numbers, codes = TimeCache(), IntegerCache(), CodeCache()
    same = {name: name for name in stops}
    needed = ("trip_id", "arrival_time", "departure_time", "stop_id", "stop_sequence")
    asked = (*needed, "pickup_type", "drop_off_type", "timepoint", "shape_dist_traveled")
    for line, (trip, arrival, departure, stop, sequence, pickup, drop, promised, given) in feed.rows(
        "stop_times.txt", *asked, needed=needed
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
            rows.append((*call, promised, given))
    for rows in found.values():
        rows.sort()
    return found


def _refuse_row(
    findings: Findings, where: str, call: tuple[int, int, int, int, str, int, int], texts: tuple[str, ...]
) -> None:
    """Say what of a row cannot be."""
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
    """The headways of trips that repeat."""
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
        some = found.setdefault(name, [])
        if any(start_s < one.end_s and one.start_s < end_s for one in some):
            findings.refuse(where, f"from {start} to {end}: expected a time that no other headway of the trip covers")
            continue
        some.append(Frequency(start_s, end_s, headway_s, without_decimals(exact) == "1"))
    return {name: tuple(sorted(some, key=lambda one: one.start_s)) for name, some in found.items()}


@dataclass
class TripBuilder:
    """Makes trips out of rows, sharing whatever two of them have in common."""

    findings: Findings
    stops: Mapping[str, Stop]
    shapes: Mapping[str, FeedShape]
    frequencies: Mapping[str, tuple[Frequency, ...]]
    patterns: list[Pattern] = field(default_factory=list)
    _pattern_index: dict[object, int] = field(default_factory=dict)
    _placed_stops: dict[object, tuple[Shape, tuple[float, ...]]] = field(default_factory=dict)
    _timings: dict[object, Timing] = field(default_factory=dict)
    _sequences: dict[tuple[int, ...], tuple[int, ...]] = field(default_factory=dict)

    def build_trip(self, plan: TripRow, rows: Sequence[StopTimeRow]) -> Trip | None:
        """One trip with its pattern; None where it cannot run."""
        if len(rows) < 2:
            self.findings.warn("a trip with fewer than two stops is left out", f"trips.txt:{plan.line}")
            return None
        sequences, lines, arrivals, departures, stop_ids, pickup, drop_off, promised, given = zip(*rows, strict=True)
        if not self._has_unique_sequence(sequences, lines) or not self._has_end_times(rows):
            return None
        pattern = self._shared_pattern(plan, stop_ids, (_empty_if_zero(pickup), _empty_if_zero(drop_off)), given)
        start_s = arrivals[0] if departures[0] == BLANK else departures[0]
        timing = self._shared_timing(
            pattern, lines[0], relative_to_start(start_s, arrivals), relative_to_start(start_s, departures), promised
        )
        return Trip(
            plan.id,
            pattern.index,
            plan.service_id,
            start_s,
            timing,
            plan.headsign,
            plan.short_name,
            plan.block_id,
            self._shared_sequence(sequences),
            self.frequencies.get(plan.id, ()),
            plan.wheelchair,
        )

    def _has_unique_sequence(self, sequences: tuple[int, ...], lines: tuple[int, ...]) -> bool:
        if len(set(sequences)) == len(sequences):
            return True
        line = next(line for (here, there), line in zip(pairwise(sequences), lines[1:], strict=True) if here == there)
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
        plan: TripRow,
        stop_ids: tuple[str, ...],
        kinds: tuple[tuple[int, ...], tuple[int, ...]],
        given: Sequence[str],
    ) -> Pattern:
        key = (plan.route_id, plan.direction_id, plan.shape_id, stop_ids, kinds)
        index = self._pattern_index.get(key)
        if index is None:
            where = (plan.shape_id, stop_ids)
            if where not in self._placed_stops:
                self._placed_stops[where] = self._place_stops(plan, stop_ids, given)
            shape, stop_m = self._placed_stops[where]
            index = self._pattern_index[key] = len(self.patterns)
            self.patterns.append(Pattern(index, plan.route_id, plan.direction_id, stop_ids, stop_m, shape, (), *kinds))
        return self.patterns[index]

    def _place_stops(
        self, plan: TripRow, stop_ids: tuple[str, ...], given: Sequence[str]
    ) -> tuple[Shape, tuple[float, ...]]:
        """The stops on their shape, or on a line that joins them where there is none or it is not theirs."""
        stops, drawn = [self.stops[name] for name in stop_ids], self.shapes.get(plan.shape_id)
        where = f"trips.txt:{plan.line}"
        straight = straight_shape(stops)
        if drawn is None:
            if plan.shape_id:
                self.findings.warn("a shape that shapes.txt has not; the stops were joined by straight lines", where)
            return straight, straight.along_m
        placed = place_stops(drawn.shape, [stop.point for stop in stops], _given_in_metres(drawn, given))
        if float(np.median(placed.offset_m)) > MAX_MEDIAN_OFFSET_M:
            self.findings.warn("a shape far from its trip's stops; they were joined by straight lines", where)
            return straight, straight.along_m
        if max(placed.offset_m) > WARN_OFFSET_M:
            self.findings.warn(f"stops lie more than {WARN_OFFSET_M:g} m from their trip's shape", where)
        return drawn.shape, placed.stop_m

    def _shared_timing(
        self, pattern: Pattern, line: int, arrivals: Times, departures: Times, promised: tuple[str, ...]
    ) -> Timing:
        whole = None not in arrivals and None not in departures
        key = (arrivals, departures, promised, None if whole else pattern.index)
        timing = self._timings.get(key)
        if timing is None:
            timing, mended = build_timing(arrivals, departures, promised, pattern.stop_m)
            self._timings[key] = timing
            for words in mended:
                self.findings.warn(words, f"stop_times.txt:{line}")
        return timing


def _empty_if_zero(kinds: tuple[int, ...]) -> tuple[int, ...]:
    return kinds if any(kinds) else ()


def _given_in_metres(drawn: FeedShape, given: Sequence[str]) -> tuple[float, ...] | None:
    """The feed's distances of the stops, in metres along the shape, whatever their unit."""
    there = increasing_distances(list(given)) if drawn.given_distances else ()
    return tuple(np.interp(there, drawn.given_distances, drawn.shape.along_m).tolist()) if there else None
