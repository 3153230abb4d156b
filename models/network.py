"""A GTFS timetable in memory: stops, routes, patterns, trips, services, and the journeys of each service date.

A *pattern* is an ordered list of stops along one shape. A *trip* runs along a pattern at its times on the days of a
service. A *journey* is one trip on one service date: what a bus actually does. Times of a timetable are seconds after
"noon less 12 h" of the service date in the agency's zone (GTFS), so they may pass 24:00 and a change of the clocks does
not move them. Instants are Unix seconds.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property
from typing import TypeVar
from zoneinfo import ZoneInfo

from models.geo import Point

Key = TypeVar("Key")
Value = TypeVar("Value")

DAY_S = 86_400
HALF_DAY_S = 43_200
MAX_CACHED_DAYS = 500
"""For how many service dates the running services are cached. Beyond that the cache is emptied."""


@dataclass(frozen=True, slots=True)
class Agency:
    """An operator of buses. `timezone`: empty where it is the network's."""

    id: str
    name: str
    url: str = ""
    timezone: str = ""
    language: str = ""
    phone: str = ""


@dataclass(frozen=True, slots=True)
class FeedInfo:
    """Who publishes a timetable (GTFS feed_info.txt), and its licence. A text is empty where it is not known."""

    publisher_name: str = ""
    publisher_url: str = ""
    language: str = ""
    version: str = ""
    contact_email: str = ""
    contact_url: str = ""
    licence: str = ""


@dataclass(frozen=True, slots=True)
class Stop:
    """Where a rider waits. `code` is painted on the pole; riders type it into a telephone."""

    id: str
    code: str
    name: str
    point: Point
    parent: str = ""
    location_type: int = 0
    wheelchair: int = 0


@dataclass(frozen=True, slots=True)
class Route:
    """A line as riders know it. `route_type`: as in GTFS (3: bus). Colours are six hex digits or empty."""

    id: str
    agency_id: str
    short_name: str
    long_name: str = ""
    route_type: int = 3
    color: str = ""
    text_color: str = ""
    url: str = ""
    description: str = ""


@dataclass(frozen=True, slots=True)
class Shape:
    """The path of a pattern. `along_m`: distance of each point from the first, metres.

    `surveyed` is False where the feed gives no shape and the path only joins the stops.
    """

    id: str
    points: tuple[Point, ...]
    along_m: tuple[float, ...]
    surveyed: bool = True

    @property
    def length_m(self) -> float:
        """From the first point to the last."""
        return self.along_m[-1]


@dataclass(frozen=True, slots=True)
class Pattern:
    """An ordered list of stops along a shape. `index`: its index in `Network.patterns`.

    `stop_m`: distance of each stop along the shape, metres, never falling; same length as `stop_ids`.
    `link_ids`: for each stop but the last, the lasting identity of the link to the next one. It survives an import that
    renames every trip and route (see `models.links`). Length one less than `stop_ids`.
    `pickup`, `drop_off`: GTFS pickup_type and drop_off_type for each stop, empty where all are 0.
    """

    index: int
    route_id: str
    direction_id: int | None
    stop_ids: tuple[str, ...]
    stop_m: tuple[float, ...]
    shape: Shape
    link_ids: tuple[str, ...]
    pickup: tuple[int, ...] = ()
    drop_off: tuple[int, ...] = ()

    @property
    def length_m(self) -> float:
        """From the first stop to the last."""
        return self.stop_m[-1] - self.stop_m[0]


@dataclass(frozen=True, slots=True)
class Timing:
    """Arrivals and departures of a trip, seconds after its start; the first departure is 0. Trips that agree share one.

    `timepoint`: which of the times the timetable promises. The others are interpolated or approximate. Empty: all are.
    """

    arrivals_s: tuple[int, ...]
    departures_s: tuple[int, ...]
    timepoint: tuple[bool, ...] = ()


@dataclass(frozen=True, slots=True)
class Frequency:
    """A trip that repeats from `start_s` to `end_s`. Unless `exact`, only the headway is promised, not exact times."""

    start_s: int
    end_s: int
    headway_s: int
    exact: bool


@dataclass(frozen=True, slots=True)
class Trip:
    """A trip of the timetable. `pattern`: its index. `start_s`: first departure, seconds after the day's zero.

    `stop_sequences`: GTFS stop_sequence for each stop, empty for 1, 2, 3 ... (feeds may count otherwise); shared.
    `frequencies`: empty for an ordinary trip.
    """

    id: str
    pattern: int
    service_id: str
    start_s: int
    timing: Timing
    headsign: str = ""
    short_name: str = ""
    block_id: str = ""
    stop_sequences: tuple[int, ...] = ()
    frequencies: tuple[Frequency, ...] = ()
    wheelchair: int = 0

    @property
    def duration_s(self) -> int:
        """From the first departure to the last arrival."""
        return self.timing.arrivals_s[-1]

    def stop_sequence(self, position: int) -> int:
        """GTFS stop_sequence of a position in the pattern."""
        return self.stop_sequences[position] if self.stop_sequences else position + 1


