"""`vigia load`: load municipalities, basins, stations, devices and rules from a seed folder."""

import argparse
import sys
from pathlib import Path

from services.city.load import load
from services.city.seed import LA_PLATA, read_seed
from services.city.seed_problems import SeedError
from services.commands.check_seed import print_warnings
from services.opening import configured_clock, migrated_database
from services.runtime.settings import Settings

NAME = "load"
HELP = "Load a city from a seed folder (city.toml, basins.geojson, plan.geojson); without one, the schematic La Plata."


def arguments(parser: argparse.ArgumentParser) -> None:
    """The seed's folder."""
    parser.add_argument("folder", type=Path, nargs="?", default=LA_PLATA, help="seed folder, see docs/seed.md")


def run(arguments: argparse.Namespace) -> int:
    """Load the whole seed and print what is improbable, or print all its problems and load nothing (exit status 2)."""
    settings = Settings()
    try:
        seed = read_seed(arguments.folder)
    except SeedError as error:
        print(error, file=sys.stderr)
        return 2
    print_warnings(seed)
    with migrated_database(settings, "vigia-load") as database, database.begin() as transaction:
        loaded = load(transaction, seed, configured_clock(settings)())
    print(
        f"{seed.city.name}: {loaded.stations} stations, {loaded.devices} devices, {loaded.rules} rules"
        f" ({loaded.rules_changed} new or changed, {loaded.rules_retired} retired)"
    )
    return 0
