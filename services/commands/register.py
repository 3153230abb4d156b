"""`vigia register`: the register of data kept, derived from the kinds of sensor."""

import argparse

from services.upkeep.data_register import register_page

NAME = "register"
HELP = "Print the data register: what is kept of each kind of sensor, what for and for how long."


def arguments(_: argparse.ArgumentParser) -> None:
    """It takes none."""


def run(_: argparse.Namespace) -> int:
    """Print it as Markdown, as kept in docs/data-register.md."""
    print(register_page(), end="")
    return 0
