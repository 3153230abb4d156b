"""Evidence of an alert as text: the numbers that a rule stored, with names, units and thresholds. Pure functions."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from math import isfinite
from typing import Any

from models.alert import NAR, Cause
from models.reading import Flag
from services.web.pages.language import Words

_DECIMALS = {"m": 2, "mm": 1, "kmh": 0, "min": 0, "mmh": 0, "v": 1, "points": 2, "score": 1}
_UNITS = {"m": "m", "mm": "mm", "kmh": "km/h", "min": "min", "mmh": "mm/h", "v": "V"}
_COLOUR_KEYS = ("rain", "upstream", "stage", "proven")
_COLOURS = frozenset(NAR)
_WINDOWS = {900: "15_min", 3600: "1_h", 10_800: "3_h"}
"""By their length in seconds, the windows as the words and the evidence of rain name them."""
MAX_LINES = 40
MAX_VALUE_CHARS = 300


def evidence_lines(words: Words, evidence: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Each value of the evidence as (label, text). A key that the dictionary does not know is shown as stored."""
    shown = [(key, value) for key, value in evidence.items() if value is not None][:MAX_LINES]
    return [(_label(words, key), _text(words, key, value)[:MAX_VALUE_CHARS]) for key, value in shown]


def headline(words: Words, nar: NAR, cause: str, evidence: Mapping[str, Any]) -> str | None:
    """The main evidence for the level `nar` in a few words: a value with its threshold, or rain; None without one."""
    if cause == Cause.UPSTREAM:
        return None
    if cause == Cause.RAIN:
        return _rain_headline(words, nar, evidence)
    match evidence:
        case {"level_m": float() | int() as value}:
            return _with_threshold(words, value, "m", 2, _threshold_of(evidence.get("thresholds_m"), nar))
        case {"fastest_over_kmh": float() | int() as over, "limit_kmh": float() | int() as limit}:
            return _with_threshold(words, limit + over, "km/h", 0, limit)
    return None


def old_reading(words: Words, evidence: Mapping[str, Any]) -> str | None:
    """What to make of a colour that an old reading raised; None where the reading was of the present."""
    match evidence:
        case {"reading_age_s": float() | int() as age_s}:
            return words("alert.old_reading", span=words.span(age_s))
    return None


def _rain_headline(words: Words, nar: NAR, evidence: Mapping[str, Any]) -> str | None:
    """The rain limit that raised a stream, or the shortest window of a gauge that reached the level's threshold.

    Of a stream whose gauges only held their colour, nothing. Else the shortest window known.
    """
    match evidence:
        case {"rain_limit": {"rain_mm": float() | int() as mm, "threshold_mm": limit, "window_s": window_s}} if (
            window_s in _WINDOWS
        ):
            return words(f"rain.within_{_WINDOWS[window_s]}", amount=_with_threshold(words, mm, "mm", 1, limit))
        case {"rain": int() as held} if held and "in_15_min_mm" not in evidence:
            return None
    amounts = [(window, evidence.get(f"rain_{window}_mm")) for window in _WINDOWS.values()]
    known = [(window, amount) for window, amount in amounts if isinstance(amount, float | int)]
    limits = {window: _threshold_of(evidence.get(f"in_{window}_mm"), nar) for window, _ in known}
    reached = [one for one in known if (limit := limits[one[0]]) is not None and one[1] >= limit]
    for window, amount in (reached or known)[:1]:
        return words(f"rain.within_{window}", amount=_with_threshold(words, amount, "mm", 1, limits[window]))
    return None


def _with_threshold(words: Words, value: float, unit: str, decimals: int, threshold: object) -> str:
    measured = f"{words.number(value, decimals)} {unit}"
    if not isinstance(threshold, float | int):
        return measured
    return words("alert.against", value=measured, threshold=f"{words.number(threshold, decimals)} {unit}")


def _threshold_of(thresholds: Any, nar: NAR) -> float | None:
    match thresholds:
        case [float() | int(), float() | int(), float() | int()] if nar:
            return float(thresholds[nar - 1])
    return None


def _label(words: Words, key: str) -> str:
    return words(f"evidence.{key}") if words.has(f"evidence.{key}") else key


def _text(words: Words, key: str, value: object) -> str:
    match value:
        case bool():
            return words("yes" if value else "no")
        case int() | float():
            return _number(words, key, value)
        case str() if key == "process" and words.has(f"dead.{value}"):
            return words(f"dead.{value}")
        case str():
            return _moment(words, value) if key.endswith("_at") else value
        case Mapping():
            items = ((_label(words, str(inner)), _text(words, str(inner), one)) for inner, one in value.items())
            return "; ".join(f"{label}: {text}" for label, text in items)
        case Sequence():
            return _flags(words, value) if key == "flags" else " · ".join(_text(words, key, one) for one in value)
    return str(value)


def _number(words: Words, key: str, value: float) -> str:
    if isinstance(value, int) and key == "flags":
        return _flags(words, [flag.name for flag in Flag(value)])
    if key in _COLOUR_KEYS and value in _COLOURS:
        return words(f"nar.{NAR(int(value)).name.lower()}")
    return _amount(words, key, float(value))


def _flags(words: Words, names: Sequence[object]) -> str:
    keys = [(f"flag.{name}".lower(), str(name)) for name in names]
    return ", ".join(words(key) if words.has(key) else name for key, name in keys) or words("station.good")


def _amount(words: Words, key: str, value: float) -> str:
    if not isfinite(value):
        return str(value)
    ending = key.rsplit("_", 1)[-1]
    if ending == "s":
        return words.span(value)
    if key.startswith(("chance", "raise_chance", "least_chance", "share")):
        return f"{words.number(100 * value)} %"
    decimals = _DECIMALS.get(ending, 0 if value.is_integer() else 2)
    return f"{words.number(value, decimals)} {_UNITS.get(ending, '')}".rstrip()


def _moment(words: Words, value: str) -> str:
    try:
        at = datetime.fromisoformat(value)
    except ValueError:
        return value
    return words.full(at) if at.tzinfo else value
