"""`vigia migrate`: migrate the database to this version's schema."""

import argparse

from models.migrations import current, upgrade
from services.opening import database_url
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
    with database_url(Settings()) as url:
        database = open_database(url, name="vigia-migrate", pool_size=1)
        try:
            with database.begin() as transaction:
                before = current(transaction)
                upgrade(transaction, clock_checked=arguments.clock_checked)
                print(f"{before or 'empty'} -> {current(transaction)}")
        finally:
            database.dispose()
    return 0
