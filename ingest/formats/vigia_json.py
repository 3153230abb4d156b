"""Decode Vigía's own JSON: one object per reading, an array of them, and a device's birth and last will."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from difflib import get_close_matches
from functools import cache
from itertools import islice
from typing import Any

from msgspec import structs
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails, from_json

from ingest.topic import DeviceTopic
from models.json_keys import key_given_twice
from models.kind import BootId, Instant, Payload, SensorKind
from models.reading import Flag, Message, Presence, Reading, Reason, Rejected

MAX_READINGS = 1_000
MAX_DETAIL_LENGTH = 400
MAX_SHOWN_LENGTH = 60
MAX_NAMES_COMPARED = 50
"""Fields of a reading among which a misspelt one is looked for."""

EARLIEST_TIME = datetime(2000, 1, 1, tzinfo=UTC)
LATEST_TIME = datetime(2100, 1, 1, tzinfo=UTC)

_EARLIEST_S = EARLIEST_TIME.timestamp()
_LATEST_S = LATEST_TIME.timestamp()
_TIME_ADVICE = (
    "observed_at must be RFC 3339 with an offset (2013-04-02T19:05:00Z) or seconds since 1970-01-01 UTC, "
    "by the device's own clock: it is what tells a repeated reading from a new one"
)


_NO_FLAGS = Flag.NONE
_SEPARATOR = re.compile(r"[ \t\r\n,]*")
_SCANNER = json.JSONDecoder(parse_int=len, parse_float=len)
"""Finds where a value ends. Its content is not used, so numbers are not converted."""


class Unreadable(Exception):
    """The bytes are not a reading. `ingest.decode` catches this error and returns a `Rejected`."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail[:MAX_DETAIL_LENGTH]


class _Status(BaseModel):
    """The payload of a birth or a last will."""

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore", allow_inf_nan=False)

    online: bool
    observed_at: Instant | None = None
    boot: BootId | None = None


def parse_reading(topic: DeviceTopic, message: Message, payload: bytes, flags: Flag = _NO_FLAGS) -> Reading:
    """Parse one JSON object as a reading. Raises Unreadable.

    payload: the payload of the message, a part of it, or the JSON into which another format was converted.
    """
    try:
        parsed = topic.kind.parse_json(payload)
    except ValidationError as error:
        raise _unreadable(error, payload) from None
    if payload.count(b'"') != _quotes(topic.kind, parsed):
        refuse_keys_given_twice(payload)
    return _build_reading(topic, message, parsed, flags)


def parse_readings(topic: DeviceTopic, message: Message) -> list[Reading]:
    """All readings of an array if every element is good; empty if one is bad or there are too many."""
    try:
        payloads = _array_adapter(topic.kind).validate_json(message.payload)
        if len(payloads) <= MAX_READINGS:
            if message.payload.count(b'"') != sum(_quotes(topic.kind, one) for one in payloads):
                refuse_keys_given_twice(message.payload)
            return [_build_reading(topic, message, payload, _NO_FLAGS) for payload in payloads]
    except (ValidationError, Unreadable):
        pass
    return []


def parse_array(payload: bytes) -> list[Any]:
    """The elements of a JSON array of acceptable length. Raises Unreadable."""
    try:
        elements: list[Any] = from_json(payload, allow_inf_nan=True)
    except ValueError as error:
        raise _not_json(payload, str(error)) from None
    if not 1 <= len(elements) <= MAX_READINGS:
        raise Unreadable(Reason.SHAPE, f"an array of {len(elements):,}; send 1 to {MAX_READINGS:,} readings at a time")
    return elements


def parse_readings_one_by_one(topic: DeviceTopic, message: Message, count: int) -> list[Reading | Rejected]:
    """Parse each of the `count` elements separately. The payload must be a JSON array."""
    items: list[Reading | Rejected] = []
    for index, element in enumerate(_array_elements(message.payload.decode(), count)):
        try:
            items.append(parse_reading(topic, message, element))
        except Unreadable as unreadable:
            detail = f"element {index}: {unreadable.detail}"[:MAX_DETAIL_LENGTH]
            items.append(Rejected(structs.replace(message, payload=element), unreadable.reason, detail))
    return items


def parse_presence(topic: DeviceTopic, message: Message) -> Presence:
    """Parse a birth or a last will: `online`, `offline`, or {"online": bool, "observed_at": ..., "boot": ...}.

    A will is written when the device connects, so only the time of its delivery says when the connection was lost.
    Raises Unreadable.
    """
    match message.payload.strip():
        case b"online" | b"offline" as word:
            status = _Status(online=word == b"online")
        case payload:
            try:
                status = _Status.model_validate_json(payload)
            except ValidationError as error:
                raise _unreadable(error, payload) from None
            refuse_keys_given_twice(payload)
    since = message.received_at
    if status.online and status.observed_at is not None:
        # At most the time of receipt: with a device clock that runs ahead, no later will would count as newer.
        since = min(_parse_time(status.observed_at), message.received_at)
    return Presence(topic.kind.name, topic.municipality, topic.device, status.online, since, status.boot)


