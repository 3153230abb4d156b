"""Recorded stop events as calls of journeys of the timetable, in the order in which they happened."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date

from models.network import Journey, Network, Pattern, Trip
from services.transit.accuracy.backtest import Ahead
from services.transit.accuracy.recorded_stop_events import Made, StopEvent
from services.transit.fleet.fleet import ReportedStop
from services.transit.model.accuracy_metrics import MAX_HORIZON_S

HALF_DAY_S = 43_200.0


def reported_stops(network: Network, journeys: Iterable[Made], scored: bool) -> list[tuple[ReportedStop, Ahead | None]]:
    """Every observed arrival and departure, by time; with each arrival, if `scored`, the later ones it is held to."""
    found = [one for made in journeys for one in _calls(network, made, scored)]
    return sorted(found, key=lambda pair: (max(pair[0].arrived_at, pair[0].left_at), pair[0].position))


def _calls(network: Network, made: Made, scored: bool) -> Iterator[tuple[ReportedStop, Ahead | None]]:
    journey = journey_of(network, made)
    if journey is None:
        return
    pattern = network.patterns[journey.trip.pattern]
    first = _find(pattern.stop_ids, [event.stop_id for event in made.events])
    assert first is not None  # journey_of has found it there
    vehicle = f"{made.service_date:%Y%m%d} {made.name}"
    for position, event in enumerate(made.events, first):
        if not event.observed:
            continue
        if event.arrived_at is not None:
            ahead = _ahead(journey, pattern, first, position, made.events) if scored else None
            yield ReportedStop(vehicle, journey, position, event.arrived_at), ahead
        if event.left_at is not None and event.left_at > (event.arrived_at or 0.0):
            yield ReportedStop(vehicle, journey, position, event.arrived_at or 0.0, event.left_at), None


def journey_of(network: Network, made: Made) -> Journey | None:
    """The timetable's journey with this trip id or, where ids do not join, the nearest in time of those that call at
    the same stops on such a day of the week; None where there is none.
    """
    stop_ids = [event.stop_id for event in made.events]
    trip = network.trips.get(made.trip_id)
    if trip is not None and _find(network.patterns[trip.pattern].stop_ids, stop_ids) is not None:
        return network.journey(trip.id, made.service_date)
    zero, _ = network.service_day(made.service_date)
    best: tuple[float, Trip] | None = None
    for pattern in network.patterns:
        first = _find(pattern.stop_ids, stop_ids)
        if first is None:
            continue
        at = _first_seen(made.events, first)
        for candidate in network.trips_by_pattern[pattern.index] if at is not None else ():
            if at is None or candidate.frequencies or not _such_a_day(network, candidate, made.service_date):
                continue
            position, seen_at = at
            longer = len(pattern.stop_ids) - len(stop_ids)
            apart_s = abs(zero + candidate.start_s + candidate.timing.arrivals_s[position] - seen_at)
            if best is None or apart_s + HALF_DAY_S * longer < best[0]:
                best = (apart_s + HALF_DAY_S * longer, candidate)
    return network.journey(best[1].id, made.service_date) if best is not None else None


def _such_a_day(network: Network, trip: Trip, day: date) -> bool:
    return network.services[trip.service_id].weekdays[day.weekday()]


def _first_seen(events: Sequence[StopEvent], first: int) -> tuple[int, float] | None:
    for position, event in enumerate(events, first):
        at = event.arrived_at if event.arrived_at is not None else event.left_at
        if at is not None:
            return position, at
    return None


def _find(stop_ids: Sequence[str], wanted: Sequence[str]) -> int | None:
    """Where one list of stops lies in another."""
    for first in range(len(stop_ids) - len(wanted) + 1):
        if list(stop_ids[first : first + len(wanted)]) == wanted:
            return first
    return None


def _ahead(journey: Journey, pattern: Pattern, first: int, here: int, events: Sequence[StopEvent]) -> Ahead | None:
    at = events[here - first].arrived_at
    assert at is not None
    arrivals = tuple(
        (position, event.arrived_at)
        for position, event in enumerate(events, first)
        if position > here
        and event.observed
        and event.arrived_at is not None
        and 0.0 < event.arrived_at - at <= MAX_HORIZON_S
    )
    return Ahead(journey, pattern, at - journey.arrival_at(here), arrivals) if arrivals else None
