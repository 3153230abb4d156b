"""The commands of deploy/README.md: its blocks of commands, by heading and number."""

import re

from tests.architecture.repository import ROOT

PAGE = ROOT / "deploy" / "README.md"
_BLOCK = re.compile(r"^(#+) ([^\n]+)$|^```\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks() -> dict[tuple[str, int], str]:
    """Each block by its heading and its number below it, from 1."""
    found: dict[tuple[str, int], str] = {}
    heading, number = "", 0
    for match in _BLOCK.finditer(PAGE.read_text(encoding="utf-8")):
        if match[2] is not None:
            heading, number = match[2], 0
        else:
            number += 1
            found[heading, number] = match[3]
    return found
