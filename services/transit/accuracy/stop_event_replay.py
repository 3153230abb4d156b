"""Recorded stop events as reported stops of scheduled journeys, in the order in which they happened."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date

from models.network import Journey, Network, Pattern, Trip
from services.transit.accuracy.backtest import UpcomingArrivals
from services.transit.accuracy.recorded_stop_events import RecordedJourney, StopEvent
from services.transit.fleet.fleet import ReportedStop
from services.transit.model.accuracy_metrics import MAX_HORIZON_S

HALF_DAY_S = 43_200.0


def reported_stops(
    network: Network, journeys: Iterable[RecordedJourney], scored: bool
) -> list[tuple[ReportedStop, UpcomingArrivals | None]]:
    """Each observed arrival and departure, by time; with each arrival, if `scored`, the later ones to score against."""
    stops = [stop for recorded in journeys for stop in _journey_stops(network, recorded, scored)]
    return sorted(stops, key=lambda pair: (max(pair[0].arrived_at, pair[0].left_at), pair[0].position))


def _journey_stops(
    network: Network, recorded: RecordedJourney, scored: bool
) -> Iterator[tuple[ReportedStop, UpcomingArrivals | None]]:
    journey = match_journey(network, recorded)
    if journey is None:
        return
    pattern = network.patterns[journey.trip.pattern]
    first = _sublist_start(pattern.stop_ids, [event.stop_id for event in recorded.events])
    assert first is not None  # match_journey found the stops there
    vehicle = f"{recorded.service_date:%Y%m%d} {recorded.name}"
    for position, event in enumerate(recorded.events, first):
        if not event.observed:
            continue
        if event.arrived_at is not None:
            upcoming = _upcoming_arrivals(journey, pattern, first, position, recorded.events) if scored else None
            yield ReportedStop(vehicle, journey, position, event.arrived_at), upcoming
        if event.left_at is not None and event.left_at > (event.arrived_at or 0.0):
            yield ReportedStop(vehicle, journey, position, event.arrived_at or 0.0, event.left_at), None


def match_journey(network: Network, recorded: RecordedJourney) -> Journey | None:
    """The timetable's journey with this trip id or, where ids do not join, the nearest in time of those that call at
    the same stops on such a day of the week; None where there is none.
    """
    stop_ids = [event.stop_id for event in recorded.events]
    trip = network.trips.get(recorded.trip_id)
    if trip is not None and _sublist_start(network.patterns[trip.pattern].stop_ids, stop_ids) is not None:
        return network.journey(trip.id, recorded.service_date)
    zero, _ = network.service_day(recorded.service_date)
    best: tuple[float, Trip] | None = None
    for pattern in network.patterns:
        first = _sublist_start(pattern.stop_ids, stop_ids)
        if first is None:
            continue
        first_time = _first_time(recorded.events, first)
        for candidate in network.trips_by_pattern[pattern.index] if first_time is not None else ():
            if (
                first_time is None
                or candidate.frequencies
                or not _runs_on_weekday(network, candidate, recorded.service_date)
            ):
                continue
            position, seen_at = first_time
            longer = len(pattern.stop_ids) - len(stop_ids)
            apart_s = abs(zero + candidate.start_s + candidate.timing.arrivals_s[position] - seen_at)
            if best is None or apart_s + HALF_DAY_S * longer < best[0]:
                best = (apart_s + HALF_DAY_S * longer, candidate)
    return network.journey(best[1].id, recorded.service_date) if best is not None else None


def _runs_on_weekday(network: Network, trip: Trip, day: date) -> bool:
    return network.services[trip.service_id].weekdays[day.weekday()]


def _first_time(events: Sequence[StopEvent], first: int) -> tuple[int, float] | None:
    for position, event in enumerate(events, first):
        at = event.arrived_at if event.arrived_at is not None else event.left_at
        if at is not None:
            return position, at
    return None


def _sublist_start(stop_ids: Sequence[str], sublist: Sequence[str]) -> int | None:
    """Where one list of stops begins within another."""
    for first in range(len(stop_ids) - len(sublist) + 1):
        if list(stop_ids[first : first + len(sublist)]) == sublist:
            return first
    return None


def _upcoming_arrivals(
    journey: Journey, pattern: Pattern, first: int, at_position: int, events: Sequence[StopEvent]
) -> UpcomingArrivals | None:
    at = events[at_position - first].arrived_at
    assert at is not None
    arrivals = tuple(
        (position, event.arrived_at)
        for position, event in enumerate(events, first)
        if position > at_position
        and event.observed
        and event.arrived_at is not None
        and 0.0 < event.arrived_at - at <= MAX_HORIZON_S
    )
    return UpcomingArrivals(journey, pattern, at - journey.arrival_at(at_position), arrivals) if arrivals else None
