"""The command line: `vigia COMMAND`, one module a command in `services.commands`."""

import argparse
import sys
from importlib import import_module

from pydantic import ValidationError
from sqlalchemy.exc import OperationalError

from services.commands import COMMANDS
from services.runtime.settings import Settings, SettingsError


def parser(wanted: str | None = None) -> argparse.ArgumentParser:
    """Every command with its options, or only the one wanted: what the others need is then never imported."""
    root = argparse.ArgumentParser(prog="vigia", description="Monitoreo municipal: del sensor a la persona que decide.")
    commands = root.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name in (wanted,) if wanted in COMMANDS else COMMANDS:
        command = import_module(f"services.commands.{name}")
        one = commands.add_parser(command.NAME, help=command.HELP, description=command.HELP)
        command.arguments(one)
        one.set_defaults(run=command.run)
    return root


def main(words: list[str] | None = None) -> int:
    """Run one command; its result is the exit status. 2: the call, a setting or a file is wrong; 1: no database."""
    words = sys.argv[1:] if words is None else words
    arguments = parser(words[0] if words else None).parse_args(words)
    try:
        status: int = arguments.run(arguments)
    except SettingsError as trouble:
        return _print_error(str(trouble), 2)
    except ValidationError as trouble:
        if trouble.title != Settings.__name__:
            raise
        return _print_error(_wrong_settings(trouble), 2)
    except OperationalError as trouble:
        return _print_error(f"la base de datos no responde / the database does not answer: {trouble.orig}", 1)
    except KeyboardInterrupt:
        return 130
    return status


def _print_error(words: str, status: int) -> int:
    print(f"vigia: {words}", file=sys.stderr)
    return status


def _wrong_settings(trouble: ValidationError) -> str:
    """Which variables are wrong and why, without what they hold: it may be a secret."""
    faults = trouble.errors(include_url=False, include_input=False)
    return "; ".join(f"VIGIA_{str(fault['loc'][0]).upper()}: {fault['msg']}" for fault in faults)


if __name__ == "__main__":
    sys.exit(main())
