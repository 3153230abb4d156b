"""`vigia retain`: delete rows past their retention period."""

import argparse

from services.opening import configured_clock, migrated_database
from services.runtime.settings import Settings
from services.upkeep.redaction import erase_redacted_notes
from services.upkeep.retention import delete_expired

NAME = "retain"
HELP = "Delete rows past their retention period, in short transactions; roll-ups stay. Safe to repeat."


def arguments(_parser: argparse.ArgumentParser) -> None:
    """No options: the retention periods are in each kind and in docs/storage.md."""


def run(_arguments: argparse.Namespace) -> int:
    """Print how many rows of each table were deleted, and how many redacted notes were erased."""
    settings = Settings()
    with migrated_database(settings, "vigia-retain") as database:
        for table, deleted in delete_expired(database, configured_clock(settings)()).items():
            print(f"{table}: {deleted}")
        print(f"redacted notes: {erase_redacted_notes(database)}")
    return 0
