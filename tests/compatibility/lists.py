"""Lists of items in sections, stored as TOML with one item a line, and the difference of two such lists."""

import json
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path

Sections = Mapping[str, Sequence[str]]
"""The sorted items of each section."""


def read(path: Path) -> dict[str, list[str]]:
    """Read a stored list. Empty if the file does not exist."""
    return tomllib.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def write(path: Path, header: str, sections: Sections) -> None:
    """Store a list, one item a line, below a comment."""
    parts = [
        f"{name if name.isidentifier() else json.dumps(name)} = [\n"
        + "".join(f"    {json.dumps(item, ensure_ascii=False)},\n" for item in items)
        + "]\n"
        for name, items in sorted(sections.items())
    ]
    path.write_text("\n".join((header, *parts)), encoding="utf-8")


def differences(expected: Sections, found: Sections) -> list[str]:
    """A line for each item that was removed from a section or added to it."""
    return [
        f"{change} {section}: {item}"
        for section in sorted(expected.keys() | found.keys())
        for change, items, others in (("removed", expected, found), ("added", found, expected))
        for item in sorted(set(items.get(section, ())) - set(others.get(section, ())))
    ]
