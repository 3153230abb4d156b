"""Simulated devices: each samples the world as its kind's Signal says, and turns that into a topic and bytes."""

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
from simulators.devices.message import Parcel
from simulators.devices.payload import ROOT
from simulators.environment.traffic import Vehicle
from simulators.environment.weather import MINUTE
from simulators.environment.world import World

LOOKS_PER_ARRAY = 3
USUAL_DELAY_S = 0.8
"""Mean of the exponential time a message takes to reach the broker."""
LONGEST_DELAY_S = 10.0

Fields = dict[str, object]
Look = tuple[datetime, Fields]
"""When something was observed, and the payload's fields."""


def topic_of(device: Device) -> str:
    """Where a device publishes its readings; its birth and will stand below, at `/status`."""
    return f"{ROOT}/{device.municipality}/{device.kind}/{device.code}"


class Sense(Protocol):
    """How a device perceives one of the world's sources: once a simulated minute, and whenever it takes a look."""

    def minute(self, world: World) -> None:
        """Take note of the world as the minute begins."""

    def look(self, at: datetime) -> list[Look]:
        """What to report at `at`: usually one look, none where there is nothing to say."""


@dataclass(slots=True)
class Gauge:
    """A level, read with the instrument's noise and resolution."""

    device: Device
    kind: SensorKind
    random: Random
    _level: float = 0.0

    def minute(self, world: World) -> None:
        """Read the water."""
        self._level = world.level_m(self.device.station)

    def look(self, at: datetime) -> list[Look]:
        """One level."""
        seen = self._level + self.random.gauss(0.0, self.kind.signal.noise)
        return [(at, {self.kind.measure: _rounded(seen, self.kind.signal)})]


@dataclass(slots=True)
class Bucket:
    """A tipping bucket: whole tips since the last report; what is left in the bucket stays for the next."""

    device: Device
    kind: SensorKind
    random: Random
    _fallen_mm: float = 0.0
    _told_mm: float | None = None

    def minute(self, world: World) -> None:
        """Let the rain of a minute in."""
        self._fallen_mm = world.fallen_mm(self.device.station)
        if self._told_mm is None:
            self._told_mm = self._fallen_mm

    def look(self, at: datetime) -> list[Look]:
        """The rain since the last look, also where none fell: silence would look like a fault."""
        tip_mm = self.kind.signal.resolution
        told_mm = self._told_mm or 0.0
        tips = int((self._fallen_mm - told_mm) / tip_mm + 1e-9)
        self._told_mm = told_mm + tips * tip_mm
        return [(at, {self.kind.measure: round(tips * tip_mm, 3)})]


@dataclass(slots=True)
class Radar:
    """Vehicles: one look each, or, where the device writes single objects, counts per interval and 5 km/h."""

    device: Device
    kind: SensorKind
    random: Random
    _coming: list[tuple[datetime, Vehicle]] = field(default_factory=list)

    def minute(self, world: World) -> None:
        """Learn who will pass within the minute."""
        self._coming += [(world.now + timedelta(seconds=one.second), one) for one in world.passing(self.device.station)]

    def look(self, at: datetime) -> list[Look]:
        """All who passed since the last look."""
        passed = [coming for coming in self._coming if coming[0] <= at]
        self._coming = self._coming[len(passed) :]
        speeds = [
            _rounded(one.speed_kmh + self.random.gauss(0, self.kind.signal.noise), self.kind.signal)
            for _, one in passed
        ]
        if self.device.format is WireFormat.JSON:
            return [(at, {"counts": _counts(speeds), "interval_s": self.device.period_s})]
        return [
            (when, {self.kind.measure: speed, "vehicle_class": one.vehicle_class, "lane": one.lane})
            for (when, one), speed in zip(passed, speeds, strict=True)
        ]


SENSES: Mapping[str, Callable[[Device, SensorKind, Random], Sense]] = {"stage": Gauge, "rain": Bucket, "traffic": Radar}
"""What a Signal's `source` may name."""


def _rounded(value: float, signal: SimulatedSignal) -> float:
    """To the instrument's resolution; never a negative zero."""
    if not signal.resolution:
        return value
    return round(round(value / signal.resolution) * signal.resolution, 6) + 0.0


