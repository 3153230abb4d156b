"""Command line of Vigía: `vigia COMMAND`. Each command is a module of `services.commands`."""

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import version
from typing import Any

from pydantic import ValidationError
from sqlalchemy.exc import OperationalError

from models.migrations.refused import MigrationRefused
from models.migrations.timescale import missing_extension
from services.commands import COMMANDS
from services.runtime.settings import Settings, SettingsError


class PrintVersion(argparse.Action):
    """Print the version of the installed package and the commit of its image, and exit."""

    def __call__(self, parser: argparse.ArgumentParser, *_: str | Sequence[Any] | argparse.Namespace | None) -> None:
        """Called by argparse at `--version`."""
        commit = os.environ.get("VIGIA_COMMIT")
        print(f"vigia {version('vigia')}" + (f" ({commit})" if commit else ""))
        parser.exit()


def parser(wanted: str | None = None) -> argparse.ArgumentParser:
    """The parser of all commands, or only of `wanted`, so that the imports of the others are skipped."""
    root = argparse.ArgumentParser(prog="vigia", description="Monitoreo municipal: del sensor a la persona que decide.")
    root.add_argument("--version", action=PrintVersion, nargs=0, help="Print the version and exit.")
    commands = root.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name in (wanted,) if wanted in COMMANDS else COMMANDS:
        command = import_module(f"services.commands.{name.replace('-', '_')}")
        command_parser = commands.add_parser(command.NAME, help=command.HELP, description=command.HELP)
        command.arguments(command_parser)
        command_parser.set_defaults(run=command.run)
    return root


def main(words: list[str] | None = None) -> int:
    """Run one command and return its exit status. 2: a wrong call, setting, file or schema. 1: no database."""
    words = sys.argv[1:] if words is None else words
    arguments = parser(words[0] if words else None).parse_args(words)
    try:
        status: int = arguments.run(arguments)
    except (SettingsError, MigrationRefused) as error:
        return _print_error(str(error), 2)
    except ValidationError as error:
        if error.title != Settings.__name__:
            raise
        return _print_error(_wrong_settings(error), 2)
    except OperationalError as error:
        if (what_to_do := missing_extension(str(error.orig))) is not None:
            return _print_error(what_to_do, 2)
        return _print_error(f"la base de datos no responde / the database does not answer: {error.orig}", 1)
    except KeyboardInterrupt:
        return 130
    return status


def _print_error(message: str, status: int) -> int:
    print(f"vigia: {message}", file=sys.stderr)
    return status


def _wrong_settings(error: ValidationError) -> str:
    """The wrong variables and why they are wrong, without their values, which may be secret."""
    faults = error.errors(include_url=False, include_input=False)
    return "; ".join(f"VIGIA_{str(fault['loc'][0]).upper()}: {fault['msg']}" for fault in faults)


if __name__ == "__main__":
    sys.exit(main())
