"""Symbols of the city's plan as SVG paths around (0, 0): one for each kind of device and for each attention level."""

from collections.abc import Mapping

from models.alert import NAR
from models.kinds.radar import RADAR
from models.kinds.rain import RAIN
from models.kinds.river import RIVER

KIND_SYMBOLS: Mapping[str, str] = {
    RIVER.name: "M-5-2q2.5-2.6 5 0t5 0M-5 2.6q2.5-2.6 5 0t5 0",
    RAIN.name: "M0-5.4C2.2-2.4 3.9-.6 3.9 1.6A3.9 3.9 0 0 1-3.9 1.6C-3.9-.6-2.2-2.4 0-5.4Z",
    RADAR.name: "M-4.6 3.2A5.2 5.2 0 1 1 4.6 3.2M0 1.6L2.8-2.4",
}
"""Two waves, a drop, a speedometer. A kind without a line here gets OTHER_SYMBOL."""
OTHER_SYMBOL = "M-4 0H4M0-4V4"
INCIDENT_SYMBOL = "M-4 6V-6L5-3L-4 0"
"""A flag."""
LEVEL_MARKS: Mapping[NAR, str] = {
    NAR.VERDE: "M-8.5 0a8.5 8.5 0 1 0 17 0a8.5 8.5 0 1 0-17 0Z",
    NAR.AMARILLO: "M0-12.5L12.5 9H-12.5Z",
    NAR.NARANJA: "M0-13L13 0L0 13L-13 0Z",
    NAR.ROJO: "M-10.5-10.5H10.5V10.5H-10.5Z",
}
"""The shapes that a level has on every page: circle, triangle, diamond, square."""


def kind_symbol(kind: str) -> str:
    """The symbol of a kind of device."""
    return KIND_SYMBOLS.get(kind, OTHER_SYMBOL)
