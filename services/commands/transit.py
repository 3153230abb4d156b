"""`vigia transit ...`: what buses do, measured on recorded positions."""

import argparse
from importlib import import_module

NAME = "transit"
HELP = "Measure matching and arrival estimates on recorded positions."

SUBCOMMANDS = ("match", "score")
"""Each is a module `services.commands.transit_...`, like a command of its own."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """What to measure, and with what."""
    works = parser.add_subparsers(dest="work", metavar="WORK", required=True)
    for name in SUBCOMMANDS:
        work = import_module(f"services.commands.transit_{name}")
        one = works.add_parser(work.NAME, help=work.HELP, description=work.HELP)
        work.arguments(one)
        one.set_defaults(measure=work.run)


def run(arguments: argparse.Namespace) -> int:
    """Hand over to the work asked for."""
    status: int = arguments.measure(arguments)
    return status
