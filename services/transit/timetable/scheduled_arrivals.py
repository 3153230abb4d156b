"""Scheduled calls at a stop, found by bisection and cached by quarters of an hour."""

from bisect import bisect_left
from datetime import date

from msgspec import Struct

from models.network import Journey, Network, Pattern, start_times_s

QUARTER_S = 900
MOST_QUARTERS = 20_000
MOST_PATTERN_DAYS = 20_000
"""Patterns times days in the cache: a large city's for several days."""

JourneyKey = tuple[str, str, int]
"""Identifies a journey: trip, service date as YYYYMMDD, start. See `models.network.Journey.key`."""


class ScheduledCall(Struct, frozen=True, gc=False):
    """A journey at one position of its pattern, as scheduled. Times are Unix seconds."""

    key: JourneyKey
    journey: Journey
    pattern: Pattern
    position: int
    arrival: float
    departure: float

    @property
    def scheduled_at(self) -> float:
        """The time that matters to riders there: the arrival; at the first stop the departure."""
        return self.departure if self.position == 0 else self.arrival


class ScheduledArrivals:
    """The scheduled calls of one network. The caches are bounded. Two threads may compute the same entry."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._quarters: dict[tuple[str, int], tuple[ScheduledCall, ...]] = {}
        self._pattern_days: dict[tuple[int, date], tuple[list[float], list[Journey]]] = {}
        self._elapsed_by_pattern: dict[int, tuple[tuple[int, int], ...]] = {}

    def journey(self, key: JourneyKey) -> Journey | None:
        """The journey of a key, whether or not its service runs that day; None where there is no such trip."""
        trip_id, day, start_s = key
        trip = self._network.trips.get(trip_id)
        if trip is None or not (trip.frequencies or start_s == trip.start_s):
            return None
        try:
            return self._network.journey(trip_id, date.fromisoformat(day), start_s)
        except ValueError:
            return None

    def calls(self, stop_id: str, start: float, end: float) -> list[ScheduledCall]:
        """The calls at a stop scheduled from `start` to `end`, Unix seconds, by time within each quarter of an hour."""
        quarters = range(int(start // QUARTER_S), int(end // QUARTER_S) + 1)
        return [
            call
            for quarter in quarters
            for call in self._quarter(stop_id, quarter)
            if start <= call.scheduled_at <= end
        ]

    def _quarter(self, stop_id: str, quarter: int) -> tuple[ScheduledCall, ...]:
        calls = self._quarters.get((stop_id, quarter))
        if calls is None:
            if len(self._quarters) >= MOST_QUARTERS:
                self._quarters.clear()
            calls = self._quarters[stop_id, quarter] = self._compute_quarter(stop_id, quarter * QUARTER_S)
        return calls

    def _compute_quarter(self, stop_id: str, start: float) -> tuple[ScheduledCall, ...]:
        days = tuple(self._network.service_dates_around(start))
        calls = [
            call
            for pattern, position in self._network.calls_by_stop.get(stop_id, ())
            for day in days
            for call in self._pattern_calls(self._network.patterns[pattern], position, day, start)
        ]
        return tuple(sorted(calls, key=lambda call: (call.scheduled_at, call.key)))

    def _pattern_calls(self, pattern: Pattern, position: int, day: date, start: float) -> list[ScheduledCall]:
        starts, journeys = self._journeys_on(pattern.index, day)
        least, most = self._elapsed_ranges(pattern)[position]
        first, end = bisect_left(starts, start - most), bisect_left(starts, start + QUARTER_S - least)
        calls = (scheduled_call(journey, pattern, position) for journey in journeys[first:end])
        return [call for call in calls if start <= call.scheduled_at < start + QUARTER_S]

    def _journeys_on(self, pattern: int, day: date) -> tuple[list[float], list[Journey]]:
        """Every journey along a pattern on a service date, ordered by start."""
        starts_and_journeys = self._pattern_days.get((pattern, day))
        if starts_and_journeys is None:
            if len(self._pattern_days) >= MOST_PATTERN_DAYS:
                self._pattern_days.clear()
            zero, running = self._network.service_day(day)
            journeys = [
                Journey(trip, day, start_s, zero + start_s, bool(trip.frequencies))
                for trip in self._network.trips_by_pattern[pattern]
                if trip.service_id in running
                for start_s in start_times_s(trip)
            ]
            journeys.sort(key=lambda journey: journey.start_at)
            starts_and_journeys = self._pattern_days[pattern, day] = (
                [journey.start_at for journey in journeys],
                journeys,
            )
        return starts_and_journeys

    def _elapsed_ranges(self, pattern: Pattern) -> tuple[tuple[int, int], ...]:
        """For each position, the least and the most seconds from the start of a trip to there."""
        ranges = self._elapsed_by_pattern.get(pattern.index)
        if ranges is None:
            timings = {id(trip.timing): trip.timing for trip in self._network.trips_by_pattern[pattern.index]}.values()
            ranges = self._elapsed_by_pattern[pattern.index] = (
                tuple(
                    (
                        min(min(timing.arrivals_s[at], timing.departures_s[at]) for timing in timings),
                        max(max(timing.arrivals_s[at], timing.departures_s[at]) for timing in timings),
                    )
                    for at in range(len(pattern.stop_ids))
                )
                if timings
                else ((0, 0),) * len(pattern.stop_ids)
            )
        return ranges


def scheduled_call(journey: Journey, pattern: Pattern, position: int) -> ScheduledCall:
    """One call of a journey as scheduled."""
    arrival, departure = journey.arrival_at(position), journey.departure_at(position)
    return ScheduledCall(journey.key, journey, pattern, position, arrival, departure)
