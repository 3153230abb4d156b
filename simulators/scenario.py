"""A scenario: a city, its weather and its faults as one stream of messages, played at the pace of a clock."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from models.kinds import KINDS_BY_NAME
from models.network import Network
from models.place import City
from simulators.buses.bus import EventLog
from simulators.buses.operations import BusOperations
from simulators.buses.street_speeds import StreetConditions
from simulators.buses.trackers import FaultRates, Trackers
from simulators.devices.faults import Fault
from simulators.devices.message import SimulatedMessage, in_due_order
from simulators.devices.sensors import SimulatedDevice
from simulators.environment.weather import Weather
from simulators.environment.world import World

MAX_WAIT_S = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """What happens in a city. `default_start` is the moment of its story from which it is worth watching.

    `traffic_factor` scales the traffic.
    """

    name: str
    summary: str
    weather: Weather
    default_start: datetime
    traffic_factor: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class BusTraffic:
    """Buses for a city: their lines, how often their trackers go wrong, and who is told what they really do."""

    network: Network
    fault_rates: FaultRates
    event_log: EventLog


def starting_at(scenario: Scenario, start: datetime) -> Scenario:
    """The same story moved in time, so that it opens at `start`."""
    weather = replace(scenario.weather, storm_at=scenario.weather.storm_at + (start - scenario.default_start))
    return replace(scenario, weather=weather, default_start=start)


class SimulatedCity:
    """A city's devices in a scenario, from `start` on. The same arguments give the same messages, byte for byte."""

    def __init__(
        self, city: City, scenario: Scenario, *, seed: int, start: datetime, traffic: BusTraffic | None = None
    ) -> None:
        """With `traffic` its buses run too, on streets under the scenario's rain."""
        self._world = World(city, scenario.weather, seed, start, scenario.traffic_factor)
        self._start = self._world.now
        self.devices = [SimulatedDevice(one, KINDS_BY_NAME[one.kind], seed, self._start) for one in city.devices]
        self._streets = StreetConditions()
        self.trackers: Trackers | None = None
        if traffic is not None:
            self._update_streets()
            buses = BusOperations(traffic.network, seed, self._start, self._streets, traffic.event_log)
            self.trackers = Trackers(buses, seed, traffic.fault_rates)

    def messages(self, fault: Fault) -> Iterator[SimulatedMessage]:
        """Births, then everything the devices say, in the order of sending and without end."""
        return in_due_order(fault(self._device_messages()))

    def last_wills(self, at: datetime) -> list[SimulatedMessage]:
        """What is left to say in the devices' names when the play stops."""
        return [device.last_will(at) for device in self.devices]

    def _device_messages(self) -> Iterator[SimulatedMessage]:
        yield from (device.birth_message(self._start) for device in self.devices)
        while True:
            for device in self.devices:
                yield from device.next_minute(self._world)
            if self.trackers is not None:
                self._update_streets()
                yield from self.trackers.next_minute(self._world.now)
            self._world.step()

    def _update_streets(self) -> None:
        self._streets.flooded = self._world.flooded_points()
        self._streets.rain_mm = self._world.mean_rain_mm()


def publish_when_due(
    messages: Iterator[SimulatedMessage],
    publish: Callable[[SimulatedMessage], None],
    *,
    now: Callable[[], datetime],
    wait: Callable[[float], bool],
    speed: float,
    until: datetime,
) -> int:
    """Publish each message when its time has come by the clock `now`, which runs `speed` times as fast as waiting.

    `wait` takes seconds and returns True to stop. Messages whose time has passed go at once. Returns how many went.
    """
    sent = 0
    for message in messages:
        if message.due_at >= until:
            break
        while (ahead_s := (message.due_at - now()).total_seconds()) > 0:
            if wait(min(ahead_s / speed, MAX_WAIT_S)):
                return sent
        if wait(0.0):
            break
        publish(message)
        sent += 1
    return sent
