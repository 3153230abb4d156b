"""Vigía's own JSON: one object a reading, an array of them, and a device's birth and last will."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from typing import Any

from msgspec import structs
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails, from_json

from ingest.topic import DeviceTopic
from models.kind import BootId, Instant, Payload, SensorKind
from models.reading import Flag, Message, Presence, Reading, Reason, Rejected

MAX_READINGS = 1_000
MAX_DETAIL_LENGTH = 400
MAX_SHOWN_LENGTH = 60

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
"""Finds where a value ends; what it holds is not looked at, so numbers need not be made."""


class Unreadable(Exception):
    """These bytes are no reading. Never leaves `ingest.decode`, which makes it a `Rejected`."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail[:MAX_DETAIL_LENGTH]


class _Status(BaseModel):
    """A birth or a last will."""

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore", allow_inf_nan=False)

    online: bool
    observed_at: Instant | None = None
    boot: BootId | None = None


def reading(sender: DeviceTopic, message: Message, payload: bytes, flags: Flag = _NO_FLAGS) -> Reading:
    """The reading of one JSON object: the message's payload, a part of it or another form of it. Raises Unreadable."""
    try:
        return _reading(sender, message, sender.kind.parse_json(payload), flags)
    except ValidationError as error:
        raise _unreadable(error, payload) from None


def readings(sender: DeviceTopic, message: Message) -> list[Reading]:
    """All readings of an array of which every element is good; empty where one is not, or there are too many."""
    try:
        payloads = _array_of(sender.kind).validate_json(message.payload)
        if len(payloads) <= MAX_READINGS:
            return [_reading(sender, message, said, _NO_FLAGS) for said in payloads]
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


def readings_one_by_one(sender: DeviceTopic, message: Message, count: int) -> list[Reading | Rejected]:
    """Each of the `count` elements judged alone. The payload is known to be a JSON array."""
    items: list[Reading | Rejected] = []
    for place, element in enumerate(_array_elements(message.payload.decode(), count)):
        try:
            items.append(reading(sender, message, element))
        except Unreadable as unreadable:
            detail = f"element {place}: {unreadable.detail}"[:MAX_DETAIL_LENGTH]
            items.append(Rejected(structs.replace(message, payload=element), unreadable.reason, detail))
    return items


def presence(sender: DeviceTopic, message: Message) -> Presence:
    """A birth or a will: `online`, `offline`, or {"online": bool, "observed_at": ..., "boot": ...}. Raises Unreadable.

    A will was written when the device connected, so that only the broker's delivery tells when it was lost.
    """
    match message.payload.strip():
        case b"online" | b"offline" as word:
            status = _Status(online=word == b"online")
        case payload:
            try:
                status = _Status.model_validate_json(payload)
            except ValidationError as error:
                raise _unreadable(error, payload) from None
    when = message.received_at
    if status.online and status.observed_at is not None:
        # Never later than it was heard: by a clock that is ahead, no will that follows would count as newer.
        when = min(_instant(status.observed_at), message.received_at)
    return Presence(sender.kind.name, sender.municipality, sender.device, status.online, when, status.boot)


@cache
def _array_of(kind: SensorKind) -> TypeAdapter[list[Payload]]:
    return TypeAdapter(list[kind.payload])  # type: ignore[name-defined]


def _reading(sender: DeviceTopic, message: Message, said: Payload, flags: Flag) -> Reading:
    return Reading(
        sender.kind.name,
        sender.municipality,
        sender.device,
        _instant(said.observed_at),
        message.received_at,
        said.seq,
        said.boot,
        sender.kind.payload_values(said),
        flags | Flag.RETAINED if message.retained else flags,
    )


def _instant(said: str | float) -> datetime:
    """The moment in UTC. Raises Unreadable outside the years a gauge can speak of."""
    if isinstance(said, str):
        try:
            when = datetime.fromisoformat(said)
        except ValueError as fault:
            raise Unreadable(Reason.TIME, f"observed_at {said}: {fault}") from None
        if not EARLIEST_TIME <= when < LATEST_TIME:
            raise _bad_year(said)
        return when if when.tzinfo is UTC else when.astimezone(UTC)
    if _EARLIEST_S <= said < _LATEST_S:
        return datetime.fromtimestamp(said, UTC)
    if _EARLIEST_S <= said / 1000 < _LATEST_S:
        raise Unreadable(Reason.TIME, f"observed_at {said:.0f} looks like milliseconds: send seconds, divide by 1,000")
    raise _bad_year(said)


def _bad_year(said: str | float) -> Unreadable:
    years = f"{EARLIEST_TIME.year} and {LATEST_TIME.year}"
    return Unreadable(Reason.TIME, f"observed_at {said} is not between {years}: set the device's clock")


def shown(value: object) -> str:
    """A value at fault as a detail may show it: short, and ASCII, whatever it was."""
    return ascii(value)[:MAX_SHOWN_LENGTH]


def _array_elements(text: str, count: int) -> Iterator[bytes]:
    """The elements of a well-formed array, each byte for byte as it stands."""
    end = text.index("[") + 1
    for _ in range(count):
        start = _SEPARATOR.match(text, end).end()  # type: ignore[union-attr]
        _, end = _SCANNER.raw_decode(text, start)
        yield text[start:end].encode()


def _unreadable(error: ValidationError, payload: bytes) -> Unreadable:
    """What the first fault is, and what to do about it."""
    first = error.errors(include_url=False)[0]
    place = first["loc"]
    if first["type"] == "json_invalid":
        return _not_json(payload, str(first["ctx"]["error"]))
    if not place:
        return Unreadable(Reason.SHAPE, _shape(first))
    if place[0] == "observed_at":
        return Unreadable(Reason.TIME, _TIME_ADVICE)
    got = "" if first["type"] == "missing" else f", got {shown(first['input'])}"
    return Unreadable(Reason.FIELD, f"{'.'.join(map(str, place))}: {first['msg']}{got}")


def _shape(fault: ErrorDetails) -> str:
    if fault["type"] == "model_type":
        return f"a reading is a JSON object, got {shown(fault['input'])}"
    return fault["msg"].removeprefix("Value error, ")


def _not_json(payload: bytes, fault: str) -> Unreadable:
    try:
        text = payload.decode()
    except UnicodeDecodeError as error:
        return Unreadable(Reason.ENCODING, f"not UTF-8 at byte {error.start}: send JSON in UTF-8")
    if text.startswith("\ufeff"):
        return Unreadable(Reason.ENCODING, "starts with a byte order mark: send plain UTF-8 without it")
    return Unreadable(Reason.SYNTAX, f"not JSON: {fault}; send one object, an array of objects or SenML")
