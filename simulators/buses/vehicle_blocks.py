"""Vehicle blocks of a service date: the journeys that one bus makes in order, from the timetable or chained here."""

from dataclasses import dataclass, field
from datetime import date

from models.network import Journey, Network, start_times_s

MIN_LAYOVER_S = 6 * 60
MAX_LAYOVER_S = 45 * 60
SPARE_SHARE = 0.1


@dataclass(slots=True)
class VehicleBlock:
    """The journeys of one bus from leaving its depot to coming back. `block_id`: empty if the timetable has none."""

    block_id: str
    journeys: list[Journey] = field(default_factory=list)

    @property
    def starts_at(self) -> float:
        """Scheduled first departure, Unix seconds."""
        return self.journeys[0].start_at

    @property
    def ends_at(self) -> float:
        """Scheduled last arrival, Unix seconds."""
        return self.journeys[-1].end_at


def vehicle_blocks(network: Network, day: date) -> list[VehicleBlock]:
    """All blocks of a service date, in the order of their start."""
    zero, running = network.service_day(day)
    blocks: dict[str, VehicleBlock] = {}
    unassigned: list[Journey] = []
    for trip in network.trips.values():
        if trip.service_id not in running:
            continue
        for start_s in start_times_s(trip):
            journey = Journey(trip, day, start_s, zero + start_s, bool(trip.frequencies))
            if trip.block_id:
                blocks.setdefault(trip.block_id, VehicleBlock(trip.block_id)).journeys.append(journey)
            else:
                unassigned.append(journey)
    for block in blocks.values():
        block.journeys.sort(key=lambda one: one.start_at)
    return sorted(
        [*blocks.values(), *_chain_journeys(network, unassigned)], key=lambda one: (one.starts_at, one.block_id)
    )


def _chain_journeys(network: Network, journeys: list[Journey]) -> list[VehicleBlock]:
    """Journeys without a block, chained: after one ends, the bus makes one of the same route in the other direction."""
    waiting_blocks: dict[tuple[str, int], list[VehicleBlock]] = {}
    blocks: list[VehicleBlock] = []
    for journey in sorted(journeys, key=lambda one: (one.start_at, one.trip.id)):
        pattern = network.patterns[journey.trip.pattern]
        direction = pattern.direction_id or 0
        waiting = waiting_blocks.setdefault((pattern.route_id, direction), [])
        block = next((one for one in waiting if MIN_LAYOVER_S <= journey.start_at - one.ends_at <= MAX_LAYOVER_S), None)
        if block is None:
            block = VehicleBlock("")
            blocks.append(block)
        else:
            waiting.remove(block)
        block.journeys.append(journey)
        waiting_blocks.setdefault((pattern.route_id, 1 - direction), []).append(block)
    return blocks


def fleet_sizes(network: Network, days: list[list[VehicleBlock]]) -> dict[str, int]:
    """How many buses each agency needs on the busiest of some days, with a few spare ones."""
    sizes: dict[str, int] = {}
    for blocks_of_day in days:
        changes: dict[str, list[tuple[float, int]]] = {}
        for block in blocks_of_day:
            agency = block_agency(network, block)
            changes.setdefault(agency, []).extend([(block.starts_at - 3_600, 1), (block.ends_at + 3_600, -1)])
        for agency, moments in changes.items():
            active = peak = 0
            for _, change in sorted(moments):
                active += change
                peak = max(peak, active)
            sizes[agency] = max(sizes.get(agency, 0), peak + 1 + int(peak * SPARE_SHARE))
    return sizes


def block_agency(network: Network, block: VehicleBlock) -> str:
    """The agency whose buses run the block."""
    return network.routes[network.patterns[block.journeys[0].trip.pattern].route_id].agency_id
