"""Simulated devices: each samples the world through an instrument, and encodes the observations as messages."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from math import sin, tau
from random import Random
from typing import Protocol, assert_never
from zlib import crc32

import orjson

from models.kind import SensorKind, SimulatedSignal
from models.place import Device, WireFormat
from models.speeds import BIN_COUNT, BIN_WIDTH_KMH
from simulators.devices.message import SimulatedMessage
from simulators.devices.payload import TOPIC_ROOT
from simulators.environment.traffic import PassingVehicle
from simulators.environment.weather import MINUTE
from simulators.environment.world import World

OBSERVATIONS_PER_ARRAY = 3
MEAN_DELAY_S = 0.8
"""Mean of the exponentially distributed time until a message reaches the broker."""
MAX_DELAY_S = 10.0

PayloadFields = dict[str, object]
Observation = tuple[datetime, PayloadFields]
"""The time of an observation, and its payload fields."""


def device_topic(device: Device) -> str:
    """The topic of a device's readings. Its birth and will have the topic `/status` below it."""
    return f"{TOPIC_ROOT}/{device.municipality}/{device.kind}/{device.code}"


class Instrument(Protocol):
    """An instrument that observes one signal source of the world."""

    def start_minute(self, world: World) -> None:
        """Read the state of the world at the start of a minute."""

    def observe(self, at: datetime) -> list[Observation]:
        """The observations to report at `at`: usually one; none if there is nothing to report."""


@dataclass(slots=True)
class LevelGauge:
    """A water level gauge, with the noise and resolution of its kind."""

    device: Device
    kind: SensorKind
    random: Random
    _level: float = 0.0

    def start_minute(self, world: World) -> None:
        """Read the water level."""
        self._level = world.level_m(self.device.station)

    def observe(self, at: datetime) -> list[Observation]:
        """One level observation."""
        measured = self._level + self.random.gauss(0.0, self.kind.signal.noise)
        return [(at, {self.kind.measure: _rounded(measured, self.kind.signal)})]


@dataclass(slots=True)
class TippingBucket:
    """A tipping bucket rain gauge: whole tips since the last report. The rest stays in the bucket."""

    device: Device
    kind: SensorKind
    random: Random
    _rain_mm: float = 0.0
    _reported_mm: float | None = None

    def start_minute(self, world: World) -> None:
        """Read the accumulated rain."""
        self._rain_mm = world.accumulated_rain_mm(self.device.station)
        if self._reported_mm is None:
            self._reported_mm = self._rain_mm

    def observe(self, at: datetime) -> list[Observation]:
        """The rain since the last observation, also if it is zero: silence would observation like a fault."""
        tip_mm = self.kind.signal.resolution
        reported_mm = self._reported_mm or 0.0
        tips = int((self._rain_mm - reported_mm) / tip_mm + 1e-9)
        self._reported_mm = reported_mm + tips * tip_mm
        return [(at, {self.kind.measure: round(tips * tip_mm, 3)})]


@dataclass(slots=True)
class TrafficRadar:
    """A traffic radar: one observation per vehicle, or counts per interval and 5 km/h if the format is one object."""

    device: Device
    kind: SensorKind
    random: Random
    _expected: list[tuple[datetime, PassingVehicle]] = field(default_factory=list)

    def start_minute(self, world: World) -> None:
        """Get the vehicles that pass within the minute."""
        self._expected += [
            (world.now + timedelta(seconds=one.second), one) for one in world.passing_vehicles(self.device.station)
        ]

    def observe(self, at: datetime) -> list[Observation]:
        """All vehicles that passed since the last observation."""
        passed = [expected for expected in self._expected if expected[0] <= at]
        self._expected = self._expected[len(passed) :]
        speeds = [
            _rounded(one.speed_kmh + self.random.gauss(0, self.kind.signal.noise), self.kind.signal)
            for _, one in passed
        ]
        if self.device.format is WireFormat.JSON:
            return [(at, {"counts": _speed_counts(speeds), "interval_s": self.device.period_s})]
        return [
            (when, {self.kind.measure: speed, "vehicle_class": one.vehicle_class, "lane": one.lane})
            for (when, one), speed in zip(passed, speeds, strict=True)
        ]


INSTRUMENTS: Mapping[str, Callable[[Device, SensorKind, Random], Instrument]] = {
    "stage": LevelGauge,
    "rain": TippingBucket,
    "traffic": TrafficRadar,
}
"""The instrument for each `source` of a SimulatedSignal."""


def _rounded(value: float, signal: SimulatedSignal) -> float:
    """The value rounded to the resolution of the instrument; never a negative zero."""
    if not signal.resolution:
        return value
    return round(round(value / signal.resolution) * signal.resolution, 6) + 0.0


