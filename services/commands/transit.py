"""`vigia transit ...`: measure matching and predictions on recorded positions."""

import argparse
from importlib import import_module

NAME = "transit"
HELP = "Measure matching and arrival estimates on recorded positions."

SUBCOMMANDS = ("match", "score")
"""Each is a module `services.commands.transit_...` with the functions of a command."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """The subcommand and its arguments."""
    subparsers = parser.add_subparsers(dest="work", metavar="WORK", required=True)
    for name in SUBCOMMANDS:
        module = import_module(f"services.commands.transit_{name}")
        subparser = subparsers.add_parser(module.NAME, help=module.HELP, description=module.HELP)
        module.arguments(subparser)
        subparser.set_defaults(measure=module.run)


def run(arguments: argparse.Namespace) -> int:
    """Run the subcommand."""
    status: int = arguments.measure(arguments)
    return status
