"""Keys that a JSON object has twice: parsers keep one of the two values and say nothing."""

import json
from typing import Any


class KeyTwice(ValueError):
    """An object has a key twice. The text is the key."""


def key_given_twice(body: bytes) -> str | None:
    """The first key that an object of this JSON text has twice; None where there is none, or this is no JSON."""
    try:
        json.loads(body, object_pairs_hook=_distinct)
    except KeyTwice as error:
        return str(error)
    except (ValueError, RecursionError):
        return None  # whoever parses it says what is wrong
    return None


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise KeyTwice(next(name for name in names if names.count(name) > 1))
    return found
