"""Scenarios: a city, its weather and its faults as one stream of messages, published at the pace of a clock."""

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
    """The weather and traffic of a city. `default_start`: simulated time at which playing starts by default.

    `traffic_factor` multiplies the traffic.
    """

    name: str
    summary: str
    weather: Weather
    default_start: datetime
    traffic_factor: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class BusTraffic:
    """The buses of a city: their network, the fault rates of their trackers, and a log of what the buses really do."""

    network: Network
    fault_rates: FaultRates
    event_log: EventLog


def starting_at(scenario: Scenario, start: datetime) -> Scenario:
    """The same scenario moved in time, so that its default start is `start`."""
    weather = replace(scenario.weather, storm_at=scenario.weather.storm_at + (start - scenario.default_start))
    return replace(scenario, weather=weather, default_start=start)


class SimulatedCity:
    """The devices of a city in a scenario, from `start` on. Equal arguments give equal messages, byte for byte."""

    def __init__(
        self, city: City, scenario: Scenario, *, seed: int, start: datetime, traffic: BusTraffic | None = None
    ) -> None:
        """Simulate the city; with `traffic`, its buses too, on streets under the rain of the scenario."""
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
        """Birth messages, then all messages of the devices, in the order of sending and without end."""
        return in_due_order(fault(self._device_messages()))

    def last_wills(self, at: datetime) -> list[SimulatedMessage]:
        """The last wills of the devices, to publish when the simulation stops."""
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
    """Publish each message when it is due by the clock `now`, which runs `speed` times as fast as real time.

    `wait` takes seconds and returns True to stop. Overdue messages are published at once. Returns the number published.
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