def _counts(speeds: list[float]) -> list[int]:
    counts = [0] * BIN_COUNT
    for speed in speeds:
        counts[min(int(max(speed, 0.0) // BIN_WIDTH_KMH), BIN_COUNT - 1)] += 1
    while len(counts) > 1 and not counts[-1]:
        counts.pop()
    return counts


class SimulatedDevice:
    """One device from its boot on. `boot` names this run of it; `seq` counts its readings from 0."""

    def __init__(self, device: Device, kind: SensorKind, seed: int, booted_at: datetime) -> None:
        """KeyError where the world knows no source of that name."""
        number = crc32(topic_of(device).encode())
        self.random = Random(seed * 2**32 + number)
        self.device = device
        self.kind = kind
        self.boot = f"{crc32(f'{number}/{seed}/{booted_at.timestamp()}'.encode()):08x}"
        self.seq = 0
        self._sense = SENSES[kind.signal.source](device, kind, self.random)
        self._phase = timedelta(milliseconds=self.random.randrange(min(device.period_s, 60) * 1000))
        self._period = timedelta(seconds=device.period_s)
        self._next_at = booted_at.replace(second=0, microsecond=0) + self._phase
        self._looks: list[Look] = []
        self._waiting = 0

    def birth(self, at: datetime) -> Parcel:
        """The device says that it is there, retained."""
        said = {"online": True, "observed_at": written(at), "boot": self.boot}
        return Parcel(made_at=at, due_at=at, topic=self.status_topic, payload=orjson.dumps(said), retain=True)

    def will(self, at: datetime) -> Parcel:
        """What the broker says in the device's name when the connection is lost, retained. It carries no time."""
        said = {"online": False, "boot": self.boot}
        return Parcel(made_at=at, due_at=at, topic=self.status_topic, payload=orjson.dumps(said), retain=True)

    @property
    def status_topic(self) -> str:
        """Where birth and will stand."""
        return f"{topic_of(self.device)}/status"

    def minute(self, world: World) -> Iterator[Parcel]:
        """Look at the world as it stands now, as often as is due within the minute that begins."""
        self._sense.minute(world)
        while self._next_at < world.now + MINUTE:
            at, self._next_at = self._next_at, self._next_at + self._period
            self._looks += self._sense.look(at)
            self._waiting += 1
            if self.device.format is WireFormat.ARRAY and self._waiting < LOOKS_PER_ARRAY:
                continue
            yield from self._parcels(world.now, at)

    def _parcels(self, made_at: datetime, at: datetime) -> Iterator[Parcel]:
        looks, self._looks, self._waiting = self._looks, [], 0
        if not looks:
            return
        delay_s = min(self.random.expovariate(1 / USUAL_DELAY_S), LONGEST_DELAY_S)
        due_at = max(at + timedelta(seconds=delay_s), made_at)
        yield Parcel(made_at=made_at, due_at=due_at, topic=topic_of(self.device), payload=self._encoded(looks))

    def _encoded(self, looks: list[Look]) -> bytes:
        match self.device.format:
            case WireFormat.JSON:
                return orjson.dumps(self._own(*looks[-1]))
            case WireFormat.ARRAY:
                return orjson.dumps([self._own(*look) for look in looks])
            case WireFormat.SENML:
                return orjson.dumps(self._senml(looks))
            case unknown:
                assert_never(unknown)

    def _own(self, at: datetime, fields: Fields) -> Fields:
        """Vigía's own form of one reading. Counts it."""
        said = {"observed_at": written(at), "boot": self.boot, "seq": self.seq} | self._extras(at) | fields
        self.seq += 1
        return said

    def _extras(self, at: datetime) -> Fields:
        """What a device adds of itself, where its kind has a field for it."""
        extras: Fields = {}
        if "interval_s" in self.kind.columns and "counts" not in self.kind.columns:
            extras["interval_s"] = self.device.period_s
        if "battery_v" in self.kind.columns:
            extras["battery_v"] = _battery_v(at)
        return extras

    def _senml(self, looks: list[Look]) -> list[Fields]:
        """A pack of RFC 8428: the device's name as base name, each field by its SenML name."""
        names = {named: label for label, named in reversed(self.kind.senml.items())}
        records: list[Fields] = []
        for at, fields in looks:
            known = {names[name]: value for name, value in (fields | self._extras(at)).items() if name in names}
            records += [{"n": label, "t": at.timestamp(), "v": value} for label, value in known.items()]
        records[0] = {"bn": f"urn:dev:ops:vigia-{self.kind.name}-{self.device.code}:"} | records[0]
        return records


def written(at: datetime) -> str:
    """An instant as devices write it: RFC 3339, UTC, milliseconds."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _battery_v(at: datetime) -> float:
    """A battery under a solar panel: fullest in the afternoon."""
    return round(12.5 + 0.3 * sin(tau * (at.timestamp() / 86_400 - 0.55)), 2)