def refuse_keys_given_twice(payload: bytes) -> None:
    """Refuse JSON in which an object has a key twice, since nothing says which value is meant. Raises Unreadable."""
    key = key_given_twice(payload)
    if key is not None:
        raise Unreadable(Reason.FIELD, f"{short_repr(key)} is given twice: send each field once")


def _quotes(kind: SensorKind, parsed: Payload) -> int:
    """The quotation marks of a payload without unknown or repeated keys: two for each key and each text.

    A payload with a key twice always has more, so only one with more must be looked at closely.
    """
    values, marks = parsed.__dict__, 2 * len(parsed.__pydantic_fields_set__)
    for name in kind.text_fields:
        if type(values[name]) is str:
            marks += 2
    return marks


@cache
def _array_adapter(kind: SensorKind) -> TypeAdapter[list[Payload]]:
    return TypeAdapter(list[kind.payload])  # type: ignore[name-defined]


def _build_reading(topic: DeviceTopic, message: Message, payload: Payload, flags: Flag) -> Reading:
    return Reading(
        topic.kind.name,
        topic.municipality,
        topic.device,
        _parse_time(payload.observed_at),
        message.received_at,
        payload.seq,
        payload.boot,
        topic.kind.payload_values(payload),
        flags | Flag.RETAINED if message.retained else flags,
    )


def _parse_time(value: str | float) -> datetime:
    """An RFC 3339 text or Unix seconds as a time in UTC. Raises Unreadable outside EARLIEST_TIME to LATEST_TIME."""
    if isinstance(value, str):
        try:
            time = datetime.fromisoformat(value)
        except ValueError as error:
            raise Unreadable(Reason.TIME, f"observed_at {value}: {error}") from None
        if not EARLIEST_TIME <= time < LATEST_TIME:
            raise _bad_year(value)
        return time if time.tzinfo is UTC else time.astimezone(UTC)
    if _EARLIEST_S <= value < _LATEST_S:
        return datetime.fromtimestamp(value, UTC)
    if _EARLIEST_S <= value / 1000 < _LATEST_S:
        raise Unreadable(Reason.TIME, f"observed_at {value:.0f} looks like milliseconds: send seconds, divide by 1,000")
    raise _bad_year(value)


def _bad_year(value: str | float) -> Unreadable:
    years = f"{EARLIEST_TIME.year} and {LATEST_TIME.year}"
    return Unreadable(Reason.TIME, f"observed_at {value} is not between {years}: set the device's clock")


def short_repr(value: object) -> str:
    """A bad value for an error text: ASCII, at most MAX_SHOWN_LENGTH characters."""
    return ascii(value)[:MAX_SHOWN_LENGTH]


def _array_elements(text: str, count: int) -> Iterator[bytes]:
    """The elements of a well-formed array, each byte for byte."""
    end = text.index("[") + 1
    for _ in range(count):
        start = _SEPARATOR.match(text, end).end()  # type: ignore[union-attr]
        _, end = _SCANNER.raw_decode(text, start)
        yield text[start:end].encode()


def _unreadable(error: ValidationError, payload: bytes) -> Unreadable:
    """The first error of the payload, with advice on how to correct it."""
    first = error.errors(include_url=False)[0]
    location = first["loc"]
    if first["type"] == "json_invalid":
        return _not_json(payload, str(first["ctx"]["error"]))
    if not location:
        return Unreadable(Reason.SHAPE, _shape_detail(first))
    if location[0] == "observed_at":
        return Unreadable(Reason.TIME, _TIME_ADVICE)
    got = (
        _sent_instead(str(location[0]), first["input"])
        if first["type"] == "missing"
        else f", got {short_repr(first['input'])}"
    )
    return Unreadable(Reason.FIELD, f"{'.'.join(map(str, location))}: {first['msg']}{got}")


def _sent_instead(field: str, sent: object) -> str:
    """Which field of the sender's was probably meant to be this one, such as level_cm for level_m; else nothing."""
    if not isinstance(sent, dict):
        return ""
    stem, _, unit = field.partition("_")
    names = [
        name for name in islice(sent, MAX_NAMES_COMPARED) if isinstance(name, str) and len(name) <= MAX_SHOWN_LENGTH
    ]
    alike = [name for name in names if name.lower().partition("_")[0] == stem] or get_close_matches(field, names, 1)
    if not alike:
        return ""
    return f"; {short_repr(alike[0])} was sent: did you mean {field}" + (f", in {unit}?" if unit else "?")


def _shape_detail(fault: ErrorDetails) -> str:
    if fault["type"] == "model_type":
        return f"a reading is a JSON object, got {short_repr(fault['input'])}"
    return fault["msg"].removeprefix("Value error, ")


def _not_json(payload: bytes, fault: str) -> Unreadable:
    try:
        text = payload.decode()
    except UnicodeDecodeError as error:
        return Unreadable(Reason.ENCODING, f"not UTF-8 at byte {error.start}: send JSON in UTF-8")
    if text.startswith("\ufeff"):
        return Unreadable(Reason.ENCODING, "starts with a byte order mark: send plain UTF-8 without it")
    return Unreadable(Reason.SYNTAX, f"not JSON: {fault}; send one object, an array of objects or SenML")
