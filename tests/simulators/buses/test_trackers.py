"""Tracker messages can be decoded, are near the bus, and contain every fault that was configured."""

from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import orjson
import pytest

from ingest.decode import decode
from models.geo import distance_m
from models.network import Network
from models.reading import Message, Reading
from simulators.buses.operations import BusOperations
from simulators.buses.street_speeds import StreetConditions
from simulators.buses.trackers import NO_FAULTS, FaultRates, Trackers, scaled_rates
from simulators.devices.message import SimulatedMessage
from simulators.environment.weather import MINUTE
from simulators.lines import schematic_network

NOON = datetime(2013, 4, 3, 15, 0, tzinfo=UTC)
HOURS = 3


@pytest.fixture(scope="module")
def lines() -> Network:
    return schematic_network(["307", "202", "Este", "Oeste"])


def heard(
    lines: Network, fault_rates: FaultRates, seed: int = 1, hours: float = HOURS
) -> tuple[Trackers, BusOperations, list[SimulatedMessage]]:
    buses = BusOperations(lines, seed, NOON, StreetConditions(), lambda _: None)
    trackers = Trackers(buses, seed, fault_rates)
    now = NOON
    said: list[SimulatedMessage] = []
    while now < NOON + timedelta(hours=hours):
        said += trackers.next_minute(now)
        now += MINUTE
    return trackers, buses, said


def readings(messages: list[SimulatedMessage]) -> list[tuple[SimulatedMessage, Reading]]:
    found = []
    for message in messages:
        for one in decode(Message(message.topic, message.payload, message.due_at), "laplata"):
            assert isinstance(one, Reading), (message.topic, message.payload, one)
            found.append((message, one))
    return found


def test_everything_trackers_say_is_understood_whatever_goes_wrong(lines: Network) -> None:
    trackers, _, said = heard(lines, scaled_rates(5.0))
    known = set(trackers.vehicle_by_device(NOON.timestamp())) | set(
        trackers.vehicle_by_device(NOON.timestamp() + HOURS * 3600)
    )
    assert {reading.device for _, reading in readings(said)} <= known
    assert {message.topic.split("/")[1] for message in said} == {"v1", "hfp"}
    assert all(message.created_at <= message.due_at for message in said)


def test_without_faults_each_bus_is_heard_of_evenly_and_near_where_it_is(lines: Network) -> None:
    buses = BusOperations(lines, 1, NOON, StreetConditions(), lambda _: None)
    trackers = Trackers(buses, 1, NO_FAULTS)
    off_m: list[float] = []
    times: dict[str, list[float]] = defaultdict(list)
    for minute in range(60):
        names = trackers.vehicle_by_device(buses.now)
        for message, one in readings(list(trackers.next_minute(NOON + minute * MINUTE))):
            at = one.observed_at.timestamp()
            values = orjson.loads(message.payload)
            if isinstance(values, dict):
                values = values.get("VP", values)
                bus = buses.fleet[names[one.device]]
                place = (float(values["lat"]), float(values["lon"] if "lon" in values else values["long"]))
                off_m.append(distance_m(place, bus.leg_at(at).point_at(at)))
            times[one.device].append(at)
    assert sum(one < 30 for one in off_m) > 0.95 * len(off_m)
    for heard_at in times.values():
        assert all(25 < there - here < 65 for here, there in pairwise(heard_at) if there - here < 300)


def test_every_trouble_that_was_ordered_comes(lines: Network) -> None:
    trackers, _, said = heard(
        lines, FaultRates(dead=0.3, replaced=0.3, swapped=0.3, no_signal_per_h=1.0, lost=0.3), hours=6
    )
    ages_s = [(message.due_at - one.observed_at).total_seconds() for message, one in readings(said)]
    assert sum(age_s > 120 for age_s in ages_s) > 0.03 * len(ages_s)
    begun, ended = trackers.vehicle_by_device(NOON.timestamp()), trackers.vehicle_by_device(NOON.timestamp() + 6 * 3600)
    assert any(name != bus and bus in begun for name, bus in begun.items()), "none is exchanged"
    assert begun != ended, "none is replaced"
    last_at = {one.device: one.observed_at for _, one in readings(said)}
    silent = [name for name in ended if last_at.get(name, NOON) < NOON + timedelta(hours=4)]
    assert silent


def test_trackers_claim_much_little_or_nothing(lines: Network) -> None:
    _, _, said = heard(lines, NO_FAULTS)
    claimed: Counter[str] = Counter()
    for message in said:
        if message.topic.startswith("vigia/"):
            records = orjson.loads(message.payload)
            for record in records if isinstance(records, list) else [records]:
                claimed[next((key for key in ("trip_id", "route_id", "block_id", "line") if key in record), "-")] += 1
                assert record.get("trip_id", next(iter(lines.trips))) in lines.trips
    assert set(claimed) >= {"trip_id", "route_id", "line", "-"}


def test_the_same_seed_says_the_same_bytes(lines: Network) -> None:
    assert heard(lines, FaultRates(), hours=1)[2] == heard(lines, FaultRates(), hours=1)[2]
    assert heard(lines, FaultRates(), hours=1)[2] != heard(lines, FaultRates(), seed=2, hours=1)[2]
