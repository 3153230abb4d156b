"""`vigia bench`: throughput and latency of readings, buses and arrivals on this machine, beside its parts alone."""

import argparse
import json
import sys
import tempfile
from collections.abc import Mapping
from datetime import timedelta
from itertools import takewhile
from pathlib import Path

from models.reading import Message
from services.bench import measure
from services.bench.alerting import RUNS, measure_alerting
from services.bench.announcements import missed
from services.bench.named_parts import UnsuitablePart
from services.bench.processes import NamedParts
from services.bench.transit import measure_transit
from services.bench.watch import measure_watch
from services.city.seed import LA_PLATA, read_seed
from simulators.devices.faults import usual_faults
from simulators.scenario import SimulatedCity
from simulators.scenarios import SCENARIOS

NAME = "bench"
HELP = "Measure this machine with embedded servers, or with those named."
MAX_SECONDS = 600
MAX_PER_MESSAGE = 1000
MAX_RUNS = 20
HOURS, MAX_HOURS = 20, 48
OFTEN = 2.0
"""The rate of faults, as a multiple of the usual one."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """What to measure and for how long."""
    what = parser.add_subparsers(dest="what", metavar="WHAT", required=True)
    ingest = what.add_parser("ingest", help="publishers, broker, pipeline and database, acknowledged after commit")
    ingest.add_argument("--seconds", type=float, default=20.0, help="how long the pipeline is measured (default: 20)")
    ingest.add_argument("--per-message", type=int, default=1, help="readings in one message (default: 1)")
    ingest.add_argument(
        "--database", metavar="URL", help="a server to measure instead of the embedded one, in a database of its own"
    )
    ingest.add_argument("--broker", metavar="URL", help="a broker to measure instead of the embedded one")
    ingest.add_argument("--beside-data", action="store_true", help="measure although the named database holds tables")
    ingest.add_argument("--json", action="store_true", help="print one JSON object")
    alerting = what.add_parser(
        "alerts", help="from the crossing of a threshold to the screen and the first notice, idle and under load"
    )
    alerting.add_argument("--runs", type=int, default=RUNS, help=f"each on new servers (default: {RUNS})")
    alerting.add_argument("--json", action="store_true", help="print one JSON object")
    watch = what.add_parser("watch", help="how much of a simulated storm operators are told, at simulated time")
    watch.add_argument("--hours", type=int, default=HOURS, help=f"how long the storm is played (default: {HOURS})")
    watch.add_argument("--seed", type=int, default=2013, help="of the simulation's chance (default: 2013)")
    watch.add_argument("--json", action="store_true", help="print one JSON object")
    transit = what.add_parser("transit", help="buses followed and committed; arrivals answered over HTTP")
    transit.add_argument("--json", action="store_true", help="print one JSON object")


def run(arguments: argparse.Namespace) -> int:
    """Print the figures; readings a second unless the name says otherwise. Exit status 2 on impossible options."""
    if arguments.what == "transit":
        with tempfile.TemporaryDirectory(prefix="vigia-bench-") as folder:
            return _print_figures(measure_transit(Path(folder)), as_json=arguments.json)
    if arguments.what == "watch":
        return _watch(arguments.hours, arguments.seed, as_json=arguments.json)
    if arguments.what == "alerts":
        if not 0 < arguments.runs <= MAX_RUNS:
            print(f"runs: 1 to {MAX_RUNS}")
            return 2
        with tempfile.TemporaryDirectory(prefix="vigia-bench-") as folder:
            return _print_figures(measure_alerting(Path(folder), runs=arguments.runs), as_json=arguments.json)
    if not 0 < arguments.seconds <= MAX_SECONDS or not 0 < arguments.per_message <= MAX_PER_MESSAGE:
        print(f"seconds: up to {MAX_SECONDS}; readings in a message: 1 to {MAX_PER_MESSAGE}")
        return 2
    with tempfile.TemporaryDirectory(prefix="vigia-bench-") as folder:
        named = NamedParts(arguments.database, arguments.broker, arguments.beside_data)
        try:
            figures = measure(
                seconds=arguments.seconds, per_message=arguments.per_message, folder=Path(folder), named=named
            )
        except UnsuitablePart as error:
            print(f"vigia bench: {error}", file=sys.stderr)
            return 2
    return _print_figures(figures, as_json=arguments.json)


def _watch(hours: int, seed: int, *, as_json: bool) -> int:
    """Print the figures of the storm of 2013, unanswered and answered. Exit status 1 where one misses its bar."""
    if not 0 < hours <= MAX_HOURS:
        print(f"hours: 1 to {MAX_HOURS}")
        return 2
    scenario, city = SCENARIOS["storm_2013"], read_seed(LA_PLATA)
    start, troubles = scenario.default_start, list[str]()
    for name, answer_after in {"nobody answers": None, "answered after 5 min": timedelta(minutes=5)}.items():
        sent = SimulatedCity(city.city, scenario, seed=seed, start=start).messages(usual_faults(city.city, seed, OFTEN))
        sent = takewhile(lambda one: one.due_at < start + timedelta(hours=hours), sent)
        messages = (Message(one.topic, one.payload, one.due_at) for one in sent)
        with tempfile.TemporaryDirectory(prefix="vigia-bench-") as folder:
            figures = measure_watch(Path(folder), city, messages, start, answer_after)
        if not as_json:
            print(name)
        _print_figures({"operator": name, **figures} if as_json else figures, as_json=as_json)
        troubles += [f"{name}: {what}" for what in missed(figures)]
    for trouble in troubles:
        print(f"does not hold: {trouble}", file=sys.stderr)
    return 1 if troubles else 0


def _print_figures(figures: Mapping[str, object], *, as_json: bool) -> int:
    if as_json:
        print(json.dumps(figures))
        return 0
    for name, value in figures.items():
        print(f"{name:>20}  {_as_text(value)}")
    return 0


def _as_text(value: object) -> str:
    if isinstance(value, Mapping):
        return "  ".join(f"{name} {one:,}" for name, one in value.items())
    return f"{value:,}" if isinstance(value, int | float) else str(value)
