"""Devices of every kind and format: their messages can be decoded, are numbered, and are equal for an equal seed."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from ingest.decode import decode
from models.kinds import KINDS, KINDS_BY_NAME
from models.place import City, Device, Station, WireFormat
from models.reading import Message, Presence, Reading
from simulators.devices.message import SimulatedMessage
from simulators.devices.sensors import INSTRUMENTS, SimulatedDevice, device_topic
from simulators.environment.world import World
from simulators.scenarios import SCENARIOS
from tests.seeds import la_plata

START = SCENARIOS["storm_2013"].default_start
MINUTES = 60
STANDING = [kind.name for kind in KINDS if kind.name != "bus"]
"""Of stations; a bus moves by itself."""


def station_of(city: City, kind: str) -> Station:
    return next(one for one in city.stations if one.kind == kind)


def spoken(
    kind: str, wire_format: WireFormat, *, seed: int = 1, period_s: int = 60
) -> tuple[SimulatedDevice, list[SimulatedMessage]]:
    """An hour of one device in the storm."""
    city = la_plata().city
    station = station_of(city, kind)
    world = World(city, SCENARIOS["storm_2013"].weather, seed, START)
    said = Device(
        municipality=station.municipality,
        kind=kind,
        code="one",
        station=station.id,
        period_s=period_s,
        format=wire_format,
    )
    device = SimulatedDevice(said, KINDS_BY_NAME[kind], seed, world.now)
    messages: list[SimulatedMessage] = []
    for _ in range(MINUTES):
        messages += device.next_minute(world)
        world.step()
    return device, messages


def readings(messages: list[SimulatedMessage]) -> list[Reading]:
    items = [item for message in messages for item in decode(Message(message.topic, message.payload, message.due_at))]
    assert all(isinstance(item, Reading) for item in items), items
    return [item for item in items if isinstance(item, Reading)]


def test_the_world_knows_the_source_of_every_kind() -> None:
    assert {KINDS_BY_NAME[kind].signal.source for kind in STANDING} <= INSTRUMENTS.keys()


@pytest.mark.parametrize("format", WireFormat)
@pytest.mark.parametrize("kind", STANDING)
def test_every_kind_in_every_format_is_understood_whole(kind: str, format: WireFormat) -> None:  # noqa: A002
    device, messages = spoken(kind, format)
    seen = readings(messages)
    assert len(seen) >= MINUTES - 5
    assert {(one.municipality, one.kind, one.device) for one in seen} == {("laplata", kind, "one")}
    if format is not WireFormat.SENML:
        assert [one.seq for one in seen] == list(range(len(seen)))
        assert {one.boot for one in seen} == {device.boot}


@pytest.mark.parametrize("kind", STANDING)
def test_parcels_are_sent_soon_after_they_were_observed_and_never_before(kind: str) -> None:
    _, messages = spoken(kind, WireFormat.JSON)
    for message in messages:
        (one,) = readings([message])
        assert timedelta(milliseconds=-1) <= message.due_at - one.observed_at < timedelta(seconds=11)
    assert all(before.created_at <= after.created_at for before, after in pairwise(messages))


@pytest.mark.parametrize("kind", STANDING)
def test_the_same_seed_says_the_same_bytes(kind: str) -> None:
    assert spoken(kind, WireFormat.ARRAY)[1] == spoken(kind, WireFormat.ARRAY)[1]
    assert spoken(kind, WireFormat.ARRAY)[1] != spoken(kind, WireFormat.ARRAY, seed=2)[1]


def test_an_array_gathers_several_looks() -> None:
    _, messages = spoken("river", WireFormat.ARRAY)
    assert len(messages) == MINUTES // 3
    assert all(len(readings([message])) == 3 for message in messages)


def test_a_slow_device_speaks_once_a_period() -> None:
    _, messages = spoken("river", WireFormat.JSON, period_s=900)
    moments = [one.observed_at for one in readings(messages)]
    assert {after - before for before, after in pairwise(moments)} == {timedelta(minutes=15)}


def test_a_gauge_has_its_noise_and_resolution() -> None:
    _, messages = spoken("river", WireFormat.JSON)
    levels = [one.values[0] for one in readings(messages)[:20]]
    assert len(set(levels)) > 3
    assert all(isinstance(level, float) and round(level, 3) == level for level in levels)


def test_a_bucket_tips_whole_tips_and_loses_no_rain() -> None:
    kind = KINDS_BY_NAME["rain"]
    _, messages = spoken("rain", WireFormat.JSON)
    tips = [float(str(one.values[kind.measure_index])) / kind.signal.resolution for one in readings(messages)]
    assert all(abs(tip - round(tip)) < 1e-6 for tip in tips)
    city = la_plata().city
    world = World(city, SCENARIOS["storm_2013"].weather, 1, START)
    for _ in range(MINUTES):
        world.step()
    fallen = world.accumulated_rain_mm(station_of(city, "rain").id)
    assert fallen > 10
    assert abs(sum(tips) * kind.signal.resolution - fallen) < 2.5


def test_a_radar_counts_or_tells_every_vehicle_without_a_plate() -> None:
    _, counted = spoken("radar", WireFormat.JSON)
    _, told = spoken("radar", WireFormat.ARRAY)
    counts = [sum(one.values[-1]) for one in readings(counted) if isinstance(one.values[-1], tuple)]
    assert abs(sum(counts) - len(readings(told))) < 60
    assert b"plate" not in b"".join(message.payload for message in told)


def test_birth_and_will_are_retained_and_understood() -> None:
    device, _ = spoken("river", WireFormat.JSON)
    at = datetime(2013, 4, 2, 19, tzinfo=UTC)
    said = []
    for message in (device.birth_message(at), device.last_will(at)):
        assert message.retain
        assert message.topic == device_topic(device.device) + "/status"
        said += decode(Message(message.topic, message.payload, at))
    assert [(one.online, one.boot) for one in said if isinstance(one, Presence)] == [
        (True, device.boot),
        (False, device.boot),
    ]