Week = tuple[bool, bool, bool, bool, bool, bool, bool]
"""Monday first."""


@dataclass(frozen=True, slots=True)
class Service:
    """On which days trips run: weekdays (Monday first) between two dates, and exceptions."""

    id: str
    weekdays: Week
    start: date
    end: date
    added: frozenset[date] = frozenset()
    removed: frozenset[date] = frozenset()

    def runs_on(self, day: date) -> bool:
        """Whether the service runs on that day."""
        if day in self.added:
            return True
        return day not in self.removed and self.start <= day <= self.end and self.weekdays[day.weekday()]

    @property
    def boundary_dates(self) -> frozenset[date]:
        """Dates whose first and last bound the days on which it may run; none where it never does."""
        return self.added | {self.start, self.end} if any(self.weekdays) else self.added


@dataclass(frozen=True, slots=True)
class Journey:
    """One trip on one service date. `start_at` is its planned first departure, Unix seconds.

    `start_s` differs from the trip's only for frequency-based trips, whose journeys it tells apart.
    """

    trip: Trip
    service_date: date
    start_s: int
    start_at: float
    frequency_based: bool = False

    @property
    def key(self) -> tuple[str, str, int]:
        """Identity of the journey: trip, service date as YYYYMMDD, start."""
        return (self.trip.id, f"{self.service_date:%Y%m%d}", self.start_s)

    def arrival_at(self, position: int) -> float:
        """Planned arrival at a position of the pattern, Unix seconds."""
        return self.start_at + self.trip.timing.arrivals_s[position]

    def departure_at(self, position: int) -> float:
        """Planned departure from a position of the pattern, Unix seconds."""
        return self.start_at + self.trip.timing.departures_s[position]

    @property
    def end_at(self) -> float:
        """Planned arrival at the last stop, Unix seconds."""
        return self.start_at + self.trip.duration_s


def service_day_start(day: date, zone: ZoneInfo) -> float:
    """Zero of a service date (GTFS): noon less twelve hours, Unix seconds. Not midnight on days of a clock change."""
    return datetime.combine(day, time(12), tzinfo=zone).astimezone(UTC).timestamp() - HALF_DAY_S


@dataclass(frozen=True, slots=True)
class _Departures:
    """Every start along a pattern in order, repetitions of frequency-based trips too; `trips` has the trip of each."""

    starts_s: tuple[int, ...]
    trips: tuple[Trip, ...]
    longest_s: int
    """The longest duration of its trips."""


