"""`vigia replay`: publish a recorded series as the device of a station would."""

import argparse
import sys
from pathlib import Path

from models.kinds import KINDS_BY_NAME
from models.place import City, Device
from services.city.seed import LA_PLATA, read_seed
from services.city.seed_problems import SeedError
from services.commands.simulate import UNTIL_STOPPED, publish_at_pace
from services.opening import configured_clock
from services.runtime.clock import FasterClock
from services.runtime.process import stop_on_signals
from services.runtime.settings import Settings
from simulators.series_replay import BadSeries, read_series, replayed_messages

NAME = "replay"
HELP = "Publish a recorded series (CSV or CSV.gz with time_utc) as a station's device would."


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments: the series, the station, and the speed."""
    parser.add_argument("file", type=Path, help="CSV, plain or gzip, with a time_utc column")
    parser.add_argument("--station", required=True, help="whose device speaks")
    parser.add_argument("--column", help="the value's column (default: the kind's own measure, such as level_m)")
    parser.add_argument("--only", type=pair, action="append", default=[], metavar="COLUMN=WORD", help="choose rows")
    parser.add_argument(
        "--speed", type=speed, help="seconds of the record in one of ours (default: the clock's own pace)"
    )
    parser.add_argument(
        "--times",
        choices=("now", "recorded"),
        default="now",
        help="what observed_at says: when it was sent, or recorded (older than a week is kept but not judged)",
    )
    parser.add_argument("--city", type=Path, default=LA_PLATA, help="seed folder, see docs/seed.md")


def pair(words: str) -> tuple[str, str]:
    """Parse COLUMN=WORD. Raises ValueError, which argparse shows."""
    column, word = words.split("=", 1)
    return column, word


def speed(words: str) -> float:
    """Parse a factor above 0. Raises ValueError, which argparse shows."""
    factor = float(words)
    if not 0 < factor <= 1e9:
        raise ValueError(words)
    return factor


def run(arguments: argparse.Namespace) -> int:
    """Publish every row; blank rows are skipped and counted."""
    settings, stop = Settings(), stop_on_signals()
    clock = configured_clock(settings)
    try:
        device = device_of(read_seed(arguments.city).city, arguments.station)
        column = arguments.column or KINDS_BY_NAME[device.kind].measure
        series = read_series(arguments.file, column, dict(arguments.only))
    except (SeedError, BadSeries) as trouble:
        print(trouble, file=sys.stderr)
        return 2
    print(f"{arguments.file.name}: {len(series.rows)} readings to send, {series.blank} blank rows skipped", flush=True)
    start = clock()
    own_pace = clock.factor if isinstance(clock, FasterClock) else 1.0
    pace = (arguments.speed or own_pace) / own_pace
    messages = replayed_messages(series, device, start=start, pace=pace, keep_times=arguments.times == "recorded")
    return publish_at_pace(settings, clock, stop, messages, until=start + UNTIL_STOPPED)


def device_of(city: City, station: str) -> Device:
    """The first device of a station. Raises SeedError if the city has no such station."""
    for device in city.devices:
        if device.station == station:
            return device
    known = ", ".join(one.station for one in city.devices)
    raise SeedError([f"no station {station!r} in {city.name}; there are {known}"])
