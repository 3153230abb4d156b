"""What formats of others have in common: their vehicles get names of ours, and a bad claim costs only itself.

Nobody here can mend their senders, so that what is out of bounds is left out, and the position kept.
"""

import re
from hashlib import blake2s

from models.kinds.bus import DATE_PATTERN, LONGEST_NAME, TIME_PATTERN

DATE = re.compile(DATE_PATTERN)
TIME_OF_DAY = re.compile(TIME_PATTERN)
_VALID_NAME = re.compile("[a-z0-9-]{1,64}")
_INVALID_CHARACTERS = re.compile("[^a-z0-9]+")
_MAX_SLUG_LENGTH = 57


def device_name(name: str) -> str:
    """A name for a device on our topics. One that has to be changed is told from its likes by a mark of its own."""
    if _VALID_NAME.fullmatch(name):
        return name
    mark = blake2s(name.encode(errors="surrogatepass"), digest_size=3).hexdigest()
    return f"{_INVALID_CHARACTERS.sub('-', name.lower()).strip('-')[:_MAX_SLUG_LENGTH]}-{mark}"


def name_or_none(said: str | None) -> str | None:
    """A name that can be kept, else None."""
    return said if said and len(said) <= LONGEST_NAME and said.isprintable() else None


def within_or_none(said: float | None, low: float, high: float) -> float | None:
    """A number within its bounds, else None."""
    return said if said is not None and low <= said <= high else None


def integer_or_none(said: float | None, low: int, high: int) -> int | None:
    """A number within its bounds, to the nearest whole one, else None."""
    return None if within_or_none(said, low, high) is None or said is None else round(said)
