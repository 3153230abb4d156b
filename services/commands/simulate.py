"""`vigia simulate`: a seeded city whose devices publish to the broker, in quiet, at rush hour or in a storm.

With its buses: a schematic La Plata, whose timetable can be exported as GTFS and whose true passings can be kept.
"""

import argparse
import csv
import os
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

from ingest.gtfs.feed import write_feed
from models.network import Network
from services.city.seed import LA_PLATA, read_seed
from services.city.seed_problems import SeedError
from services.opening import configured_clock, mqtt_url
from services.runtime.clock import Clock, FasterClock
from services.runtime.process import stop_on_signals
from services.runtime.settings import Settings
from simulators.buses.bus import EventLog
from simulators.buses.ground_truth import COLUMNS, ground_truth_rows
from simulators.buses.trackers import NO_FAULTS, scaled_rates
from simulators.devices.faults import usual_faults
from simulators.devices.message import SimulatedMessage
from simulators.lines import schematic_network
from simulators.publisher import TIMEOUT_S, BrokerUnavailable, Publisher
from simulators.scenario import BusTraffic, SimulatedCity, publish_when_due, starting_at
from simulators.scenarios import SCENARIOS

NAME = "simulate"
HELP = "Publish what the devices of a simulated city say, until stopped."
UNTIL_STOPPED = timedelta(days=3650)
STOP_WAIT_S = 3.0
"""How long to wait for acknowledgements after a signal to stop."""
UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
FAULT_FACTORS = {"none": 0.0, "default": 1.0, "all": 8.0}
"""Factor on the usual fault rates. With `none`, the faults of single devices do not happen either."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments: scenario, seed, faults, duration and city."""
    parser.add_argument("--scenario", choices=SCENARIOS, default="storm_2013", help="the story (default: storm_2013)")
    parser.add_argument("--seed", type=int, default=2013, help="the same seed gives the same city (default: 2013)")
    parser.add_argument("--faults", choices=FAULT_FACTORS, default="default", help="how often things go wrong")
    parser.add_argument("--duration", type=duration, default=UNTIL_STOPPED, help="simulated time, such as 90m, 6h, 2d")
    parser.add_argument("--city", type=Path, default=LA_PLATA, help="seed folder, see docs/seed.md")
    parser.add_argument("--no-buses", action="store_true", help="without the schematic La Plata's buses")
    parser.add_argument("--truth", type=Path, metavar="FILE", help="keep what the buses really do, as CSV")
    parser.add_argument("--export-gtfs", type=Path, metavar="FILE", help="write the buses' timetable as GTFS, and end")


def duration(words: str) -> timedelta:
    """Parse a duration such as 90s, 30m, 6h or 2d. Raises ValueError, which argparse shows."""
    length = timedelta(seconds=float(words[:-1]) * UNITS_S.get(words[-1:], 0))
    if not timedelta(0) < length <= UNTIL_STOPPED:
        raise ValueError(words)
    return length


def run(arguments: argparse.Namespace) -> int:
    """Run the scenario at the pace of the clock; in real time it starts now. Last wills are published at the end."""
    if arguments.export_gtfs is not None:
        write_feed(schematic_network(), arguments.export_gtfs)
        print(f"{arguments.export_gtfs}: La Plata esquemática, no oficial / schematic, not official")
        return 0
    settings, stop = Settings(), stop_on_signals()
    clock = configured_clock(settings)
    try:
        city = read_seed(arguments.city).city
    except SeedError as error:
        print(error, file=sys.stderr)
        return 2
    start, scenario = clock(), SCENARIOS[arguments.scenario]
    if not isinstance(clock, FasterClock):
        scenario = starting_at(scenario, start)
    factor = FAULT_FACTORS[arguments.faults]
    with _traffic(arguments, factor) as traffic:
        simulated_city = SimulatedCity(city, scenario, seed=arguments.seed, start=start, traffic=traffic)
        messages = simulated_city.messages(usual_faults(city, arguments.seed, factor) if factor else iter)
        since = f"{start.astimezone(city.zone):%Y-%m-%d %H:%M} ({city.zone.key})"
        print(f"{city.name}: {scenario.summary}; {_counted(simulated_city)} from {since}", flush=True)
        until, last_wills = start + arguments.duration, simulated_city.last_wills(start)
        return publish_at_pace(settings, clock, stop, messages, until=until, last_wills=last_wills)


@contextmanager
def _traffic(arguments: argparse.Namespace, factor: float) -> Iterator[BusTraffic | None]:
    """The buses of the schematic La Plata; none with `--no-buses`, nor in another city."""
    if arguments.no_buses or arguments.city != LA_PLATA:
        yield None
        return
    lines = schematic_network()
    fault_rates = scaled_rates(factor) if factor else NO_FAULTS
    if arguments.truth is None:
        yield BusTraffic(network=lines, fault_rates=fault_rates, event_log=lambda _: None)
        return
    with arguments.truth.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(COLUMNS)
        yield BusTraffic(network=lines, fault_rates=fault_rates, event_log=_into(table.writerows, lines))


def _into(keep: Callable[[Iterable[Iterable[object]]], None], lines: Network) -> EventLog:
    return lambda event: keep(ground_truth_rows(lines, event))


def _counted(simulated_city: SimulatedCity) -> str:
    buses = len(simulated_city.trackers.trackers) if simulated_city.trackers is not None else 0
    return (
        f"{len(simulated_city.devices)} devices and {buses} buses"
        if buses
        else f"{len(simulated_city.devices)} devices"
    )


def publish_at_pace(
    settings: Settings,
    clock: Clock,
    stop: threading.Event,
    messages: Iterator[SimulatedMessage],
    *,
    until: datetime,
    last_wills: Iterable[SimulatedMessage] = (),
) -> int:
    """Publish messages when they are due, until `stop` or `until`; then the last wills. Returns the exit code."""
    sent = 0

    def publish(message: SimulatedMessage) -> None:
        nonlocal sent
        publisher.publish(message.topic, message.payload, retain=message.retain)
        sent += 1

    try:
        with mqtt_url(settings) as url, Publisher(url, client_id=f"vigia-simulators-{os.getpid()}") as publisher:
            speed = clock.factor if isinstance(clock, FasterClock) else 1.0
            publish_when_due(messages, publish, now=clock, wait=stop.wait, speed=speed, until=until)
            for message in last_wills:
                publish(message)
            publisher.drain(STOP_WAIT_S if stop.is_set() else TIMEOUT_S)
    except BrokerUnavailable as error:
        print(f"vigia: {error}", file=sys.stderr)
        return 1
    finally:
        print(f"{sent} messages published", flush=True)
    return 0
