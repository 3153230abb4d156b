"""The work of a service date: which journeys one bus makes after the other, as planned or, without blocks, found."""

from dataclasses import dataclass, field
from datetime import date

from models.network import Journey, Network, start_times_s

MIN_LAYOVER_S = 6 * 60
MAX_LAYOVER_S = 45 * 60
SPARE_SHARE = 0.1


@dataclass(slots=True)
class VehicleBlock:
    """A bus's work from leaving its base to coming back. `block_id` is empty where the timetable knows no blocks."""

    block_id: str
    journeys: list[Journey] = field(default_factory=list)

    @property
    def starts_at(self) -> float:
        """Planned first departure, Unix seconds."""
        return self.journeys[0].start_at

    @property
    def ends_at(self) -> float:
        """Planned last arrival, Unix seconds."""
        return self.journeys[-1].end_at


def vehicle_blocks(network: Network, day: date) -> list[VehicleBlock]:
    """All the work of a service date, by its start."""
    zero, running = network.service_day(day)
    blocks: dict[str, VehicleBlock] = {}
    free: list[Journey] = []
    for trip in network.trips.values():
        if trip.service_id not in running:
            continue
        for start_s in start_times_s(trip):
            journey = Journey(trip, day, start_s, zero + start_s, bool(trip.frequencies))
            if trip.block_id:
                blocks.setdefault(trip.block_id, VehicleBlock(trip.block_id)).journeys.append(journey)
            else:
                free.append(journey)
    for block in blocks.values():
        block.journeys.sort(key=lambda one: one.start_at)
    return sorted([*blocks.values(), *_chain_journeys(network, free)], key=lambda one: (one.starts_at, one.block_id))


def _chain_journeys(network: Network, journeys: list[Journey]) -> list[VehicleBlock]:
    """Journeys without blocks, chained where one ends about where another of its route begins."""
    resting: dict[tuple[str, int], list[VehicleBlock]] = {}
    made: list[VehicleBlock] = []
    for journey in sorted(journeys, key=lambda one: (one.start_at, one.trip.id)):
        pattern = network.patterns[journey.trip.pattern]
        direction = pattern.direction_id or 0
        waiting = resting.setdefault((pattern.route_id, direction), [])
        block = next((one for one in waiting if MIN_LAYOVER_S <= journey.start_at - one.ends_at <= MAX_LAYOVER_S), None)
        if block is None:
            block = VehicleBlock("")
            made.append(block)
        else:
            waiting.remove(block)
        block.journeys.append(journey)
        resting.setdefault((pattern.route_id, 1 - direction), []).append(block)
    return made


def fleet_sizes(network: Network, days: list[list[VehicleBlock]]) -> dict[str, int]:
    """How many buses each agency needs for its busiest of some days, with a few to spare."""
    sizes: dict[str, int] = {}
    for work in days:
        changes: dict[str, list[tuple[float, int]]] = {}
        for block in work:
            agency = block_agency(network, block)
            changes.setdefault(agency, []).extend([(block.starts_at - 3_600, 1), (block.ends_at + 3_600, -1)])
        for agency, moments in changes.items():
            out = most = 0
            for _, change in sorted(moments):
                out += change
                most = max(most, out)
            sizes[agency] = max(sizes.get(agency, 0), most + 1 + int(most * SPARE_SHARE))
    return sizes


def block_agency(network: Network, block: VehicleBlock) -> str:
    """Whose buses do this work."""
    return network.routes[network.patterns[block.journeys[0].trip.pattern].route_id].agency_id
