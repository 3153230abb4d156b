"""`vigia asyncapi`: the wire format as a document for machines, derived from the kinds of sensor."""

import argparse
import json

from services.asyncapi import document

NAME = "asyncapi"
HELP = "Print the AsyncAPI document of the wire format."


def arguments(_: argparse.ArgumentParser) -> None:
    """It takes none."""


def run(_: argparse.Namespace) -> int:
    """Print it as JSON, as kept in docs/asyncapi.json."""
    print(json.dumps(document(), indent=2, ensure_ascii=False))
    return 0
