"""`vigia token NAME`: add an operator and print the token, or revoke an operator's access."""

import argparse

from services.opening import configured_clock, migrated_database
from services.runtime.settings import Settings
from services.web.access import NoSuchOperator, OperatorExists, add_operator, revoke_operator

NAME = "token"
HELP = "Add an operator and print the token, which is shown only this once; --revoke ends an operator's access."
MAX_NAME_CHARS = 60


def arguments(parser: argparse.ArgumentParser) -> None:
    """The operator's name, and whether to end their access."""
    parser.add_argument("name", type=operator_name, help="the operator's name, as it will stand beside what they do")
    parser.add_argument("--revoke", action="store_true", help="end this operator's access; what they did stays")


def run(arguments: argparse.Namespace) -> int:
    """Print only the token, so that it can be piped. Exit status 1: the name is taken or, with --revoke, unknown."""
    settings = Settings()
    clock = configured_clock(settings)
    try:
        with migrated_database(settings, "vigia-token") as database, database.begin() as transaction:
            if arguments.revoke:
                revoke_operator(transaction, arguments.name, clock())
                return 0
            token = add_operator(transaction, arguments.name, clock())
    except (OperatorExists, NoSuchOperator) as problem:
        print(problem)
        return 1
    print(token)
    return 0


def operator_name(text: str) -> str:
    """The name of an operator, without surrounding blanks. Raises ArgumentTypeError."""
    name = text.strip()
    if not name.isprintable() or not 0 < len(name) <= MAX_NAME_CHARS:
        raise argparse.ArgumentTypeError(f"a name has 1 to {MAX_NAME_CHARS} printable characters")
    return name
