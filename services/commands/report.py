"""`vigia report`: the city's own skill, per month and colour, as CSV."""

import argparse

from services.opening import configured_clock, migrated_database
from services.queries.city.city import current_city
from services.report.report_source import read_skill
from services.report.skill_report import months_back, to_csv
from services.runtime.settings import Settings

NAME = "report"
HELP = "How often and how early the city warned, how often in vain, and how soon people answered; CSV by month."
MAX_MONTHS = 120


def arguments(parser: argparse.ArgumentParser) -> None:
    """How many months."""
    parser.add_argument("--months", type=_months, default=12, help="the last months with the present one; 12")


def run(arguments: argparse.Namespace) -> int:
    """Print the figures; docs/desempeno.md says what each means."""
    settings = Settings()
    clock = configured_clock(settings)
    with migrated_database(settings, "vigia-report") as database, database.connect() as connection:
        zone = current_city(connection).zone
        print(to_csv(read_skill(connection, months_back(clock(), arguments.months, zone), zone)), end="")
    return 0


def _months(words: str) -> int:
    if not words.isdigit() or not 1 <= int(words) <= MAX_MONTHS:
        raise argparse.ArgumentTypeError(f"1 to {MAX_MONTHS}")
    return int(words)
