"""A scenario: a city, its weather and its faults as one stream of parcels, played at the pace of a clock."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from models.kinds import KINDS_BY_NAME
from models.network import Network
from models.place import City
from simulators.buses.bus import Log
from simulators.buses.operations import Buses
from simulators.buses.street_speeds import Conditions
from simulators.buses.trackers import Odds, Trackers
from simulators.devices.faults import Fault
from simulators.devices.message import Parcel, in_order
from simulators.devices.sensors import SimulatedDevice
from simulators.environment.weather import Weather
from simulators.environment.world import World

LONGEST_WAIT_S = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """What happens in a city. `opens_at` is the moment of its story from which it is worth watching.

    `busy` scales the traffic.
    """

    name: str
    summary: str
    weather: Weather
    opens_at: datetime
    busy: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """Buses for a city: their lines, how often their trackers go wrong, and who is told what they really do."""

    lines: Network
    odds: Odds
    log: Log


def told_from(scenario: Scenario, start: datetime) -> Scenario:
    """The same story moved in time, so that it opens at `start`."""
    weather = replace(scenario.weather, storm_at=scenario.weather.storm_at + (start - scenario.opens_at))
    return replace(scenario, weather=weather, opens_at=start)


class Cast:
    """A city's devices in a scenario, from `start` on. The same arguments give the same parcels, byte for byte."""

    def __init__(
        self, city: City, scenario: Scenario, *, seed: int, start: datetime, traffic: Traffic | None = None
    ) -> None:
        """With `traffic` its buses run too, on streets under the scenario's rain."""
        self._world = World(city, scenario.weather, seed, start, scenario.busy)
        self._start = self._world.now
        self.devices = [SimulatedDevice(one, KINDS_BY_NAME[one.kind], seed, self._start) for one in city.devices]
        self._streets = Conditions()
        self.trackers: Trackers | None = None
        if traffic is not None:
            self._look_at_streets()
            buses = Buses(traffic.lines, seed, self._start, self._streets, traffic.log)
            self.trackers = Trackers(buses, seed, traffic.odds)

    def parcels(self, fault: Fault) -> Iterator[Parcel]:
        """Births, then everything the devices say, in the order of sending and without end."""
        return in_order(fault(self._sayings()))

    def wills(self, at: datetime) -> list[Parcel]:
        """What is left to say in the devices' names when the play stops."""
        return [device.will(at) for device in self.devices]

    def _sayings(self) -> Iterator[Parcel]:
        yield from (device.birth(self._start) for device in self.devices)
        while True:
            for device in self.devices:
                yield from device.minute(self._world)
            if self.trackers is not None:
                self._look_at_streets()
                yield from self.trackers.minute(self._world.now)
            self._world.step()

    def _look_at_streets(self) -> None:
        self._streets.flooded = self._world.flooded()
        self._streets.rain_mm = self._world.rain_mm()


def play(
    parcels: Iterator[Parcel],
    publish: Callable[[Parcel], None],
    *,
    now: Callable[[], datetime],
    wait: Callable[[float], bool],
    speed: float,
    until: datetime,
) -> int:
    """Publish each parcel when its time has come by the clock `now`, which runs `speed` times as fast as waiting.

    `wait` takes seconds and returns True to stop. Parcels whose time has passed go at once. Returns how many went.
    """
    sent = 0
    for parcel in parcels:
        if parcel.due_at >= until:
            break
        while (ahead_s := (parcel.due_at - now()).total_seconds()) > 0:
            if wait(min(ahead_s / speed, LONGEST_WAIT_S)):
                return sent
        if wait(0.0):
            break
        publish(parcel)
        sent += 1
    return sent
