"""`vigia migrate`: migrate the database to this version's schema."""

import argparse

from services.opening import configured_clock, database_url, migrate_and_record
from services.runtime.database import open_database
from services.runtime.settings import Settings

NAME = "migrate"
HELP = "Bring the database to this version's schema; safe to repeat."


def arguments(parser: argparse.ArgumentParser) -> None:
    """The database is VIGIA_DATABASE_URL, or the embedded one."""
    parser.add_argument(
        "--clock-checked",
        action="store_true",
        help="a person has looked at the clock: moving to TimescaleDB may keep only the hours of old readings",
    )


def run(arguments: argparse.Namespace) -> int:
    """Print the schema version before and after."""
    settings = Settings()
    with database_url(settings) as url:
        database = open_database(url, name="vigia-migrate", pool_size=1)
        try:
            with database.begin() as transaction:
                clock = configured_clock(settings)
                before, after = migrate_and_record(transaction, clock, clock_checked=arguments.clock_checked)
                print(f"{before or 'empty'} -> {after}")
        finally:
            database.dispose()
    return 0
