"""The command line: `vigia COMMAND`, one module a command in `services.commands`."""

import argparse
import sys
from importlib import import_module

from services.commands import COMMANDS
from services.runtime import SettingsTrouble


def parser() -> argparse.ArgumentParser:
    """Every command with its options. Commands are imported here, so that one's dependencies never slow a reader."""
    root = argparse.ArgumentParser(prog="vigia", description="Monitoreo municipal: del sensor a la persona que decide.")
    commands = root.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name in COMMANDS:
        command = import_module(f"services.commands.{name}")
        one = commands.add_parser(command.NAME, help=command.HELP, description=command.HELP)
        command.arguments(one)
        one.set_defaults(run=command.run)
    return root


def main(words: list[str] | None = None) -> int:
    """Run one command; its result is the exit status. 2: the call, a setting or a file is wrong."""
    arguments = parser().parse_args(words)
    try:
        status: int = arguments.run(arguments)
    except SettingsTrouble as trouble:
        print(f"vigia: {trouble}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return status


if __name__ == "__main__":
    sys.exit(main())
