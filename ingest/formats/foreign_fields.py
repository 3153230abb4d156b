"""Field checks shared by the formats of other systems: device names, texts and numbers within bounds.

Vigía's operators cannot correct those senders. A field out of bounds is therefore left out, and the position is kept.
"""

import re
from hashlib import blake2s

from models.kinds.bus import DATE_PATTERN, MAX_NAME_CHARS, TIME_PATTERN

DATE = re.compile(DATE_PATTERN)
TIME_OF_DAY = re.compile(TIME_PATTERN)
_VALID_NAME = re.compile("[a-z0-9-]{1,64}")
_INVALID_CHARACTERS = re.compile("[^a-z0-9]+")
_MAX_SLUG_LENGTH = 57


def device_name(name: str) -> str:
    """A valid device name for Vigía's topics. A name that must be changed gets a hash of the original as suffix."""
    if _VALID_NAME.fullmatch(name):
        return name
    suffix = blake2s(name.encode(errors="surrogatepass"), digest_size=3).hexdigest()
    return f"{_INVALID_CHARACTERS.sub('-', name.lower()).strip('-')[:_MAX_SLUG_LENGTH]}-{suffix}"


def name_or_none(text: str | None) -> str | None:
    """The text if it is printable and not too long, else None."""
    return text if text and len(text) <= MAX_NAME_CHARS and text.isprintable() else None


def within_or_none(value: float | None, low: float, high: float) -> float | None:
    """The number if it is within the bounds, else None."""
    return value if value is not None and low <= value <= high else None


def integer_or_none(value: float | None, low: int, high: int) -> int | None:
    """The number rounded to an integer if it is within the bounds, else None."""
    return None if within_or_none(value, low, high) is None or value is None else round(value)