def _speed_counts(speeds: list[float]) -> list[int]:
    counts = [0] * BIN_COUNT
    for speed in speeds:
        counts[min(int(max(speed, 0.0) // BIN_WIDTH_KMH), BIN_COUNT - 1)] += 1
    while len(counts) > 1 and not counts[-1]:
        counts.pop()
    return counts


class SimulatedDevice:
    """One device from its boot on. `boot` identifies this run; `seq` counts its readings from 0."""

    def __init__(self, device: Device, kind: SensorKind, seed: int, booted_at: datetime) -> None:
        """Create the device. Raises KeyError if there is no instrument for the signal source of its kind."""
        number = crc32(device_topic(device).encode())
        self.random = Random(seed * 2**32 + number)
        self.device = device
        self.kind = kind
        self.boot = f"{crc32(f'{number}/{seed}/{booted_at.timestamp()}'.encode()):08x}"
        self.seq = 0
        self._instrument = INSTRUMENTS[kind.signal.source](device, kind, self.random)
        self._phase = timedelta(milliseconds=self.random.randrange(min(device.period_s, 60) * 1000))
        self._period = timedelta(seconds=device.period_s)
        self._next_at = booted_at.replace(second=0, microsecond=0) + self._phase
        self._unsent: list[Observation] = []
        self._observation_count = 0

    def birth_message(self, at: datetime) -> SimulatedMessage:
        """The retained message with which the device reports itself online."""
        payload = {"online": True, "observed_at": rfc3339(at), "boot": self.boot}
        return SimulatedMessage(
            created_at=at, due_at=at, topic=self.status_topic, payload=orjson.dumps(payload), retain=True
        )

    def last_will(self, at: datetime) -> SimulatedMessage:
        """The retained message that the broker publishes when the connection is lost. It has no time."""
        payload = {"online": False, "boot": self.boot}
        return SimulatedMessage(
            created_at=at, due_at=at, topic=self.status_topic, payload=orjson.dumps(payload), retain=True
        )

    @property
    def status_topic(self) -> str:
        """The topic of birth and will."""
        return f"{device_topic(self.device)}/status"

    def next_minute(self, world: World) -> Iterator[SimulatedMessage]:
        """Observe the world as often as is due within the minute that begins, and return the messages."""
        self._instrument.start_minute(world)
        while self._next_at < world.now + MINUTE:
            at, self._next_at = self._next_at, self._next_at + self._period
            self._unsent += self._instrument.observe(at)
            self._observation_count += 1
            if self.device.format is WireFormat.ARRAY and self._observation_count < OBSERVATIONS_PER_ARRAY:
                continue
            yield from self._messages(world.now, at)

    def _messages(self, made_at: datetime, at: datetime) -> Iterator[SimulatedMessage]:
        observations, self._unsent, self._observation_count = self._unsent, [], 0
        if not observations:
            return
        delay_s = min(self.random.expovariate(1 / MEAN_DELAY_S), MAX_DELAY_S)
        due_at = max(at + timedelta(seconds=delay_s), made_at)
        yield SimulatedMessage(
            created_at=made_at, due_at=due_at, topic=device_topic(self.device), payload=self._encoded(observations)
        )

    def _encoded(self, observations: list[Observation]) -> bytes:
        match self.device.format:
            case WireFormat.JSON:
                return orjson.dumps(self._own_json(*observations[-1]))
            case WireFormat.ARRAY:
                return orjson.dumps([self._own_json(*observation) for observation in observations])
            case WireFormat.SENML:
                return orjson.dumps(self._senml(observations))
            case unknown:
                assert_never(unknown)

    def _own_json(self, at: datetime, fields: PayloadFields) -> PayloadFields:
        """One reading in Vigía's own JSON. Increments `seq`."""
        payload = {"observed_at": rfc3339(at), "boot": self.boot, "seq": self.seq} | self._extras(at) | fields
        self.seq += 1
        return payload

    def _extras(self, at: datetime) -> PayloadFields:
        """Fields about the device itself, if its kind has them."""
        extras: PayloadFields = {}
        if "interval_s" in self.kind.columns and "counts" not in self.kind.columns:
            extras["interval_s"] = self.device.period_s
        if "battery_v" in self.kind.columns:
            extras["battery_v"] = _battery_v(at)
        return extras

    def _senml(self, observations: list[Observation]) -> list[PayloadFields]:
        """A SenML pack (RFC 8428): the device's name as base name, each field under its SenML name."""
        names = {named: label for label, named in reversed(self.kind.senml.items())}
        records: list[PayloadFields] = []
        for at, fields in observations:
            known = {names[name]: value for name, value in (fields | self._extras(at)).items() if name in names}
            records += [{"n": label, "t": at.timestamp(), "v": value} for label, value in known.items()]
        records[0] = {"bn": f"urn:dev:ops:vigia-{self.kind.name}-{self.device.code}:"} | records[0]
        return records


def rfc3339(at: datetime) -> str:
    """A time as RFC 3339 text, in UTC, with milliseconds."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _battery_v(at: datetime) -> float:
    """The voltage of a battery with a solar panel: highest in the afternoon."""
    return round(12.5 + 0.3 * sin(tau * (at.timestamp() / 86_400 - 0.55)), 2)
