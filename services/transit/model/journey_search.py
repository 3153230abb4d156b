"""Which journeys of a timetable may be at a place of their line at an instant, and how far they are from their plan."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from datetime import date

from models.network import Journey, Network, Timing, Trip, start_times_s

MAX_LATE_S = 5_400.0
"""A bus later than this is not recognised by its timetable."""
MAX_EARLY_S = 900.0
MOST_AROUND = 12
"""How many journeys of a line are looked at around an instant."""
MAX_CACHED_DAYS = 400
"""For how many pairs of line and day the starts are kept at hand."""

Start = tuple[int, Trip]


class JourneySearch:
    """A network's journeys by line and start, found by bisection."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._starts: dict[tuple[int, date], tuple[list[int], list[Start]]] = {}
        self._longest_s = [max((trip.duration_s for trip in trips), default=0) for trips in network.trips_by_pattern]
        self._days: tuple[int, tuple[tuple[date, float], ...]] = (-1, ())

    def scheduled_s(self, pattern: int, timing: Timing, along_m: float) -> float:
        """When a trip passes a place of its line, seconds after its start; at a stop, its departure."""
        stop_m = self._network.patterns[pattern].stop_m
        after = bisect_right(stop_m, along_m)
        if after == 0:
            return 0.0
        if after == len(stop_m):
            return float(timing.arrivals_s[-1])
        begin, end = timing.departures_s[after - 1], timing.arrivals_s[after]
        return begin + (end - begin) * (along_m - stop_m[after - 1]) / (stop_m[after] - stop_m[after - 1])

    def deviation_s(self, pattern: int, trip: Trip, start_at: float, along_m: float, at: float) -> float:
        """How late (positive) or early a trip is at a place, against its plan."""
        return at - start_at - self.scheduled_s(pattern, trip.timing, along_m)

    def scheduled_near(self, pattern: int, along_m: float, at: float, most: int) -> list[tuple[float, Journey]]:
        """The journeys whose plan comes nearest to being there then, with their deviations, seconds, nearest first."""
        found: list[tuple[float, Journey]] = []
        for day, zero in self.service_days(at):
            keys, starts = self._starts_on(pattern, day)
            if not keys:
                continue
            low = bisect_left(keys, at - zero - self._longest_s[pattern] - MAX_LATE_S)
            high = bisect_right(keys, at - zero + MAX_EARLY_S)
            for start_s, trip in starts[low:high]:
                late_s = self.deviation_s(pattern, trip, zero + start_s, along_m, at)
                if -MAX_EARLY_S <= late_s <= MAX_LATE_S:
                    found.append((late_s, Journey(trip, day, start_s, zero + start_s, bool(trip.frequencies))))
        found.sort(key=lambda pair: abs(pair[0]))
        return found[:most]

    def reported_journey(self, trip: Trip, at: float, service_date: str, start_s: int | None) -> Journey | None:
        """The journey of a trip that a claim of it at an instant means, whether or not its service runs that day.

        `service_date`: YYYYMMDD, or empty; then, and without `start_s`, the one nearest in time.
        """
        meant = [
            (abs(at - zero - begins - trip.duration_s / 2), day, zero, begins)
            for day, zero in self.service_days(at)
            for begins in start_times_s(trip)
            if service_date in ("", f"{day:%Y%m%d}") and start_s in (None, begins)
        ]
        if not meant:
            return None
        _, day, zero, begins = min(meant)
        return Journey(trip, day, begins, zero + begins, bool(trip.frequencies))

    def starting_between(self, pattern: int, begin: float, end: float) -> Iterator[Journey]:
        """The journeys of a line planned to leave between two instants."""
        for day, zero in self.service_days(begin):
            keys, starts = self._starts_on(pattern, day)
            for start_s, trip in starts[bisect_left(keys, begin - zero) : bisect_right(keys, end - zero)]:
                yield Journey(trip, day, start_s, zero + start_s, bool(trip.frequencies))

    def service_days(self, at: float) -> tuple[tuple[date, float], ...]:
        """The service dates whose trips may run at an instant, each with its zero."""
        hour = int(at) // 900
        if self._days[0] != hour:
            days = tuple(
                (day, self._network.service_day(day)[0]) for day in self._network.service_dates_around(hour * 900.0)
            )
            self._days = (hour, days)
        return self._days[1]

    def _starts_on(self, pattern: int, day: date) -> tuple[list[int], list[Start]]:
        known = self._starts.get((pattern, day))
        if known is None:
            if len(self._starts) >= MAX_CACHED_DAYS * max(1, len(self._network.patterns)):
                self._starts.clear()
            _, running = self._network.service_day(day)
            trips = (trip for trip in self._network.trips_by_pattern[pattern] if trip.service_id in running)
            starts = sorted(
                ((start_s, trip) for trip in trips for start_s in start_times_s(trip)), key=lambda one: one[0]
            )
            known = self._starts[pattern, day] = ([start_s for start_s, _ in starts], starts)
        return known


def has_exact_times(trip: Trip, start_s: int) -> bool:
    """Whether the timetable promises a minute, not only a headway."""
    if not trip.frequencies:
        return True
    return any(one.exact for one in trip.frequencies if one.start_s <= start_s < one.end_s)
