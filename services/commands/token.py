"""`vigia token NAME`: add an API key and print its token, or revoke it."""

import argparse
from datetime import timedelta

from models.tables.people import MAX_NAME_CHARS
from services.opening import configured_clock, migrated_database
from services.people.api_keys import NameTaken, NoSuchKey, add_api_key, revoke_api_key
from services.people.roles import GRANTED, Role
from services.runtime.clock import credential_clock
from services.runtime.settings import Settings

NAME = "token"
HELP = "Add an API key and print its token, which is shown only this once; --revoke ends its access."
MAX_DAYS = 3660


def arguments(parser: argparse.ArgumentParser) -> None:
    """The key's name, its roles and how long it lasts, or whether to end its access."""
    parser.add_argument("name", type=operator_name, help="the key's name, as it will stand beside what is done with it")
    parser.add_argument(
        "--roles",
        type=role_list,
        default="operator",
        metavar="ROLE,...",
        help=f"what the key may do, of {', '.join(sorted(GRANTED))}; operator where unset",
    )
    parser.add_argument("--days", type=int_of_days, help="the key ends after so many days; without an end where unset")
    parser.add_argument("--revoke", action="store_true", help="end this key's access; what was done with it stays")


def run(arguments: argparse.Namespace) -> int:
    """Print only the token, so that it can be piped. Exit status 1: the name is taken or, with --revoke, unknown."""
    settings = Settings()
    now = credential_clock(configured_clock(settings))()
    try:
        with migrated_database(settings, "vigia-token") as database, database.begin() as transaction:
            if arguments.revoke:
                revoke_api_key(transaction, arguments.name, now)
                return 0
            lasts = None if arguments.days is None else timedelta(days=arguments.days)
            token = add_api_key(transaction, arguments.name, now, roles=arguments.roles, lasts=lasts)
    except (NameTaken, NoSuchKey) as problem:
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


def role_list(text: str) -> frozenset[Role]:
    """Roles with commas between them. Raises ArgumentTypeError."""
    names = {name.strip() for name in text.split(",")}
    if not names <= GRANTED:
        known = ", ".join(sorted(GRANTED))
        raise argparse.ArgumentTypeError(f"{', '.join(sorted(names - GRANTED)) or 'nothing'}: the roles are {known}")
    return frozenset(map(Role, names))


def int_of_days(text: str) -> int:
    """A number of days. Raises ArgumentTypeError."""
    if not text.isdecimal() or not 1 <= int(text) <= MAX_DAYS:
        raise argparse.ArgumentTypeError(f"a key lasts 1 to {MAX_DAYS} days")
    return int(text)
