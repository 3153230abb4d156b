"""Ground truth of simulated buses as table rows: what they really did, for measuring predictions."""

from collections.abc import Iterator

from models.network import Network
from simulators.buses.bus import MissedStops, StopVisit

COLUMNS = (
    *("vehicle", "route_id", "trip_id", "service_date", "start_s", "position", "stop_id"),
    *("arrived_at", "departed_at", "event"),
)
"""Times are Unix seconds. `event`: served, passed (without stopping), or a `bus.MissedReason` if no bus came."""


def ground_truth_rows(network: Network, event: StopVisit | MissedStops) -> Iterator[tuple[str | int | float, ...]]:
    """One row for each stop of an event. If no bus came, both times are when that was certain."""
    pattern = network.patterns[event.journey.trip.pattern]
    trip_id, service_date, start_s = event.journey.key
    match event:
        case StopVisit():
            outcome: tuple[str | int | float, ...]
            outcome = (round(event.arrived_at, 1), round(event.departed_at, 1), "served" if event.stopped else "passed")
            positions = range(event.position, event.position + 1)
        case MissedStops():
            outcome = (round(event.known_at, 1), round(event.known_at, 1), event.reason)
            positions = range(event.first, event.last + 1)
    for position in positions:
        journey_columns = (event.vehicle, pattern.route_id, trip_id, service_date, start_s)
        yield (*journey_columns, position, pattern.stop_ids[position], *outcome)
