"""What the buses of a simulated city really did, as rows of a table: what estimates are to be measured against."""

from collections.abc import Iterator

from models.network import Network
from simulators.buses.bus import MissedStops, StopVisit

COLUMNS = (
    *("vehicle", "route_id", "trip_id", "service_date", "start_s", "position", "stop_id"),
    *("arrived_at", "departed_at", "event"),
)
"""Instants are Unix seconds. `event`: served, passed (without stopping), or why no bus came: see `buses.Reason`."""


def ground_truth_rows(network: Network, event: StopVisit | MissedStops) -> Iterator[tuple[str | int | float, ...]]:
    """One row for each stop that an event is about; where no bus came, both instants are when that was settled."""
    pattern = network.patterns[event.journey.trip.pattern]
    trip_id, service_date, start_s = event.journey.key
    match event:
        case StopVisit():
            told: tuple[str | int | float, ...]
            told = (round(event.arrived_at, 1), round(event.departed_at, 1), "served" if event.stopped else "passed")
            positions = range(event.position, event.position + 1)
        case MissedStops():
            told = (round(event.known_at, 1), round(event.known_at, 1), event.reason)
            positions = range(event.first, event.last + 1)
    for position in positions:
        whose = (event.vehicle, pattern.route_id, trip_id, service_date, start_s)
        yield (*whose, position, pattern.stop_ids[position], *told)
