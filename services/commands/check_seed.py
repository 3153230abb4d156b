"""`vigia check-seed`: say what is wrong or improbable in a seed, and load nothing."""

import argparse
import sys
from pathlib import Path

from services.city.seed import Seed, read_seed
from services.city.seed_files import BASINS_FILE, CITY_FILE
from services.city.seed_problems import SeedError
from services.city.seed_warnings import position_of_zone, warnings

NAME = "check-seed"
HELP = "Say what is wrong or improbable in a city's seed; needs no database and loads nothing."
IMPROBABLE, WRONG = 1, 2
ARCHIVES = frozenset({".zip", ".gz", ".tgz", ".tar", ".7z", ".rar"})


def arguments(parser: argparse.ArgumentParser) -> None:
    """The seed."""
    parser.add_argument("seed", type=Path, help="seed folder, or its city.toml (under any name), see docs/seed.md")


def run(arguments: argparse.Namespace) -> int:
    """Exit status 0: nothing noticed. 1: valid, but improbable. 2: wrong, and `vigia load` would load nothing."""
    seed: Path = arguments.seed
    try:
        found = _read(seed)
    except SeedError as error:
        print(error, file=sys.stderr)
        return WRONG
    city = found.city
    improbable = print_warnings(found)
    print(
        f"{city.name}: {len(city.stations)} stations, {len(city.devices)} devices, {len(found.rules)} rules; "
        + (f"{improbable} improbable" if improbable else "nothing improbable")
    )
    for device in city.devices:
        print(f"  vigia/v1/{device.municipality}/{device.kind}/{device.code}")
    return IMPROBABLE if improbable else 0


def _read(seed: Path) -> Seed:
    """The seed in a folder, or in a city file of any name with the basins beside it. Raises SeedError."""
    if seed.suffix == ".toml" and seed.is_file():
        return read_seed(seed.parent, seed.name)
    if seed.is_dir():
        return read_seed(seed)
    if not seed.exists():
        raise SeedError([f"{seed}: there is no such file; give the seed's folder, or its {CITY_FILE}"])
    unpack = "unpack it and " if seed.suffix in ARCHIVES else ""
    raise SeedError(
        [f"{seed.name}: {unpack}give the seed's folder, or its {CITY_FILE} ({BASINS_FILE} is read from beside it)"]
    )


def print_warnings(seed: Seed) -> int:
    """Print what is improbable in a seed to standard error. Returns how many lines."""
    found = warnings(seed, position_of_zone(seed.city.zone.key))
    for line in found:
        print(f"improbable: {line}", file=sys.stderr)
    return len(found)
