"""`vigia retain`: let go of what has been kept long enough."""

import argparse

from services.opening import configured_clock, migrated_database
from services.runtime.settings import Settings
from services.upkeep.retention import delete_expired

NAME = "retain"
HELP = "Delete what is older than its time, in short transactions; roll-ups stay. Safe to repeat."


def arguments(_parser: argparse.ArgumentParser) -> None:
    """No options: how long what is kept stands in each kind and in docs/storage.md."""


def run(_arguments: argparse.Namespace) -> int:
    """Print how many rows of each table went."""
    settings = Settings()
    with migrated_database(settings, "vigia-retain") as database:
        for table, gone in delete_expired(database, configured_clock(settings)()).items():
            print(f"{table}: {gone}")
    return 0
