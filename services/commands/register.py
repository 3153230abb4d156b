"""`vigia register`: the data register, generated from the sensor kinds."""

import argparse

from services.upkeep.data_register import register_page

NAME = "register"
HELP = "Print the data register: the data stored for each sensor kind, their purpose and retention."


def arguments(_: argparse.ArgumentParser) -> None:
    """No options."""


def run(_: argparse.Namespace) -> int:
    """Print the register as Markdown, as stored in docs/data-register.md."""
    print(register_page(), end="")
    return 0
