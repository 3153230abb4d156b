"""Search for journeys of a timetable by pattern and time, and their schedule deviation at a place."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from datetime import date

from models.network import Journey, Network, Timing, Trip, start_times_s

MAX_LATE_S = 5_400.0
"""A journey later than this is not found: so late, a bus is not recognised by its timetable."""
MAX_EARLY_S = 900.0
"""A journey earlier than this is not found."""
MAX_CACHED_DAYS = 400
"""Start times are cached for this many days of each pattern."""

Start = tuple[int, Trip]
"""Seconds after the zero of the service date, and the trip that starts then."""


class JourneySearch:
    """Journeys of a network by pattern and start, found by bisection."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._starts: dict[tuple[int, date], tuple[list[int], list[Start]]] = {}
        self._longest_s = [max((trip.duration_s for trip in trips), default=0) for trips in network.trips_by_pattern]
        self._days: tuple[int, tuple[tuple[date, float], ...]] = (-1, ())

    def scheduled_s(self, pattern: int, timing: Timing, distance_m: float) -> float:
        """When a trip is scheduled at a distance along its shape, seconds after its start; at a stop, its departure."""
        stop_m = self._network.patterns[pattern].stop_m
        after = bisect_right(stop_m, distance_m)
        if after == 0:
            return 0.0
        if after == len(stop_m):
            return float(timing.arrivals_s[-1])
        begin_s, end_s = timing.departures_s[after - 1], timing.arrivals_s[after]
        return begin_s + (end_s - begin_s) * (distance_m - stop_m[after - 1]) / (stop_m[after] - stop_m[after - 1])

    def deviation_s(self, pattern: int, trip: Trip, start_at: float, distance_m: float, at: float) -> float:
        """Schedule deviation of a trip at a distance along its shape: seconds late, negative when early."""
        return at - start_at - self.scheduled_s(pattern, trip.timing, distance_m)

    def scheduled_near(self, pattern: int, distance_m: float, at: float, limit: int) -> list[tuple[float, Journey]]:
        """The journeys scheduled nearest to an instant at a place: (deviation in seconds, journey), nearest first."""
        found: list[tuple[float, Journey]] = []
        for day, day_start in self.service_days(at):
            start_times, starts = self._starts_on(pattern, day)
            if not start_times:
                continue
            low = bisect_left(start_times, at - day_start - self._longest_s[pattern] - MAX_LATE_S)
            high = bisect_right(start_times, at - day_start + MAX_EARLY_S)
            for start_s, trip in starts[low:high]:
                late_s = self.deviation_s(pattern, trip, day_start + start_s, distance_m, at)
                if -MAX_EARLY_S <= late_s <= MAX_LATE_S:
                    found.append((late_s, Journey(trip, day, start_s, day_start + start_s, bool(trip.frequencies))))
        found.sort(key=lambda pair: abs(pair[0]))
        return found[:limit]

    def reported_journey(self, trip: Trip, at: float, service_date: str, start_s: int | None) -> Journey | None:
        """The journey that a vehicle means by its reported trip, whether or not the trip's service runs that day.

        `service_date`: YYYYMMDD, or empty. Where it or `start_s` is missing, the journey nearest in time.
        """
        possible = [
            (abs(at - day_start - start - trip.duration_s / 2), day, day_start, start)
            for day, day_start in self.service_days(at)
            for start in start_times_s(trip)
            if service_date in ("", f"{day:%Y%m%d}") and start_s in (None, start)
        ]
        if not possible:
            return None
        _, day, day_start, start = min(possible)
        return Journey(trip, day, start, day_start + start, bool(trip.frequencies))

    def starting_between(self, pattern: int, begin: float, end: float) -> Iterator[Journey]:
        """The journeys of a pattern scheduled to depart between two instants."""
        for day, day_start in self.service_days(begin):
            start_times, starts = self._starts_on(pattern, day)
            low, high = bisect_left(start_times, begin - day_start), bisect_right(start_times, end - day_start)
            for start_s, trip in starts[low:high]:
                yield Journey(trip, day, start_s, day_start + start_s, bool(trip.frequencies))

    def service_days(self, at: float) -> tuple[tuple[date, float], ...]:
        """The service dates whose trips may run at an instant, each with its zero, Unix seconds."""
        quarter_hour = int(at) // 900
        if self._days[0] != quarter_hour:
            dates = self._network.service_dates_around(quarter_hour * 900.0)
            self._days = (quarter_hour, tuple((day, self._network.service_day(day)[0]) for day in dates))
        return self._days[1]

    def _starts_on(self, pattern: int, day: date) -> tuple[list[int], list[Start]]:
        """The start times of a pattern on a day, and the same with their trips; both in order."""
        cached = self._starts.get((pattern, day))
        if cached is None:
            if len(self._starts) >= MAX_CACHED_DAYS * max(1, len(self._network.patterns)):
                self._starts.clear()
            _, running = self._network.service_day(day)
            trips = (trip for trip in self._network.trips_by_pattern[pattern] if trip.service_id in running)
            pairs = ((start_s, trip) for trip in trips for start_s in start_times_s(trip))
            starts = sorted(pairs, key=lambda start: start[0])
            cached = self._starts[pattern, day] = ([start_s for start_s, _ in starts], starts)
        return cached


def has_exact_times(trip: Trip, start_s: int) -> bool:
    """Whether the timetable promises exact times, not only a headway."""
    if not trip.frequencies:
        return True
    return any(frequency.exact for frequency in trip.frequencies if frequency.start_s <= start_s < frequency.end_s)