@dataclass(frozen=True)
class Network:
    """A timetable in force, with its lookups. Built once for each version and never changed.

    `feed`: name of the feed where a city has several; empty where it has one, or where they are merged. `published`:
    who publishes each feed in it that says so.
    """

    version: str
    zone: ZoneInfo
    agencies: Mapping[str, Agency]
    stops: Mapping[str, Stop]
    routes: Mapping[str, Route]
    patterns: tuple[Pattern, ...]
    trips: Mapping[str, Trip]
    services: Mapping[str, Service]
    feed: str = ""
    published: tuple[FeedInfo, ...] = field(default=(), compare=False)
    _days: dict[date, tuple[float, frozenset[str]]] = field(default_factory=dict, init=False, repr=False, compare=False)

    @cached_property
    def trips_by_pattern(self) -> tuple[tuple[Trip, ...], ...]:
        """For each pattern its trips, ordered by start."""
        by_pattern: list[list[Trip]] = [[] for _ in self.patterns]
        for trip in self.trips.values():
            by_pattern[trip.pattern].append(trip)
        return tuple(tuple(sorted(trips, key=lambda trip: (trip.start_s, trip.id))) for trips in by_pattern)

    @cached_property
    def _departures(self) -> tuple[_Departures, ...]:
        return tuple(
            _Departures(
                tuple(start_s for start_s, _ in starts),
                tuple(starts.values()),
                max((trip.duration_s for trip in starts.values()), default=0),
            )
            for starts in map(_by_start, self.trips_by_pattern)
        )

    @cached_property
    def patterns_by_route(self) -> Mapping[str, tuple[int, ...]]:
        """Indices of the patterns by route id."""
        return _grouped((pattern.route_id, pattern.index) for pattern in self.patterns)

    @cached_property
    def calls_by_stop(self) -> Mapping[str, tuple[tuple[int, int], ...]]:
        """By stop id, every (pattern, position) that calls there; a loop may call twice."""
        return _grouped(
            (stop_id, (pattern.index, position))
            for pattern in self.patterns
            for position, stop_id in enumerate(pattern.stop_ids)
        )

    @cached_property
    def trips_by_block(self) -> Mapping[str, tuple[Trip, ...]]:
        """Trips by block id, ordered by start; a block's trips may belong to different services."""
        ordered = sorted(self.trips.values(), key=lambda trip: (trip.start_s, trip.id))
        return _grouped((trip.block_id, trip) for trip in ordered if trip.block_id)

    @cached_property
    def last_arrival_s(self) -> int:
        """Latest end of any trip, seconds after the zero of its service date: how far back a search must begin."""
        return max((_end_s(trip) for trip in self.trips.values()), default=0)

    @cached_property
    def service_span(self) -> tuple[date, date]:
        """The first and the last day on which any service may run. Raises ValueError where none ever does."""
        days = {day for service in self.services.values() for day in service.boundary_dates}
        return min(days), max(days)

    def service_day(self, day: date) -> tuple[float, frozenset[str]]:
        """The zero of a service date, Unix seconds, and the ids of the services that run on it."""
        cached = self._days.get(day)
        if cached is None:
            if len(self._days) >= MAX_CACHED_DAYS:
                self._days.clear()
            running = frozenset(service.id for service in self.services.values() if service.runs_on(day))
            cached = self._days[day] = (service_day_start(day, self.zone), running)
        return cached

    def service_dates_around(self, at: float) -> Iterator[date]:
        """The service dates whose trips may run at an instant, oldest first."""
        today = datetime.fromtimestamp(at, self.zone).date()
        for back in range(self.last_arrival_s // DAY_S + 1, -2, -1):
            yield today - timedelta(days=back)

    def journey(self, trip_id: str, service_date: date, start_s: int | None = None) -> Journey | None:
        """A trip on a date, whether or not its service runs then; None where there is no such trip."""
        trip = self.trips.get(trip_id)
        if trip is None:
            return None
        start_s = trip.start_s if start_s is None else start_s
        day_start, _ = self.service_day(service_date)
        return Journey(trip, service_date, start_s, day_start + start_s, bool(trip.frequencies))

    def journeys_between(self, pattern: int, start: float, end: float) -> Iterator[Journey]:
        """Journeys along a pattern that are scheduled to run at any time from `start` to `end`, Unix seconds.

        They come in the order of their service dates, and of one date in the order of their starts.
        """
        departures = self._departures[pattern]
        starts = departures.starts_s
        if not starts:
            return
        for day in self._service_dates_between(start - starts[-1] - departures.longest_s, end):
            day_start, running = self.service_day(day)
            first = bisect_left(starts, start - day_start - departures.longest_s)
            for index in range(first, bisect_right(starts, end - day_start, first)):
                trip = departures.trips[index]
                start_at = day_start + starts[index]
                if trip.service_id in running and start_at + trip.duration_s >= start:
                    yield Journey(trip, day, starts[index], start_at, bool(trip.frequencies))

    def _service_dates_between(self, start: float, end: float) -> Iterator[date]:
        """Dates whose zero may lie between two instants. It lies before midnight where clocks go forward that day."""
        day, last = (datetime.fromtimestamp(at, self.zone).date() for at in (start, end))
        while day <= last + timedelta(days=1):
            yield day
            day += timedelta(days=1)


def start_times_s(trip: Trip) -> Iterable[int]:
    """Every start of a trip in a day, seconds after the day's zero: one, unless the trip is frequency-based."""
    if not trip.frequencies:
        return (trip.start_s,)
    repeats = (range(frequency.start_s, frequency.end_s, frequency.headway_s) for frequency in trip.frequencies)
    return (start_s for starts in repeats for start_s in starts)


def _end_s(trip: Trip) -> int:
    return max(start_times_s(trip), default=trip.start_s) + trip.duration_s


def _by_start(trips: Iterable[Trip]) -> dict[tuple[int, str], Trip]:
    starts = {(start_s, trip.id): trip for trip in trips for start_s in start_times_s(trip)}
    return {key: starts[key] for key in sorted(starts)}


def _grouped(pairs: Iterable[tuple[Key, Value]]) -> dict[Key, tuple[Value, ...]]:
    groups: dict[Key, list[Value]] = {}
    for key, value in pairs:
        groups.setdefault(key, []).append(value)
    return {key: tuple(values) for key, values in groups.items()}
