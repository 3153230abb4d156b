"""Encoded polylines. Source: Google, "Encoded Polyline Algorithm Format"."""

from collections.abc import Sequence

from models.geo import Point

UNITS_PER_DEGREE = 100_000


def encode(points: Sequence[Point]) -> str:
    """Points as text, rounded to 1e-5 degrees, about a metre."""
    written: list[str] = []
    before = (0, 0)
    for latitude, longitude in points:
        here = (round(latitude * UNITS_PER_DEGREE), round(longitude * UNITS_PER_DEGREE))
        written += (_signed(here[0] - before[0]), _signed(here[1] - before[1]))
        before = here
    return "".join(written)


def _signed(value: int) -> str:
    """A number in groups of five bits, the lowest first, with the sign in the lowest bit."""
    left = ~(value << 1) if value < 0 else value << 1
    groups = []
    while left >= 0x20:
        groups.append(chr((0x20 | left & 0x1F) + 63))
        left >>= 5
    return "".join([*groups, chr(left + 63)])
