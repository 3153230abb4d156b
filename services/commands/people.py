"""`vigia people`: add, list, disable and reset the accounts of people, and say what each may do."""

import argparse
from collections.abc import Callable
from datetime import datetime

from sqlalchemy import Connection

from models.tables.people import ORGANISATION_KINDS
from services.commands.token import operator_name, role_list
from services.opening import configured_clock, migrated_database
from services.people import accounts
from services.people.accounts import LOGIN, SETUP_CODE_LASTS, NewPerson, Organisation, Person
from services.people.oidc.links import link_person, unlink_person
from services.people.oidc.provider import client_of_settings
from services.people.roles import GRANTED
from services.runtime.clock import credential_clock
from services.runtime.problem import HttpProblem
from services.runtime.settings import Settings, SettingsError

NAME = "people"
HELP = "Accounts of people: add, list, roles, disable, reset; and the organisations to which they belong."
BY = "console"
"""In place of a name: whoever holds the database."""
ROLE_HELP = f"what they may do, of {', '.join(sorted(GRANTED))}, with commas between"


def arguments(parser: argparse.ArgumentParser) -> None:
    """One subcommand each for what is done with an account."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    add = actions.add_parser("add", help="add a person and print the one-time code with which they set a password")
    add.add_argument("login", type=login, help="what they type to sign in: a-z, 0-9, dot, hyphen")
    add.add_argument(
        "--name",
        type=operator_name,
        required=True,
        help="as it will stand beside what they do",
    )
    add.add_argument("--roles", type=role_list, default="operator", metavar="ROLE,...", help=ROLE_HELP)
    add.add_argument("--organisation", metavar="ID", help="to which they belong")
    add.add_argument("--language", choices=("es", "en"), default="es", help="of the messages to them (default: es)")
    add.set_defaults(do=_add)
    actions.add_parser("list", help="print all accounts, one a line").set_defaults(do=_list)
    roles = actions.add_parser("roles", help="give a person exactly these roles")
    roles.add_argument("login", type=login)
    roles.add_argument("roles", type=role_list, metavar="ROLE,...", help=ROLE_HELP)
    roles.set_defaults(do=_roles)
    disable = actions.add_parser("disable", help="end a person's access and sessions at once; what they did stays")
    disable.add_argument("login", type=login)
    disable.set_defaults(do=_disable)
    reset = actions.add_parser(
        "reset", help="take a person's password and second factor, enable them, and print a new one-time code"
    )
    reset.add_argument("login", type=login)
    reset.set_defaults(do=_reset)
    link = actions.add_parser("link", help="let a person sign in with their account at the identity provider")
    link.add_argument("login", type=login)
    link.add_argument("subject", help="what the provider calls them (sub); whoever is not linked is shown theirs")
    link.set_defaults(do=_link)
    unlink = actions.add_parser("unlink", help="take a person's account at the provider, and end their sessions")
    unlink.add_argument("login", type=login)
    unlink.set_defaults(do=_unlink)
    organisation = actions.add_parser("organisation", help="add an organisation, or rename one")
    organisation.add_argument("id", type=login, help="its short name: a-z, 0-9, dot, hyphen")
    organisation.add_argument("--name", type=operator_name, required=True)
    organisation.add_argument("--kind", choices=ORGANISATION_KINDS, default="other")
    organisation.set_defaults(do=_organisation)


def run(arguments: argparse.Namespace) -> int:
    """Do one thing with the accounts. Exit status 1: it is refused, and why is printed."""
    settings = Settings()
    now = credential_clock(configured_clock(settings))()
    do: Callable[[Connection, argparse.Namespace, datetime], None] = arguments.do
    try:
        with migrated_database(settings, "vigia-people") as database, database.begin() as transaction:
            do(transaction, arguments, now)
    except HttpProblem as problem:
        print(problem)
        return 1
    return 0


def login(text: str) -> str:
    """A login in lower case. Raises ArgumentTypeError."""
    typed = text.strip().lower()
    if not LOGIN.fullmatch(typed):
        raise argparse.ArgumentTypeError("a login has 1 to 60 of a-z, 0-9, dot, hyphen and _")
    return typed


def _add(transaction: Connection, arguments: argparse.Namespace, now: datetime) -> None:
    new = NewPerson(arguments.login, arguments.name, arguments.roles, arguments.organisation, arguments.language)
    _print_code(arguments.login, accounts.add_person(transaction, new, by=BY, now=now))


def _list(transaction: Connection, _arguments: argparse.Namespace, _now: datetime) -> None:
    for person in accounts.list_people(transaction):
        print("\t".join((person.login, person.name, ",".join(person.roles) or "-", _state(person))))


def _state(person: Person) -> str:
    if person.disabled_at is not None:
        return f"disabled {person.disabled_at:%Y-%m-%d}"
    if not person.has_password:
        return "no password yet"
    return "password and second factor" if person.has_second_factor else "password"


def _roles(transaction: Connection, arguments: argparse.Namespace, now: datetime) -> None:
    person = accounts.find_person(transaction, arguments.login)
    accounts.set_roles(transaction, person, arguments.roles, by=BY, now=now)


def _disable(transaction: Connection, arguments: argparse.Namespace, now: datetime) -> None:
    accounts.disable_person(transaction, accounts.find_person(transaction, arguments.login), by=BY, now=now)


def _reset(transaction: Connection, arguments: argparse.Namespace, now: datetime) -> None:
    person = accounts.find_person(transaction, arguments.login)
    _print_code(arguments.login, accounts.reset_person(transaction, person, by=BY, now=now))


def _link(transaction: Connection, arguments: argparse.Namespace, now: datetime) -> None:
    client = client_of_settings(Settings())
    if client is None:
        raise SettingsError("set VIGIA_OIDC_ISSUER and VIGIA_OIDC_CLIENT_ID first: they name the provider")
    link_person(transaction, arguments.login, (client.issuer, arguments.subject), by=BY, now=now)


def _unlink(transaction: Connection, arguments: argparse.Namespace, now: datetime) -> None:
    unlink_person(transaction, arguments.login, by=BY, now=now)


def _organisation(transaction: Connection, arguments: argparse.Namespace, _now: datetime) -> None:
    accounts.add_organisation(transaction, Organisation(arguments.id, arguments.name, arguments.kind))


def _print_code(who: str, code: str) -> None:
    days = SETUP_CODE_LASTS.days
    print(f"{who}: {code}")
    print(f"Entra con este código en /entrar/primera-vez, dentro de {days} días; no se muestra otra vez.")
    print(f"They sign in with this code at /entrar/primera-vez within {days} days; it is not shown again.")
