"""`vigia retain`: delete rows past their retention period."""

import argparse
import sys

from services.opening import configured_clock, migrated_database
from services.runtime.settings import Settings
from services.upkeep.redaction import erase_redacted_notes
from services.upkeep.retention import delete_expired
from services.upkeep.retention_clock import RetentionRefusedError, require_right_clock

NAME = "retain"
HELP = "Delete rows past their retention period, in short transactions; roll-ups stay. Safe to repeat."


def arguments(parser: argparse.ArgumentParser) -> None:
    """The retention periods are in each kind and in docs/storage.md."""
    parser.add_argument(
        "--clock-checked",
        action="store_true",
        help="delete although no reading is recent or the database's clock differs: you looked, this clock is right",
    )


def run(arguments: argparse.Namespace) -> int:
    """Print how many rows of each table were deleted, and how many redacted notes were erased."""
    settings = Settings()
    clock = configured_clock(settings)
    with migrated_database(settings, "vigia-retain") as database:
        print(f"redacted notes: {erase_redacted_notes(database)}")
        try:
            if not arguments.clock_checked:
                require_right_clock(database, clock)
        except RetentionRefusedError as refusal:
            print(f"vigia retain: {refusal}", file=sys.stderr)
            return 1
        for table, deleted in delete_expired(database, clock()).items():
            print(f"{table}: {deleted}")
    return 0
