"""`vigia asyncapi`: the AsyncAPI document of the wire format, generated from the sensor kinds."""

import argparse
import json

from services.asyncapi import document

NAME = "asyncapi"
HELP = "Print the AsyncAPI document of the wire format."


def arguments(_: argparse.ArgumentParser) -> None:
    """No options."""


def run(_: argparse.Namespace) -> int:
    """Print the document as JSON, as stored in docs/asyncapi.json."""
    print(json.dumps(document(), indent=2, ensure_ascii=False))
    return 0
