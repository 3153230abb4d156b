"""Parsers of GTFS fields. Each takes stripped text, and raises ValueError with the expected form."""

import math
import re
from collections.abc import Callable, Container
from datetime import date
from typing import TypeVar
from zoneinfo import ZoneInfo

from ingest.gtfs.findings import Findings

Value = TypeVar("Value")

MAX_ID_LENGTH = 255
MAX_HOURS = 168
"""Limit of hours in a time: a trip ends within a week of its service date."""
BLANK, UNREADABLE = -1, -2

_TIME = re.compile(r"([0-9]{1,3}):([0-5][0-9]):([0-5][0-9])")
_INTEGER = re.compile(r"([0-9]{1,9})(?:\.0*)?")
_COLOR = re.compile(r"#?([0-9A-Fa-f]{6})")


def parse_or_refuse(
    findings: Findings, where: str, column: str, text: str, parse: Callable[[str], Value], otherwise: Value
) -> Value:
    """Parse a field. A bad value is refused in `findings`, and `otherwise` is returned so that reading continues."""
    try:
        return parse(text)
    except ValueError as error:
        findings.refuse(where, f'{column} "{text[:60]}": {error}')
        return otherwise


def is_usable_id(findings: Findings, where: str, column: str, name: str, taken: Container[str]) -> bool:
    """Whether an id can be used: not empty, not too long and not taken. If not, it is refused in `findings`."""
    if name and len(name) <= MAX_ID_LENGTH and name not in taken:
        return True
    expected = f"an id of 1 to {MAX_ID_LENGTH} characters" if name not in taken else "an id that no row before has"
    findings.refuse(where, f'{column} "{name[:60]}": expected {expected}')
    return False


def parse_time_s(text: str) -> int:
    """Seconds after noon minus 12 h, from H:MM:SS or HH:MM:SS; past 24:00:00 for times after midnight."""
    match = _TIME.fullmatch(text)
    if match is None or (hours := int(match[1])) >= MAX_HOURS:
        raise ValueError("expected a time as H:MM:SS, such as 25:10:00 for 1:10 after midnight")
    return hours * 3600 + int(match[2]) * 60 + int(match[3])


def parse_date(text: str) -> date:
    """A date as YYYYMMDD."""
    try:
        if re.fullmatch("[0-9]{8}", text):
            return date(int(text[:4]), int(text[4:6]), int(text[6:]))
    except ValueError:
        pass
    raise ValueError("expected a date as YYYYMMDD, such as 20260302")


def without_decimals(text: str) -> str:
    """An integer without decimals: 1.0 becomes 1, as programs write integer columns with gaps. Other text unchanged."""
    match = _INTEGER.fullmatch(text)
    return match[1] if match else text


def parse_integer(text: str) -> int:
    """An integer from 0."""
    match = _INTEGER.fullmatch(text)
    if match is None:
        raise ValueError("expected a whole number")
    return int(match[1])


def degrees_parser(most: float) -> Callable[[str], float]:
    """A parser of decimal degrees from -most to most."""

    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not abs(value) <= most:
            raise ValueError(f"expected decimal degrees from -{most:g} to {most:g}")
        return value

    return parse


parse_latitude = degrees_parser(90)
parse_longitude = degrees_parser(180)


def parse_weekday(text: str) -> bool:
    """1 if the service runs on that weekday, 0 if not."""
    if without_decimals(text) not in {"0", "1"}:
        raise ValueError("expected 0 or 1")
    return without_decimals(text) == "1"


def parse_timezone(text: str) -> ZoneInfo:
    """A time zone of the IANA database."""
    try:
        return ZoneInfo(text)
    except (ValueError, OSError, KeyError) as error:
        raise ValueError("expected a time zone of the IANA list, such as America/Argentina/Buenos_Aires") from error


def parse_color(findings: Findings, where: str, text: str) -> str:
    """Six hex digits in upper case; empty for a bad colour, which is only a warning."""
    if not text:
        return ""
    match = _COLOR.fullmatch(text)
    if match is None:
        findings.warn("a colour that is not six hex digits is left out", where)
        return ""
    return match[1].upper()


class TimeCache(dict[str, int]):
    """Cache of `parse_time_s` for texts that repeat often. BLANK or UNREADABLE instead of an error."""

    def __missing__(self, text: str) -> int:
        try:
            value = parse_time_s(text) if text else BLANK
        except ValueError:
            value = UNREADABLE
        self[text] = value
        return value


class IntegerCache(dict[str, int]):
    """Cache of `parse_integer` for texts that repeat often. BLANK or UNREADABLE instead of an error."""

    def __missing__(self, text: str) -> int:
        try:
            value = parse_integer(text) if text else BLANK
        except ValueError:
            value = UNREADABLE
        self[text] = value
        return value


class CodeCache(dict[str, int]):
    """Cache of one-digit codes, such as pickup_type. A code that is not one digit counts as 0."""

    def __missing__(self, text: str) -> int:
        value = self[text] = int(without_decimals(text)) if re.fullmatch("[0-9]", without_decimals(text)) else 0
        return value
