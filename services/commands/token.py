"""`vigia token NAME`: add an operator and print the token."""

import argparse

from services.opening import configured_clock, migrated_database
from services.runtime.settings import Settings
from services.web.access import OperatorExists, add_operator

NAME = "token"
HELP = "Add an operator and print the token, which is shown only this once."
MAX_NAME_CHARS = 60


def arguments(parser: argparse.ArgumentParser) -> None:
    """The operator's name."""
    parser.add_argument("name", type=_name, help="the operator's name, as it will stand beside what they do")


def run(arguments: argparse.Namespace) -> int:
    """Print only the token, so that it can be piped. Exit status 1 where the name is taken."""
    settings = Settings()
    clock = configured_clock(settings)
    try:
        with migrated_database(settings, "vigia-token") as database, database.begin() as transaction:
            token = add_operator(transaction, arguments.name, clock())
    except OperatorExists as problem:
        print(problem)
        return 1
    print(token)
    return 0


def _name(text: str) -> str:
    name = text.strip()
    if not name.isprintable() or not 0 < len(name) <= MAX_NAME_CHARS:
        raise argparse.ArgumentTypeError(f"a name has 1 to {MAX_NAME_CHARS} printable characters")
    return name
